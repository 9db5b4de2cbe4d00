"""Lineage of assets by Airflow's OpenLineage provider, written to a file, on a real Airflow 3.

OPENLINEAGE_PYTHON names a Python with Airflow 3 and this provider: `make .venv-openlineage`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.server_project import kedro, succeeded
from tests.support.airflow_servers import SETTINGS, running_airflow
from tests.support.kedro_projects import ProjectFolder
from tests.support.storage_servers import S3, s3_server  # noqa: F401 - fixture

PYTHON = os.environ.get("OPENLINEAGE_PYTHON")
BUCKET = "shop-lineage"
PIPELINE = """
from kedro.pipeline import Pipeline, node

def make():
    return {"price": 3}

def use(made):
    return made

def create_pipeline():
    return Pipeline([
        node(make, None, "made", name="make"),
        node(use, "made", "used", name="use"),
    ])
"""
CATALOG = f"""
"{{name}}":
  type: json.JSONDataset
  filepath: s3://{BUCKET}/{{name}}.json
"""
CONFIG = """
host: {host}
output: {output}
run_config:
  assets: true
  env_vars:
    AWS_ENDPOINT_URL: {s3}
    AWS_ACCESS_KEY_ID: someone
    AWS_SECRET_ACCESS_KEY: secret-of-someone
    AWS_DEFAULT_REGION: us-east-1
"""
HAS_AMAZON = "import importlib.util as u; print(bool(u.find_spec('airflow.providers.amazon')))"


@pytest.mark.skipif(not PYTHON, reason="OPENLINEAGE_PYTHON names no Python with the provider")
def test_tasks_tell_openlineage_what_they_read_and_make(
    s3_server: S3,  # noqa: F811 - fixture
    tmp_path: Path,
) -> None:
    python, events = Path(PYTHON or "."), tmp_path / "events.json"
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    settings = {**SETTINGS, "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)}
    s3_server.make_bucket(BUCKET)
    with running_airflow(python, tmp_path / "shop", settings) as server:
        project = ProjectFolder(server.project)
        project.pipeline("lineage", PIPELINE)
        project.write("conf/lineage/catalog.yml", CATALOG)
        text = CONFIG.format(host=server.url, output=server.dags, s3=s3_server.url)
        project.config(text, env="lineage")
        succeeded(kedro(server, "-e", "lineage", "run-once", "-p", "lineage", "-w", "10"))

    found = {}
    for line in events.read_text().splitlines():
        event = json.loads(line)
        if event["eventType"] == "COMPLETE":
            data = [
                [f"{dataset['namespace']}/{dataset['name']}" for dataset in event.get(key, [])]
                for key in ("inputs", "outputs")
            ]
            found[event["job"]["name"].removeprefix("shop--lineage.lineage")] = data
    made, used = f"s3://{BUCKET}/made.json", f"s3://{BUCKET}/used.json"
    if subprocess.check_output([python, "-c", HAS_AMAZON], text=True).strip() == "True":
        assert found == {".make": [[], [made]], ".use": [[made], [used]], "": [[], []]}
    else:
        # Only the provider of a storage knows how OpenLineage calls its places.
        assert found == {".make": [[], []], ".use": [[], []], "": [[], []]}
