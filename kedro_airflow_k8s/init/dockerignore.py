"""The `.dockerignore` file, which keeps secrets out of the image, and lets the raw data in."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from kedro_airflow_k8s.init.facts import Layout
from kedro_airflow_k8s.init.render import render
from kedro_airflow_k8s.project.dockerignore import DockerIgnore
from kedro_airflow_k8s.sandbox.image import SANDBOX_FOLDER

NAME = ".dockerignore"

RAW_DATA = "01_raw"
"""The folder of the data folder that goes into the image, and from there to the volume."""


def new_dockerignore(layout: Layout) -> str:
    """Return the file for a project that has none."""
    values = {
        "secrets": [line for line, _ in _secrets(layout)],
        "data": literal(layout.mount_path.name),
        "raw_data": RAW_DATA,
        "fills_volume": layout.fills_volume,
        "references": [literal(file) for file in layout.references],
        "logs": [f"{literal(folder)}/.gitkeep" for folder in layout.log_folders],
    }
    rules = DockerIgnore(render("dockerignore.j2", **values, inputs=[]).splitlines())
    inputs = [literal(path) for path in _inputs(layout) if rules.ignores(path)]
    return render("dockerignore.j2", **values, inputs=inputs)


def missing_lines(present: str, layout: Layout) -> list[str]:
    """Return the lines to append to a file so that the image has no secrets, but the raw data.

    Args:
        present: The text of the file.
        layout: The project's folders.
    """
    lines = present.splitlines()
    missing: list[str] = []
    for line, paths in [*_secrets(layout), *_needed(layout)]:
        rules = DockerIgnore([*lines, *missing])
        out = [rules.ignores(path) for path in paths]
        lacks = any(out) if line.startswith("!") else not all(out)
        if lacks or (not paths and line not in lines):
            missing.append(line)
    return missing


def too_wide(layout: Layout) -> list[str]:
    """Return the patterns for credentials that the catalog matches too.

    No line can keep the credentials out of the image and the catalog in it.
    """
    if layout.conf is None:
        return []
    return [pattern for pattern in layout.credentials if _is_too_wide(pattern, layout)]


def literal(path: str) -> str:
    """Return a path as a pattern that matches only this path."""
    escaped = re.sub(r"([\\*?\[\]])", r"\\\1", path)
    # Otherwise the line would be a comment or an exception.
    return f"/{escaped}" if escaped.startswith(("#", "!", " ")) else escaped


def _secrets(layout: Layout) -> Iterator[tuple[str, list[str]]]:
    """Yield lines against secrets, each with paths that they keep out."""
    yield ".env*", [".env", ".env.local"]
    yield ".netrc", [".netrc"]
    yield ".git", [".git/config"]
    yield SANDBOX_FOLDER, [f"{SANDBOX_FOLDER}/state.json"]
    if layout.conf is None:
        return
    paths = ["base/credentials.yml", "prod/db_credentials.yaml"]
    yield f"{literal(layout.conf)}/**/*credentials*", [f"{layout.conf}/{path}" for path in paths]
    for pattern in layout.credentials:
        line = _credentials_line(pattern, layout)
        if line and "credentials" not in pattern and not _is_too_wide(pattern, layout):
            yield line, []
    if layout.personal_env:
        folder = f"{layout.conf}/{layout.personal_env}"
        yield f"{literal(folder)}/*", [f"{folder}/globals.yml"]
        # Kedro reads the folder, so it must exist.
        yield f"!{literal(folder)}/.gitkeep", [f"{folder}/.gitkeep"]


def _needed(layout: Layout) -> Iterator[tuple[str, list[str]]]:
    """Yield lines for what pods read or write, such as the data that is copied to the volume."""
    data = layout.mount_path.name
    if layout.fills_volume:
        paths = [f"{data}/{RAW_DATA}/orders.csv", f"{data}/{RAW_DATA}/2026/orders.parquet"]
        yield f"!{literal(data)}/{RAW_DATA}", paths
    for path in _inputs(layout):
        yield f"!{literal(path)}", [path]
    for file in layout.references:
        yield f"!{literal(file)}", [file]
    for folder in layout.log_folders:
        # The logging configuration writes to the folder, so it must exist.
        if (layout.path / folder).is_dir():
            yield f"!{literal(folder)}/.gitkeep", [f"{folder}/.gitkeep"]


def _inputs(layout: Layout) -> list[str]:
    """Return the inputs that pods read from the image, or from the volume that it fills."""
    data = f"{layout.mount_path.name}/"
    return [path for path in layout.inputs if layout.fills_volume or not path.startswith(data)]


def _credentials_line(pattern: str, layout: Layout) -> str:
    """Return the line for a pattern of the project's loader; empty if it leads out of the project.

    Kedro looks for the pattern in the folder of each environment.
    """
    pattern = pattern.replace("[!", "[^")  # Python negates with `!`, Docker with `^`.
    if not pattern.startswith("../"):
        return f"{literal(layout.conf or '')}/**/{pattern.removeprefix('**/')}"
    path = posixpath.normpath(f"{layout.conf}/{layout.base_env}/{pattern}")
    return "" if path.startswith(("..", "/")) else path


def _is_too_wide(pattern: str, layout: Layout) -> bool:
    rules = DockerIgnore([_credentials_line(pattern, layout)])
    return rules.ignores(f"{layout.conf}/{layout.base_env}/catalog.yml")
