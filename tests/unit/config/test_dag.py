"""Settings of the DAG: contradictions are refused with the key and the way out."""

from typing import Any

import pytest

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.errors import ConfigError


def run(**keys: Any) -> RunConfig:
    return load_config({"run_config": keys}, "airflow-k8s.yaml").run_config


def refusal(**keys: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        run(**keys)
    _, line = str(caught.value).split("\n  ")
    return line


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            {"catchup": True, "cron_expression": "@daily"},
            "run_config.catchup: found true; needs `start_date`, the first day for which",
        ),
        (
            {"start_date": "20260201", "end_date": "2026-01-31"},
            (
                "run_config.end_date: found the text '2026-01-31'; must not be before `start_date`,"
                " 2026-02-01"
            ),
        ),
        (
            {"cron_expression": "@continuous", "max_active_runs": 2},
            "run_config.max_active_runs: found the number 2; must be 1, or omitted",
        ),
        (
            {"owner": "data, ops", "owner_links": {"dta": "https://example.com"}},
            (
                "run_config.owner_links: found a mapping with the keys 'dta'; has 'dta', who is not"
                " in `owner`: must be one of data, ops. Did you mean 'data'?"
            ),
        ),
        (
            {"owner_links": {"data": "wiki.example.com"}},
            (
                "run_config.owner_links.data: found the text 'wiki.example.com'; must be a link"
                " that begins with https://, http:// or mailto:"
            ),
        ),
        ({"tags": ["a" * 101]}, "must have at most 100 characters"),
        ({"tags": ["fingerprint:1"]}, "must not begin with fingerprint: the plugin sets this tag"),
        ({"tags": ["a", "a"]}, "run_config.tags: found a list of 2; must not have duplicates: a"),
        (
            {"fail_fast": True, "trigger_rule": "none_failed", "resources": {"a": {}}},
            "run_config.trigger_rule: found the text 'none_failed'; must be all_success, or",
        ),
        (
            {"fail_fast": True, "resources": {"a": {"trigger_rule": "none_failed"}}},
            "run_config.resources.a.trigger_rule: found the text 'none_failed'; must be",
        ),
        ({"dagrun_timeout": "0m"}, "run_config.dagrun_timeout: found the text '0m'; must be at"),
        ({"dagrun_timeout": "6 hours"}, "such as 90s, 5m, 2h, 3d or 1h30m"),
        ({"max_active_tasks": 0}, "run_config.max_active_tasks: found the number 0; must be"),
        (
            {"access_control": {"Viewer": ["read"]}},
            "run_config.access_control.Viewer.DAGs[0]: found the text 'read'; must be one of",
        ),
    ],
    ids=str,
)
def test_a_contradiction_is_refused_with_the_key_and_the_way_out(
    keys: dict[str, Any], line: str
) -> None:
    assert line in refusal(**keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"catchup": True, "start_date": "20260101"},
        {"start_date": "20260101", "end_date": "20260101"},
        {"end_date": "20260101"},
        {"cron_expression": "@continuous", "max_active_runs": 1},
        {"owner_links": {"default of airflow.cfg": "mailto:team@example.com"}},
        {"owner": "data, ops", "owner_links": {"ops": "https://example.com/ops"}},
        {"access_control": {"Viewer": {"DAG Runs": ["can_create"]}}},
        {"tags": ["team:data", "fingerprints"]},
        {"paused": False},
        {"fail_fast": True, "trigger_rule": "all_success"},
        {"trigger_rule": "none_failed"},
    ],
    ids=str,
)
def test_what_is_possible_is_taken(keys: dict[str, Any]) -> None:
    assert run(**keys) != RunConfig()


def test_a_list_of_permissions_is_about_the_dag() -> None:
    access = run(access_control={"Viewer": ["can_read"]}).access_control

    assert access == {"Viewer": {"DAGs": ("can_read",)}}


def test_each_pipeline_has_settings_of_its_own() -> None:
    config = load_config(
        {
            "run_config": {"start_date": "20260101", "tags": ["all"], "max_active_runs": 1},
            "pipelines": {"train": {"catchup": True, "tags": ["gpu"], "dagrun_timeout": "2h"}},
        },
        "airflow-k8s.yaml",
    )

    train = config.of("train").run_config
    assert (train.catchup, train.tags, train.dagrun_timeout) == (True, ("gpu",), 7200)
    assert (train.max_active_runs, config.of("other").run_config.catchup) == (1, False)


def test_a_contradiction_of_a_pipeline_with_run_config_is_reported_at_the_pipeline() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"run_config": {}, "pipelines": {"train": {"catchup": True}}}, "it")

    assert "pipelines.train.catchup: found true; needs `start_date`" in str(caught.value)
