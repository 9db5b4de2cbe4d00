"""What `KEDRO_CONFIG_<NAME>` says, and git where a variable of the two it knows is not set."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from kedro_airflow_k8s.dynamic_config.taken import take

if TYPE_CHECKING:
    from kedro_airflow_k8s.dynamic_config.repository import Head

PREFIX = "KEDRO_CONFIG_"

COMMIT_ID = "commit_id"
BRANCH_NAME = "branch_name"
FROM_GIT = (COMMIT_ID, BRANCH_NAME)
"""The names that have a value without a variable, in a git repository."""

_told: dict[str, Path] = {}
_heads: dict[Path, Head] = {}


def work_on(project: Path) -> None:
    """Name the folder of the project whose repository is meant from now on."""
    _told["project"] = project
    look_again()


def look_again() -> None:
    """Forget what git has said: something may have been committed since."""
    _heads.clear()


def variable_name(name: str) -> str:
    """The environment variable of a name, which may be written in any case."""
    return f"{PREFIX}{name.upper()}"


def value_of(name: str) -> str | None:
    """The value of a name, always a string; None if it has none.

    Args:
        name: In any case. `commit_id` is the full hash of the commit that is checked out,
            `branch_name` the branch. Where no branch is checked out, as in many CI systems, it has
            no value: set KEDRO_CONFIG_BRANCH_NAME to what the CI system says, for instance
            GITHUB_REF_NAME or CI_COMMIT_REF_NAME.
    """
    set_value = os.environ.get(variable_name(name))
    if set_value is not None:
        return take(name, set_value)
    if name.lower() not in FROM_GIT:
        return None
    head = _head()
    return head.commit if name.lower() == COMMIT_ID else head.branch


def _head() -> Head:
    """What is checked out; files use it many times over, and git is slow."""
    from kedro_airflow_k8s.dynamic_config.repository import head_of, project_around

    folder = _told.get("project") or project_around()
    if folder not in _heads:
        _heads[folder] = head_of(folder)
    return _heads[folder]


def settable(name: str) -> str:
    """The name itself if a shell can set its variable, or else the nearest that it can."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def advice(name: str) -> str:
    """How to give a name a value, in one sentence or two."""
    near = settable(name)
    if near != name:
        return (
            "names are letters, digits and `_`, as shells have it for variables. Write"
            f" ${{kedro_config:{near}}} and set the environment variable {variable_name(near)}, or"
            f" give a default: ${{kedro_config:{near},default}}."
        )
    where = (
        "git has none here (no repository, no commit, or no branch checked out). "
        if name.lower() in FROM_GIT
        else ""
    )
    return (
        f"{where}Set the environment variable {variable_name(name)}, or give a default:"
        f" ${{kedro_config:{name},default}}."
    )
