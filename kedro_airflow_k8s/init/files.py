"""Reads and writes files of a project: whole files, and none if one of them fails."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.pod.atomic import atomic_write


@dataclass(frozen=True)
class NewFile:
    """A file to write.

    Attributes:
        path: Where; relative to the git repository in what CI modules return, else absolute.
        text: The whole text. The ends of its lines are written as they are.
        why: What the file is for, in one line without a full stop.
    """

    path: Path
    text: str
    why: str


def read_text(file: Path) -> str | None:
    """Return the text of a file, the ends of its lines as they are; None if there is no file.

    Raises:
        ScaffoldError: It cannot be read, or something else is in its place.
    """
    try:
        if file.exists() and not file.is_file():
            raise ScaffoldError(
                f"{file} is not a regular file. Rename or remove it. Nothing was written."
            )
        with file.open(encoding="utf-8-sig", newline="") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise ScaffoldError(
            f"{file} cannot be read: {reason}. Fix, rename or remove it. Nothing was written."
        ) from error


def write_files(files: Iterable[NewFile]) -> None:
    """Write files and the folders that they are in; if one cannot be written, write none.

    The first file gets its name last: if `init` is killed, the others may be there without it.

    Raises:
        ScaffoldError: A file cannot be written.
    """
    path = Path()
    try:
        with ExitStack() as renamed_together:
            for file in files:
                # The target of a link is replaced, not the link.
                path = file.path.resolve()
                path.parent.mkdir(parents=True, exist_ok=True)
                opened = renamed_together.enter_context(atomic_write(path))
                opened.write(file.text.encode("utf-8"))
                opened.flush()
    except OSError as error:
        raise ScaffoldError(
            f"{path} cannot be written: {error.strerror or error}. Run init again when that is"
            " fixed."
        ) from error
