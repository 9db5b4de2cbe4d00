"""Tiny Kedro projects in folders of their own, and `kedro` called on them as from a terminal."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.hooks import manager as cli_hooks

from tests.support.waiting import WAIT_SECONDS

PACKAGE = "shop"

IMAGE = "registry.example.com/shop:1.0"

CONFIG = f"""
run_config:
    image: {IMAGE}
"""

PYPROJECT = f"""
[tool.kedro]
package_name = "{PACKAGE}"
project_name = "Shop"
kedro_init_version = "1.0.0"
source_dir = "src"
"""

REGISTRY = """
from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

def register_pipelines():
    pipelines = find_pipelines()
    pipelines["__default__"] = sum(pipelines.values(), start=Pipeline([]))
    return pipelines
"""

SALES = """
from kedro.pipeline import Pipeline, node

def clean(orders):
    '''Drop orders without a price.'''
    return orders

def total(clean_orders):
    return clean_orders

def create_pipeline():
    return Pipeline([
        node(clean, "orders", "clean_orders", name="clean"),
        node(total, "clean_orders", "totals", name="total"),
    ])
"""

STOCK = """
from kedro.pipeline import Pipeline, node

def count(goods):
    return goods

def create_pipeline():
    return Pipeline([node(count, "goods", "counts", name="count")])
"""

CATALOG = """
orders: {type: json.JSONDataset, filepath: data/orders.json}
goods: {type: json.JSONDataset, filepath: data/goods.json}
"""
"""What comes in. All else is in memory, and the plugin takes it from task to task."""


@dataclass(frozen=True)
class ProjectFolder:
    """A Kedro project on disk, of the package `shop`."""

    path: Path

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project, its folders included."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def pipeline(self, name: str, text: str) -> Path:
        """Write a module that Kedro's `find_pipelines` looks for."""
        return self.write(f"src/{PACKAGE}/pipelines/{name}/__init__.py", text)

    def registry(self, text: str) -> Path:
        """Write what registers the pipelines in place of `find_pipelines`."""
        return self.write(f"src/{PACKAGE}/pipeline_registry.py", text)

    def settings(self, text: str) -> Path:
        """Write `settings.py`."""
        return self.write(f"src/{PACKAGE}/settings.py", text)

    def config(self, text: str, env: str = "base", name: str = "airflow-k8s.yaml") -> Path:
        """Write the plugin's configuration in an environment."""
        return self.write(f"conf/{env}/{name}", text)

    def kedro(self, *arguments: str) -> Result:
        """Call `kedro` on the project in this process, as if it had just started."""
        from kedro.framework.cli.cli import KedroCLI

        with as_in_a_new_process():
            # Click before 8.2, which Kedro 1.0 wants, mixes standard error with standard output.
            mixes = "mix_stderr" in inspect.signature(CliRunner).parameters
            separate: dict[str, Any] = {"mix_stderr": False} if mixes else {}
            return CliRunner(**separate).invoke(KedroCLI(self.path), arguments)

    def compile(self, *arguments: str) -> Result:
        """Call `kedro airflow-k8s compile`."""
        return self.kedro("airflow-k8s", "compile", *arguments)

    def start_kedro(
        self, *arguments: str, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Call `kedro` in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=cwd or self.path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )

    def dags(self, folder: str = "dags") -> dict[str, str]:
        """The text of each file in the folder of the DAGs."""
        found = self.path / folder
        return {file.name: file.read_text("utf-8") for file in sorted(found.glob("*"))}

    def dag(self) -> str:
        """The text of the only file in the folder of the DAGs."""
        (text,) = self.dags().values()
        return text


@contextmanager
def as_in_a_new_process() -> Iterator[None]:
    """Give back what Kedro changes of the process, and forget the project's modules."""
    path, environment = list(sys.path), dict(os.environ)
    # Each call adds a layer to Kedro's only one, and after some 300 of them Python gives up.
    cli_hooks._cli_hook_manager = None
    try:
        yield
    finally:
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environment)
        for name in [n for n in sys.modules if n == PACKAGE or n.startswith(f"{PACKAGE}.")]:
            del sys.modules[name]
        importlib.invalidate_caches()


def make_project(path: Path) -> ProjectFolder:
    """A project of two pipelines, `sales` and `stock`, with `__default__` for both."""
    project = ProjectFolder(path)
    project.write("pyproject.toml", PYPROJECT)
    project.write(".gitignore", "__pycache__/\n")
    project.write(f"src/{PACKAGE}/__init__.py", "")
    project.write(f"src/{PACKAGE}/pipelines/__init__.py", "")
    project.settings("")
    project.registry(REGISTRY)
    project.pipeline("sales", SALES)
    project.pipeline("stock", STOCK)
    project.config(CONFIG)
    project.write("conf/base/catalog.yml", CATALOG)
    project.write("conf/local/.gitkeep", "")
    return project


def refused(result: Result, *words: str, code: int = 1) -> str:
    """The message of a command that failed as it should: in words, and with no traceback."""
    assert result.exit_code == code, result.output + result.stderr
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output + result.stderr
    assert [line[:7] for line in result.stderr.splitlines()].count("Error: ") == 1
    for word in words:
        assert word in result.stderr
    return result.stderr


def findings(
    project: ProjectFolder, *arguments: str, without: tuple[str, ...] = ("missing-extra",)
) -> list[dict[str, Any]]:
    """What `validate` finds, as a rule without the packages that this machine lacks."""
    result = project.kedro("airflow-k8s", "validate", "--format", "json", *arguments)
    assert result.stdout, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout.splitlines()[-1])
    return [each for each in found if each["code"] not in without]


def findings_of(project: ProjectFolder, code: str) -> list[dict[str, Any]]:
    """What `validate` finds of one kind."""
    return [each for each in findings(project) if each["code"] == code]


STORED = """
orders: {type: json.JSONDataset, filepath: s3://bucket/orders.json}
goods: {type: json.JSONDataset, filepath: s3://bucket/goods.json}
"""
"""What comes in, from object storage: pods need no files of the project."""


def compiled(project: ProjectFolder, *arguments: str) -> str:
    """The text of the project's only DAG, after a compile that went well.

    Without checks: what the DAG would do on a cluster is not what is asked.
    """
    result = project.compile("--no-checks", *arguments)
    assert result.exit_code == 0, result.output + result.stderr
    return project.dag()


@pytest.fixture(name="project")
def project_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A tiny Kedro project, and an environment that says nothing of Kedro or git."""
    for name in [n for n in os.environ if n.startswith(("KEDRO_", "GIT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KEDRO_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    # A repository of this one's, above the temporary folder or not, is none of the project's.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return make_project(tmp_path / "project")
