"""The files of a project that datasets and the logging configuration name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.project.image import ProjectImage

_LOCAL_SCHEME = re.compile(r"(?:file|local)://", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_IN_MEMORY = "memory://"
_LOGGING = ("conf/logging.yml", "conf/logging.yaml", "conf/logging.json")


def local_path(path: str | None) -> str | None:
    """Return a place on a pod's disk in its shortest form, or None for one elsewhere.

    A relative path is below the project's folder. A path of Windows does not exist in a pod, but
    would be on its disk.
    """
    if not path:
        return None
    text = path.strip()
    if text.lower().startswith(_IN_MEMORY):
        # fsspec's files in memory end with the process, as those on the pod's disk do.
        return text
    if ":" in text:
        text, count = _LOCAL_SCHEME.subn("", text, count=1)
        if not count and (_SCHEME.match(text) or "::" in text):
            return None
    found = posixpath.normpath(text.replace("\\", "/"))
    # There is nothing to lose there.
    return None if found.startswith("/dev/") else found


def logging_folders(path: Path, image: ProjectImage, run: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield the folders that the pods' logging configuration writes to, each with its file.

    Args:
        path: The project's folder.
        image: What the image will hold: a file that it lacks is not read in the pods.
        run: The configuration, whose variables may name another file.
    """
    chosen = run.env_vars.get("KEDRO_LOGGING_CONFIG")
    names = _LOGGING if chosen is None else (posixpath.normpath(chosen),)
    for name in names:
        file = path / name
        if not name.startswith("/") and file.is_file() and image.lacks(name) is None:
            for written in dict.fromkeys(_log_files(file)):
                folder = posixpath.dirname(posixpath.normpath(written))
                if folder and not folder.startswith(("/", "..")) and "$" not in folder:
                    yield folder, name
            return


def _log_files(file: Path) -> Iterator[str]:
    try:
        config: Any = yaml.safe_load(file.read_text(encoding="utf-8", errors="replace"))
    except yaml.YAMLError:
        return
    handlers = config.get("handlers") if isinstance(config, dict) else None
    for handler in (handlers if isinstance(handlers, dict) else {}).values():
        name = handler.get("filename") if isinstance(handler, dict) else None
        if isinstance(name, str):
            yield name
