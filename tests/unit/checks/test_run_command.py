"""A `run` command that a project has in place of Kedro's."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import click
import pytest

from kedro_airflow_k8s.checks.run_command import run_command
from kedro_airflow_k8s.project.own_code import RunCommand, own_run_command
from tests.support.checked import node, subject

ALL = ("--env", "--pipelines", "--nodes", "--params")


def problems(*options: str, required: tuple[str, ...] = (), **run: Any) -> list[str]:
    command = RunCommand(frozenset(options), required, "--pipelines")
    nodes = [node("a", "", "x"), node("b", "x")]
    checked = replace(subject(nodes, {}, **run), run_command=command)
    found = list(run_command(checked))
    assert all((each.code, each.severity) == ("run-command", "error") for each in found)
    return [each.problem for each in found]


def test_a_command_with_all_options_that_pods_pass_is_fine() -> None:
    assert problems(*ALL) == []
    assert problems(*ALL, required=("--env",)) == []
    assert list(run_command(subject([node("a", "", "x")], {}))) == []


@pytest.mark.parametrize("option", ["--env", "--pipelines", "--nodes"])
def test_an_option_that_the_command_lacks_is_an_error(option: str) -> None:
    (problem,) = problems(*(other for other in ALL if other != option))
    assert repr(option) in problem


def test_params_are_needed_only_where_airflow_gives_some() -> None:
    assert problems(*ALL[:-1]) == []
    assert "--params" in problems(*ALL[:-1], macro_params=["ds"])[0]


def test_an_option_that_the_command_requires_besides_is_an_error() -> None:
    assert "'--model'" in problems(*ALL, required=("--model",))[0]


@pytest.mark.parametrize(
    ("required", "fix"),
    [(("--a",), "Give it a default."), (("--a", "--b"), "Give them a default.")],
)
def test_required_options_need_a_default(required: tuple[str, ...], fix: str) -> None:
    command = RunCommand(frozenset(ALL), required, "--pipelines")
    checked = replace(subject([node("a", "", "x")], {}), run_command=command)
    assert [each.fix for each in run_command(checked)] == [fix]


def test_the_command_is_that_of_the_module_that_kedro_has_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @click.group()
    def cli() -> None: ...

    module = ModuleType("shop.cli")
    module.cli = cli  # type: ignore[attr-defined]
    assert own_run_command("shop") is None
    monkeypatch.setitem(sys.modules, "shop.cli", module)
    assert own_run_command("shop") is None

    @cli.command()
    @click.argument("model")
    @click.option("--env", "-e")
    @click.option("--day", required=True)
    def run(model: str, env: str, day: str) -> None: ...

    found = own_run_command("shop")
    assert found is not None
    assert found.options is not None
    assert {"--env", "-e", "--day"} <= found.options
    assert sorted(found.required) == ["--day", "model"]

    run.ignore_unknown_options = True
    found = own_run_command("shop")
    assert found is not None
    assert found.options is None
