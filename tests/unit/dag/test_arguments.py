"""The arguments of the DAG: those of the settings, and no line for a setting that is not made."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.plan.build import AS_CONFIGURED, Overrides, build_plan
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.strategies import IMAGE, config_of

PIPELINE = ProjectPipeline(
    "flights", "local", True, "__default__", (PipelineNode("a"),), "0a1b2c", parameters={}
)


def rendered(overrides: Overrides = AS_CONFIGURED, **run_config: Any) -> str:
    config = config_of({"image": IMAGE, "volume": {"disabled": True}, **run_config})
    return render_dag(build_plan(PIPELINE, config, overrides)).source


def arguments(source: str) -> dict[str, str]:
    """The keyword arguments of DAG, as source; those in a mapping under its own source."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    (dag,) = (call for call in calls if ast.unparse(call.func) == "DAG")
    return {k.arg or ast.unparse(k.value): ast.unparse(k.value) for k in dag.keywords}


PLAIN = arguments(rendered())


@pytest.mark.parametrize(
    ("keys", "operators"),
    [
        ({}, ["KedroPodOperator"]),
        ({"deferrable": True}, ["KedroPodOperator", "DeferredPodOperator"]),
        ({"deferrable": "default"}, ["KedroPodOperator", "DeferredPodOperator"]),
        (
            {"on_eviction": 2},
            ["KedroPodOperator", "DeferredPodOperator", "RepeatedPodOperator"],
        ),
        (
            {"limits": {"memory": "1Gi"}, "on_oom": {"up_to": "4Gi"}},
            ["KedroPodOperator", "DeferredPodOperator", "RepeatedPodOperator"],
        ),
        ({"on_eviction": 0}, ["KedroPodOperator"]),
    ],
)
def test_a_dag_has_only_the_operators_of_pods_that_it_uses(
    keys: dict[str, Any], operators: list[str]
) -> None:
    source = rendered(**keys)
    classes = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert classes == operators
    assert f"-> {operators[-1]}:" in source
    assert ("on_oom" in source) is (len(operators) == 3)


def test_the_sizes_of_memory_are_in_the_dag() -> None:
    found = defaults(rendered(limits={"memory": "1Gi"}, on_oom={"up_to": "4Gi"}, on_eviction=2))
    assert (found["on_oom"], found["on_eviction"]) == ("['2Gi', '4Gi']", "2")


@pytest.mark.parametrize(
    ("keys", "argument", "value"),
    [
        (
            {"cron_expression": "@daily", "end_date": "20260331"},
            "end_date",
            "datetime(2026, 3, 31, 23, 59, 59, tzinfo=timezone.utc)",
        ),
        (
            {"cron_expression": "@daily", "end_date": "20260331", "timezone": "Europe/Paris"},
            "end_date",
            "pendulum.datetime(2026, 3, 31, 23, 59, 59, tz='Europe/Paris')",
        ),
        (
            {"cron_expression": "@daily", "start_date": "20260101", "catchup": True},
            "catchup",
            "True",
        ),
        ({"max_active_runs": 3}, "max_active_runs", "3"),
        ({"max_active_tasks": 8}, "max_active_tasks", "8"),
        ({"dagrun_timeout": "1h30m"}, "dagrun_timeout", "timedelta(hours=1, minutes=30)"),
        ({"fail_fast": True}, "{FAIL_FAST: True}", "{FAIL_FAST: True}"),
        ({"display_name": "Täglich"}, "dag_display_name", "'Täglich'"),
        ({"doc_md": "# A\n"}, "doc_md", "'\\n\\n'.join(['# A', __doc__])"),
        (
            {"owner_links": {"a": "mailto:a@example.com"}},
            "owner_links",
            "{'a': 'mailto:a@example.com'}",
        ),
        (
            {"access_control": {"Viewer": ["can_read"]}},
            "access_control",
            "{'Viewer': {'DAGs': ['can_read']}}",
        ),
        ({"paused": True}, "is_paused_upon_creation", "True"),
        ({"paused": False}, "is_paused_upon_creation", "False"),
    ],
    ids=str,
)
def test_a_setting_is_an_argument_and_changes_no_other(
    keys: dict[str, Any], argument: str, value: str
) -> None:
    found = arguments(rendered(**keys))

    assert found[argument] == value
    unrelated = {"tags", "schedule", "start_date", argument}
    assert {k: v for k, v in found.items() if k not in unrelated} == {
        k: v for k, v in PLAIN.items() if k not in unrelated
    }


