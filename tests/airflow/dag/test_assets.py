"""Assets in real Airflow: their URIs, and those of tasks."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.catalog import Catalog
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.catalogs import catalog_entries
from tests.support.strategies import IMAGE, config_of

pytestmark = pytest.mark.core

SCRIPTS = Path(__file__).parents[2] / "support/airflow_scripts"
Sanitize = Callable[[str], dict[str, Any]]


def environment(home: Path) -> dict[str, str]:
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__")},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }


@pytest.fixture(scope="module", params=AIRFLOW_PYTHONS)
def sanitize(request: Any, tmp_path_factory: Any) -> Iterator[Sanitize]:
    """What a real Airflow makes of a URI."""
    home = tmp_path_factory.mktemp("home")
    with subprocess.Popen(
        [request.param, SCRIPTS / "asset_uris.py"],
        env=environment(home),
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        questions, answers = process.stdin, process.stdout
        assert questions is not None
        assert answers is not None

        def ask(uri: str) -> dict[str, Any]:
            questions.write(json.dumps(uri) + "\n")
            questions.flush()
            for line in answers:
                # Airflow logs to standard output as well.
                if line.startswith("{"):
                    found: dict[str, Any] = json.loads(line)
                    return found
            raise AssertionError("Airflow has ended")

        yield ask
        questions.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(entry=catalog_entries())
def test_airflow_takes_the_uri_of_any_dataset_as_it_is(
    sanitize: Sanitize, entry: dict[str, Any]
) -> None:
    for uri in Catalog({"orders": entry}).places(["orders"]).values():
        assert sanitize(uri) == {"uri": uri, "name": uri, "warnings": []}


@pytest.mark.parametrize(
    "uri",
    [
        "s3://shop/orders.csv",
        "gs://shop/",
        "abfs://account.dfs.core.windows.net/container/orders.csv",
        "hdfs://namenode:8020/a%20b",
        "bigquery://shop/sales/orders",
        "x-table://shop_db/public/orders",
    ],
)
def test_airflow_takes_each_kind_of_uri_as_it_is(sanitize: Sanitize, uri: str) -> None:
    assert sanitize(uri) == {"uri": uri, "name": uri, "warnings": []}


NODES = (
    PipelineNode("clean", inputs=("orders",), outputs=("clean_orders", "log")),
    PipelineNode("total", inputs=("clean_orders", "log", "params:x"), outputs=("totals",)),
    PipelineNode("report", inputs=("totals",), outputs=("report",)),
)
PLACES = {name: f"s3://shop/{name}" for name in ("orders", "clean_orders", "totals")}


def dag_of(name: str, **run_config: Any) -> str:
    pipeline = ProjectPipeline("shop", "local", True, name, NODES, "0a1b2c", places=PLACES)
    config = config_of({"image": IMAGE, "volume": {"disabled": True}, **run_config})
    return render_dag(build_plan(pipeline, config)).source


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_tasks_have_the_assets_that_their_nodes_read_and_make(python: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    visible = {"__default__": {"by": "pipeline", "nodes": "visible"}}
    variants: dict[str, dict[str, Any]] = {
        "none": {},
        "one_pod": {"grouping": "pipeline"},
        "visible": {"grouping": visible},
        "deferrable": {"grouping": visible, "deferrable": True, "on_eviction": 1},
        "off": {"assets": False},
    }
    for name, run_config in variants.items():
        (folder / f"{name}.py").write_text(dag_of(name, **{"assets": True, **run_config}))
    done = subprocess.run(
        [python, SCRIPTS / "asset_dags.py", folder],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["errors"] == {}
    orders, clean, totals = (PLACES[name] for name in ("orders", "clean_orders", "totals"))
    alone = {
        "clean": {"inlets": [orders], "outlets": [clean]},
        "total": {"inlets": [clean], "outlets": [totals]},
        "report": {"inlets": [totals], "outlets": []},
    }
    dags = {dag_id.removeprefix("shop."): tasks for dag_id, tasks in found["dags"].items()}
    assert dags["none"] == alone
    (one,) = dags["one_pod"].values()
    assert one == {"inlets": [orders], "outlets": [clean, totals]}
    for name in ("visible", "deferrable"):
        tasks = {task_id.rpartition(".")[2]: assets for task_id, assets in dags[name].items()}
        # The pod that runs the nodes has no events: the tasks of its nodes do.
        assert tasks == {**alone, "pod": {"inlets": [], "outlets": []}}
    assert all(assets == {"inlets": [], "outlets": []} for assets in dags["off"].values())
