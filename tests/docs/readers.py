"""New readers, each with an empty home, a terminal and a clone of this repository beside them."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kedro_airflow_k8s.sandbox.folder import SandboxFolder
from kedro_airflow_k8s.sandbox.image import SANDBOX_FOLDER
from kedro_airflow_k8s.sandbox.up import stop_sandbox
from tests.docs.pages import ROOT, Reader
from tests.docs.stand_ins import install_programs
from tests.docs.terminal import Terminal

OUTPUT = "DOCS_OUTPUT"
"""Variable with a folder; each reader writes there what was typed and seen."""


@contextmanager
def new_reader(
    folder: Path, name: str, environment: Mapping[str, str] | None = None
) -> Iterator[Reader]:
    """Someone who has just opened a terminal; at the end, no sandbox of theirs is left.

    Args:
        folder: Where their home is made.
        name: What to call what they have seen, in the folder that DOCS_OUTPUT names.
        environment: Variables that they have set.
    """
    home = folder / "home"
    home.mkdir()
    install_programs(folder / "programs")
    reader = Reader(Terminal(home, folder / "programs", environment))
    try:
        yield reader
    finally:
        for sandbox in [*home.glob(f"**/{SANDBOX_FOLDER}")]:
            delete_sandbox(sandbox.parent)
        _write_transcript(reader, name)


def delete_sandbox(project: Path) -> None:
    """Stop the sandbox of a project, if there is one, and forget what it knew."""
    folder = SandboxFolder(project).path
    if folder.exists():
        stop_sandbox(project, print)
        shutil.rmtree(folder)


def keep_project(reader: Reader, target: Path) -> None:
    """Put a copy of the project aside that a reader is in."""
    shutil.copytree(
        reader.terminal.folder, target, ignore=shutil.ignore_patterns(SANDBOX_FOLDER), symlinks=True
    )


@contextmanager
def at_another_page(
    reader: Reader, kept: Path, name: str, environment: Mapping[str, str]
) -> Iterator[Reader]:
    """The same person with a new terminal, and the project as it was put aside. Its sandbox stays.

    Args:
        reader: Who it is.
        kept: The copy of the project.
        name: What to call what they have seen.
        environment: Variables that they have set besides.
    """
    project = reader.terminal.folder
    for entry in project.iterdir():
        if entry.name == SANDBOX_FOLDER:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    shutil.copytree(kept, project, dirs_exist_ok=True, symlinks=True)
    other = Reader(copy.copy(reader.terminal))
    other.terminal.environment = {**reader.terminal.environment, **environment}
    try:
        yield other
    finally:
        _write_transcript(other, name)


def _write_transcript(reader: Reader, name: str) -> None:
    if target := os.environ.get(OUTPUT):
        Path(target).mkdir(parents=True, exist_ok=True)
        (Path(target) / f"{name}.txt").write_text("".join(reader.transcript), "utf-8")


def clone_repository(target: Path) -> None:
    """What `git clone` would give, with the changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = [name for name in listed.stdout.split("\0") if name]
    # A release that is tested as it was unpacked has no git repository.
    files = [ROOT / name for name in names] or list(ROOT.rglob("*"))
    for file in files:
        if file.is_file():
            copy = target / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy)
