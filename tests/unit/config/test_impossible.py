"""Values in `airflow-k8s.yaml` that Airflow or Kubernetes could only fail with are refused."""

from datetime import datetime, timezone
from typing import Any

import pytest

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.errors import ConfigError


def mistakes(data: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(data, "airflow-k8s.yaml")
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def mistake(data: Any) -> str:
    (line,) = mistakes(data)
    return line


def in_run(**keys: Any) -> str:
    return mistake({"run_config": keys})


def in_resources(**keys: Any) -> str:
    return in_run(resources={"a": keys})


IMPOSSIBLE: list[tuple[str, list[Any]]] = [
    (
        "image",
        [
            "my app",
            "App",
            "http://example.com/a",
            "a:b:c",
            "",
            "a\n",
            "a/",
            "a@sha256:1",
            "{{ a }}",
        ],
    ),
    ("startup_time", [0, -1]),
    ("timezone", ["", "Mars/Olympus", "+01:00", "CEST5", "Factory", "localtime", 1, True, ["UTC"]]),
    ("trigger_params", ["a", {"name": "a"}, [["a"]], [5]]),
    ("namespace", ["Airflow", "my_ns", "a.b", "", "a" * 64, "-a"]),
    ("experiment_name", ["", "  "]),
    ("run_name", ["", "  ", "a--b", "--"]),
    ("description", [""]),
    ("service_account_name", ["A", "a_b", ""]),
    ("kubernetes_conn_id", ["", "a b"]),
    ("image_pull_secrets", ["", "a,,b", "a,", "a,a", "A", ["a", "a"], "a b"]),
    ("macro_params", [["ds", "ds"], ["{{ ds }}"], [""], ["macros.ds_add(ds, 1)"], ["a."], ["é"]]),
    (
        "date_param",
        [
            "a,b",
            *(
                {"name": "a", "format": text}
                for text in ("", "day", "%%", "%Q", "%Y %m", "%Y{", "é%d")
            ),
        ],
    ),
    ("variables_params", [["a", "a"], [""], ["  "]]),
    (
        "start_date",
        ["today", "", "2021-7-1", "20210231", 20211301, 2021, True, 1.5, "2021-0721", []],
    ),
    (
        "start_date",
        [datetime(2021, 1, 1, 12, tzinfo=timezone.utc), "00000101", -20210721],
    ),
]


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in IMPOSSIBLE for value in values]
)
def test_an_impossible_value_is_refused_with_its_path_and_what_is_allowed(
    key: str, value: Any
) -> None:
    line = in_run(**{key: value})

    assert line.startswith(f"run_config.{key}")
    assert "; must " in line


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        (
            "0 0 0 * * *",
            "must have five fields (minute, hour, day of month, month, day of week), not 6",
        ),
        ("0 0 * *", "not 4"),
        ("daily", "not 1"),
        ("", "not 0"),
        ("@Daily", "a preset (@once"),
        ("@reboot", "a preset (@once"),
        ("61 * * * *", "must have a minute from 0 to 59, not '61'"),
        ("0 25 * * *", "must have an hour from 0 to 23, not '25'"),
        ("a b c d e", "must have a minute from 0 to 59, not 'a'"),
        ("0 0 * * 8", "must have a day of the week from 0 to 7, or sun to sat, not '8'"),
        ("*/0 * * * *", "must have a minute from 0 to 59, not '*/0'"),
        ("0 0 31 2 *", "that Airflow can follow"),
        ("H * * * *", "random fields"),
        ("R(0-5) * * * *", "random fields"),
    ],
)
def test_a_schedule_that_airflow_cannot_follow_is_refused_with_the_reason(
    cron: str, reason: str
) -> None:
    line = in_run(cron_expression=cron)

    assert line.startswith(f"run_config.cron_expression: found the text {cron!r}; must ")
    assert reason in line


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", "1 Gi"),
        ("size", "1GB"),
        ("size", "0"),
        ("size", 0),
        ("size", "-1Gi"),
        ("size", True),
        ("size", float("nan")),
        ("storageclass", "Fast_SSD"),
        ("access_modes", []),
        ("access_modes", ["ReadWriteOnce", "ReadWriteOnce"]),
        ("access_modes", ["ReadWriteOncePod", "ReadWriteOnce"]),
        ("owner", -1),
        ("owner", 2**31),
        ("mount_path", "data"),
        ("mount_path", "/"),
        ("mount_path", ""),
        ("mount_path", "/a/../b"),
        ("mount_path", "/a/"),
        ("mount_path", "/a:b"),
    ],
)
def test_an_impossible_volume_is_refused(key: str, value: Any) -> None:
    line = in_run(volume={key: value})

    assert line.startswith(f"run_config.volume.{key}: found ")
    assert "; must " in line


