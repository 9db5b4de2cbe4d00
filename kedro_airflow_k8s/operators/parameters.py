"""Airflow's macros and variables as parameters of `kedro run`."""

from __future__ import annotations

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
    context: JinjaContext, macros: Sequence[str] = (), variables: Sequence[str] = ()
) -> str:
    """The value of `kedro run --params` that hands Airflow macros and variables on as strings.

    A macro that this run or this Airflow does not have is logged and left out: Kedro then takes the
    value of its own parameters. A variable that does not exist fails the task.
    """
    log = logging.getLogger("airflow.task.kedro_params")
    params: dict[str, str] = {}
    for name in macros:
        value = None
        try:
            value = macro_value(context, name)
        except Exception:
            log.warning("Airflow macro %r cannot be read.", name, exc_info=True)
        if value is None:
            log.warning("Airflow macro %r has no value in this run: left out of --params.", name)
        else:
            params[name] = value
    for name in variables:
        value = Variable.get(name, None)
        if value is None:
            raise ValueError(
                f"Airflow variable {name!r} does not exist. Create it in Airflow, or take it out of"
                " run_config.variables_params in airflow-k8s.yaml."
            )
        params[name] = str(value)
    return ",".join(f"{name}={kedro_literal(value, name)}" for name, value in params.items())


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


def kedro_literal(text: str, name: str = "value") -> str:
    """Any text as a value of `kedro run --params`; name is the parameter's, for the error.

    Kedro splits at commas, then reads each value as YAML and resolves OmegaConf's `${...}` in it:
    a double-quoted YAML string with everything unusual escaped comes through all three. (Before 1.3
    Kedro resolves a copy and uses the original: a backslash stays before each `${` of the value.)

    Raises:
        ValueError: If it cannot: to OmegaConf `???` is no value, and YAML has no lone surrogates.
    """
    if text == "???" or re.search(r"[\ud800-\udfff]", text):
        raise ValueError(
            f"Kedro cannot take the value of {name!r} as a parameter: it is ???, or not Unicode."
        )
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    return '"' + re.sub(r"[^\w .:/+-]", _yaml_escape, text, flags=re.ASCII) + '"'


def _yaml_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\U{code:08x}"