def test_tags_are_between_those_of_the_plugin_and_the_fingerprint() -> None:
    tags = ast.literal_eval(arguments(rendered(tags=["b", "a"]))["tags"])

    assert [tag.partition(":")[0] for tag in tags] == [
        *("generated_with_kedro_airflow_k8s", "commit_sha", "experiment_name"),
        *("b", "a", "fingerprint"),
    ]


def test_the_owner_is_that_of_all_tasks() -> None:
    assert "'owner': 'data'" in arguments(rendered(owner="data"))["default_args"]
    assert "owner" not in PLAIN["default_args"]


def test_a_dag_for_one_run_has_neither_catchup_nor_an_end() -> None:
    keys = {"cron_expression": "@daily", "start_date": "20260101", "end_date": "20260102"}
    found = arguments(rendered(Overrides(once=True), catchup=True, **keys))

    assert found["catchup"] == "False"
    assert "end_date" not in found


def test_a_run_that_fail_fast_stops_fails_although_its_last_tasks_are_skipped() -> None:
    source = rendered(fail_fast=True)

    assert "as_teardown(on_failure_fail_dagrun=True)" in source
    assert "nodes >> fail_run" in source
    plan = build_plan(PIPELINE, config_of({"image": IMAGE, "fail_fast": True}))
    assert plan.end_ids == ("fail_run", "delete_volume")


def test_a_dag_without_such_settings_has_no_line_for_them() -> None:
    assert PLAIN.keys() == {
        *("dag_id", "schedule", "start_date", "catchup", "doc_md", "tags", "default_args")
    }
    assert "FAIL_FAST" not in rendered()


SLACK = {"with": "slack", "connection": "alerts"}


def defaults(source: str) -> dict[str, str]:
    """The entries of default_args, as source."""
    mapping = ast.parse(arguments(source)["default_args"], mode="eval").body
    assert isinstance(mapping, ast.Dict)
    pairs = zip(mapping.keys, mapping.values, strict=True)
    return {ast.literal_eval(key): ast.unparse(value) for key, value in pairs if key}


def test_messages_about_runs_are_callbacks_of_the_dag_and_tasks_keep_their_reasons() -> None:
    source = rendered(notify=[{**SLACK, "on": ["failure", "success"], "message": "{{ reason }}"}])

    found = arguments(source)
    told = "'slack', 'alerts', message='{{ reason }}')"
    assert found["on_failure_callback"] == f"[Notify('failure', {told}]"
    assert found["on_success_callback"] == f"[Notify('success', {told}]"
    assert defaults(source)["on_failure_callback"] == "[keep_reason]"


def test_messages_about_tasks_are_callbacks_of_all_tasks() -> None:
    entry = {"on": ["failure", "retry"], "level": "task", "with": "smtp", "connection": "mail"}
    source = rendered(notify=[{**entry, "to": "a@example.com"}])

    found, told = defaults(source), "'smtp', 'mail', to=['a@example.com'])"
    assert found["on_failure_callback"] == f"[Notify('failure', {told}]"
    assert found["on_retry_callback"] == f"[Notify('retry', {told}]"
    assert "on_failure_callback" not in arguments(source)


def test_a_notifier_class_gets_its_arguments() -> None:
    arguments_of = {"room": "a", "tags": ["b"], "more": {"c": 1}}
    entry = {"on": "success", "with": "chat.ChatNotifier", "arguments": arguments_of}
    source = rendered(notify=[entry])

    assert arguments(source)["on_success_callback"] == (
        "[Notify('success', 'chat.ChatNotifier', room='a', tags=['b'], more={'c': 1})]"
    )
    assert "on_failure_callback" not in defaults(source)


def test_a_run_that_took_too_long_is_reported_once() -> None:
    keys: dict[str, Any] = {"dagrun_timeout": "1h"}
    both = rendered(notify=[{**SLACK, "on": ["failure", "deadline"]}], **keys)
    late = rendered(notify=[{**SLACK, "on": ["deadline"]}], **keys)

    assert arguments(both)["on_failure_callback"] == "[Notify('failure', 'slack', 'alerts')]"
    assert arguments(late)["on_failure_callback"] == "[Notify('deadline', 'slack', 'alerts')]"


def test_a_dag_without_messages_has_no_code_for_them() -> None:
    assert not any(word in rendered() for word in ("Notify", "keep_reason", "requests", "REASON"))
