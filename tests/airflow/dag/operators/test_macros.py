"""Macros, variables and conf of real Airflow runs, as `kedro run` gets them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.plan.params import params_template
from kedro_airflow_k8s.sandbox.airflow import AirflowPython
from kedro_airflow_k8s.sandbox.run import SandboxAirflow
from tests.airflow.dag.operators.airflow_process import FOLDER, ROOT
from tests.support.strategies import config_of

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


# The templates that the DAG has for these names of the configuration.
def _of(**run_config: Any) -> str:
    return params_template(config_of(run_config).run_config)


FORM = ["model.depth", "model.name", "absent"]
TEMPLATES = {
    **{
        name: _of(macro_params=[name])
        for name in (*WITH_DATE, *ALWAYS, *UNREADABLE, "dag_run.run_id")
    },
    **{f"plain {name}": f"{{{{ {name} }}}}" for name in (*OLD, "dag_run.run_id")},
    "several": _of(macro_params=["dag.dag_id", "nothing"], variables_params=["env"]),
    "date": _of(date_param={"name": "for.hour", "format": "%Y-%m-%dT%H"}),
    "partition": _of(partitioned={"by": "hourly", "param": "part"}),
    "variable": _of(variables_params=["env"]),
    "hostile": _of(variables_params=["hostile"]),
    "conf": _of(macro_params=["ds"], variables_params=["env"], trigger_params=FORM),
    "missing": _of(variables_params=["env", "missing"]),
    "none": _of(),
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
    airflow = SandboxAirflow(
        AirflowPython.at(airflow_python), home, home / "kubeconfig", "kubernetes_default"
    )
    airflow.create_database()
    shutil.copy(FOLDER / "render_dag.py", airflow.dags)
    (home / "templates.json").write_text(json.dumps(TEMPLATES))
    is_airflow2 = airflow.python.version.startswith("2.")
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


def _json(result: dict[str, Any]) -> dict[str, Any]:
    """What the pod reads, after Kubernetes."""
    assert "error" not in result, result
    found: dict[str, Any] = json.loads(result["text"].replace("$$", "$"))
    return found


def _check(result: dict[str, Any], name: str, expected: str | None) -> None:
    """A macro has its text, or that of none."""
    assert _json(result) == {"macros": {name: str(expected)}, "conf": None}


@pytest.mark.parametrize("name", WITH_DATE)
def test_a_macro_of_a_run_with_a_date_reaches_the_pod_or_has_no_value(
    rendered: Rendered, name: str
) -> None:
    _check(rendered.runs[DATE][name], name, WITH_DATE[name][rendered.is_airflow2])


def test_old_macros_have_their_own_values_where_airflow_has_them(rendered: Rendered) -> None:
    for name in OLD:
        plain = rendered.runs[DATE][f"plain {name}"]
        if rendered.is_airflow2:
            _check(rendered.runs[DATE][name], name, plain["text"])
        else:
            assert "undefined" in plain["error"]


def test_in_a_run_without_a_date_what_depends_on_it_has_no_value(rendered: Rendered) -> None:
    # Airflow 2 has no such runs.
    assert list(rendered.runs) == [DATE] if rendered.is_airflow2 else [DATE, ""]
    for name in WITH_DATE if not rendered.is_airflow2 else ():
        _check(rendered.runs[""][name], name, None)


def test_what_no_date_is_needed_for_is_the_same_in_every_run(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        for name, expected in ALWAYS.items():
            _check(results[name], name, expected)


def test_every_run_has_a_date_its_logical_date_or_the_present(rendered: Rendered) -> None:
    hours = {date: _json(r["date"])["macros"]["for.hour"] for date, r in rendered.runs.items()}
    keys = {date: _json(r["partition"])["macros"]["part"] for date, r in rendered.runs.items()}
    # In a DAG without partitions, the date makes the key.
    assert keys == hours
    assert hours.pop(DATE) == "2026-01-05T06"
    for hour in hours.values():
        started = datetime.strptime(f"{hour}+0000", "%Y-%m-%dT%H%z")
        assert timedelta() <= datetime.now(timezone.utc) - started < timedelta(hours=2)


def test_a_dotted_macro_keeps_its_name(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        run_id = results["plain dag_run.run_id"]["text"]
        assert run_id.startswith("manual__")
        _check(results["dag_run.run_id"], "dag_run.run_id", run_id)


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_macro_that_airflow_fails_to_read_has_no_value(rendered: Rendered, name: str) -> None:
    for results in rendered.runs.values():
        _check(results[name], name, None)


def test_what_has_no_value_does_not_take_the_others_with_it(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        assert _json(results["several"]) == {
            "macros": {"dag.dag_id": "rendering", "nothing": "None"},
            "variables": {"env": "0123"},
            "conf": None,
        }


def test_variables_reach_the_pod_as_they_are_and_as_text(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        assert _json(results["variable"])["variables"] == {"env": "0123"}
        assert _json(results["hostile"])["variables"] == {"hostile": HOSTILE}
        # Kubernetes expands $(NAME), and takes $$ for a dollar sign.
        assert "$(" not in results["hostile"]["text"].replace("$$", "")


def test_a_variable_that_does_not_exist_is_null(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        assert _json(results["missing"])["variables"] == {"env": "0123", "missing": None}


def test_form_and_conf_of_a_run_reach_the_pod_as_they_are(rendered: Rendered) -> None:
    assert _json(rendered.with_conf["conf"]) == {
        "macros": {"ds": "2026-01-06"},
        "variables": {"env": "0123"},
        "form": {"model.depth": 5, "model.name": None, "absent": None},
        "conf": {"model": {"rates": [0.5, 1e-05], "note": "{{ ds }}, ${x}"}, "ds": "mine"},
    }


def test_a_dag_that_names_no_parameters_still_takes_those_of_a_run(rendered: Rendered) -> None:
    for results in rendered.runs.values():
        assert _json(results["none"]) == {"conf": None}
    assert _json(rendered.with_conf["none"])["conf"]["ds"] == "mine"
