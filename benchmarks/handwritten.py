"""The DAG an expert would write by hand for a generated project: bare KubernetesPodOperators.

It says what the compiled DAG says: the same tasks in the same groups, the same edges, pods,
resources and documentation. What all tasks share stands once, in `default_args`.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.projects import IMAGE, Node

DAG_ID = "handwritten"

_HEAD = f'''\
"""Weekly forecast of sales by region."""

from datetime import datetime, timezone

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.operators.resource import (
    KubernetesCreateResourceOperator,
    KubernetesDeleteResourceOperator,
)
from airflow.providers.cncf.kubernetes.secret import Secret
from airflow.sdk import DAG, TaskGroup
from kubernetes.client import models as k8s

CLAIM = "retail-forecasting-{{{{ dag_run.id }}}}"
CLAIM_YAML = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: retail-forecasting-{{{{ dag_run.id }}}}
spec:
  storageClassName: standard
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 10Gi
"""
VOLUME = k8s.V1Volume(
    name="data",
    persistent_volume_claim=k8s.V1PersistentVolumeClaimVolumeSource(claim_name=CLAIM),
)
MODEST = k8s.V1ResourceRequirements(
    requests={{"cpu": "500m", "memory": "1Gi"}}, limits={{"memory": "2Gi"}}
)
HEAVY = k8s.V1ResourceRequirements(
    requests={{"cpu": "4", "memory": "16Gi"}}, limits={{"memory": "32Gi"}}
)
HEAVY_POOL = {{"pool": "highmem"}}
HEAVY_TOLERATIONS = [
    k8s.V1Toleration(key="dedicated", operator="Equal", value="highmem", effect="NoSchedule")
]
KEDRO_RUN = ["kedro", "run", "--env=local", "--pipelines=__default__"]

with DAG(
    dag_id="{DAG_ID}",
    description="Weekly forecast of sales by region",
    schedule="@weekly",
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["forecasting"],
    default_args={{
        "namespace": "forecasting",
        "image": "{IMAGE}",
        "image_pull_policy": "IfNotPresent",
        "image_pull_secrets": [k8s.V1LocalObjectReference(name="registry-login")],
        "service_account_name": "forecasting",
        "kubernetes_conn_id": "kubernetes_default",
        "startup_timeout_seconds": 600,
        "startup_check_interval_seconds": 1,
        "log_events_on_failure": True,
        "annotations": {{"kedro-airflow-k8s/task-id": "{{{{ ti.task_id }}}}"}},
        "env_vars": {{
            "COLUMNS": "220",
            "DO_NOT_TRACK": "1",
            "KEDRO_AIRFLOW_K8S_TASK": "{{{{ ti.task_id }}}}",
        }},
        "secrets": [Secret("env", "WAREHOUSE_PASSWORD", "warehouse", "password")],
        "volumes": [VOLUME],
        "security_context": {{"fsGroup": 0}},
    }},
) as dag:
    create_volume = KubernetesCreateResourceOperator(
        task_id="create_volume", yaml_conf=CLAIM_YAML
    ).as_setup()
    data_volume_init = KubernetesPodOperator(
        task_id="data_volume_init",
        arguments=["cp", "-a", "/home/kedro_docker/data/.", "/mnt/kedro-data"],
        volume_mounts=[k8s.V1VolumeMount(name="data", mount_path="/mnt/kedro-data")],
        container_resources=MODEST,
        doc_md="Copies the data folder of the image to the volume of the run.",
    ).as_setup()
    delete_volume = KubernetesDeleteResourceOperator(
        task_id="delete_volume", yaml_conf=CLAIM_YAML
    ).as_teardown(setups=create_volume)
    mounts = [k8s.V1VolumeMount(name="data", mount_path="/home/kedro_docker/data")]
'''


def handwritten_dag(nodes: list[Node]) -> str:
    """The source of the DAG."""
    return "".join((_HEAD, *_groups(nodes), *_edges(nodes)))


def variable(node: Node) -> str:
    """The Python variable of a node's task."""
    return node.name.replace(".", "_")


def _groups(nodes: list[Node]) -> Iterator[str]:
    for namespace in dict.fromkeys(node.namespace for node in nodes):
        depth = 1
        for part in namespace.split(".") if namespace else ():
            yield f'{"    " * depth}with TaskGroup("{part}"):\n'
            depth += 1
        for node in nodes:
            if node.namespace == namespace:
                yield _task(node, "    " * depth)


def _task(node: Node, indent: str) -> str:
    inner = indent + "    "
    lines = [
        f'task_id="{node.short_name}",',
        f'arguments=[*KEDRO_RUN, "--nodes={node.name}"],',
        "volume_mounts=mounts,",
        f"container_resources={'HEAVY' if node.heavy else 'MODEST'},",
        *(["node_selector=HEAVY_POOL,", "tolerations=HEAVY_TOLERATIONS,"] if node.heavy else []),
        f"doc_md={documentation(node)!r},",
    ]
    body = "".join(f"{inner}{line}\n" for line in lines)
    return f"{indent}{variable(node)} = KubernetesPodOperator(\n{body}{indent})\n"


def documentation(node: Node) -> str:
    """Return what the compiled DAG shows of a node."""
    first, *_ = node.doc.splitlines()
    return f"{first}\n\nKedro: `{node.name}`"


def _edges(nodes: list[Node]) -> Iterator[str]:
    roots = ", ".join(variable(node) for node in nodes if not node.upstream)
    every = ", ".join(variable(node) for node in nodes)
    yield "    create_volume >> data_volume_init\n"
    yield f"    data_volume_init >> [{roots}]\n"
    for node in nodes:
        if len(node.upstream) == 1:
            yield f"    {variable(node.upstream[0])} >> {variable(node)}\n"
        elif node.upstream:
            before = ", ".join(variable(parent) for parent in node.upstream)
            yield f"    [{before}] >> {variable(node)}\n"
    # Its author knows that the last tasks end early when one before them fails.
    yield f"    [{every}] >> delete_volume\n"
