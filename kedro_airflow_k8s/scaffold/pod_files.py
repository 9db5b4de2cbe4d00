"""What a project needs for the image of its pods: Dockerfile, `.dockerignore`, requirements."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.scaffold import dockerignore, requirements
from kedro_airflow_k8s.scaffold.config_file import template
from kedro_airflow_k8s.scaffold.facts import ProjectFacts, ScaffoldedFile

DOCKERFILE = "Dockerfile"
REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True)
class ImageNeeds:
    """What decides how the image of a project is made.

    Attributes:
        project_path: The project's folder.
        conf: The folder of the configuration, relative to the project with slashes; None if it is
            not in the project.
        personal_env: The environment whose folder Kedro reads when no other is named, and which
            holds passwords; empty if there is none.
        source: The folder of the project's code, relative to it.
        mount_path: Where the volume is mounted in the image.
        fills_volume: Whether the data folder of the image is copied to the volume of a run.
        extras: What the project needs of the plugin besides, to upload and to log in to Airflow.
    """

    project_path: Path
    conf: str | None
    personal_env: str
    source: str
    mount_path: PurePosixPath
    fills_volume: bool
    extras: tuple[str, ...] = ()


def pod_files(
    facts: ProjectFacts, needs: ImageNeeds, *, dockerfile: bool
) -> Iterator[ScaffoldedFile]:
    """The files that are missing, or lack something.

    Args:
        facts: The project.
        needs: How its image is made.
        dockerfile: Whether a Dockerfile is wanted.

    Raises:
        ScaffoldError: A file that is there cannot be read.
    """
    yield from _dockerignore(facts, needs, wheels=dockerfile)
    yield from _requirements(facts, needs)
    if dockerfile:
        yield ScaffoldedFile(
            PurePosixPath(DOCKERFILE), _dockerfile(facts, needs), "makes the image of the pods"
        )


def read_text(file: Path) -> str | None:
    """What a file of the project holds, line ends as they are; None if it is not there.

    Raises:
        ScaffoldError: It cannot be read.
    """
    try:
        with file.open(encoding="utf-8", newline="") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise ScaffoldError(
            f"{file} cannot be read: {reason}. Mend or rename it. Nothing was written."
        ) from error


def cannot_get_plugin(project_path: Path) -> bool:
    """Whether requirements.txt lacks the plugin, and pip would refuse a line without a hash."""
    file = project_path / REQUIREMENTS
    if read_text(file) is None or requirements.installs_plugin(file):
        return False
    return requirements.is_hashed(file)


def _dockerignore(
    facts: ProjectFacts, needs: ImageNeeds, *, wheels: bool
) -> Iterator[ScaffoldedFile]:
    present = read_text(needs.project_path / dockerignore.NAME)
    data = facts.data_folder if needs.fills_volume else None
    text = dockerignore.dockerignore(present, data, needs.conf, needs.personal_env, wheels=wheels)
    if text != present:
        yield ScaffoldedFile(
            PurePosixPath(dockerignore.NAME), text, "keeps passwords out of the image, raw data in"
        )
    if needs.conf is not None and needs.personal_env:
        kept = PurePosixPath(needs.conf, needs.personal_env, ".gitkeep")
        if not (needs.project_path / kept).exists():
            yield ScaffoldedFile(kept, "", "keeps the folder, which Kedro reads, in the image")


def lacking_extras(project_path: Path, extras: tuple[str, ...]) -> tuple[str, ...]:
    """The plugin's extras that requirements.txt has to get from the user: it has the plugin."""
    file = project_path / REQUIREMENTS
    if read_text(file) is None or not requirements.installs_plugin(file):
        return ()
    return requirements.missing_extras(file, extras)


def _requirements(facts: ProjectFacts, needs: ImageNeeds) -> Iterator[ScaffoldedFile]:
    file = needs.project_path / REQUIREMENTS
    present = read_text(file)
    if present is None:
        text = requirements.new_requirements(
            _pyproject(needs.project_path), facts.kedro_version, needs.extras
        )
    elif cannot_get_plugin(needs.project_path) or requirements.installs_plugin(file):
        return
    else:
        text = requirements.with_plugin(present, needs.extras)
    yield ScaffoldedFile(
        PurePosixPath(REQUIREMENTS), text, f"{requirements.PLUGIN} has to be in the image"
    )


def _dockerfile(facts: ProjectFacts, needs: ImageNeeds) -> str:
    folders = [facts.data_folder]
    if needs.conf is not None and needs.personal_env:
        folders.append(f"{needs.conf}/{needs.personal_env}")
    return template("Dockerfile.j2").render(
        python_version=facts.python_version,
        home=needs.mount_path.parent.as_posix(),
        folders=shlex.join(folders),
        requirements=_requirements_by_folder(needs.project_path / REQUIREMENTS),
        source=shlex.quote(needs.source),
    )


def _requirements_by_folder(file: Path) -> dict[str, list[str]]:
    """What pip reads with requirements.txt, by folder with a slash at its end."""
    found: dict[str, list[str]] = {}
    for name in requirements.needed_files(file) if file.is_file() else [REQUIREMENTS]:
        folder, slash, _ = name.rpartition("/")
        found.setdefault(folder + slash, []).append(name)
    return found


def _pyproject(project_path: Path) -> dict[str, Any]:
    """What pyproject.toml says; nothing where this Python has no reader for it."""
    for reader in (
        "tomllib",
        "tomli",
    ):  # Python 3.11 has the first, Kedro on 3.10 brings the other.
        try:
            toml = importlib.import_module(reader)
        except ImportError:
            continue
        try:
            found: dict[str, Any] = toml.loads((project_path / "pyproject.toml").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found
    return {}
