"""README.md: its commands work as written, in their order, in a fresh Kedro project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kedro_airflow_k8s.cli import airflow_k8s
from scripts.write_reference import commands

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


WITH_AIRFLOW = next(b for b in blocks("## Quickstart") if "init https://" in b.text)
"""In place of the `init` for runs on this machine."""


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


def test_the_quickstart_leads_from_a_kedro_project_to_a_dag_that_ran(
    project: Path,
) -> None:
    home = project.parent
    said = ""
    for block in blocks("## Quickstart"):
        if not block.comment.startswith("not run") and block != WITH_AIRFLOW:
            said += run(block.text, project, home)

    assert f"{project}/dags/shop.py: DAG shop with 5 tasks" in said
    assert "5 of 5 tasks succeeded, 3 pods ran" in said
    assert 'dag_id="shop"' in (project / "dags/shop.py").read_text()


def test_the_quickstart_sets_up_a_project_for_an_airflow(project: Path) -> None:
    run(WITH_AIRFLOW.text, project, project.parent)
    text = (project / "conf/base/airflow-k8s.yaml").read_text()
    assert "\nhost: https://airflow.example.com\n" in text
    assert f"\noutput: {project.parent}/airflow/dags\n" in text


def test_the_quickstart_installs_an_extra_that_there_is() -> None:
    (install,) = [
        b for b in blocks("## Quickstart") if b.comment == "not run by the tests: it installs"
    ]
    extra = re.search(r"\[(\w+)\]", install.text)
    assert extra is not None
    assert re.search(rf"^{extra[1]} =$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)


def test_the_table_of_commands_has_a_line_for_every_command_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `(kedro airflow-k8s [^`]+)` \| (.*) \|$", README, re.MULTILINE))

    assert rows.keys() == {name for name, _ in commands(airflow_k8s, "kedro airflow-k8s")}
    assert all(len(re.sub(r"\(.*?\)", "", text)) <= 100 for text in rows.values())


def test_the_options_of_the_quickstart_exist() -> None:
    options = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in commands(airflow_k8s, "kedro airflow-k8s")
    }
    lines = [line for block in blocks("## Quickstart") for line in block.text.splitlines()]
    called = [line for line in lines if line.startswith("kedro airflow-k8s ")]

    assert len(called) >= 5
    for line in called:
        (name,) = [name for name in options if f"{line} ".startswith(f"{name} ")]
        assert set(re.findall(r"--[\w-]+", line)) <= options[name], line


def test_the_picture_is_of_a_run_that_succeeded_and_loads_nothing_from_elsewhere() -> None:
    text = PICTURE.read_text("utf-8")
    ElementTree.fromstring(text)

    assert "16 of 16 tasks succeeded" in text
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|url\(|<script|<image|<foreignObject", text)
    assert not re.search(r"/(tmp|root|home|work|Users)/", text)
