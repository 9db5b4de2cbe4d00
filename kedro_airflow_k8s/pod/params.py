"""The parameters of a DAG run as `kedro run --params` takes them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any


def params_option(text: str) -> str:
    r"""Encode the parameters of a DAG run for `kedro run --params`; the last of a name wins.

    Args:
        text: JSON with, all of them optional, `macros` and `variables` of Airflow by name, the
            fields of the trigger form that the run was given (`form`), and the parameters under
            `kedro_params` in its conf (`conf`). A macro that the run lacks is the text `None`. It
            is left out, as is a field that is null: Kedro then takes its own value.

    Raises:
        SystemExit: If a variable does not exist, or Kedro could not take a name or value.
    """
    given: dict[str, Any] = json.loads(text or "{}")
    try:
        params = [*_macros(given), *_variables(given), *_form(given), *_conf(given)]
        return ",".join(f"{name}={kedro_literal(value, name)}" for name, value in params)
    except ValueError as error:
        raise SystemExit(f"{error} Nothing was run.") from error


def _macros(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in given.get("macros", {}).items():
        if value in (None, "None", ""):
            logging.getLogger(__name__).warning(
                "Airflow macro %r has no value in this run: Kedro takes its own parameter.", name
            )
        else:
            yield name, value


def _variables(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in given.get("variables", {}).items():
        if value is None:
            raise ValueError(
                f"Airflow variable {name!r} does not exist. Create it in Airflow, or remove it from"
                " run_config.variables_params in airflow-k8s.yaml."
            )
        yield name, str(value)


def _form(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, v) for name, v in given.get("form", {}).items() if v is not None)


def _conf(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    conf = given.get("conf") or {}
    if not isinstance(conf, dict):
        raise ValueError("The conf of this run must have names and values under kedro_params.")  # noqa: TRY004 - one type for all refusals
    for name, value in conf.items():
        # Kedro takes what is before the first `=`, with dots and brackets for nested parameters.
        parts = name.split(".") if name.isprintable() and name == name.strip() else [""]
        if re.search(r"[,=$\[\]]", name) or "" in parts:
            raise ValueError(
                f"The conf of this run has {name!r}, which is not the name of a Kedro parameter."
            )
        yield name, value


def kedro_literal(value: Any, name: str = "value", indent: str = "") -> str:
    r"""Write any value that JSON has as a value of `kedro run --params`.

    Kedro splits at commas, then reads each value as YAML and resolves OmegaConf's `${...}` in it. A
    double-quoted YAML string with everything unusual escaped comes through all three, and lists and
    mappings do with a line for each entry. (Before 1.3 Kedro resolves a copy and uses the original:
    a backslash stays before each `${` of the value.)

    Args:
        value: The value.
        name: The name of the parameter, for messages.
        indent: What the lines of a list or mapping begin with.

    Raises:
        ValueError: If Kedro cannot take the value: OmegaConf reads `???` as a missing value, and
            YAML has no lone surrogates.
    """
    if isinstance(value, str):
        if value == "???":
            raise ValueError(f"Kedro cannot take the value of {name!r} as a parameter: it is ???.")
        return _yaml_string(re.sub(r"(\\*)\$\{", r"\1\1\\${", value), name)
    if isinstance(value, float):
        return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}.get(repr(value), repr(value))
    if not value or not isinstance(value, (dict, list)):
        return json.dumps(value)
    if isinstance(value, dict):
        keys = {key: _yaml_string(key, name) for key in value}
        # YAML takes a long key only with a mark before it.
        heads = {k: f"{q}:" if len(q) < 1000 else f"? {q}\n{indent}:" for k, q in keys.items()}
        entries = [(heads[key], item) for key, item in value.items()]
    else:
        entries = [("-", item) for item in value]
    below = indent + " "
    return "".join(f"\n{indent}{head} {kedro_literal(v, name, below)}" for head, v in entries)


def _yaml_string(text: str, name: str) -> str:
    if re.search(r"[\ud800-\udfff]", text):
        raise ValueError(
            f"Kedro cannot take the value of {name!r} as a parameter: it is not Unicode."
        )
    return '"' + re.sub(r"[^\w .:/+-]", _yaml_escape, text, flags=re.ASCII) + '"'


def _yaml_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\U{code:08x}"
