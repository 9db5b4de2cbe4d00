"""How Airflow runs tasks: what is read, and what is refused before a deploy."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.errors import ConfigError


def run(**keys: Any) -> RunConfig:
    return load_config({"run_config": {"image": "a:1", **keys}}, "f").run_config


def refusal(**keys: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        run(**keys)
    (line,) = str(caught.value).splitlines()[1:]
    return line.strip()


def test_times_are_seconds_or_text_with_units() -> None:
    found = run(retry_delay="5m", execution_timeout=90, schedule_timeout="1h30m")

    assert (found.retry_delay, found.execution_timeout, found.schedule_timeout) == (300, 90, 5400)


@pytest.mark.parametrize(
    ("written", "read"),
    [(True, True), (False, False), ("true", True), ("default", "default"), (None, False)],
)
def test_a_task_is_deferrable_or_not_or_as_airflow_has_it(written: Any, read: Any) -> None:
    assert run(deferrable=written).deferrable == read


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("deferrable", "yes", "must be true, false or default"),
        ("deferrable", 1, "must be true, false or default"),
        ("on_finish_action", "keep", "must be one of delete_pod, delete_succeeded_pod, keep_pod"),
        ("trigger_rule", "all_done", "must be one of all_success, none_failed, none_failed_min"),
        ("weight_rule", "sideways", "must be one of downstream, upstream, absolute"),
        ("retries", -1, "must be at least 0"),
        ("retries", "many", "must be a whole number"),
        ("on_eviction", -1, "must be at least 0"),
        ("on_eviction", 101, "must be at most 100"),
        ("retry_delay", "5 minutes", "must be a time"),
        ("execution_timeout", 0, "must be at least 1s"),
        ("pool", "", "must not be empty"),
        ("pool_slots", 0, "must be at least 1"),
        ("max_active_tis_per_dag", 0, "must be at least 1"),
    ],
)
def test_an_impossible_value_is_refused_with_what_is_allowed(
    key: str, value: Any, reason: str
) -> None:
    for keys, path in (
        ({key: value}, f"run_config.{key}"),
        ({"resources": {"gpu": {key: value}}}, f"run_config.resources.gpu.{key}"),
    ):
        line = refusal(**keys)
        assert line.startswith(f"{path}: found ")
        assert reason in line


def test_more_memory_is_a_factor_and_the_most_of_it() -> None:
    found = run(on_oom={"up_to": "64Gi"}).on_oom
    assert (int(found.factor), found.up_to) == (2, "64Gi")
    assert run().on_oom.up_to is None
    entry = run(on_oom={"up_to": "64Gi"}, resources={"gpu": {"on_oom": {"memory": "x1.5"}}})
    assert entry.settings_of("gpu").on_oom.model_dump() == {"memory": "x1.5", "up_to": "64Gi"}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"memory": "2x", "up_to": "1Gi"}, "on_oom.memory: found the text '2x'; must be a factor"),
        ({"memory": "x1", "up_to": "1Gi"}, "on_oom.memory: found the text 'x1'; must be a factor"),
        ({"memory": "x2"}, "on_oom.up_to: is missing: the most memory of a pod, such as 64Gi"),
        ({"memory": "x2", "up_to": "much"}, "on_oom.up_to: found the text 'much'; must be"),
    ],
)
def test_more_memory_without_an_end_is_refused(value: Any, line: str) -> None:
    assert refusal(on_oom=value).startswith(f"run_config.{line}")


def test_the_friendly_word_for_failed_pods_may_not_contradict_airflows() -> None:
    line = refusal(keep_failed_pods=True, on_finish_action="keep_pod")

    assert line == (
        "run_config.keep_failed_pods: found true; contradicts `on_finish_action: keep_pod`:"
        " remove one of them"
    )
    assert run(keep_failed_pods=True, on_finish_action="delete_succeeded_pod").keep_failed_pods


def test_an_entry_that_keeps_other_pods_takes_the_friendly_word_back() -> None:
    entry = {"on_finish_action": "keep_pod"}

    assert "resources.gpu.keep_failed_pods: contradicts" in refusal(
        keep_failed_pods=True, resources={"gpu": entry}
    )
    found = run(keep_failed_pods=True, resources={"gpu": {**entry, "keep_failed_pods": None}})
    assert found.settings_of("gpu").on_finish_action == "keep_pod"


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        ("startup_timeout_seconds", "run_config.startup_time"),
        ("schedule_timeout_seconds", "run_config.schedule_timeout"),
        ("is_delete_operator_pod", "run_config.on_finish_action"),
    ],
)
def test_airflows_name_of_a_key_is_answered_with_ours(foreign: str, ours: str) -> None:
    assert f"Did you mean '{ours}'?" in refusal(**{foreign: 5})
