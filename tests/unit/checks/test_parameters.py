"""Checks of parameters: those that nodes read, and those that only a run has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kedro_airflow_k8s.checks import parameters
from kedro_airflow_k8s.checks.findings import Finding
from tests.support.checked import config, node, shown, subject

DAILY: dict[str, Any] = {"cron_expression": "@daily"}
READS = [node("train", "params:model.depth", "model")]


def unknown(nodes: Any = READS, *, project: Any = None, own_code: bool = False, **run: Any) -> Any:
    """Severity and place of each finding about parameters that nodes read."""
    checked = replace(
        subject(nodes, {}, parameters=project or {}, **run), sets_parameters_in_run=own_code
    )
    return [found.severity for found in parameters.unknown_parameters(checked)]


def of_runs(names: dict[str, str], *, own_code: bool = False, **run: Any) -> list[Finding]:
    checked = replace(
        subject([node("load", "", "table")], {}, **run),
        runtime_params=names,
        sets_parameters_in_run=own_code,
    )
    return list(parameters.runtime_parameters(checked))


@pytest.mark.parametrize("schedule", [{}, DAILY])
def test_a_parameter_that_own_code_may_add_is_a_warning_schedule_or_not(schedule: Any) -> None:
    assert unknown(own_code=True, **schedule) == ["warning"]
    assert unknown(**schedule) == ["error" if schedule else "warning"]


def test_a_parameter_beside_one_that_airflow_gives_is_still_unknown() -> None:
    assert unknown(macro_params=["model.width"], **DAILY) == ["error"]
    assert unknown(macro_params=["model"], **DAILY) == []
    assert unknown([node("n", "params:model")], macro_params=["model.width"], **DAILY) == []


@pytest.mark.parametrize("key", ["macro_params", "variables_params"])
@pytest.mark.parametrize("schedule", [{}, DAILY])
def test_runtime_params_that_airflow_gives_are_fine(key: str, schedule: Any) -> None:
    run: dict[str, Any] = {key: ["ds"], **schedule}
    assert of_runs({"ds": "catalog"}, **run) == []


def test_the_date_of_the_run_is_a_parameter_that_every_run_has() -> None:
    reads = [node("n", "params:run_date")]
    assert of_runs({"run_date": "catalog"}, date_param="run_date", **DAILY) == []
    assert unknown(reads, date_param="run_date", **DAILY) == []
    assert unknown(reads, date_param="date", **DAILY) == ["error"]


def test_a_runtime_param_that_no_run_has_is_an_error_where_a_schedule_starts_runs() -> None:
    (found,) = of_runs({"day": "catalog"}, macro_params=["days"], **DAILY)
    assert shown([found]) == [("unknown-parameter", "error", "runtime parameter 'day'")]
    assert "catalog" in found.problem
    assert "Did you mean 'days'?" in found.problem
    assert [f.severity for f in of_runs({"day": "catalog"})] == ["warning"]
    assert [f.severity for f in of_runs({"day": "catalog"}, own_code=True, **DAILY)] == ["warning"]


def test_a_field_of_the_form_gives_a_runtime_param_to_runs_started_by_hand() -> None:
    form = config(trigger_params=[{"name": "depth"}]).run_config
    cases: list[tuple[dict[str, Any], list[str]]] = [({}, []), (DAILY, ["warning"])]
    for schedule, severities in cases:
        checked = subject([node("load", "", "table")], {}, **schedule)
        run = checked.run.model_copy(update={"trigger_params": form.trigger_params})
        checked = replace(checked, run=run, runtime_params={"depth": "catalog"})
        assert [f.severity for f in parameters.runtime_parameters(checked)] == severities


def started_with(*names: str, nodes: Any = READS, project: Any = None) -> list[Finding]:
    known = {"model": {"depth": 3}} if project is None else project
    checked = replace(subject(nodes, {}, parameters=known), run_params=names)
    return list(parameters.unknown_run_parameters(checked))


def test_a_misspelt_name_of_a_run_parameter_is_reported_with_the_nearest() -> None:
    (found,) = started_with("modle.depth")
    assert found.where == "--params modle.depth"
    assert found.severity == "warning"
    assert "Did you mean 'model.depth'?" in found.problem


@pytest.mark.parametrize(
    ("project", "hint"),
    [
        ({"model": {"depth": 3}}, " Did you mean 'model.depth'?"),
        ({"model": {"depth": 3}, "other": {"depth": 1}}, ""),
    ],
)
def test_the_last_part_of_a_nested_parameter_is_reported_with_the_whole_name(
    project: Any, hint: str
) -> None:
    (found,) = started_with("depth", project=project)
    assert found.problem.endswith(f"has that name.{hint}")


@pytest.mark.parametrize("name", ["model.depth", "model"])
def test_run_parameters_of_the_project_are_fine(name: str) -> None:
    assert started_with(name) == []


def test_a_new_key_of_a_parameter_that_is_read_whole_is_fine() -> None:
    whole = [node("train", "params:model", "model")]
    assert started_with("model.learning_rate", nodes=whole) == []
    assert [f.where for f in started_with("model.dept", nodes=whole)] == ["--params model.dept"]


def test_a_run_parameter_that_the_run_is_given_is_not_missing() -> None:
    checked = replace(
        subject(READS, {}, parameters={}),
        run_params=("model.depth", "day"),
        runtime_params={"day": "catalog"},
    )
    assert list(parameters.unknown_parameters(checked)) == []
    assert list(parameters.runtime_parameters(checked)) == []
    assert list(parameters.unknown_run_parameters(checked)) == []
