"""The Dockerfile for the image of the pods."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath

from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init import requirements
from kedro_airflow_k8s.init.facts import ProjectFacts
from kedro_airflow_k8s.init.render import render

NAME = "Dockerfile"

# Folders that belong to the system; some of them with all that is below.
_SYSTEM = re.compile(
    r"/|/(bin|boot|dev|etc|lib(32|64|x32)?|proc|root|run|sbin|sys)(/.*)?"
    r"|/usr(/(bin|games|include|lib(32|64|x32|exec)?|sbin|share)(/.*)?)?"
    r"|/usr/local(/(bin|etc|games|include|lib|man|sbin|share)(/.*)?)?|/usr/src"
    r"|/var(/(backups|cache|lib|local|lock|log|mail|opt|run|spool|tmp))?"
    r"|/home|/tmp(/requirements(/.*)?)?"
)


def dockerfile(facts: ProjectFacts, requirements_text: str | None = None) -> str:
    """Return the Dockerfile.

    Args:
        facts: The project.
        requirements_text: What requirements.txt will say; None for what it says now.

    Raises:
        ScaffoldError: The data folder cannot be where the configuration mounts the volume.
    """
    layout = facts.layout
    _check_home(layout.mount_path)
    by_folder: dict[str, list[str]] = {}
    for name in requirements.files_of(layout.path / requirements.NAME, requirements_text):
        folder, slash, _ = name.rpartition("/")
        by_folder.setdefault(folder + slash, []).append(name)
    folders = [layout.mount_path.name]
    if layout.conf is not None and layout.personal_env:
        folders.append(f"{layout.conf}/{layout.personal_env}")
    folders += layout.log_folders
    return render(
        "Dockerfile.j2",
        python_version=facts.python_version,
        home=layout.mount_path.parent.as_posix(),
        folders=shlex.join(folders),
        requirements=by_folder,
        source=shlex.quote(layout.source),
    )


def _check_home(mount_path: PurePosixPath) -> None:
    """Raise an error for a folder that belongs to the system: the pods' user will own it."""
    found = f"run_config.volume.mount_path: found {str(mount_path)!r};"
    way_out = (
        "Mount the volume elsewhere, such as at /home/kedro_docker/data, or omit --dockerfile and"
        " write a Dockerfile yourself. Nothing was written."
    )
    if re.search(r"[^\w./@+,=~%-]", str(mount_path)):
        raise ScaffoldError(
            f"{found} the Dockerfile allows letters, digits and ./@+,=~%_- only. {way_out}"
        )
    if _SYSTEM.fullmatch(str(mount_path.parent)):
        raise ScaffoldError(
            f"{found} the project would be in {mount_path.parent}, a folder of the system."
            f" {way_out}"
        )
