"""Whatever a configuration holds, it loads or is refused in words that say where."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kedro_airflow_k8s.config.layers import merged
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, PluginConfig
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.schema import json_schema
from kedro_airflow_k8s.config.warnings import config_warnings
from kedro_airflow_k8s.errors import ConfigError

SAMPLE = yaml.safe_load(
    (Path(__file__).parents[2] / "support/data" / "document_sample.yaml").read_text(
        encoding="utf-8"
    )
)
VALIDATOR = jsonschema.Draft202012Validator(json_schema())
LINE = re.compile(r"  (the whole file|[\w-]+(\.[\w-]+|\[.*\])*|\[.*\][^ ]*): .+")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=3),
)
junk = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=10), scalars), inner, max_size=3),
    ),
    max_leaves=8,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps: list[Any] = []
    if isinstance(data, dict):
        steps = list(data)
    elif isinstance(data, list):
        steps = list(range(len(data)))
    return [path, *(deeper for step in steps for deeper in places(data[step], (*path, step)))]


COMPLETE = deepcopy(SAMPLE)
COMPLETE["run_config"]["kubernetes_conn_id"] = "kubernetes_default"
COMPLETE["run_config"]["env_vars"] = {"A": "b"}
COMPLETE["run_config"]["volume"].update(mount_path="/data", access_modes=["ReadWriteOnce"])
COMPLETE["run_config"]["resources"]["___default___"]["tolerations"][0].update(
    operator="Equal", toleration_seconds=3
)
COMPLETE["run_config"]["timezone"] = "Europe/Paris"
COMPLETE["run_config"]["trigger_params"] = ["a", {"name": "b", "description": "c"}]
COMPLETE["airflow_auth"] = {"type": "aws", "environment": "a", "region": "b"}
COMPLETE["airflow_tls"] = {"client_certificate": "a", "client_key": "b"}
PLACES = places(COMPLETE)


def refusal_of(data: Any) -> str | None:
    try:
        config = load_config(data, "airflow-k8s.yaml")
    except ConfigError as error:
        return str(error)
    assert isinstance(config, PluginConfig)
    for warning in config_warnings(config):
        assert re.fullmatch(r"run_config\.[\w-]+(\.[\w-]+|\[.*\])*", warning.path)
        assert all(getattr(warning, field).endswith(".") for field in ("reason", "fix"))
    return None


def loads_or_is_refused_with_paths(data: Any) -> None:
    text = refusal_of(data)
    if text is None:
        return
    head, *lines = text.split("\n")
    assert head.startswith("airflow-k8s.yaml is empty: ") or lines
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert all(line.isprintable() and len(line) < 800 for line in lines)


@given(junk)
def test_any_file_loads_or_is_refused_with_a_path(data: Any) -> None:
    loads_or_is_refused_with_paths(data)


@given(st.sampled_from(PLACES), junk)
def test_any_value_at_any_key_loads_or_is_refused_with_a_path(
    place: tuple[Any, ...], value: Any
) -> None:
    data = {"": deepcopy(COMPLETE)}
    *way, last = ("", *place)
    at: Any = data
    for step in way:
        at = at[step]
    at[last] = value

    loads_or_is_refused_with_paths(data[""])


@given(st.sampled_from([p for p in PLACES if p]), st.one_of(st.text(max_size=30), scalars))
def test_any_key_beside_any_other_loads_or_is_refused_with_a_path(
    place: tuple[Any, ...], key: Any
) -> None:
    data = deepcopy(COMPLETE)
    at = data
    for step in place[:-1]:
        at = at[step]
    if isinstance(at, dict):
        at[key] = at[place[-1]]
    else:
        at.append(key)

    loads_or_is_refused_with_paths(data)


def keyed(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


texts = st.text(min_size=1, max_size=300).filter(str.strip)
labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=4).map(".".join)
identifiers = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
amounts = st.builds(
    "{}{}".format,
    st.integers(1, 999),
    st.sampled_from(
        ["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "Ti", "e3", "E+2", ".5", ".", ".25Gi"]
    ),
)
marks = st.dictionaries(st.text(max_size=70), st.text(max_size=70), max_size=3)
ids = st.from_regex(r"[\w.-]{1,250}", fullmatch=True)
tolerations = st.one_of(
    st.builds(lambda key, value: {"key": key, "value": value}, names, labels),
    st.just({"operator": "Exists"}),
    st.builds(
        lambda key, seconds: {"key": key, "effect": "NoExecute", "tolerationSeconds": seconds},
        labels,
        st.integers(0, 10**9),
    ),
)
secrets = st.one_of(
    st.builds(lambda name: {"secret": name}, names),
    st.builds(
        lambda name, key, target: {"secret": name, "key": key, "deploy_target": f"SECRET_{target}"},
        names,
        identifiers,
        identifiers,
    ),
    st.builds(
        lambda name, folder: {
            "secret": name,
            "deploy_type": "volume",
            "deploy_target": f"/secrets/{folder}",
        },
        names,
        labels,
    ),
)
requests = st.dictionaries(st.sampled_from(["cpu", "memory", "hugepages-2Mi"]), amounts, max_size=3)
run_configs = keyed(
    image=st.builds("{}/{}:{}".format, names, labels, identifiers),
    image_pull_policy=st.sampled_from(["Always", "IfNotPresent", "Never"]),
    startup_time=st.integers(1, 10**6),
    namespace=labels,
    experiment_name=texts,
    run_name=texts.filter(lambda text: "--" not in text),
    cron_expression=st.sampled_from(["@daily", "0 6 * * 1-5", "*/5 * * * *"]),
    timezone=st.sampled_from(["UTC", "Asia/Tokyo"]),
    start_date=st.dates().map(lambda day: day.isoformat()),
    description=texts,
    image_pull_secrets=st.lists(names, unique=True, max_size=3),
    service_account_name=names,
    volume=keyed(
        storageclass=names,
        size=amounts,
        access_modes=st.lists(
            st.sampled_from(["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"]),
            min_size=1,
            unique=True,
        ),
        skip_init=st.booleans(),
        owner=st.integers(0, 2**31 - 1),
        disabled=st.booleans(),
        mount_path=st.lists(identifiers, min_size=1).map(lambda parts: "/" + "/".join(parts)),
    ),
    secrets=st.lists(secrets, max_size=3, unique_by=lambda secret: secret.get("deploy_target", "")),
    macro_params=st.lists(identifiers.map("macro_{}".format), unique=True, max_size=3),
    variables_params=st.lists(
        st.from_regex(r"v[^,=$\[\].\s]*", fullmatch=True), unique=True, max_size=3
    ),
    trigger_params=st.lists(
        st.builds(lambda name, text: {"name": f"t{name}", "description": text}, identifiers, texts),
        max_size=3,
        unique_by=lambda entry: entry["name"],
    ),
    env_vars=st.dictionaries(identifiers.map("E_{}".format), st.text(), max_size=3),
    resources=st.dictionaries(
        st.one_of(st.just(RESOURCES_DEFAULT), texts),
        keyed(
            node_selectors=marks,
            labels=marks,
            annotations=marks,
            tolerations=st.lists(tolerations, max_size=3),
            requests=requests,
            limits=requests,
        ),
        max_size=3,
    ),
    external_dependencies=st.lists(
        st.fixed_dictionaries(
            {"dag_id": ids},
            optional={
                "task_id": ids,
                "timeout": st.integers(1, 10**6),
                "check_existence": st.booleans(),
                "execution_delta": st.integers(-(10**6), 10**6),
            },
        ),
        max_size=3,
    ),
)


@given(run_configs)
def test_every_valid_configuration_loads_keeps_its_values_and_is_valid_for_editors(
    written: dict[str, Any],
) -> None:
    config = load_config({"run_config": written}, "airflow-k8s.yaml")

    read = json.loads(config.run_config.model_dump_json(exclude_unset=True))
    volume = written.get("volume", {})
    if volume.get("disabled"):
        written = {**written, "volume": volume.keys()}
        assert config.run_config.volume.disabled
        read["volume"] = volume.keys()
    for entry in written.get("resources", {}).values():
        for toleration in entry.get("tolerations", ()):
            if "tolerationSeconds" in toleration:
                toleration["toleration_seconds"] = toleration.pop("tolerationSeconds")
    pods = {key: value for key, value in written.items() if key in ResourcesConfig.model_fields}
    if "resources" in written:
        entries = written["resources"].items()
        written = {**written, "resources": {name: merged(pods, own) for name, own in entries}}
    assert read == written
    list(config_warnings(config))  # They are found without an error.
    assert [
        e.message for e in VALIDATOR.iter_errors({"run_config": written | {"volume": {}}})
    ] == []


def test_the_text_of_a_refusal_stays_readable_for_a_huge_file() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"run_config": {"image": {str(n): "x" * 10_000 for n in range(1000)}}}, "f")

    assert len(str(caught.value)) < 500
