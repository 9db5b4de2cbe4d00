"""The `airflow-k8s.yaml` that `init` writes: complete, explained, valid, and safe to edit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from kedro_airflow_k8s.config.kubernetes import dns_label_reason
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.section import Section
from kedro_airflow_k8s.init.config_file import (
    config_text,
    config_variables,
    environment_text,
    schema_text,
)
from kedro_airflow_k8s.init.facts import SLUG_LENGTH, Airflow, AuthKind, Image, ProjectFacts, slug
from tests.kedro.init.ci_variants import FACTS as SHOP
from tests.kedro.init.commented_yaml import key_lines, load_yaml, switch_on, switched_off

FACTS = replace(
    SHOP, airflow=replace(SHOP.airflow, output="gs://bucket/dags", auth=None), slug="my-shop"
)
NOWHERE = replace(FACTS, airflow=replace(FACTS.airflow, host="", output=""))
SCHEMA = jsonschema.Draft202012Validator(json.loads(schema_text()))
AUTHS: list[AuthKind | None] = [None, *get_args(AuthKind)]
HOSTILE = [
    'a "quoted" name',
    "it's",
    "Zażółć gęślą jaźń",
    "購物",
    "${oops}",
    "\\${oops}",
    "$${a}$\\",
    "a # b",
    "a: b",
    "- x",
    "two\nlines",
    "tab\tand\u2028more\x85",
    "null",
    "yes",
    "0123",
    "1e3",
    "{{ ds }}",
    "{% raw %}",
    " spaces ",
    "😀",
    "@daily",
    "*",
    "%",
    "--",
    "x" * 300,
]


def text_of(
    facts: ProjectFacts = FACTS, auth: AuthKind | None = None, resources: Sequence[str] = ()
) -> str:
    facts = replace(facts, airflow=replace(facts.airflow, auth=auth))
    return config_text(facts, "../../airflow-k8s.schema.json", resources, date(2026, 1, 31))


def loaded(text: str) -> Any:
    """What Kedro's loader makes of a file, values put for `${...}`."""
    return OmegaConf.to_container(OmegaConf.create(load_yaml(text)), resolve=True)


def all_on(text: str) -> str:
    return switch_on(text, *switched_off(text))


def with_one_schedule(data: Any) -> Any:
    """Settings without those that are in place of `cron_expression` and of waits for DAGs."""
    for key in ("schedule", "partitioned"):
        del data["run_config"][key]
    return data


def sections_of(annotation: Any) -> Iterator[type[Section]]:
    """The sections that a key may hold, also in lists and under names of the user's."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from sections_of(argument)


def paths_of(model: type[Section]) -> Iterator[tuple[str, ...]]:
    """The path of each key of the model."""
    for name, field in model.own_fields().items():
        yield (name,)
        for section in sections_of(field.annotation):
            yield from ((name, *rest) for rest in paths_of(section))


def has(data: Any, path: tuple[str, ...]) -> bool:
    """Whether a key is in data; lists and names of the user's are not steps of a path."""
    if not path:
        return True
    if isinstance(data, list):
        return any(has(item, path) for item in data)
    if not isinstance(data, dict):
        return False
    if path[0] in data and has(data[path[0]], path[1:]):
        return True
    return any(has(value, path) for value in data.values() if isinstance(value, dict))


SHOWN = (
    *("image", "image_pull_policy", "image_pull_secrets", "service_account_name", "env_vars"),
    *("secrets", "node_selectors", "labels", "annotations", "tolerations", "requests", "limits"),
    *("startup_time", "retries", "retry_delay", "execution_timeout", "pool", "deferrable"),
    *("keep_failed_pods", "security_context"),
)
"""The keys of pods and tasks that most projects use. The file says that there are more."""

SHORT = ("security_context", "env_vars")
"""Sections that the file shows in their short form."""


SHOWN_OF_CLUSTERS = ("type", "workers")
"""The keys of clusters that the file shows. It says that there are more."""


def is_shown(path: tuple[str, ...]) -> bool:
    _, key, *below = (*path, "")
    if key == "clusters":
        return below == [""] or below[0] in SHOWN_OF_CLUSTERS
    if path[0] != "run_config" or key not in ResourcesConfig.model_fields:
        return True
    return key in SHOWN and not (key in SHORT and below != [""])


PATHS = sorted({path for path in paths_of(PluginConfig) if is_shown(path)})


def test_the_walk_finds_keys_at_every_depth() -> None:
    assert ("host",) in PATHS
    assert ("run_config", "volume", "mount_path") in PATHS
    assert ("run_config", "secrets", "deploy_target") in PATHS
    assert ("run_config", "tolerations", "toleration_seconds") in PATHS
    assert not has({"run_config": {"volume": {}}}, ("run_config", "volume", "size"))


