"""Airflow's macros and variables, and the conf of a run, as parameters of `kedro run`."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import Variable
from jinja2 import Undefined, pass_context
from jinja2.runtime import Context as JinjaContext

# Macros that Airflow 3 no longer has, with what says the same: macro, days to add, format.
MACRO_SUCCESSORS: dict[str, tuple[str, int, str | None]] = {
    "execution_date": ("logical_date", 0, None),
    "next_execution_date": ("data_interval_end", 0, None),
    "next_ds": ("data_interval_end", 0, "%Y-%m-%d"),
    "next_ds_nodash": ("data_interval_end", 0, "%Y%m%d"),
    "prev_execution_date_success": ("prev_data_interval_start_success", 0, None),
    "tomorrow_ds": ("logical_date", 1, "%Y-%m-%d"),
    "tomorrow_ds_nodash": ("logical_date", 1, "%Y%m%d"),
    "yesterday_ds": ("logical_date", -1, "%Y-%m-%d"),
    "yesterday_ds_nodash": ("logical_date", -1, "%Y%m%d"),
}


@pass_context
def kedro_params(
    context: JinjaContext,
    macros: Sequence[str] = (),
    variables: Sequence[str] = (),
    trigger: Sequence[str] = (),
) -> str:
    """The value of `kedro run --params` that hands on what Airflow knows; the last one wins.

    First macros and variables, as strings. A macro that this run or this Airflow does not have is
    logged and left out: Kedro then takes the value of its own parameters. A variable that does not
    exist fails the task. Then, as they are, what stands in the conf of the run under the names in
    trigger, save for empty fields (null), and all that stands there under `kedro_params`.
    """
    log = logging.getLogger("airflow.task.kedro_params")
    params: list[tuple[str, Any]] = []
    for name in macros:
        value = None
        try:
            value = macro_value(context, name)
        except Exception:
            log.warning("Airflow macro %r cannot be read.", name, exc_info=True)
        if value is None:
            log.warning("Airflow macro %r has no value in this run: left out of --params.", name)
        else:
            params.append((name, value))
    for name in variables:
        value = Variable.get(name, None)
        if value is None:
            raise ValueError(
                f"Airflow variable {name!r} does not exist. Create it in Airflow, or take it out of"
                " run_config.variables_params in airflow-k8s.yaml."
            )
        params.append((name, str(value)))
    conf = getattr(context.resolve("dag_run"), "conf", None) or {}
    params += [(name, conf[name]) for name in trigger if conf.get(name) is not None]
    others = conf.get("kedro_params") or {}
    if not isinstance(others, dict):
        raise ValueError("The conf of this run must have names and values under kedro_params.")  # noqa: TRY004
    for name in others:
        # Kedro takes what is before the first `=`, with dots and brackets for nested parameters;
        # Kubernetes puts environment variables for what follows a dollar sign.
        parts = name.split(".") if name.isprintable() and name == name.strip() else [""]
        if re.search(r"[,=$\[\]]", name) or "" in parts:
            raise ValueError(f"The conf of this run has {name!r}, no name of a Kedro parameter.")
    params += others.items()
    return ",".join(f"{name}={kedro_literal(value, name)}" for name, value in params)


def macro_value(context: JinjaContext, name: str) -> str | None:
    """The text of a macro such as `ds` or `dag_run.run_id`, or None where there is none."""
    ways: list[tuple[str, int, str | None]] = [(name, 0, None)]
    if name in MACRO_SUCCESSORS:
        ways.append(MACRO_SUCCESSORS[name])
    with warnings.catch_warnings():
        # Airflow 2 still has what Airflow 3 no longer has, and warns of it.
        warnings.simplefilter("ignore")
        for path, days, form in ways:
            root, *attributes = path.split(".")
            value: Any = context.resolve(root)
            for attribute in attributes:
                if not isinstance(value, Undefined):
                    value = context.environment.getattr(value, attribute)
            # Airflow wraps some values in proxies: one around None is not None, but of its type.
            if not isinstance(value, (type(None), Undefined)):
                return str(value) if form is None else f"{value + timedelta(days=days):{form}}"
    return None


def kedro_literal(value: Any, name: str = "value", indent: str = "") -> str:
    """Any value that JSON has, as a value of `kedro run --params`; name is the parameter's.

    Kedro splits at commas, then reads each value as YAML and resolves OmegaConf's `${...}` in it: a
    double-quoted YAML string with everything unusual escaped comes through all three, and lists and
    mappings do with a line for each entry. (Before 1.3 Kedro resolves a copy and uses the original:
    a backslash stays before each `${` of the value.)

    Raises:
        ValueError: If it cannot: to OmegaConf `???` is no value, and YAML has no lone surrogates.
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
