"""Kedro's runtime parameters on their way to a DAG run: `--params`, then the conf of the run.

In the pod, that conf becomes what `kedro run --params` takes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kedro_airflow_k8s.errors import ParameterError

CONF_KEY = "kedro_params"
"""The key of a run's conf whose value is for Kedro."""

# A comma that begins the next parameter is followed by its name and `=`.
_NEXT = re.compile(r",(?=\s*[^\s,=\[\]{}\"':]+\s*=)")
# To OmegaConf, an odd number of backslashes before it makes it a text like any other.
_INTERPOLATION = re.compile(r"(?<!\\)(\\\\)*\$\{")
_QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|'(?:''|[^'])*'""", re.DOTALL)


def parse_params(options: Sequence[str]) -> dict[str, Any]:
    """Return the parameters that `--params` options name, nested by the dots in their names.

    A value is read as `kedro run --params` reads it: as YAML with OmegaConf's rules. Unlike there,
    it may hold commas: it ends at one outside quotes and brackets that is followed by `name=`.

    Raises:
        ParameterError: If an option is not `name=value`, or Kedro could not take it.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    items = [_checked(item) for option in options for item in _split(option)]
    try:
        # All at once, as Kedro does: a later one may replace another, or stand below it.
        merged = OmegaConf.from_dotlist(items)
    except (OmegaConfBaseException, ValueError) as error:
        raise ParameterError(
            "Two --params contradict each other. One has a list, another names and values in its"
            f" place ({_in_a_line(error)}). Omit one of them."
        ) from error
    found: dict[str, Any] = OmegaConf.to_container(merged, resolve=True)  # type: ignore[assignment]
    return found


def _checked(item: str) -> str:
    """Return an item of OmegaConf's list that nothing can fail on any more."""
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
    from yaml import YAMLError

    name, equals, value = item.partition("=")
    name = name.strip()
    if not equals or not name:
        raise ParameterError(
            f"--params {item!r} is not name=value, such as --params model.depth=5."
        )
    if not re.fullmatch(r"[^,$\[\]]+", name) or not name.isprintable() or "" in name.split("."):
        raise ParameterError(
            f"--params {item!r}: {name!r} cannot be the name of a parameter. Write nested ones"
            " with dots, such as --params model.depth=5."
        )
    try:
        found = OmegaConf.from_dotlist([f"{name}={value}"])
        plain = OmegaConf.to_container(found, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ParameterError(
            f"--params {item!r}: to Kedro, ??? is a value that is missing, and cannot be given."
        ) from error
    except (OmegaConfBaseException, YAMLError) as error:
        raise ParameterError(
            f"--params {item!r} cannot be read as YAML: {_in_a_line(error)}. Put a text in"
            f""" quotes: --params '{name}="..."'."""
        ) from error
    if any(_INTERPOLATION.search(text) for text in _texts(plain)):
        raise ParameterError(
            f"--params {item!r}: the value of ${{...}} is known only where Kedro runs. Pass"
            r" the value itself, or write \${ for a text that holds ${, and \\${ in double quotes."
        )
    return f"{name}={value}"


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from _texts(list(pair))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def conf_of(params: Mapping[str, Any], trigger_params: Sequence[str]) -> dict[str, Any]:
    """Return the conf of a DAG run that passes parameters to Kedro.

    Those that the DAG's trigger form shows have their own names, so that Airflow checks
    them; the others, nested, under `kedro_params`. So do empty ones (null): to a field of the form,
    that is the project's own value.

    Raises:
        ParameterError: If a conf, which is JSON, cannot hold a value.
    """
    _check_json(params, "")
    rest: dict[str, Any] = dict(params)
    conf = {}
    for name in trigger_params:
        value, rest = _taken(rest, name.split("."))
        if value is not None:
            conf[name] = value
    return {**conf, CONF_KEY: rest} if rest else conf


def _taken(params: Mapping[str, Any], path: list[str]) -> tuple[Any, dict[str, Any]]:
    """Return the value at a path and the parameters without it; None if it is missing or None."""
    head, *deeper = path
    value = params.get(head)
    if deeper:
        value, below = _taken(value, deeper) if isinstance(value, Mapping) else (None, {})
    else:
        below = {}
    rest = dict(params)
    if value is not None and below:
        rest[head] = below
    elif value is not None:
        del rest[head]
    return value, rest


def _check_json(value: Any, name: str) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            below = f"{name}.{key}" if name else str(key)
            if not isinstance(key, str):
                raise ParameterError(_no_json(below, f"keys that are not texts: {key!r}"))
            _check_json(item, below)
    elif isinstance(value, list):
        for item in value:
            _check_json(item, name)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ParameterError(_no_json(name, str(value)))
    elif not isinstance(value, str | int | float | None):
        raise ParameterError(_no_json(name, f"a {type(value).__name__}"))
    elif isinstance(value, str) and re.search(r"[\ud800-\udfff]", value):
        raise ParameterError(_no_json(name, "a text that is not Unicode"))


def _no_json(name: str, what: str) -> str:
    return (
        f"The parameter {name!r} cannot be passed to a DAG run: Airflow keeps it as JSON, which"
        f" does not have {what}. Set it in the project's parameters instead."
    )


def _split(option: str) -> Iterator[str]:
    """Yield the parameters of an option, each as `name=value`."""
    rest = option
    while rest.strip():
        end = _NEXT.search(rest, _end_of_quoted(rest, rest.find("=") + 1))
        yield rest[: end.start()].strip() if end else rest.strip()
        rest = rest[end.end() :] if end else ""


def _end_of_quoted(text: str, start: int) -> int:
    """Return where the value at `start` ends, as far as it begins with quotes or brackets."""
    value = text[start:].lstrip()
    first = position = len(text) - len(value)
    if not value.startswith(('"', "'", "[", "{")):
        return first
    depth, before = 0, ","
    while position < len(text):
        letter = text[position]
        # After anything but these, it is an apostrophe.
        quoted = _QUOTED.match(text, position) if before in "[{,:" else None
        position = quoted.end() if quoted else position + 1
        if not quoted:
            depth += (letter in "[{") - (letter in "]}")
        if not letter.isspace():
            before = letter
        if depth <= 0:
            return position
    return first


def _in_a_line(error: Exception) -> str:
    problem = getattr(error, "problem", None)
    return str(problem or error).strip().splitlines()[0].rstrip(".")