@pytest.mark.parametrize("facts", [FACTS, NOWHERE], ids=["named", "nowhere"])
@pytest.mark.parametrize("auth", [None, "aws"])
def test_every_key_of_the_model_is_there_switched_on_or_off(
    facts: ProjectFacts, auth: AuthKind | None
) -> None:
    data = load_yaml(all_on(text_of(facts, auth)))
    assert [".".join(path) for path in PATHS if not has(data, path)] == []


def test_the_file_says_that_pods_and_tasks_have_more_keys() -> None:
    said = " ".join(text_of().replace("#", " ").split())
    assert "any field of a pod under `pod`. The reference of the configuration has all" in said


def test_pipelines_that_another_contains_are_disabled() -> None:
    names = ["sales", "1.5", "no"]
    text = config_text(FACTS, "", (), date(2026, 1, 31), names)
    config = load_config(loaded(text), "airflow-k8s.yaml")
    assert config.enabled(["__default__", *names]) == ["__default__"]
    data = load_yaml(all_on(text))
    assert [".".join(path) for path in PATHS if not has(data, path)] == []


@pytest.mark.parametrize("auth", AUTHS)
def test_every_key_of_the_model_is_named_whatever_was_chosen(auth: AuthKind | None) -> None:
    text = text_of(auth=auth)
    names = {path[-1] for path in PATHS}
    assert {name for name in names if not re.search(rf"\b{name}\"?:", text)} == set()


@pytest.mark.parametrize("auth", AUTHS)
def test_every_key_of_the_model_has_a_comment_of_its_own(auth: AuthKind | None) -> None:
    text = all_on(text_of(auth=auth))
    lines = text.splitlines()
    names = {path[-1] for path in PATHS} - {"run_config"}
    bare, last = [], -1
    for number, name in key_lines(text):
        if name in names and not any("#" in line for line in lines[last + 1 : number]):
            bare.append(f"{number}: {name}")
        last = number
    # Both are there before, in an entry beside this one.
    assert [b.partition(": ")[2] for b in bare] == ["secret", "requests"]


@pytest.mark.parametrize("facts", [FACTS, NOWHERE], ids=["named", "nowhere"])
@pytest.mark.parametrize("auth", AUTHS)
def test_the_file_is_valid_as_it_is(facts: ProjectFacts, auth: AuthKind | None) -> None:
    data = loaded(text_of(facts, auth))
    config = load_config(data, "it")
    SCHEMA.validate(data)
    assert (config.host or "", config.output or "") == (facts.airflow.host, facts.airflow.output)
    assert (config.airflow_auth and config.airflow_auth.type) == auth
    assert config.run_config.image == "registry.example.com/shop:1.0"


@pytest.mark.parametrize(
    ("facts", "auth"), [*((FACTS, auth) for auth in AUTHS), (NOWHERE, None), (NOWHERE, "aws")]
)
def test_each_setting_that_is_switched_off_can_be_switched_on_alone(
    facts: ProjectFacts, auth: AuthKind | None
) -> None:
    text = text_of(facts, auth)
    settings = switched_off(text)
    assert len(settings) > 20
    before = load_config(loaded(text), "it")
    for setting in settings:
        data = loaded(switch_on(text, setting))
        SCHEMA.validate(data)
        # It says something that the file did not say before.
        assert load_config(data, setting.name) != before, setting.name


@pytest.mark.parametrize("facts", [FACTS, NOWHERE], ids=["named", "nowhere"])
@pytest.mark.parametrize("auth", AUTHS)
def test_all_settings_that_are_switched_off_can_be_switched_on_together(
    facts: ProjectFacts, auth: AuthKind | None
) -> None:
    data = with_one_schedule(loaded(all_on(text_of(facts, auth))))
    config = load_config(data, "it")
    SCHEMA.validate(data)
    assert config.run_config.secrets[1].deploy_target == "DATABASE_PASSWORD"
    assert config.run_config.external_dependencies[0].execution_delta == 30


@pytest.mark.parametrize("image", [None, "ghcr.io/shop:${commit_id|dirty}"])
def test_a_file_that_overrides_base_has_only_settings_that_can_be_switched_on(
    image: str | None,
) -> None:
    given = Airflow("", "")
    text = environment_text(FACTS, given, "conf/base/x.yaml", schema="../x.json", image=image)
    assert load_yaml(text) == (None if image is None else {"run_config": {"image": image}})
    names = [setting.name for setting in switched_off(text)]
    of_run = ["namespace", "cron_expression", "resources"]
    assert names == ["host", "output", "airflow_auth", *(of_run if image else ["run_config"])]
    data = loaded(all_on(text).replace("${commit_id|dirty}", "1.0"))
    SCHEMA.validate(data)
    config = load_config(data, "it")
    assert config.run_config.cron_expression == "@daily"
    assert config.run_config.resources["__default__"].requests["memory"] == "1Gi"
    assert [line for line in text.splitlines() if len(line) > 105] == []


