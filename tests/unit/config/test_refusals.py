"""Mistakes in `airflow-k8s.yaml`: every one is named at once, with its path and the way out."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from kedro_airflow_k8s.config import errors, foreign_keys
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.errors import ConfigError

SOURCE = "conf/base/airflow-k8s.yaml"


def refusal(data: Any, **taken: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(data, SOURCE, taken)
    return str(caught.value)


def mistakes(data: Any, **taken: str) -> list[str]:
    return [line.strip() for line in refusal(data, **taken).splitlines()[1:]]


def mistake(data: Any, **taken: str) -> str:
    (line,) = mistakes(data, **taken)
    return line


def in_run(**keys: Any) -> str:
    return mistake({"run_config": keys})


def in_resources(**keys: Any) -> str:
    return in_run(resources={"a": keys})


def test_all_mistakes_are_reported_together() -> None:
    text = refusal(
        {
            "hots": "https://airflow.example.com",
            "run_config": {
                "image": "my app",
                "volume": {"szie": "1Gi", "owner": "me"},
                "secrets": [{"secret": "fine"}, {"deploy_type": "file"}],
                "resources": {"a": {"requests": {"cpu": -1}, "tolerations": [{"value": "b"}]}},
            },
        }
    )

    head, *lines = text.splitlines()
    assert head == f"{SOURCE} has 8 mistakes:"
    assert sorted(line.strip().partition(": ")[0] for line in lines) == [
        "hots",
        "run_config.image",
        "run_config.resources.a.requests.cpu",
        "run_config.resources.a.tolerations[0].key",
        "run_config.secrets[1].deploy_type",
        "run_config.secrets[1].secret",
        "run_config.volume.owner",
        "run_config.volume.szie",
    ]


def test_an_unknown_key_is_refused_with_its_path_and_the_nearest_name() -> None:
    assert in_run(volume={"szie": "1Gi"}) == (
        "run_config.volume.szie: unknown key. Did you mean 'size'?"
    )


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("Image", "image"),
        ("cron-expression", "cron_expression"),
        ("startup_timout", "startup_timeout"),
    ],
)
def test_case_dashes_and_other_names_count_for_the_nearest_name(key: str, nearest: str) -> None:
    assert f"{key}: unknown key. Did you mean {nearest!r}" in in_run(**{key: 1})


def test_a_key_that_belongs_elsewhere_is_sent_there() -> None:
    assert "It belongs at run_config.namespace" in mistake({"run_config": {}, "namespace": "a"})
    assert "It belongs at host" in in_run(host="https://airflow.example.com")
    assert "It belongs at run_config.volume.skip_init" in in_run(skip_init=True)


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"schedule": "@daily"}, "must have the key `assets`: times alone are `cron_expression`"),
        ({"schedule_interval": "@daily"}, "Did you mean 'run_config.cron_expression'?"),
        ({"dag_id": "shop"}, "Did you mean 'run_config.run_name'?"),
        ({"taints": []}, "Did you mean 'run_config.tolerations'?"),
        ({"nodeSelector": {}}, "Did you mean 'run_config.node_selectors'?"),
        ({"podTemplate": {}}, "Did you mean 'run_config.pod'?"),
        ({"priorityClass": "high"}, "Did you mean 'run_config.priority_class_name'?"),
        ({"resources": {"big": {"imagePullPolicy": "Never"}}}, "Did you mean 'image_pull_policy'?"),
        ({"serviceAccount": "a"}, "Did you mean 'run_config.service_account_name'?"),
        ({"startup_timeout_seconds": 5}, "Did you mean 'run_config.startup_time'?"),
        ({"volume": {"storageClassName": "x"}}, "Did you mean 'run_config.volume.storageclass'?"),
        ({"resources": {"big": {"cpu": 1}}}, "big.cpu: unknown key. Did you mean 'requests.cpu'?"),
        (
            {"resources": {"cpu": "500m"}},
            "Did you mean 'run_config.requests.cpu'?",
        ),
        (
            {"resources": {"requests": {"cpu": "500m"}}},
            "Did you mean 'run_config.resources.__default__.requests.cpu'?",
        ),
        (
            {"secrets": [{"secret": "a", "name": "db"}]},
            "secrets[0].name: unknown key. Did you mean 'secret'?",
        ),
        ({"email_on_failure": True}, "Did you mean 'run_config.notify'?"),
        ({"dag_display_name": "a"}, "Did you mean 'run_config.display_name'?"),
        ({"livenessProbe": {}}, "The pods cannot have it."),
    ],
    ids=str,
)
def test_a_key_of_airflow_or_kubernetes_is_answered_with_our_name_or_what_holds_instead(
    settings: dict[str, Any], hint: str
) -> None:
    assert hint in in_run(**settings)


def test_every_name_that_is_suggested_for_a_foreign_key_exists() -> None:
    places = {place for place, _ in errors._places(PluginConfig, "")}
    for place in foreign_keys._NAMES.values():
        head = re.sub(r"(requests|limits)[.\[].*", r"\1", place)
        assert head in places, place
    sections = {section.__name__: section for section in nested_sections(PluginConfig)}
    for name, keys in foreign_keys._BELOW.items():
        heads = {re.split(r"\W", key)[0] for key in keys.values()}
        assert heads <= sections[name].model_fields.keys(), name


def nested_sections(section: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for field in section.model_fields.values():
        inner, _ = errors._nested(field.annotation)
        if inner is not None:
            yield inner
            yield from nested_sections(inner)


def test_a_misspelt_key_in_the_wrong_place_is_sent_to_the_right_one() -> None:
    assert "run_config.szie: unknown key. Did you mean 'run_config.volume.size'?" in in_run(
        szie="1Gi"
    )


def test_an_unknown_key_that_resembles_nothing_is_answered_with_the_allowed_ones() -> None:
    line = mistake({"run_config": {}, "qqq": 1})

    assert (
        line == "qqq: unknown key (allowed here: host, output, airflow_auth, airflow_tls, checks,"
        " run_config, pipelines)"
    )


def test_an_unknown_key_without_a_value_is_refused_too() -> None:
    assert "run_config.szie: unknown key" in in_run(szie=None)


def test_a_key_of_the_old_plugin_is_just_unknown() -> None:
    assert "run_config.authentication: unknown key" in in_run(authentication={"type": "GCP"})


def test_a_misspelt_key_of_a_disabled_volume_is_refused() -> None:
    line = in_run(volume={"disabled": True, "size": "huge", "szie": 1})

    assert line.startswith("run_config.volume.szie: unknown key. Did you mean 'size'?")


def test_two_names_of_one_thing_at_once_are_refused() -> None:
    reason = "startup_time and startup_timeout are two names of one key: keep one of them"

    assert in_run(startup_time=1, startup_timeout=1) == f"run_config.startup_timeout: {reason}"


def test_the_name_that_was_written_is_the_one_in_the_message() -> None:
    assert in_run(startup_timeout=0) == (
        "run_config.startup_timeout: found the number 0; must be greater than 0"
    )


@pytest.mark.parametrize("data", [None, {}])
def test_an_empty_file_is_called_empty(data: Any) -> None:
    assert (
        refusal(data) == f"{SOURCE} is empty: it needs at least `run_config:` with the image to run"
    )


@pytest.mark.parametrize("data", [{"run_config": None}, {"output": "dags"}])
def test_a_file_without_a_run_configuration_says_what_it_needs(data: Any) -> None:
    line = mistake(data)

    assert line.startswith("run_config: ")
    assert "a value is required. Settings of the pipeline" in line


@pytest.mark.parametrize(
    ("data", "found"),
    [(["a"], "a list of 1"), ([], "a list of 0"), ("a", "the text 'a'"), (5, "the number 5")],
)
def test_a_file_that_is_not_a_mapping_is_refused_by_what_it_is(data: Any, found: str) -> None:
    line = mistake(data)

    assert line.startswith(f"the whole file: found {found}; must be keys with values")


@pytest.mark.parametrize(
    ("keys", "path", "found", "allowed"),
    [
        ({"image": 1}, "image", "the number 1", "put it in quotes"),
        ({"image": 1.5}, "image", "the number 1.5", "put it in quotes"),
        ({"run_name": True}, "run_name", "true", "put it in quotes"),
        ({"description": date(2021, 1, 1)}, "description", "date", "put it in quotes"),
        ({"description": ["a"]}, "description", "a list of 1", "must be a string"),
        ({"startup_time": "600s"}, "startup_time", "the text '600s'", "must be a whole number"),
        ({"startup_time": "0600"}, "startup_time", "the text '0600'", "must be a whole number"),
        ({"startup_time": "-5"}, "startup_time", "the number -5", "must be greater than 0"),
        ({"startup_time": "9" * 5000}, "startup_time", "the text '9999", "must be a whole number"),
        ({"startup_time": "٣"}, "startup_time", "the text '٣'", "must be a whole number"),
        ({"startup_time": 1.5}, "startup_time", "the number 1.5", "must be a whole number"),
        ({"startup_time": True}, "startup_time", "true", "must be a whole number"),
        ({"volume": {"disabled": "yes"}}, "volume.disabled", "the text 'yes'", "true or false"),
        ({"volume": {"skip_init": 1}}, "volume.skip_init", "the number 1", "true or false"),
        ({"volume": "1Gi"}, "volume", "the text '1Gi'", "storageclass, size"),
        ({"volume": []}, "volume", "a list of 0", "storageclass, size"),
        ({"secrets": {"secret": "a"}}, "secrets", "a mapping with the keys", "must be a list"),
        ({"secrets": ["a"]}, "secrets[0]", "the text 'a'", "deploy_type, deploy_target"),
        ({"macro_params": "ds"}, "macro_params", "the text 'ds'", "a list: write [ds]"),
        ({"resources": ["a"]}, "resources", "a list of 1", "must be keys with values"),
        ({"resources": {"a": 1}}, "resources.a", "the number 1", "must be keys with values"),
        ({"env_vars": {"A": 1}}, "env_vars.A", "the number 1", "put it in quotes"),
        ({"env_vars": {"A": None}}, "env_vars.A", "nothing", "must be a string"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_what_to_write(
    keys: dict[str, Any], path: str, found: str, allowed: str
) -> None:
    line = in_run(**keys)

    assert line.startswith(f"run_config.{path}: found {found}")
    assert allowed in line


def test_a_string_with_a_number_or_a_truth_value_counts_as_such() -> None:
    """What comes from the environment is always a text, and stays one where a text is wanted."""
    toleration = {"key": "a", "effect": "NoExecute", "tolerationSeconds": "30"}
    run = load_config(
        {
            "run_config": {
                "image": "shop:0123456",
                "startup_timeout": "300",
                "keep_intermediate_data": "True",
                "volume": {"owner": "0", "skip_init": "false", "same_node": "true"},
                "env_vars": {"N": "300", "T": "true"},
                "resources": {"a": {"labels": {"n": "300"}, "tolerations": [toleration]}},
                "external_dependencies": [{"dag_id": "300", "timeout": "60"}],
            }
        },
        "airflow-k8s.yaml",
    ).run_config

    assert (run.startup_time, run.keep_intermediate_data) == (300, True)
    assert (run.volume.owner, run.volume.skip_init, run.volume.same_node) == (0, False, True)
    assert run.env_vars == {"N": "300", "T": "true"}
    assert run.resources["a"].labels == {"n": "300"}
    assert run.resources["a"].tolerations[0].toleration_seconds == 30
    assert (run.external_dependencies[0].dag_id, run.external_dependencies[0].timeout) == (
        "300",
        60,
    )


def test_values_of_variables_are_shown_by_the_name_of_the_variable() -> None:
    def shown(**keys: Any) -> str:
        return mistake({"run_config": keys}, secret="s3cr3t!", short="x")

    assert shown(startup_time="s3cr3t!") == (
        "run_config.startup_time: found the text '${kedro_config:secret}'; must be a whole number"
    )
    assert "'${kedro_config:short}'" in shown(startup_time="x")
    assert "found the text 'exact'" in shown(startup_time="exact")
    for keys in (
        {"namespace": "a-s3cr3t!"},
        {"cron_expression": "s3cr3t! * * * *"},
        {"image_pull_secrets": "s3cr3t!"},
        {"start_date": "s3cr3t!"},
        {"image_pull_policy": "s3cr3t!"},
    ):
        line = shown(**keys)
        assert "s3cr3t" not in line
        assert "${kedro_config:secret}" in line
    assert "s3cr3t" not in mistake("s3cr3t!", secret="s3cr3t!")


def test_a_key_that_is_not_text_is_refused_with_its_place() -> None:
    assert mistake({"run_config": {}, 1: 2}) == (
        "[1]: the key is the number 1, not a string: put it in quotes"
    )
    assert in_resources(labels={1: "a"}) == (
        "run_config.resources.a.labels[1]: the key is the number 1, not a string: put it in quotes"
    )
    assert in_run(env_vars={True: "a"}).startswith("run_config.env_vars")


@pytest.mark.parametrize(
    ("keys", "path", "nearest"),
    [
        ({"image_pull_policy": "always"}, "image_pull_policy", "Always"),
        ({"image_pull_policy": "IfNotPresnet"}, "image_pull_policy", "IfNotPresent"),
        (
            {"secrets": [{"secret": "a", "deploy_type": "volum"}]},
            "secrets[0].deploy_type",
            "volume",
        ),
        (
            {"volume": {"access_modes": ["readwriteonce"]}},
            "volume.access_modes[0]",
            "ReadWriteOnce",
        ),
    ],
)
def test_a_word_that_is_none_of_the_allowed_ones_is_answered_with_the_nearest(
    keys: dict[str, Any], path: str, nearest: str
) -> None:
    line = in_run(**keys)

    assert line.startswith(f"run_config.{path}: found the text")
    assert line.endswith(f"Did you mean '{nearest}'?")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("europe/paris", "Europe/Paris"),
        ("Paris", "Europe/Paris"),
        ("New York", "America/New_York"),
        ("Europe/Pars", "Europe/Paris"),
        ("utc", "UTC"),
    ],
)
def test_a_time_zone_that_does_not_exist_is_answered_with_the_nearest(name: str, near: str) -> None:
    line = in_run(timezone=name)

    assert line.startswith(f"run_config.timezone: found the text {name!r}; must be the IANA name")
    assert line.endswith(f"Did you mean '{near}'?")


def test_long_values_are_shortened() -> None:
    line = in_run(image="x " * 10_000)

    assert len(line) < 300
    assert "..." in line


def test_keys_with_dots_spaces_and_unprintable_characters_are_quoted() -> None:
    assert "run_config.resources['a.b c'].labels['x\\ny']: " in in_run(
        resources={"a.b c": {"labels": {"x\ny": 1}}}
    )
