"""What a project needs for the image of its pods: Dockerfile, `.dockerignore`, requirements."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init import dockerignore, requirements
from kedro_airflow_k8s.init.config_file import template
from kedro_airflow_k8s.init.facts import ProjectFacts, ScaffoldedFile
from kedro_airflow_k8s.init.writing import UNTOUCHED

DOCKERFILE = "Dockerfile"
REQUIREMENTS = "requirements.txt"


# Folders that hold the system, or in which it has folders of its own; some of them with all that is
# in them.
_SYSTEM = re.compile(
    r"/|/(bin|boot|dev|etc|lib(32|64|x32)?|proc|root|run|sbin|sys)(/.*)?"
    r"|/usr(/(bin|games|include|lib(32|64|x32|exec)?|sbin|share)(/.*)?)?"
    r"|/usr/local(/(bin|etc|games|include|lib|man|sbin|share)(/.*)?)?|/usr/src"
    r"|/var(/(backups|cache|lib|local|lock|log|mail|opt|run|spool|tmp))?"
    r"|/home|/tmp(/requirements(/.*)?)?"
)


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
        base_env: The environment that Kedro always reads; empty if there is none.
        credentials: The patterns by which the project's loader finds files with passwords.
    """

    project_path: Path
    conf: str | None
    personal_env: str
    source: str
    mount_path: PurePosixPath
    fills_volume: bool
    extras: tuple[str, ...] = ()
    base_env: str = "base"
    credentials: tuple[str, ...] = ()

    def contents(self, data_folder: str, *, wheels: bool = False) -> dockerignore.Contents:
        """What the image is to hold.

        Args:
            data_folder: The name of the project's data folder.
            wheels: Whether it is made by the Dockerfile of `init`.
        """
        return dockerignore.Contents(
            data=data_folder if self.fills_volume else None,
            conf=self.conf,
            personal=self.personal_env,
            base=self.base_env,
            source=self.source,
            credentials=self.credentials,
            wheels=wheels,
        )


def check_home(mount_path: PurePosixPath) -> None:
    """See whether the folder that the volume is mounted in can be that of the project.

    The Dockerfile gives it, and all that is in it, to the user of the pods.

    Raises:
        ScaffoldError: It belongs to the system, or a Dockerfile would not take it for what it is.
    """
    home, found = mount_path.parent, f"run_config.volume.mount_path: found {str(mount_path)!r};"
    way_out = (
        "Mount the volume elsewhere, such as at /home/kedro_docker/data, or leave out --dockerfile"
        f" and write one yourself. {UNTOUCHED}"
    )
    if re.search(r"[^\w./@+,=~%-]", str(mount_path)):
        raise ScaffoldError(
            f"{found} a Dockerfile of init takes letters, digits and ./@+,=~%_- only. {way_out}"
        )
    if _SYSTEM.fullmatch(str(home)):
        raise ScaffoldError(
            f"{found} the folder above it would be the project's in the image, and {home} is one"
            f" of the system, which pods may not own. {way_out}"
        )


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


def not_installable(project_path: Path) -> tuple[str, ...]:
    """What the generated Dockerfile cannot install of requirements.txt, and what to do."""
    file = project_path / REQUIREMENTS
    return () if read_text(file) is None else tuple(requirements.not_installable(file))


def _dockerignore(
    facts: ProjectFacts, needs: ImageNeeds, *, wheels: bool
) -> Iterator[ScaffoldedFile]:
    present = read_text(needs.project_path / dockerignore.NAME)
    contents = needs.contents(facts.data_folder, wheels=wheels)
    text = dockerignore.dockerignore(present, contents)
    if text != present:
        why = "keeps passwords out of the image"
        if needs.fills_volume:
            why = "keeps passwords and results out of the image, raw data in"
        yield ScaffoldedFile(PurePosixPath(dockerignore.NAME), text, why)
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
