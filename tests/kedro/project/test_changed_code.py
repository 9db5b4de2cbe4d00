"""Which nodes have other code than in a commit."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.kedro_projects import ProjectFolder, project_fixture

__all__ = ["project_fixture"]

HELPERS = """
def double(x):
    return 2 * x
"""
NODES = """
from functools import partial, wraps
from kedro.pipeline import Pipeline, node
from shop.helpers import double

def half(x):
    return x / 2

def plain(x):
    return x

def calls(x):
    return half(x)

def decorate(function):
    @wraps(function)
    def call(x):
        return function(x)
    return call

def apply(function, x):
    return function(x)

def register_pipelines():
    return {"__default__": Pipeline([
        node(plain, "a", "b", name="plain"),
        node(calls, "a", "c", name="calls"),
        node(decorate(plain), "a", "d", name="decorated"),
        node(partial(apply, plain), "a", "e", name="partial"),
    ])}
"""
ALL = {"plain", "calls", "decorated", "partial"}
CHANGED = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from kedro_airflow_k8s.project.changed_code import changed_files

project = Path.cwd()
bootstrap_project(project)
names = {"plain", "calls", "decorated", "partial"}
since = datetime.now(timezone.utc)
print(*changed_files(project, "__default__", names, sys.argv[1], since))
"""


def git(shop: ProjectFolder, *arguments: str) -> str:
    """What git prints."""
    user = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(
        ["git", *user, *arguments], cwd=shop.path, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(name="commit")
def _commit(project: ProjectFolder) -> str:
    """The commit of the project."""
    project.registry(NODES)
    project.write("src/shop/helpers.py", HELPERS)
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    return git(project, "rev-parse", "HEAD")


def changed(shop: ProjectFolder, commit: str) -> set[str]:
    """The nodes with other code than in a commit."""
    done = subprocess.run(
        [sys.executable, "-c", CHANGED, commit],
        cwd=shop.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("\n")[-2].split())


@pytest.mark.parametrize(
    ("old", "new", "nodes"),
    [
        ("return x / 2", "return x / 3", {"calls", "decorated", "partial"}),
        ("return half(x)", "return half(half(x))", {"calls", "decorated", "partial"}),
        ("    return x\n", "    return -x\n", {"plain", "decorated", "partial"}),
        ("import double\n", "import double\n\nLIMIT = 1\n", ALL),
    ],
)
def test_a_node_has_changed_if_its_function_has_or_what_that_calls(
    project: ProjectFolder, commit: str, old: str, new: str, nodes: set[str]
) -> None:
    assert changed(project, commit) == set()

    assert old in NODES
    project.registry(NODES.replace(old, new))

    assert changed(project, commit) == nodes


def test_a_file_that_is_imported_counts_as_a_whole(project: ProjectFolder, commit: str) -> None:
    project.write("src/shop/helpers.py", HELPERS + "# More.\n")

    assert changed(project, commit) == ALL