def test_no_line_is_longer_than_a_screen() -> None:
    for auth in AUTHS:
        assert [line for line in text_of(auth=auth).splitlines() if len(line) > 105] == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_the_experiment_to_the_letter(name: str) -> None:
    facts = replace(FACTS, name=name, airflow=replace(FACTS.airflow, output=f"/dags/{name}"))
    config = load_config(loaded(text_of(facts)), "it")
    assert config.run_config.experiment_name == name
    assert config.output == f"/dags/{name}"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_makes_names_that_registries_and_kubernetes_take(name: str) -> None:
    made = slug(name, "shop_of_mine")
    assert dns_label_reason(made) is None
    assert len(made) <= SLUG_LENGTH
    assert made[0].isalpha()
    assert "--" not in made
    load_config({"run_config": {"image": f"registry.example.com/{made}:1.0"}}, "it")


@given(st.text(), st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_any_name_makes_names_that_registries_and_kubernetes_take(name: str, package: str) -> None:
    made = slug(name, package)
    assert dns_label_reason(made) is None
    assert len(made) <= SLUG_LENGTH
    config = {"image": f"example.com/{made}:1.0", "namespace": made, "run_name": made}
    load_config({"run_config": config}, "it")


def test_ordinary_names_are_as_one_would_write_them() -> None:
    assert slug("My Shop", "x") == "my-shop"
    assert slug("購物", "gou_wu").isascii()
    assert slug("2026 forecast", "x") == "kedro-2026-forecast"
    assert slug("!?", "my_shop") == "my-shop"
    assert slug("!?", "__") == slug("!?", "__") != slug("??", "__")


def test_nodes_that_ask_for_resources_find_entries() -> None:
    names = ("huge", "on", "żółw", "0")
    config = load_config(loaded(text_of(resources=names)), "it")
    assert {"__default__", *names} == set(config.run_config.resources)
    together = with_one_schedule(loaded(all_on(text_of(resources=names))))
    load_config(together, "it")


def test_the_schema_line_is_the_first_and_leads_to_the_schema(tmp_path: Path) -> None:
    first = text_of().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../../airflow-k8s.schema.json"


def test_the_schema_is_that_of_the_package() -> None:
    packaged = (
        Path(__file__).resolve().parents[3] / "kedro_airflow_k8s/config/airflow-k8s.schema.json"
    )
    assert schema_text() == packaged.read_text(encoding="utf-8")


def test_an_env_file_says_when_it_counts() -> None:
    assert "It applies with --env prod" in text_of(replace(FACTS, env="prod"))
    assert "--env" not in text_of()


def test_an_image_by_commit_says_which_variables_it_takes() -> None:
    image = Image("europe-docker.pkg.dev/${google_project_id}/shop/shop", "${commit_id|dirty}")
    text = text_of(replace(FACTS, image=image))
    assert load_yaml(text)["run_config"]["image"] == f"{image.name}:{image.tag}"
    assert "KEDRO_CONFIG_COMMIT_ID" in text
    assert "KEDRO_CONFIG_GOOGLE_PROJECT_ID" in text
    assert config_variables(text) == {"KEDRO_CONFIG_GOOGLE_PROJECT_ID"}
    assert "KEDRO_CONFIG" not in text_of()


def test_the_variables_that_a_file_requires_are_found() -> None:
    text = """
    # ${of_a_comment}
    host: https://${kedro_config:Domain}/
    output: ${host}/${globals:bucket}/${folder|dags}/${kedro_config:stage,test}/${_own}
    run_config: {image: "shop:${commit_id}", run_name: "${ region }-${branch_name}"}
    """
    assert config_variables(text) == {"KEDRO_CONFIG_DOMAIN", "KEDRO_CONFIG_REGION"}


def test_a_spark_cluster_that_is_switched_on_has_entries_of_its_own() -> None:
    text = config_text(FACTS, "", ("big",), date(2026, 1, 31), spark=True)

    run = load_config(loaded(text), "airflow-k8s.yaml").run_config
    cluster = run.clusters["spark"]
    assert (cluster.type, cluster.workers) == ("spark-connect", 2)
    assert run.settings_of(str(cluster.resources)).service_account_name == "spark"
    assert run.settings_of(str(cluster.worker_resources)).requests["memory"] == "4Gi"
    data = load_yaml(all_on(text))
    assert [".".join(path) for path in PATHS if not has(data, path)] == []
