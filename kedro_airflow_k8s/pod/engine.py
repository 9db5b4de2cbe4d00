"""The processes of a cluster's engine, such as the workers of Ray."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def start(command: Sequence[str]) -> None:
    """Become a process of an engine, which can import the functions of the project.

    Args:
        command: A program that the package of the engine installs, with its arguments.

    Raises:
        SystemExit: With a message, if the image does not have the program.
    """
    share_project()
    try:
        become(command)
    except FileNotFoundError:
        sys.exit(
            f"The image has no program {command[0]!r}. Add the package of the engine to the"
            " project's requirements, then build the image and push it."
        )


def share_project() -> None:
    """Let the engine's Python processes import what nodes send by name: the project's functions."""
    from kedro.framework.startup import bootstrap_project
    from kedro.utils import is_kedro_project

    # The image of an entry of `resources` need not have it.
    if is_kedro_project(Path.cwd()):
        bootstrap_project(Path.cwd())  # Adds its sources to PYTHONPATH.


def become(command: Sequence[str]) -> None:
    """Replace this process by a program."""
    sys.stdout.flush()
    os.execvp(command[0], list(command))  # noqa: S606 - there is no shell between
