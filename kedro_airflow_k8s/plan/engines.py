"""The Kubernetes objects of the engines whose clusters the plugin makes itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kedro_airflow_k8s.config.clusters import ClusterConfig
from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, RunConfig
from kedro_airflow_k8s.config.own_names import CLUSTER_LABEL, ROLE_LABEL
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.plan.manifests import pod_manifest
from kedro_airflow_k8s.plan.pods import POD_COMMAND, environment, untemplated
from kedro_airflow_k8s.plan.spark import copied_variables, mount_data, spark_settings
from kedro_airflow_k8s.pod.environment import (
    CONTRACT_VARIABLE,
    ENGINE_VARIABLE,
    OWN_VARIABLES,
    OWNED_VARIABLE,
    POD_VARIABLES,
    SPARK_PAGE,
    SPARK_PORT,
)

MANAGED = {"app.kubernetes.io/managed-by": "kedro-airflow-k8s"}
"""The label by which the objects of this plugin are found."""

_ENGINE = (*POD_COMMAND, "engine")
_NAME, _NAMESPACE, _ADDRESS = (f"$({name})" for name in POD_VARIABLES)


@dataclass(frozen=True)
class Engine:
    """How nodes reach an engine.

    Attributes:
        variable: The environment variable with the address of a cluster.
        scheme: How the address begins.
        port: The port of the first pod that nodes use, and that answers when it is ready.
        page: The port of the web page, in the first pod.
        ports: Other ports of the first pod, for workers.
    """

    variable: str
    scheme: str
    port: int
    page: int
    ports: tuple[int, ...] = ()


ENGINES: Mapping[str, Engine] = {
    "spark-connect": Engine("SPARK_REMOTE", "sc", SPARK_PORT, SPARK_PAGE),
    "ray": Engine("RAY_ADDRESS", "ray", 10001, 8265, (6379,)),
    "dask": Engine("DASK_SCHEDULER_ADDRESS", "tcp", 8786, 8787),
}
"""The engines, by the type of a cluster."""


def engine_variables(config: ClusterConfig, own: str) -> dict[str, str]:
    """Return the environment variables by which nodes find a cluster, as Airflow templates.

    Args:
        config: The settings of the cluster.
        own: The name of the cluster in a run, as an Airflow template.
    """
    engine = ENGINES[config.type]
    address = None if config.address is None else untemplated(config.address.replace("$", "$$"))
    return {engine.variable: address or f"{engine.scheme}://{own}:{engine.port}"}


def engine_objects(
    config: ClusterConfig, run: RunConfig, own: str, owned: str, labels: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the objects of a cluster: a Service, its first pod, and its workers if it has some.

    Args:
        config: The settings of the cluster.
        run: The configuration.
        own: The name of the cluster in a run, as an Airflow template.
        owned: The name of the run resources, as an Airflow template.
        labels: Labels of all pods of a cluster.
    """
    return list(_Objects(config, run, own, owned, labels).all())


