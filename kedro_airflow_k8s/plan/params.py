"""The template that passes the parameters of a DAG run to its pods."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kedro_airflow_k8s.config.model import RunConfig

_DS_ADD = "macros.ds_add(ds, {}) if ds is defined else none"
_NODASH = 'macros.ds_format(macros.ds_add(ds, {}), "%Y-%m-%d", "%Y%m%d") if ds is defined else none'

_DATE = """(
    dag_run.run_type in ("scheduled", "backfill") and dag_run.data_interval_end
    or dag_run.logical_date or dag_run.run_after
  ).astimezone(dag.timezone)"""
"""The moment that a run is for.

The schedule's moments are ends of intervals on Airflow 2, and intervals of no length on Airflow 3.
The interval of a run by hand is the last whole one on Airflow 2, so its logical date counts. Only
Airflow 3 has runs without one, and `run_after`. None of these changes when tasks are cleared.
"""

_PARTITION = "dag_run.partition_key | default(none)"
"""The key of the partition that a run is for; none for a run by hand without one.

Its date is read from the key. `partition_date` is missing on Airflow 3.2, and on 3.3 in runs whose
data comes from several DAGs or that were started by hand.
"""

_LINE = 60
"""Longest entry, in characters, that stays on one line."""

MACRO_SUCCESSORS = {
    "execution_date": "logical_date | default(none)",
    "next_ds": "next_ds if next_ds is defined else data_interval_end | default(none) | ds",
    "next_ds_nodash": (
        "next_ds_nodash if next_ds_nodash is defined"
        " else data_interval_end | default(none) | ds_nodash"
    ),
    "next_execution_date": (
        "next_execution_date if next_execution_date is defined"
        " else data_interval_end | default(none)"
    ),
    "prev_execution_date_success": (
        "prev_execution_date_success if prev_execution_date_success is defined"
        " else prev_data_interval_start_success | default(none)"
    ),
    "tomorrow_ds": _DS_ADD.format(1),
    "tomorrow_ds_nodash": _NODASH.format(1),
    "yesterday_ds": _DS_ADD.format(-1),
    "yesterday_ds_nodash": _NODASH.format(-1),
}
"""Macros that Airflow 3 has removed, as expressions with the same value on Airflow 2 and 3.

On Airflow 2, the expressions use the macro itself: in manual runs, its value differs from that of
its successor.
"""


def params_template(run: RunConfig) -> str:
    """Return the template of the JSON that the pod reads (`pod/params.py`).

    It renders for every run, also for one without a logical date. The pod decides what a missing
    macro or variable means. Kubernetes reads `$$` as a dollar sign.
    """
    conf = "(dag_run.conf or {})"
    form = [entry.name for entry in run.trigger_params]
    sections = {
        "macros": [
            *_dates(run),
            *(f"{_quoted(name)}: {_macro(name)}" for name in run.macro_params),
        ],
        "variables": [
            f"{_quoted(n)}: var.value.get({_quoted(n)}, none)" for n in run.variables_params
        ],
        "form": [f"{_quoted(name)}: {conf}.get({_quoted(name)})" for name in form],
    }
    parts = [*_texts(sections), f'"conf": {conf}.get("kedro_params")']
    inside = ", ".join(parts)
    if "\n" in inside or len(inside) > 2 * _LINE:
        inside = "\n" + ",\n".join(parts) + "\n"
    return f'{{{{ {{{inside}}} | tojson | replace("$", "$$") }}}}'


def _dates(run: RunConfig) -> Iterator[str]:
    """Yield the entries for the date and the partition of a run."""
    moment = _DATE
    if run.partitioned:
        key_form = _quoted(run.partitioned.key_format)
        of_key = f"macros.datetime.strptime({_PARTITION}, {key_form})"
        moment = f"(\n    {of_key}\n    if {_PARTITION} else {_DATE}\n  )"
    if run.date_param:
        name, form = run.date_param.name, run.date_param.format
        yield f"{_quoted(name)}: {moment}.strftime({_quoted(form)})"
    if run.partitioned:
        name, form = run.partitioned.param, run.partitioned.key_format
        yield f"{_quoted(name)}: {_PARTITION} or {_DATE}.strftime({_quoted(form)})"


def _texts(sections: dict[str, list[str]]) -> Iterator[str]:
    for name, entries in sections.items():
        inside = ", ".join(entries)
        if len(inside) > _LINE:
            inside = "\n" + ",\n".join(f"  {entry}" for entry in entries) + "\n"
        if entries:
            yield f'"{name}": {{{inside}}}'


def _macro(name: str) -> str:
    """Return the expression of a macro as text; `None` is the text where the run lacks it."""
    if name in MACRO_SUCCESSORS:
        return f"({MACRO_SUCCESSORS[name]}) | string"
    owners, expression = [], ""
    for step in name.split("."):
        if expression in ("var.value", "var.json", "conn"):
            # Their attributes raise an error for a name that Airflow does not have.
            expression = f"{expression}.get({_quoted(step)}, none)"
        else:
            expression = f"{expression}.{step}" if expression else step
        owners.append(expression)
    defined = " and ".join(f"{owner} is defined" for owner in owners[:-1])
    value = f"{expression} | default(none)"
    return f"({value} if {defined} else none) | string" if defined else f"{value} | string"


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
