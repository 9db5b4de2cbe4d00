"""What a real Airflow says of a DAG file after it has parsed it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.strategies import IMAGE, config_of

SCRIPTS = Path(__file__).parent / "airflow_scripts"
ONE_NODE = (PipelineNode("a"),)


def parsed_dag(
    python: Path,
    home: Path,
    script: str,
    run_config: dict[str, Any],
    nodes: tuple[PipelineNode, ...] = ONE_NODE,
) -> dict[str, Any]:
    """What a script prints of a DAG with a volume and these settings.

    Args:
        python: Airflow's interpreter.
        home: A new folder for Airflow.
        script: The name of a script in tests/support/airflow_scripts.
        run_config: The settings.
        nodes: Of the pipeline.
    """
    pipeline = ProjectPipeline("shop", "local", True, "__default__", nodes, "none", parameters={})
    plan = build_plan(pipeline, config_of({"image": IMAGE, **run_config}))
    (home / "dags").mkdir()
    (home / "dags" / "shop.py").write_text(render_dag(plan).source)
    done = subprocess.run(
        [python, SCRIPTS / script, home / "dags"],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__")},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
