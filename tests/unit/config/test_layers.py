"""Settings of single pipelines, over those of all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedro_airflow_k8s.config.layers import merged, with_defaults, with_image
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.tasks import Grouping
from kedro_airflow_k8s.errors import ConfigError

ALL: dict[str, Any] = {
    "image": "shop:1",
    "cron_expression": "@daily",
    "startup_timeout": 60,
    "env_vars": {"A": "a", "B": "b"},
    "image_pull_secrets": ["one", "two"],
    "resources": {"__default__": {"requests": {"cpu": "1", "memory": "1Gi"}}},
}


def run_of(own: Any, pipeline: str = "sales", **more: Any) -> Any:
    """The settings of a pipeline that has some of its own."""
    data = {"run_config": {**ALL, **more}, "pipelines": {"sales": own}}
    return load_config(data, "airflow-k8s.yaml").of(pipeline).run_config


def refusal_of(data: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as found:
        load_config(data, "airflow-k8s.yaml")
    return str(found.value).split("\n  ")


def test_mappings_are_merged_at_every_depth_and_lists_and_values_replaced() -> None:
    own = {
        "cron_expression": "@weekly",
        "env_vars": {"B": "own", "C": "c"},
        "image_pull_secrets": ["three"],
        "resources": {"__default__": {"requests": {"memory": "8Gi"}}, "gpu": {}},
    }
    run = run_of(own)
    assert (run.image, run.cron_expression) == ("shop:1", "@weekly")
    assert run.env_vars == {"A": "a", "B": "own", "C": "c"}
    assert run.image_pull_secrets == ("three",)
    assert run.resources["__default__"].requests == {"cpu": "1", "memory": "8Gi"}
    assert set(run.resources) == {"__default__", "gpu"}


def test_other_pipelines_have_the_settings_of_all() -> None:
    run = run_of({"cron_expression": "@weekly"}, pipeline="stock")
    assert run.cron_expression == "@daily"


def test_a_key_without_a_value_takes_the_setting_back_to_its_default() -> None:
    assert run_of({"cron_expression": None}).cron_expression is None
    assert run_of({"env_vars": None}).env_vars == {}


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_pipeline_with_nothing_below_it_changes_nothing(nothing: Any) -> None:
    assert run_of(nothing).env_vars == {"A": "a", "B": "b"}


def test_another_name_of_a_key_replaces_it_too() -> None:
    assert run_of({"startup_time": 5}).startup_time == 5
    assert run_of({"startup_timeout": 5}).startup_time == 5


def test_a_word_replaces_a_section_and_a_section_a_word() -> None:
    assert run_of({"grouping": "memory"}, grouping={"sales": "none"}).grouping == {
        "__default__": Grouping(by="memory")
    }
    assert run_of({"grouping": {"sales": "none"}}, grouping="memory").grouping == {
        "sales": Grouping(by="none")
    }


def test_a_mistake_of_all_is_reported_once() -> None:
    data = {"run_config": {"startup_time": 0}, "pipelines": {"a": {}, "b": {"startup_time": -1}}}
    lines = refusal_of(data)
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "run_config.startup_time",
        "pipelines.b.startup_time",
    ]


def test_a_mistake_of_a_pipeline_has_its_path_and_the_nearest_name() -> None:
    (_, line) = refusal_of({"run_config": {}, "pipelines": {"sales": {"cron_expresion": "@daily"}}})
    assert line.startswith("pipelines.sales.cron_expresion: unknown key.")
    assert "Did you mean 'cron_expression'?" in line


def test_what_fits_only_apart_is_refused_where_it_meets() -> None:
    secret = {"secret": "s", "key": "k", "deploy_target": "A"}
    (_, line) = refusal_of(
        {"run_config": {"env_vars": {"A": "a"}}, "pipelines": {"sales": {"secrets": [secret]}}}
    )
    assert line.startswith("pipelines.sales.secrets[0].deploy_target: ")
    assert "must differ from env_vars.A" in line


@pytest.mark.parametrize("pipelines", ["sales", ["sales"], {"sales": ["x"]}, {1: {}}])
def test_a_section_of_another_kind_is_refused_with_its_path(pipelines: Any) -> None:
    (_, line) = refusal_of({"run_config": {}, "pipelines": pipelines})
    assert line.startswith("pipelines")


def test_the_image_of_a_command_goes_above_that_of_each_pipeline() -> None:
    data = {"run_config": {"image": "a:1"}, "pipelines": {"sales": {"image": "b:1"}, "stock": None}}
    chosen = load_config(with_image(data, "c:1"), "x")
    assert {chosen.of(name).run_config.image for name in ("sales", "stock", "any")} == {"c:1"}
    entries = {"gpu": {"image": "d:1"}, "small": None}
    gpu = {"run_config": {"resources": entries}, "pipelines": {"sales": {"resources": entries}}}
    for name in ("sales", "any"):
        run = load_config(with_image(gpu, "c:1"), "x").of(name).run_config
        assert {settings.image for settings in run.all_settings} == {"c:1"}
    assert load_config(with_image(None, "c:1"), "x").run_config.image == "c:1"


def test_defaults_of_the_sandbox_hold_where_the_files_have_no_value() -> None:
    defaults = {"image": "c:1", "keep_failed": "1d"}
    data = {"run_config": {"image": "a:1"}, "pipelines": {"sales": {"keep_failed": 0}}}
    config = load_config(with_defaults(data, defaults), "x")
    found = [config.of(name).run_config for name in ("sales", "any")]
    assert [(run.image, run.keep_failed) for run in found] == [("a:1", 0), ("a:1", 86_400)]
    off = {"run_config": {"image": "", "keep_failed": 0}}
    assert load_config(with_defaults(off, defaults), "x").run_config.keep_failed == 0
    for nothing in (None, {"run_config": None}, off):
        assert load_config(with_defaults(nothing, defaults), "x").run_config.image == "c:1"


def test_commands_with_all_leave_out_what_is_disabled() -> None:
    data = {"run_config": {}, "pipelines": {"sales": {"enabled": False}, "stock": {}}}
    config = load_config(data, "x")
    assert config.enabled(["__default__", "sales", "stock"]) == ["__default__", "stock"]


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=12,
)
mappings = st.dictionaries(st.sampled_from("abc"), trees)


def leaves(data: Any, above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """All values that are not mappings with keys, by their paths."""
    if not isinstance(data, dict) or not data:
        return {above: data}
    return {
        path: value
        for key, part in data.items()
        for path, value in leaves(part, (*above, key)).items()
    }


@given(mappings, mappings)
def test_every_value_above_is_in_the_result_and_no_value_is_from_elsewhere(a: Any, b: Any) -> None:
    below, above, found = leaves(a), leaves(b), leaves(merged(a, b))
    assert {path: value for path, value in above.items() if value != {}}.items() <= found.items()
    assert all(value in (below.get(path), above.get(path)) for path, value in found.items())


@given(mappings)
def test_settings_over_nothing_or_themselves_stay(a: Any) -> None:
    assert merged(a, {}) == merged({}, a) == merged(a, a) == a


def test_a_section_of_an_entry_keeps_the_word_restricted_of_all_pods() -> None:
    entry = {"gpu": {"security_context": {"pod": {"runAsUser": 1000}}}}
    run = load_config(
        {"run_config": {"security_context": "restricted", "resources": entry}}, "x"
    ).run_config
    security = run.settings_of("gpu").security_context
    assert security.profile == "restricted"
    assert security.of_pod["runAsUser"] == 1000
    assert run.settings_of("other").security_context.profile == "restricted"
