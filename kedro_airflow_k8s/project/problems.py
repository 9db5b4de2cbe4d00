"""Messages about what is wrong with a Kedro project."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kedro.config import AbstractConfigLoader, OmegaConfigLoader
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationKeyError,
    InterpolationResolutionError,
)
from yaml import MarkedYAMLError, YAMLError

from kedro_airflow_k8s.dynamic_config.files import config_files
from kedro_airflow_k8s.dynamic_config.loader import DynamicConfigLoader
from kedro_airflow_k8s.dynamic_config.variables import variable_name
from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.project.config_files import CONFIG_NAME
from kedro_airflow_k8s.project.yaml_mistakes import yaml_mistake

# A key at the top that OmegaConf does not find: a name, and its default in the short form.
_NO_KEY = re.compile(r"Interpolation key '([^'.|_][^'.|]*)(?:\|([^']*))?' not found")
_INTERNALS = re.compile(r"\s+(?:full_key:|object_type=)")
# How errors of Kedro's own resolvers begin: all they need is in the files.
_KEDROS_OWN = ("Globals key", "Keys starting with", "Recursive interpolation")
_SET_LOADER = (
    "from kedro_airflow_k8s.dynamic_config import DynamicConfigLoader as CONFIG_LOADER_CLASS"
)


def config_problem(
    error: Exception, keys: str = "keys such as run_config", file: Path | None = None
) -> str:
    """Return what is wrong with a file, with more detail than Kedro and OmegaConf give.

    Args:
        error: What the loader raised.
        keys: What the file must have, if it is not airflow-k8s.yaml.
        file: The file, if it is known; Kedro names it in some errors.
    """
    said = _without_internals(error)
    if isinstance(error, GrammarParseError):
        return (
            f"{said}\nThis ${{...}} cannot be parsed. A default after | must not contain spaces,"
            " quotes, brackets or . : \\, so write ${kedro_config:name,'default'}."
        )
    missing = _NO_KEY.search(str(error)) if isinstance(error, InterpolationKeyError) else None
    if missing:
        return f"{said}\n{long_form_instead(*missing.groups())}"
    if isinstance(error.__cause__, MarkedYAMLError):
        # Kedro names the file, but counts its lines from 0.
        where = str(error).partition(", unable to read")[0]
        file = file or Path(where.partition(" file ")[2])
        return _in_plain_words(file, error.__cause__) or f"{where}: {error.__cause__}"
    if isinstance(error, MarkedYAMLError) and file is not None:
        return _in_plain_words(file, error) or said
    if isinstance(error, AttributeError) or (isinstance(error, OSError) and error.errno is None):
        return f"the file must be a mapping with {keys} ({said.splitlines()[0]})"
    return said or type(error).__name__


def _in_plain_words(file: Path, error: MarkedYAMLError) -> str:
    """Return a usual mistake in a YAML file, with its line; empty if it is another one."""
    try:
        mistake = yaml_mistake(file.read_text("utf-8"), error)
    except (OSError, UnicodeDecodeError):
        return ""
    return f"{file.as_posix()}: {mistake}" if mistake else ""


def unreadable(kind: str, error: Exception, loader: AbstractConfigLoader) -> ConfigError:
    """Return why the project's catalog or parameters cannot be read.

    Args:
        kind: The kind of file, as the loader knows it.
        error: What the loader raised.
        loader: The project's config loader.
    """
    broken = _broken_file(loader, kind)
    what = f"{kind} cannot be read" + (" without a run" if kind == "parameters" else "")
    problem = config_problem(error, "keys", broken)
    if broken is not None:
        place = broken.relative_to(Path(str(loader.conf_source)).parent).as_posix()
        # Where Kedro names the file, it does so with its whole path.
        problem = f"{place}: {problem.partition(f'{broken.as_posix()}: ')[2] or problem}"
    return ConfigError(
        f"The project's {what}: {problem}",
        outside=broken is None and not _is_in_the_files(error, loader),
    )


def unreadable_config(
    source: str, error: Exception, project_path: Path, loader: AbstractConfigLoader
) -> ConfigError:
    """Return why the plugin's own configuration cannot be read.

    Args:
        source: Its files, relative to the project.
        error: What the loader raised.
        project_path: The folder of the project.
        loader: The project's config loader.
    """
    file = _broken_file(loader, CONFIG_NAME) if isinstance(error, MarkedYAMLError) else None
    problem = config_problem(error, file=file).replace(f"{project_path.as_posix()}/", "")
    return ConfigError(f"{source} cannot be read: {problem.removeprefix(f'{source}: ')}")


def _without_internals(error: Exception) -> str:
    """Return what an error says, without the lines that are for OmegaConf's own developers."""
    lines = [line for line in str(error).splitlines() if not _INTERNALS.match(line)]
    key = getattr(error, "full_key", None)
    if key and lines and len(lines) < len(str(error).splitlines()):
        lines[0] += f" (at {key})"
    return "\n".join(lines)


def _broken_file(loader: AbstractConfigLoader, kind: str) -> Path | None:
    """Return the first file of a kind that is not keys with values in YAML, or None."""
    patterns = getattr(loader, "config_patterns", {}).get(kind, ())
    for file in config_files(loader, patterns):
        try:
            sound = isinstance(OmegaConf.load(file), DictConfig)
        except Exception:  # noqa: BLE001
            # YAML and OmegaConf have errors of their own; Kedro's loader has said which.
            sound = False
        if not sound:
            return file
    return None


def _is_in_the_files(error: Exception, loader: AbstractConfigLoader) -> bool:
    """Return whether Kedro refuses the files on every machine, whatever the resolvers do."""
    if type(loader) not in (OmegaConfigLoader, DynamicConfigLoader):
        return False
    if isinstance(error, InterpolationKeyError | GrammarParseError):
        return True
    if isinstance(error, InterpolationResolutionError):
        return str(error).startswith(_KEDROS_OWN)
    return isinstance(error, ValueError | AttributeError | YAMLError)


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
