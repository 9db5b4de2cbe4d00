"""The two example projects do what their pages say, in copies that hold only raw data."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROJECTS = ("spaceflights", "every-key")
RESOURCE_TAG = re.compile(r"resources\.(?P<name>.+)")

# Run inside a project, in a process of its own: Kedro keeps the project it works on in globals.
DESCRIBE = """
import json
from pathlib import Path
from kedro.framework.project import pipelines, settings
from kedro.framework.startup import bootstrap_project
from kedro.io import CatalogConfigResolver, DataCatalog

root = Path.cwd()
bootstrap_project(root)
conf = settings.CONFIG_LOADER_CLASS(
    conf_source=str(root / settings.CONF_SOURCE), **settings.CONFIG_LOADER_ARGS
)
patterns = DataCatalog.default_runtime_patterns
resolver = CatalogConfigResolver(conf["catalog"], None, patterns)
pipeline = pipelines["__default__"]
print(json.dumps({
    "nodes": {
        node.name: {
            "tags": sorted(node.tags),
            "prefixes": node.namespace_prefixes,
            "doc": node.func.__doc__,
        }
        for node in pipeline.nodes
    },
    "datasets": {
        name: resolver.resolve_pattern(name)
        for name in pipeline.datasets() if not name.startswith(("params:", "parameters"))
    },
    "declared": list(conf["catalog"]),
}))
"""


def run_python(project: Path, *arguments: str, hash_seed: str = "0") -> str:
    """Run this Python in the folder of a project and return what it prints."""
    environment = {
        **os.environ,
        "KEDRO_DISABLE_TELEMETRY": "1",
        "PYTHONHASHSEED": hash_seed,
    }
    environment.pop("KEDRO_ENV", None)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copy_of(name: str, folder: Path) -> Path:
    """Copy an example without what earlier runs left in its data folder."""
    outputs = shutil.ignore_patterns("0[2-8]_*", "__pycache__", "*.egg-info", ".venv*")
    return Path(shutil.copytree(EXAMPLES / name, folder / name, ignore=outputs))


@pytest.fixture(scope="module", params=PROJECTS)
def described(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """Give the name of an example and what Kedro says about its pipelines and datasets."""
    name: str = request.param
    project = copy_of(name, tmp_path_factory.mktemp("described"))
    return name, json.loads(run_python(project, "-c", DESCRIBE).splitlines()[-1])


def test_the_script_makes_the_committed_raw_data_to_the_byte(tmp_path: Path) -> None:
    project = EXAMPLES / "spaceflights"
    run_python(project, str(project / "scripts" / "make_data.py"), str(tmp_path))
    committed = project / "data" / "01_raw"
    names = {"companies.csv", "reviews.csv", "shuttles.csv"}
    assert {path.name for path in committed.iterdir()} == names
    assert {path.name for path in tmp_path.iterdir()} == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (committed / name).read_bytes(), name


def test_two_runs_of_spaceflights_end_with_the_same_metrics(tmp_path: Path) -> None:
    metrics = []
    for seed in ("1", "2"):
        project = copy_of("spaceflights", tmp_path / seed)
        run_python(project, "-m", "kedro", "run", hash_seed=seed)
        metrics.append((project / "data" / "08_reporting" / "metrics.json").read_bytes())
    assert metrics[0] == metrics[1]

    found = json.loads(metrics[0])
    errors = {name: one["mean_absolute_error"] for name, one in found["candidates"].items()}
    assert set(errors) == {"linear", "forest"}
    assert found["chosen"] == min(errors, key=errors.__getitem__)
    # A model that learned nothing would have an r2 of about 0.
    assert all(one["r2"] > 0.8 for one in found["candidates"].values())


def test_every_key_counts_the_words_of_its_letter(tmp_path: Path) -> None:
    project = copy_of("every-key", tmp_path)
    run_python(project, "-m", "kedro", "run", "--params=env=prod")
    report = (project / "data" / "08_reporting" / "report.txt").read_text()
    assert "'the' comes 6 times" in report
    assert "Environment prod, day unscheduled" in report
    run_python(project, "-m", "kedro", "run", "--params=reading.leave_out=[the]")
    assert "'at' comes 3 times" in (project / "data/08_reporting/report.txt").read_text()


def test_no_two_datasets_are_one_file(described: tuple[str, dict[str, Any]]) -> None:
    _, project = described
    stored = [found["filepath"] for found in project["datasets"].values() if "filepath" in found]
    assert stored
    assert len(set(stored)) == len(stored)


@pytest.mark.parametrize("described", ["spaceflights"], indirect=True)
def test_spaceflights_declares_what_comes_in_and_what_is_kept_and_nothing_between(
    described: tuple[str, dict[str, Any]],
) -> None:
    _, project = described
    in_memory = {name for name, found in project["datasets"].items() if "filepath" not in found}
    assert in_memory == {
        "data_processing.clean_companies",
        "data_processing.clean_reviews",
        "data_processing.clean_shuttles",
        "model_input_table",
        "data_science.x_train",
        "data_science.y_train",
        "x_test",
        "y_test",
        "data_science.forest_model",
        "data_science.forest_metrics",
        "data_science.linear_model",
        "data_science.linear_metrics",
    }


def test_every_resource_tag_names_an_entry_of_the_configuration(
    described: tuple[str, dict[str, Any]],
) -> None:
    name, project = described
    path = EXAMPLES / name / "conf" / "base" / "airflow-k8s.yaml"
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))["run_config"]["resources"]
    tags = [tag for node in project["nodes"].values() for tag in node["tags"]]
    asked = {found["name"] for tag in tags if (found := RESOURCE_TAG.fullmatch(tag))}
    assert asked, "the example shows no resource tag"
    # Both ways: an entry that no node asks for would be dead text in an example.
    assert asked == set(declared) - {"__default__"}


def test_every_node_says_what_it_does(described: tuple[str, dict[str, Any]]) -> None:
    _, project = described
    assert [name for name, node in project["nodes"].items() if not node["doc"]] == []


@pytest.mark.parametrize("described", ["spaceflights"], indirect=True)
def test_spaceflights_shows_what_its_page_promises(
    described: tuple[str, dict[str, Any]],
) -> None:
    _, project = described
    prefixes = {prefix for node in project["nodes"].values() for prefix in node["prefixes"]}
    assert len(project["nodes"]) >= 9
    assert prefixes == {
        "data_processing",
        "data_science",
        "data_science.linear",
        "data_science.forest",
        "reporting",
    }
    assert any(found.get("versioned") for found in project["datasets"].values())
    assert any("{" in name for name in project["declared"])
