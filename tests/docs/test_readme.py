"""README.md: its commands work as they stand there, in their order, in a fresh Kedro project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
import yaml

from kedro_airflow_k8s.cli import airflow_k8s
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.sandbox.up import stop_sandbox

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PICTURE = ROOT / "docs/images/sandbox-run.svg"

PIPELINE = '''
from kedro.pipeline import Pipeline, node


def count(names):
    """Count the letters of each name."""
    return [len(name) for name in names]


def create_pipeline(**_):
    return Pipeline(
        [
            node(count, "params:names", "letters", name="count"),
            node(sum, "letters", "total", name="add"),
        ]
    )
'''
CATALOG = """
total:
  type: json.JSONDataset
  filepath: data/total.json
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the HTML comment above it."""

    language: str
    text: str
    comment: str


def blocks(section: str) -> list[Block]:
    """The fenced blocks below a heading, up to the next of the same or a higher level."""
    level = section.partition(" ")[0]
    body = README.split(f"\n{section}\n")[1]
    body = re.split(rf"^#{{1,{len(level)}}} ", re.sub(r"^# ", "", body), flags=re.MULTILINE)[0]
    fences = re.finditer(
        r"(?:<!-- (?P<comment>[^\n]*) -->\n)?(?P<indent> *)```(?P<language>\w+)\n"
        r"(?P<text>.*?\n) *```",
        body,
        re.DOTALL,
    )
    return [
        Block(found["language"], textwrap.dedent(found["text"]), found["comment"] or "")
        for found in fences
    ]


def run(script: str, folder: Path, home: Path) -> str:
    """Run what a person would paste into a terminal, and return what it said."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith(("KEDRO_", "AIRFLOW"))},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            # An Airflow database that is made already spares a migration.
            "XDG_CACHE_HOME": cache,
            "GIT_CEILING_DIRECTORIES": str(home),
            "DO_NOT_TRACK": "1",
            "COLUMNS": "200",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project as `kedro new` makes it, with a pipeline of two nodes."""
    run("kedro new --name=Shop --tools=none --example=n", tmp_path, tmp_path)
    project = tmp_path / "shop"
    package = project / "src/shop/pipelines/sales"
    package.mkdir()
    (package / "__init__.py").write_text(PIPELINE)
    (project / "conf/base/catalog.yml").write_text(CATALOG)
    (project / "conf/base/parameters.yml").write_text("names: [Ada, Grace]\n")
    return project


def test_the_quickstart_leads_from_a_kedro_project_to_a_dag_that_ran_and_was_uploaded(
    project: Path,
) -> None:
    home = project.parent
    said = ""
    for block in blocks("## Quickstart"):
        if not block.comment.startswith("not run"):
            said += run(block.text, project, home)

    assert f"{project}/dags/shop.py: DAG shop with 5 tasks" in said
    assert 'dag_id="shop"' in said
    assert "5 of 5 tasks succeeded, 3 pods ran" in said
    uploaded = home / "airflow/dags/shop.py"
    assert f"Uploaded DAG shop to {uploaded}" in said
    assert uploaded.read_text() == (project / "dags/shop.py").read_text()


def test_airflow_on_this_machine_takes_the_commands_in_their_order(project: Path) -> None:
    (init,) = [b for b in blocks("## Quickstart") if " init " in b.text]
    run(init.text, project, project.parent)
    (commands,) = blocks("### No Airflow yet? One on this machine")

    try:
        said = run(commands.text, project, project.parent)
    finally:
        stop_sandbox(project, print)

    assert "success: 5 of 5 tasks succeeded." in said
    assert re.search(r"^http://127\.0\.0\.1:\d+/dags/shop/runs/run-once-\S+$", said, re.MULTILINE)
    assert "The sandbox is stopped." in said


def test_what_is_shown_of_airflow_is_a_valid_configuration() -> None:
    (address,) = [b for b in blocks("## Run it in Airflow") if b.language == "yaml"]
    loaded = load_config({**yaml.safe_load(address.text), "run_config": {}}, "README.md")
    assert (loaded.host, loaded.output) == ("https://airflow.example.com", "gs://bucket/dags")


def test_the_quickstart_installs_an_extra_that_there_is() -> None:
    (install,) = [b for b in blocks("## Quickstart") if b.comment.startswith("not run")]
    extra = re.search(r"\[(\w+)\]", install.text)
    assert extra is not None
    assert re.search(rf"^{extra[1]} =$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)


def commands(group: click.Group, names: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    """All commands of a group and the groups in it, each with its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


def test_the_table_of_commands_has_every_command_with_all_its_own_options_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `(kedro airflow-k8s [^`]+)` \| (.*) \|$", README, re.MULTILINE))
    shared = {"--env", "--pipeline", "--sandbox"}
    options = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in commands(airflow_k8s, ("kedro", "airflow-k8s"))
    }

    assert rows.keys() == options.keys()
    for name, text in rows.items():
        long_options = {option for option in options[name] if option.startswith("--")} - shared
        told = set(re.findall(r"--[\w-]+", text))
        assert told <= long_options
        # What the text leaves to the sentence below the table.
        assert long_options - told <= {"--image", "--output", "--checks"}, name


def test_the_versions_that_were_tested_are_those_of_the_lock_files() -> None:
    tested = README.split("\n## Supported versions\n")[1].partition("\n## ")[0]
    locks = [(ROOT / f"requirements/airflow{n}.txt").read_text() for n in (2, 3)]
    airflows = [re.findall(r"^apache-airflow==([\d.]+)", lock, re.MULTILINE) for lock in locks]
    (kedro,) = re.findall(r"^kedro==(\d+\.\d+)", locks[1], re.MULTILINE)

    assert f"| {airflows[0][0]} and {airflows[1][0]} |" in tested
    assert f"| {kedro} |" in tested


def test_the_picture_is_of_a_run_that_succeeded_and_loads_nothing_from_elsewhere() -> None:
    text = PICTURE.read_text("utf-8")
    ElementTree.fromstring(text)

    assert "16 of 16 tasks succeeded" in text
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|url\(|<script|<image|<foreignObject", text)
    assert not re.search(r"/(tmp|root|home|work|Users)/", text)
