"""Messages about what is wrong with a Kedro project."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf.errors import GrammarParseError, InterpolationKeyError
from yaml import MarkedYAMLError

from kedro_airflow_k8s.dynamic_config.variables import variable_name

# A key at the top that OmegaConf does not find: a name, and its default in the short form.
_NO_KEY = re.compile(r"Interpolation key '([^'.|_][^'.|]*)(?:\|([^']*))?' not found")
_SET_LOADER = (
    "from kedro_airflow_k8s.dynamic_config import DynamicConfigLoader as CONFIG_LOADER_CLASS"
)


def config_problem(error: Exception) -> str:
    """Return what is wrong with a file, with more detail than Kedro and OmegaConf give."""
    if isinstance(error, GrammarParseError):
        return (
            f"{error}\nThis ${{...}} cannot be parsed. A default after | must not contain spaces,"
            " quotes, brackets or . : \\, so write ${kedro_config:name,'default'}."
        )
    missing = _NO_KEY.search(str(error)) if isinstance(error, InterpolationKeyError) else None
    if missing:
        return f"{error}\n{long_form_instead(*missing.groups())}"
    if isinstance(error.__cause__, MarkedYAMLError):
        # Kedro names the file, but counts its lines from 0.
        return f"{str(error).partition(', unable to read')[0]}: {error.__cause__}"
    if isinstance(error, AttributeError) or (isinstance(error, OSError) and error.errno is None):
        first = str(error).splitlines()[0]
        return f"the file must be a mapping with keys such as run_config ({first})"
    return str(error) or type(error).__name__


def long_form_instead(name: str, default: str | None = None) -> str:
    """Return what to write in place of `${name}` or `${name|default}` that is not a key."""
    long_form = f"${{kedro_config:{name}}}"
    if default is not None:
        long_form = f"${{kedro_config:{name},'{default}'}}"
    text = f"If it is the environment variable {variable_name(name)}, write {long_form}"
    if default is not None and re.search(r"[.\[]", default):
        return f"{text}: a default after | cannot hold dots or brackets."
    return f"{text}, or add the loader of the short form to settings.py: {_SET_LOADER}"


def left_out(warning: UserWarning, project_path: Path) -> str:
    """Return Kedro's warning, which contains a whole traceback, in one line with its cause."""
    said = str(warning).partition("\n")[0]
    if warning.__context__ is not None:
        said += f" {_cause(warning.__context__, project_path)}"
    return f"{said}\nThe DAG would lack its nodes. Fix the module first."


def not_imported(what: str, error: BaseException, project_path: Path) -> str:
    """Return why a part of the project does not import, with the last line of its own code."""
    return (
        f"The project cannot be read: {what}: {_cause(error, project_path)}\n"
        "Fix it first: `kedro registry list` shows the whole traceback."
    )


def _cause(error: BaseException, project_path: Path) -> str:
    """Return the first cause of an error, and the last line of the project's code before it."""
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


@contextmanager
def without_kedros_own_warnings() -> Iterator[None]:
    """Kedro 1.7 itself calls what OmegaConf 2.4 deprecates; the user can do nothing about it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"(?s).*register_new_resolver", UserWarning)
        yield
