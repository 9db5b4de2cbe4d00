"""The processes of a cluster's engine, such as the workers of Ray."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kedro_airflow_k8s.pod.environment import NO_RETRY, VERSIONS_LINE

_PACKAGES = {"ray": "ray", "dask": "distributed"}
"""The packages of the engines, by their programs."""


def start(command: Sequence[str]) -> None:
    """Become a process of an engine, which can import the functions of the project.

    Args:
        command: A program that the package of the engine installs, with its arguments.

    Raises:
        SystemExit: With a message, if the image does not have the program.
    """
    share_project()
    if command[0] in _PACKAGES:
        say_versions(_PACKAGES[command[0]])
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


def say_versions(package: str) -> None:
    """Write the versions of an engine and of Python to the log, where Airflow looks for them.

    Args:
        package: The package of the engine.
    """
    found = {package: _version(package), "Python": platform.python_version()}
    known = {name: version for name, version in found.items() if version}
    print(f"{VERSIONS_LINE}{json.dumps(known)}", flush=True)


def check_versions(of_clusters: str) -> None:
    """Refuse to run nodes whose clusters have other versions than this pod.

    Args:
        of_clusters: A JSON list of what the first pods of the clusters have said.

    Raises:
        SystemExit: With a message that names the versions, before anything has run.
    """
    for there in json.loads(of_clusters):
        here = {
            name: platform.python_version() if name == "Python" else _version(name)
            for name in there
        }
        found = list(differing(there, {name: text for name, text in here.items() if text}))
        if found and "pyspark" in there and found == ["Python"]:
            print(
                f"The cluster has Python {there['Python']}, this pod {here['Python']}:"
                " functions of Python that Spark is to call fail.",
                flush=True,
            )
        elif found:
            both = "; ".join(f"{n} {there[n]} in the cluster, {here[n]} here" for n in found)
            raise SystemExit(
                f"The versions of the cluster and of this pod do not fit: {both}. Nothing was run."
                " Let both have the same image, or install the same versions in their images."
                f" {NO_RETRY}"
            )


def differing(there: Mapping[str, str], here: Mapping[str, str]) -> Iterator[str]:
    """Yield the packages, or `Python`, whose two versions do not work together.

    Ray refuses clients of another version. Spark's server understands older clients.

    Args:
        there: The versions of the cluster.
        here: Those of its client, as far as they are installed.
    """
    for name, version in there.items():
        if name not in here or here[name] == version:
            continue
        server, client = _main_part(version), _main_part(here[name])
        fits = client == server
        if name == "ray":
            fits = False
        elif name == "pyspark":
            fits = client <= server
        if not fits:
            yield name


def _main_part(version: str) -> list[int]:
    """Return the first two numbers of a version."""
    return [int(part) if part.isdigit() else 0 for part in version.split(".")[:2]]


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def become(command: Sequence[str]) -> None:
    """Replace this process by a program."""
    sys.stdout.flush()
    os.execvp(command[0], list(command))  # noqa: S606 - there is no shell between