@pytest.mark.parametrize(
    ("secret", "path", "reason"),
    [
        ({"key": "a", "deploy_target": "A"}, "secret", "a value is required"),
        ({"secret": "A_b"}, "secret", "must be a DNS name"),
        ({"secret": "a", "key": "a/b", "deploy_target": "A"}, "key", "must be letters"),
        ({"secret": "a", "key": "k"}, "deploy_target", "it names the environment variable"),
        ({"secret": "a", "deploy_target": "A"}, "deploy_target", "omitted without a `key`"),
        ({"secret": "a", "key": "k", "deploy_target": "1 A"}, "deploy_target", "must be letters"),
        ({"secret": "a", "deploy_type": "volume"}, "deploy_target", "absolute path"),
        (
            {"secret": "a", "deploy_type": "volume", "deploy_target": "etc"},
            "deploy_target",
            "must be an absolute path",
        ),
    ],
)
def test_a_secret_that_cannot_be_deployed_is_refused(
    secret: dict[str, str], path: str, reason: str
) -> None:
    line = in_run(secrets=[secret])

    assert line.startswith(f"run_config.secrets[0].{path}: ")
    assert reason in line


@pytest.mark.parametrize(
    ("keys", "other"),
    [
        ({"env_vars": {"A": "x"}}, "env_vars.A"),
        ({"volume": {"mount_path": "/data"}}, "run_config.volume.mount_path"),
        ({}, "secrets[0].deploy_target"),
    ],
)
def test_a_target_that_is_taken_already_is_refused(keys: dict[str, Any], other: str) -> None:
    variable = {"secret": "a", "key": "k", "deploy_target": "A"}
    folder = {"secret": "a", "deploy_type": "volume", "deploy_target": "/data"}
    once = {"env_vars.A": [variable], "run_config.volume.mount_path": [folder]}
    secrets = once.get(other, [folder] * 2)

    line = in_run(**keys, secrets=secrets)

    assert line.startswith(f"run_config.secrets[{len(secrets) - 1}].deploy_target: found ")
    assert line.endswith(f"must differ from {other}")


@pytest.mark.parametrize(
    "keys",
    [
        {"env_vars": {"KEDRO_AIRFLOW_K8S_TASK": "x"}},
        {"secrets": [{"secret": "a", "key": "k", "deploy_target": "KEDRO_AIRFLOW_K8S_TASK"}]},
    ],
)
def test_the_variables_that_the_dag_sets_itself_are_refused(keys: dict[str, Any]) -> None:
    assert "must not begin with KEDRO_AIRFLOW_K8S_" in in_run(**keys)


@pytest.mark.parametrize("path", ["/mnt/kedro-data", "/mnt", "/mnt/kedro-data/x"])
def test_a_mount_where_the_volume_is_filled_is_refused(path: str) -> None:
    secret = {"secret": "a", "deploy_type": "volume", "deploy_target": path}
    for keys in ({"volume": {"mount_path": path}}, {"secrets": [secret]}):
        assert "must not overlap with /mnt/kedro-data" in in_run(**keys)


def test_one_name_for_a_macro_and_a_variable_is_refused() -> None:
    line = in_run(macro_params=["ds"], variables_params=["env", "ds"])

    assert line.startswith("run_config.variables_params: ")
    assert line.endswith("must not repeat macro_params, both become parameters: ds")


@pytest.mark.parametrize("key", ["macro_params", "variables_params", "trigger_params"])
def test_one_name_for_the_date_and_anything_else_is_refused(key: str) -> None:
    line = in_run(date_param="run_date", **{key: ["run_date"]})

    assert line.startswith(f"run_config.{key}: ")
    assert line.endswith("must not repeat date_param, both become parameters: run_date")


@pytest.mark.parametrize(
    "keys",
    [
        {"date_param": "run.date", "variables_params": ["run"]},
        {"macro_params": ["dag_run.run_id", "dag_run"]},
        {"variables_params": ["team", "team.env"]},
        {"macro_params": ["dag_run.run_id"], "variables_params": ["dag_run"]},
        {"macro_params": ["dag_run"], "variables_params": ["dag_run.run_id"]},
        {"trigger_params": ["model", "model.depth"]},
        {"trigger_params": ["env.x"], "variables_params": ["env"]},
        {"trigger_params": [{"name": "dag_run"}], "macro_params": ["dag_run.run_id"]},
    ],
)
def test_a_parameter_with_a_value_and_with_parts_of_its_own_is_refused(
    keys: dict[str, Any],
) -> None:
    assert in_run(**keys).endswith("a parameter has one value")


