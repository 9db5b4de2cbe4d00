"""What is wrong with a Kedro project, in words that lead to the place."""

from __future__ import annotations

import traceback
from pathlib import Path

from yaml import MarkedYAMLError


def config_problem(error: Exception) -> str:
    """What is wrong with a file, in more words than those of Kedro and OmegaConf."""
    if isinstance(error.__cause__, MarkedYAMLError):
        # Kedro names the file, but counts its lines from 0.
        return f"{str(error).partition(', unable to read')[0]}: {error.__cause__}"
    if isinstance(error, AttributeError) or (isinstance(error, OSError) and error.errno is None):
        return f"its top must be keys such as run_config ({str(error).splitlines()[0]})"
    return str(error) or type(error).__name__


def left_out(warning: UserWarning, project_path: Path) -> str:
    """Kedro's warning, which holds a whole traceback as text, in one line and with its cause."""
    said = str(warning).partition("\n")[0]
    if warning.__context__ is not None:
        said += f" {_cause(warning.__context__, project_path)}"
    return f"{said}\nThe DAG would lack its nodes: mend the module first."


def not_imported(what: str, error: BaseException, project_path: Path) -> str:
    """Why a part of the project does not import, with the last line of its own that led there."""
    return (
        f"The project cannot be read: {what}: {_cause(error, project_path)}\n"
        "Mend it first: `kedro registry list` shows the whole traceback."
    )


def _cause(error: BaseException, project_path: Path) -> str:
    """The first cause of an error, and the last line of the project's own that led to it."""
    while error.__cause__ is not None:
        error = error.__cause__
    frames = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    text = str(error)
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
        text = error.msg
    own = [frame for frame in frames if Path(frame[0]).is_relative_to(project_path)]
    place = f" at {own[-1][0]}:{own[-1][1]}" if own else ""
    return f"{type(error).__name__}: {text}{place}"
