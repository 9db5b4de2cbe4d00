"""The values of names: from `KEDRO_CONFIG_<NAME>` or, for two names, from git."""

from __future__ import annotations

import os
import re
from pathlib import Path

PREFIX = "KEDRO_CONFIG_"

COMMIT_ID = "commit_id"
BRANCH_NAME = "branch_name"
FROM_GIT = (COMMIT_ID, BRANCH_NAME)
"""The names that have a value without a variable, in a git repository."""


def variable_name(name: str) -> str:
    """Return the environment variable of a name, which may be written in any case."""
    return f"{PREFIX}{name.upper()}"


def set_variables() -> dict[str, str]:
    """Return the variables of this process that are not empty, by name in lower case."""
    return {
        variable.removeprefix(PREFIX).lower(): value
        for variable, value in os.environ.items()
        if variable.startswith(PREFIX) and value
    }


def value_of(name: str, folder: Path | None = None) -> str | None:
    """Return the value of a name, always a string; None if it has none.

    Args:
        name: In any case. `commit_id` is the full hash of the commit that is checked out,
            `branch_name` the branch. Where no branch is checked out, as in many CI systems, it has
            no value: set KEDRO_CONFIG_BRANCH_NAME to what the CI system says, for instance
            GITHUB_REF_NAME or CI_COMMIT_REF_NAME.
        folder: A folder in the git repository; without one, that of the project in this process.
    """
    value = os.environ.get(variable_name(name))
    if value is not None or name.lower() not in FROM_GIT:
        return value
    # Git is read only if needed, and each time: there may be a new commit.
    from kedro_airflow_k8s.dynamic_config.git import head_of

    head = head_of(folder or _project_folder())
    return head.commit if name.lower() == COMMIT_ID else head.branch


def _project_folder() -> Path:
    """Return a folder of the Kedro project that this process runs."""
    from importlib.util import find_spec

    from kedro.framework import project

    name: str | None = project.PACKAGE_NAME
    package = find_spec(name) if name else None
    if package is not None and package.origin:
        return Path(package.origin).parent
    return Path.cwd()


def advice(name: str) -> str:
    """Return how to give a name a value, in one or two sentences."""
    near = re.sub(r"[^A-Za-z0-9_]", "_", name)
    if near != name:
        return (
            "a name may contain only letters, digits and `_`, like a shell variable. Write"
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