@dataclass(frozen=True)
class _Objects:
    """The objects of one cluster, by what `engine_objects` is given."""

    config: ClusterConfig
    run: RunConfig
    own: str
    owned: str
    labels: Mapping[str, str]

    def all(self) -> Iterator[dict[str, Any]]:
        """Yield the objects, in the order in which they are created."""
        engine = ENGINES[self.config.type]
        first = self.config.resources or RESOURCES_DEFAULT
        head = self.run.settings_of(first)
        worker = self.run.settings_of(self.config.worker_resources or first)
        yield self._service(engine)
        if self.config.type == "spark-connect":
            pod = self._pod(self.own, "head", head, [*POD_COMMAND, "spark-connect"])
            settings = spark_settings(
                self.config, self.run, head, worker, {**self.labels, **MANAGED}
            )
            variables = pod["spec"]["containers"][0]["env"]
            given = {each["name"] for each in variables}
            of_worker = environment(worker, self.run, self.owned)
            variables += [
                *(
                    {"name": n, "value": of_worker[n]}
                    for n in copied_variables(worker)
                    if n not in given
                ),
                {"name": OWNED_VARIABLE, "value": self.owned},
                {"name": ENGINE_VARIABLE, "value": settings},
            ]
        else:
            pod = self._pod(self.own, "head", head, _head_command(self.config.type, head))
        container = pod["spec"]["containers"][0]
        container["ports"] = [{"containerPort": port} for port in (engine.port, *engine.ports)]
        probe = {"tcpSocket": {"port": engine.port}, "periodSeconds": 2, "timeoutSeconds": 2}
        container["readinessProbe"] = probe
        yield pod
        for number in range(0 if self.config.type == "spark-connect" else self.config.workers):
            command = _worker_command(self.config.type, worker, self.own)
            yield self._pod(f"{self.own}-worker-{number}", "worker", worker, command)

    def _service(self, engine: Engine) -> dict[str, Any]:
        ports = (engine.port, *engine.ports)
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.own, "labels": dict(MANAGED)},
            "spec": {
                # Its name leads to the first pod, also before that is ready, as workers need it.
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": {CLUSTER_LABEL: self.own, ROLE_LABEL: "head"},
                "ports": [{"name": f"port-{port}", "port": port} for port in ports],
            },
        }

    def _pod(
        self, name: str, role: str, settings: ResourcesConfig, command: Sequence[str]
    ) -> dict[str, Any]:
        marks = {**self.labels, **MANAGED, CLUSTER_LABEL: self.own, ROLE_LABEL: role}
        pod = pod_manifest(settings, self.run, self.owned, marks)
        container = pod["spec"]["containers"][0]
        container["args"] = list(command)
        container["env"] = [
            *(
                {"name": variable, "valueFrom": {"fieldRef": {"fieldPath": path}}}
                for variable, path in POD_VARIABLES.items()
            ),
            *container.get("env", []),
            *({"name": n, "value": text} for n, text in self._own_variables.items()),
            *self._variables(settings),
        ]
        mount_data(container, self.run)
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **pod["metadata"]},
            "spec": {**pod["spec"], "restartPolicy": "Never"},
        }

    @property
    def _own_variables(self) -> Mapping[str, str]:
        """The variables that all pods of the engine have."""
        if self.config.type != "ray":
            return {}
        # Its sockets need a short path. Without the second, it reports its use to its authors.
        return {
            "RAY_TMPDIR": "/tmp",  # noqa: S108 - in the pod
            "RAY_USAGE_STATS_ENABLED": "0",
            # So many seconds a worker looks for the head, whose image may come late.
            "RAY_gcs_server_port_wait_time_s": str(self.config.timeout),
            # gRPC's fork handlers crash some of the processes that the head starts for clients, and
            # `ray.init()` fails: https://github.com/ray-project/ray/issues/63202.
            "GRPC_ENABLE_FORK_SUPPORT": "false",
        }

    def _variables(self, settings: ResourcesConfig) -> list[dict[str, str]]:
        """Return the user's environment variables, and what the plugin in the pod needs."""
        found = environment(settings, self.run, self.owned)
        of_nodes = {name for name in found if name.startswith(OWN_VARIABLES)} - {CONTRACT_VARIABLE}
        return [{"name": n, "value": text} for n, text in found.items() if n not in of_nodes]


def _head_command(kind: str, settings: ResourcesConfig) -> list[str]:
    """Return the command of the first pod of Ray or Dask. It listens at the pod's address."""
    if kind == "ray":
        sizes = _ray_sizes(settings)
        return [
            *(*_ENGINE, "ray", "start", "--head", "--block", f"--node-ip-address={_ADDRESS}"),
            *("--port=6379", "--ray-client-server-port=10001", "--dashboard-host=127.0.0.1"),
            *sizes,
        ]
    return [
        *(*_ENGINE, "dask", "scheduler", "--host", _ADDRESS, "--port", "8786"),
        *("--dashboard-address", "127.0.0.1:8787"),
    ]


def _worker_command(kind: str, settings: ResourcesConfig, own: str) -> list[str]:
    """Return the command of a worker of Ray or Dask."""
    if kind == "ray":
        at = [f"--address={own}:6379", f"--node-ip-address={_ADDRESS}"]
        return [*_ENGINE, "ray", "start", "--block", *at, *_ray_sizes(settings)]
    cores, memory = _cores(settings), _memory(settings)
    return [
        *(*_ENGINE, "dask", "worker", f"tcp://{own}:8786", "--host", _ADDRESS, "--no-dashboard"),
        *(("--nthreads", str(cores)) if cores else ()),
        *(("--memory-limit", str(memory)) if memory else ()),
    ]


def _ray_sizes(settings: ResourcesConfig) -> list[str]:
    """Return the cores and the memory for Ray, which otherwise takes those of the machine."""
    cores, memory = _cores(settings), _memory(settings)
    found = [f"--num-cpus={cores}"] if cores else []
    # A part of it is for the object store.
    return [*found, f"--memory={memory * 7 // 10}"] if memory else found


def _cores(settings: ResourcesConfig) -> int | None:
    amount = settings.requests.get("cpu") or settings.limits.get("cpu")
    return max(1, math.ceil(parse_quantity(amount))) if amount else None


def _memory(settings: ResourcesConfig) -> int | None:
    amount = settings.limits.get("memory") or settings.requests.get("memory")
    return int(parse_quantity(amount)) if amount else None