def test_one_name_for_a_field_of_the_form_and_anything_else_is_refused() -> None:
    line = in_run(macro_params=["ds"], variables_params=["env"], trigger_params=["x", "env", "ds"])

    assert line.startswith("run_config.trigger_params: ")
    assert line.endswith(
        "must not repeat variables_params and macro_params, both become parameters: env, ds"
    )
    line = in_run(trigger_params=["x", {"name": "x", "description": "again"}])
    assert line.endswith("must not have duplicates: x")


def test_the_name_under_which_runs_hold_other_parameters_is_not_a_field_of_the_form() -> None:
    line = in_run(trigger_params=["kedro_params"])

    assert line.startswith("run_config.trigger_params[0].name: ")
    assert "must not be kedro_params" in line


@pytest.mark.parametrize(
    "name", ["a,b", "a=b", "a[0]", "a..b", ".a", "a.", " a", "a b", "$(HOME)", ""]
)
def test_a_name_that_cannot_be_a_kedro_parameter_is_refused(name: str) -> None:
    assert in_run(variables_params=[name]).startswith("run_config.variables_params[0]: ")
    assert in_run(trigger_params=[name]).startswith("run_config.trigger_params[0].name: ")


def test_variables_may_have_any_other_name() -> None:
    names = ["env", "my-env", "team.env", "zmienna_ś", "a:b"]
    config = load_config({"run_config": {"variables_params": names}}, "f")
    assert config.run_config.variables_params == tuple(names)


@pytest.mark.parametrize("key", ["requests", "limits"])
@pytest.mark.parametrize(
    ("name", "amount", "reason"),
    [
        ("cpu", "-1", "must not be negative"),
        ("cpu", -0.5, "must not be negative"),
        ("cpu", "one", "must be a Kubernetes quantity"),
        ("cpu", True, "must be a string"),
        ("cpu", float("inf"), "must be a Kubernetes quantity"),
        ("memory", "1gb", "must be a Kubernetes quantity"),
        ("memroy", "1Gi", "Did you mean 'memory'?"),
    ],
)
def test_an_amount_that_no_pod_can_have_is_refused(
    key: str, name: str, amount: Any, reason: str
) -> None:
    line = in_resources(**{key: {name: amount}})

    assert line.startswith(f"run_config.resources.a.{key}.{name}: found ")
    assert reason in line


def test_a_toleration_that_kubernetes_refuses_is_refused_at_every_field() -> None:
    toleration = {"operator": "Equal", "value": "b c", "tolerationSeconds": 3}

    found = mistakes({"run_config": {"resources": {"a": {"tolerations": [toleration]}}}})

    at = "run_config.resources.a.tolerations[0]"
    assert [line.partition(": ")[0] for line in found] == [
        f"{at}.key",
        f"{at}.value",
        f"{at}.toleration_seconds",
    ]


@pytest.mark.parametrize("operator", ["Lt", "equal", "In"])
def test_an_operator_that_not_every_cluster_knows_is_refused(operator: str) -> None:
    line = in_resources(tolerations=[{"key": "a", "operator": operator}])

    assert "must be one of Equal, Exists" in line


@pytest.mark.parametrize(
    ("dependency", "path"),
    [
        ({}, "dag_id"),
        ({"dag_id": ""}, "dag_id"),
        ({"dag_id": "a b"}, "dag_id"),
        ({"dag_id": "a" * 251}, "dag_id"),
        ({"dag_id": "a", "task_id": "b/c"}, "task_id"),
        ({"dag_id": "a", "timeout": 0}, "timeout"),
        ({"dag_id": "a", "timeout": "2h"}, "timeout"),
        ({"dag_id": "a", "check_existence": "no"}, "check_existence"),
        ({"dag_id": "a", "execution_delta": 10**12}, "execution_delta"),
    ],
)
def test_an_impossible_external_dependency_is_refused(
    dependency: dict[str, Any], path: str
) -> None:
    line = in_run(external_dependencies=[{"dag_id": "fine"}, dependency])

    assert line.startswith(f"run_config.external_dependencies[1].{path}: ")


@pytest.mark.parametrize(
    "host",
    [
        "airflow.example.com",
        "ftp://example.com",
        "https://",
        "https://example.com:port",
        "https://exa mple.com",
        "https://example.com/#/dags",
        "https://[",
        "",
    ],
)
def test_an_address_that_is_not_a_base_address_is_refused(host: str) -> None:
    line = mistake({"host": host, "run_config": {}})

    assert line.startswith(f"host: found the text {host!r}; must be the base address of Airflow")


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    text = mistake({"host": "https://me:hunter2@example.com", "run_config": {}})

    assert "user and password do not belong in this file" in text
    assert "hunter2" not in text


def test_a_number_too_long_to_be_written_out_is_refused() -> None:
    over = "a number of over 30 digits"

    assert over in in_run(start_date=10**5000)
    assert over in in_run(volume={"size": 10**5000})
    assert over in in_run(image=10**5000)
