"""Macros, variables and conf of real Airflow runs, as `kedro run` gets them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from kedro.framework.cli.utils import _split_params

from kedro_airflow_k8s.sandbox.single_run import SandboxAirflow
from tests.airflow.dag.operators.airflow_process import FOLDER, ROOT

DATE = "2026-01-05T06:00:00+00:00"
DATE_OF_CONF = "2026-01-06T06:00:00+00:00"
HOSTILE = 'a,b "c" {{ ds }} ${oc.env:HOME} \\${x} $(HOME) null\n'
VARIABLES = {"AIRFLOW_VAR_ENV": "0123", "AIRFLOW_VAR_HOSTILE": HOSTILE, "AIRFLOW_VAR_NO": "???"}

# What each name gives in a run of 2026-01-05, 06:00, of a daily DAG: on Airflow 3 and on 2.11.
WITH_DATE: dict[str, tuple[str | None, str | None]] = {
    "ds": ("2026-01-05", "2026-01-05"),
    "ts_nodash": ("20260105T060000", "20260105T060000"),
    "logical_date": ("2026-01-05 06:00:00+00:00", "2026-01-05 06:00:00+00:00"),
    "execution_date": ("2026-01-05 06:00:00+00:00", "2026-01-05 06:00:00+00:00"),
    # The interval of a run by hand: a moment on Airflow 3, on 2.11 the last whole day.
    "data_interval_start": ("2026-01-05 06:00:00+00:00", "2026-01-04 00:00:00+00:00"),
    "data_interval_end": ("2026-01-05 06:00:00+00:00", "2026-01-05 00:00:00+00:00"),
    "prev_ds": (None, "2026-01-05"),
    "next_ds": ("2026-01-05", "2026-01-05"),
    "next_ds_nodash": ("20260105", "20260105"),
    "yesterday_ds": ("2026-01-04", "2026-01-04"),
    "tomorrow_ds_nodash": ("20260106", "20260106"),
}
# What every run has or lacks.
ALWAYS: dict[str, str | None] = {
    "dag.dag_id": "rendering",
    "dag_run.conf.week": "27",
    "dag_run.conf.text": "a, {{ ds }}",
    "var.value.env": "0123",
    "prev_start_date_success": None,
    "prev_execution_date_success": None,
    "nothing": None,
    "nothing.at.all": None,
    "dag_run.nothing": None,
    "dag_run.conf.nothing.at.all": None,
    "dag_run.__class__": None,
    "params.nothing": None,
}
# Reading these raises an error in Airflow.
UNREADABLE = ("var.value.nothing", "conn.nothing.host")
OLD = ("prev_ds", "next_ds", "execution_date", "yesterday_ds")


def _of_macro(*names: str) -> str:
    return f"{{{{ kedro_params(macros={list(names)}) }}}}"


def _of_variable(*names: str) -> str:
    return f"{{{{ kedro_params(variables={list(names)}) }}}}"


TEMPLATES = {
    **{name: _of_macro(name) for name in (*WITH_DATE, *ALWAYS, *UNREADABLE, "dag_run.run_id")},
    **{f"plain {name}": f"{{{{ {name} }}}}" for name in (*OLD, "dag_run.run_id")},
    "several": "{{ kedro_params(macros=['dag.dag_id', 'nothing'], variables=['env']) }}",
    "variable": _of_variable("env"),
    "hostile": _of_variable("hostile"),
    "conf": "{{ kedro_params(macros=['ds', 'dag.dag_id'], variables=['env'],"
    " trigger=['env', 'model.depth', 'model.name', 'absent']) }}",
    "missing": _of_variable("env", "missing"),
    "impossible": _of_variable("no"),
}


@dataclass(frozen=True)
class Rendered:
    """What came of the templates in the runs of one Airflow: by date, then by template.

    The one with a conf for Kedro stands apart.
    """

    is_airflow2: bool
    runs: Mapping[str, dict[str, dict[str, Any]]]
    with_conf: Mapping[str, dict[str, Any]]
    output: str


@pytest.fixture(scope="module", name="rendered")
def _rendered(airflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    home = tmp_path_factory.mktemp("rendering") / "airflow"
    airflow = SandboxAirflow(airflow_python, home, home / "kubeconfig", "kubernetes_default")
    airflow.create_database()
    shutil.copy(FOLDER / "render_dag.py", airflow.dags)
    (home / "templates.json").write_text(json.dumps(TEMPLATES))
    is_airflow2 = airflow.version.startswith("2.")
    dates = [*([DATE] if is_airflow2 else [DATE, ""]), DATE_OF_CONF]
    done = subprocess.run(
        [airflow_python, FOLDER / "run_rendering.py", home, *dates],
        env={
            **airflow.environment,
            **VARIABLES,
            "PYTHONPATH": str(ROOT),
            "TEMPLATES": str(home / "templates.json"),
        },
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("The run has ended: success") == len(dates), done.stdout
    runs = {date: json.loads((home / f"rendered-{date}.json").read_text()) for date in dates}
    with_conf = runs.pop(DATE_OF_CONF)
    return Rendered(is_airflow2, runs, with_conf, done.stdout)


def _parameters(text: str) -> dict[str, Any]:
    """What `kedro run --params` makes of a text, but for `${...}`."""
    context = click.Context(click.Command("run"))
    found: dict[str, Any] = _split_params(context, click.Option(["--params"]), text)
    return found


def _nested(name: str, value: str) -> dict[str, Any]:
    head, _, rest = name.partition(".")
    return {head: _nested(rest, value) if rest else value}


def _check(result: dict[str, Any], name: str, expected: str | None) -> None:
    assert "error" not in result, result
    assert result["warnings"] == []
    if expected is None:
        assert result["text"] == ""
        assert result["log"][-1] == (
            f"Airflow macro {name!r} has no value in this run: left out of --params."
        )
    else:
        assert _parameters(result["text"]) == _nested(name, expected)
        assert result["log"] == []


@pytest.mark.parametrize("name", WITH_DATE)
def test_a_macro_of_a_run_with_a_date_reaches_kedro_or_is_left_out(
    rendered: Rendered, name: str
) -> None:
    _check(rendered.runs[DATE][name], name, WITH_DATE[name][rendered.is_airflow2])


def test_old_macros_have_their_own_values_without_the_warning_where_airflow_has_them(
    rendered: Rendered,
) -> None:
    for name in OLD:
        plain = rendered.runs[DATE][f"plain {name}"]
        if rendered.is_airflow2:
            assert "deprecated" in plain["warnings"][0]
            _check(rendered.runs[DATE][name], name, plain["text"])
        else:
            assert "undefined" in plain["error"]


def test_in_a_run_without_a_date_what_depends_on_it_is_left_out(rendered: Rendered) -> None:
    # Airflow 2 has no such runs.
    assert list(rendered.runs) == [DATE] if rendered.is_airflow2 else [DATE, ""]
    for name in WITH_DATE if not rendered.is_airflow2 else ():
        _check(rendered.runs[""][name], name, None)


def test_what_no_date_is_needed_for_is_the_same_in_every_run(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        for name, expected in ALWAYS.items():
            _check(results[name], name, expected)


def test_a_dotted_macro_becomes_a_nested_parameter(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        run_id = results["plain dag_run.run_id"]["text"]
        assert run_id.startswith("manual__")
        parameters = _parameters(results["dag_run.run_id"]["text"])
        assert parameters == {"dag_run": {"run_id": run_id}}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_macro_that_airflow_fails_to_read_is_left_out_and_logged(
    rendered: Rendered, name: str
) -> None:
    for results in rendered.runs.values():
        _check(results[name], name, None)
        assert results[name]["log"][0] == f"Airflow macro {name!r} cannot be read."


def test_what_is_left_out_does_not_take_the_others_with_it(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        found = _parameters(results["several"]["text"])
        assert found == {"dag": {"dag_id": "rendering"}, "env": "0123"}


def test_variables_reach_kedro_as_they_are_and_as_text(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        assert _parameters(results["variable"]["text"]) == {"env": "0123"}
        # Kedro's loader takes the backslashes before `${` away: test_parameters.py.
        escaped = HOSTILE.replace("\\${", "\\\\${").replace("${", "\\${")
        assert _parameters(results["hostile"]["text"]) == {"hostile": escaped}
        assert not set("$()") & set(results["hostile"]["text"])  # Kubernetes expands $(NAME).


def test_the_conf_of_a_run_reaches_kedro_as_it_is_and_wins_over_macros_and_variables(
    rendered: Rendered,
) -> None:
    assert _parameters(rendered.with_conf["conf"]["text"]) == {
        "ds": "mine",
        "dag": {"dag_id": "rendering"},
        "env": "of the form",
        # Kedro's loader takes the backslash away.
        "model": {"depth": 5, "rates": [0.5, 1e-05], "note": "{{ ds }}, \\${x}"},
    }


def test_a_variable_that_does_not_exist_fails_the_task_and_is_named(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        assert results["missing"]["error"] == (
            "ValueError: Airflow variable 'missing' does not exist. Create it in Airflow, or take"
            " it out of run_config.variables_params in airflow-k8s.yaml."
        )


def test_a_value_that_kedro_cannot_take_fails_the_task_and_its_variable_is_named(
    rendered: Rendered,
) -> None:
    for results in rendered.runs.values():
        assert "Kedro cannot take the value of 'no'" in results["impossible"]["error"]


def test_a_task_is_rendered_so_and_its_log_says_what_is_left_out(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        run_id = results["plain dag_run.run_id"]["text"]
        *command, params = results["arguments"]["text"]
        assert command == ["kedro", "run"]
        assert _parameters(params.removeprefix("--params=")) == {"run_id": run_id}
    assert "Airflow macro 'nothing' has no value in this run" in rendered.output
