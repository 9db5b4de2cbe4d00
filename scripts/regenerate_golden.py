"""Compile the examples and write their DAGs: the golden files.

Usage: regenerate_golden.py [--check]. With --check nothing is written, and the exit code is 1 if a
golden file is not what the plugin makes now.

Projects are compiled by the command, into their `dags` folder. A folder of `examples/features` is
not a project: its DAG follows from its configuration, pipeline, catalog and parameters alone.
"""

from __future__ import annotations

import difflib
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.catalog import Catalog
from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE, ProjectPipeline
from kedro_airflow_k8s.project.nodes import pipeline_nodes
from kedro_airflow_k8s.project.parameters import stand_in

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FEATURES = EXAMPLES / "features"
PIPELINES = {"mlflow": ("__default__",), "spaceflights": ("__default__", "data_processing")}
"""The pipelines to compile, for projects whose others are similar or cannot run alone."""


def compiled(project: Path) -> dict[str, str]:
    """Return the DAG files of a project, by name; compiled where there is no git repository."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "project")
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns("dags", "__pycache__", "logs"))
        chosen = [["--pipeline", name] for name in PIPELINES.get(project.name, ())] or [["--all"]]
        for options in chosen:
            subprocess.run(
                [sys.executable, "-m", "kedro", "airflow-k8s", "compile", *options],
                cwd=copy,
                env={
                    **{k: value for k, value in os.environ.items() if not k.startswith("KEDRO_")},
                    "KEDRO_DISABLE_TELEMETRY": "1",
                    "GIT_CEILING_DIRECTORIES": folder,
                },
                check=True,
                stdout=subprocess.DEVNULL,
            )
        return {path.name: path.read_text() for path in sorted((copy / "dags").glob("*.py"))}


def feature_dag(folder: Path) -> str:
    """Return the DAG of a folder of `examples/features`."""
    return render_dag(build_plan(*read_feature(folder))).source


def read_feature(folder: Path) -> tuple[ProjectPipeline, PluginConfig]:
    """Return the pipeline and the configuration of a folder of `examples/features`."""
    config = load_config(_content(folder / "airflow-k8s.yaml"), f"{folder.name}/airflow-k8s.yaml")
    nodes = pipeline_nodes(runpy.run_path(str(_own(folder, "pipeline.py")))["create_pipeline"]())
    catalog = Catalog(_content(_own(folder, "catalog.yml")))
    datasets = [name for node in nodes for name in (*node.inputs, *node.outputs)]
    partitioned = config.run_config.partitioned
    places = partial(catalog.places, partition=partitioned.param if partitioned else None)
    pipeline = ProjectPipeline(
        package_name=folder.name,
        env="local",
        is_default_env=True,
        name=DEFAULT_PIPELINE,
        nodes=nodes,
        commit="none",
        parameters=_content(folder / "parameters.yml"),
        catalog=catalog.entries(datasets),
        places=places(datasets),
        awaited={name: places([name]) for name in _awaited(config)},
    )
    return pipeline, config


def _awaited(config: PluginConfig) -> Sequence[str]:
    """Return the datasets that start the pipeline."""
    return config.run_config.schedule.assets if config.run_config.schedule else ()


def _own(folder: Path, name: str) -> Path:
    """Return a file of a feature, or the one that it shares with others."""
    return folder / name if (folder / name).exists() else FEATURES / name


def _content(file: Path) -> dict[str, Any]:
    text = file.read_text() if file.exists() else "{}"
    # In the catalog of runs, stand-ins take the place of runtime parameters.
    text = re.sub(r"\$\{runtime_params:(\w+),\w+\}", lambda found: stand_in(found[1]), text)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def main(check: bool) -> int:
    """Write or compare the golden files of all examples."""
    expected = {
        project.parent / "dags" / name: text
        for project in sorted(EXAMPLES.glob("*/pyproject.toml"))
        for name, text in compiled(project.parent).items()
    }
    for config in sorted(FEATURES.glob("*/airflow-k8s.yaml")):
        expected[config.with_name("dag.py")] = feature_dag(config.parent)
    golden = {*EXAMPLES.glob("*/dags/*.py"), *FEATURES.glob("*/dag.py")}
    found = {path: path.read_text() for path in golden}
    differing = [p for p in sorted({*expected, *found}) if found.get(p) != expected.get(p)]
    for path in differing:
        label = str(path.relative_to(EXAMPLES.parent))
        old, new = (texts.get(path, "").splitlines(keepends=True) for texts in (found, expected))
        sys.stdout.writelines(difflib.unified_diff(old, new, label, label))
        if check:
            continue
        if path in expected:
            path.parent.mkdir(exist_ok=True)
            path.write_text(expected[path])
        else:
            path.unlink()
    if check and differing:
        print(f"{len(differing)} golden DAGs differ: run `make golden` and look at the change.")
    return int(check and bool(differing))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
