"""Settings of pods at three levels: for all, for a pipeline, for the nodes of an entry."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kedro_airflow_k8s.config.layers import with_image
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.sources import EnvSource
from kedro_airflow_k8s.errors import ConfigError


def run(text: str) -> RunConfig:
    return load_config({"run_config": {"image": "a:1", **yaml.safe_load(text)}}, "f").run_config


def refusals(text: str) -> dict[str, str]:
    """The mistakes of settings of pods: path below `run_config`, and message."""
    with pytest.raises(ConfigError) as caught:
        run(text)
    lines = [line.strip().partition(": ") for line in str(caught.value).splitlines()[1:]]
    return {path.removeprefix("run_config."): message for path, _, message in lines}


def test_an_entry_has_the_settings_of_all_with_its_own_over_them() -> None:
    entry = run(
        """
        labels: {team: forecasts, size: small}
        image_pull_secrets: [one, two]
        priority_class_name: batch
        resources:
          gpu:
            image: b:1
            labels: {size: large}
            image_pull_secrets: [three]
        """
    ).settings_of("gpu")

    assert entry.image == "b:1"
    assert entry.labels == {"team": "forecasts", "size": "large"}
    assert entry.image_pull_secrets == ("three",)
    assert entry.priority_class_name == "batch"


def test_a_tag_without_an_entry_has_the_settings_of_all() -> None:
    found = run("{labels: {team: forecasts}, resources: {gpu: {labels: {a: b}}}}")

    assert found.settings_of("__default__").labels == {"team": "forecasts"}
    assert found.settings_of("__default__").image == "a:1"


def test_an_entry_of_a_pipeline_is_over_that_of_all_pipelines_and_both_over_run_config() -> None:
    config = load_config(
        yaml.safe_load(
            """
            run_config:
              image: a:1
              retries: 1
              labels: {a: run, b: run, c: run, d: run}
              resources:
                gpu: {labels: {b: entry, d: entry}, retries: 2}
            pipelines:
              sales:
                retries: 3
                labels: {c: pipeline, d: pipeline}
                resources:
                  gpu: {labels: {e: both}}
            """
        ),
        "f",
    )

    entry = config.of("sales").run_config.settings_of("gpu")
    # An entry is the nearest, wherever it is: it names some nodes of the pipeline.
    assert entry.labels == {"a": "run", "b": "entry", "c": "pipeline", "d": "entry", "e": "both"}
    assert entry.retries == 2
    assert config.of("sales").run_config.retries == 3


@pytest.mark.parametrize(
    ("key", "value", "default"),
    [
        ("priority_class_name", "batch", None),
        ("shared_memory", "1Gi", None),
        ("env_vars", "{A: x}", {}),
        ("image_pull_policy", "Always", "IfNotPresent"),
        ("retries", "3", None),
        ("deferrable", "true", False),
        ("keep_failed_pods", "true", False),
        ("pod", "{spec: {hostname: a}}", {}),
    ],
)
def test_an_entry_takes_a_setting_back_with_a_key_without_a_value(
    key: str, value: str, default: Any
) -> None:
    found = run(f"{{{key}: {value}, resources: {{gpu: {{{key}: }}}}}}")

    assert getattr(found.settings_of("gpu"), key) == default
    assert getattr(found, key) != default


def test_an_entry_may_have_another_source_for_a_volume_or_variable() -> None:
    found = run(
        """
        env_vars: {A: x}
        volumes: {models: {claim: models, mount_path: /models}}
        resources:
          gpu:
            env_vars: {A: {from_field: spec.nodeName}}
            volumes: {models: {claim: , empty_dir: {size: 1Gi}}}
        """
    ).settings_of("gpu")

    assert found.env_vars == {"A": EnvSource(from_field="spec.nodeName")}
    assert found.volumes["models"].source == "empty_dir"
    assert found.volumes["models"].mount_path == "/models"


def test_the_image_of_a_command_replaces_those_of_all_entries() -> None:
    data = yaml.safe_load(
        """
        run_config: {image: a:1, resources: {gpu: {image: b:1}}}
        pipelines: {sales: {image: c:1, resources: {gpu: {image: d:1}}}}
        """
    )

    config = load_config(with_image(data, "e:2"), "f")

    for run_config in (config.run_config, config.of("sales").run_config):
        assert run_config.image == run_config.settings_of("gpu").image == "e:2"


def test_a_list_of_variables_is_read_from_airflow_as_in_the_old_version() -> None:
    assert run("env_vars: [REGION]").env_vars == {
        "REGION": EnvSource(from_airflow_variable="REGION")
    }


def test_profile_in_a_section_stays_where_an_entry_adds_to_it() -> None:
    found = run(
        """
        security_context: {profile: restricted}
        resources: {gpu: {security_context: {pod: {runAsUser: 1000}}}}
        """
    ).settings_of("gpu")

    assert found.security_context.of_pod == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "runAsUser": 1000,
    }


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ("env_vars: {A: {from_field: x}}", "env_vars.A.from_field"),
        ("security_context: {profile: restricted, pod: {runAsUser: 0}}", "security_context.pod"),
        ("security_context: restricted, volumes: {a: {host_path: /y}}", "volumes.a.host_path"),
        ("keep_failed_pods: true, on_finish_action: keep_pod", "keep_failed_pods"),
        ("init_containers: [{name: base}]", "init_containers[0].name"),
        ("volumes: {a: {claim: b, mount_path: /home/kedro_docker/data}}", "volumes.a.mount_path"),
    ],
)
@pytest.mark.parametrize("pipelines", [{}, {"sales": {"resources": {"a": {"retries": 2}}}}])
def test_a_mistake_for_all_is_reported_once_and_not_for_each_entry_or_pipeline(
    settings: str, path: str, pipelines: dict[str, Any]
) -> None:
    data = yaml.safe_load(f"{{image: a, {settings}, resources: {{a: {{}}, b: {{retries: 1}}}}}}")

    with pytest.raises(ConfigError) as caught:
        load_config({"run_config": data, "pipelines": pipelines}, "f")

    (line,) = str(caught.value).splitlines()[1:]
    assert line.startswith(f"  run_config.{path}")


def test_what_fits_only_apart_is_reported_at_the_entry_where_it_meets() -> None:
    text = """
        secrets: [{secret: a, key: k, deploy_target: A}]
        resources: {gpu: {env_vars: {A: x}}, cpu: {}}
        """

    assert refusals(text) == {
        "resources.gpu.secrets[0].deploy_target": "must differ from env_vars.A"
    }
