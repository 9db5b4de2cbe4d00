"""Checks of the settings of pods: paths of machines, shared memory, several images."""

from __future__ import annotations

from collections.abc import Iterator

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.pods import PodConfig
from kedro_airflow_k8s.plan.tasks import Task


def check_pods(run: RunConfig) -> Iterator[Finding]:
    """Find doubtful settings of all pods, and of those of single entries of `resources`."""
    found = [*_host_paths("run_config", run), *_shared_memory("run_config", run)]
    yield from found
    known = {(finding.code, finding.subjects, finding.problem) for finding in found}
    for name, entry in run.resources.items():
        where = f"run_config.resources.{name}"
        for finding in (*_host_paths(where, entry), *_shared_memory(where, entry)):
            if (finding.code, finding.subjects, finding.problem) not in known:
                yield finding


def _host_paths(where: str, pods: PodConfig) -> Iterator[Finding]:
    paths = {
        name: volume.host_path.path for name, volume in pods.volumes.items() if volume.host_path
    }
    for volume in pods.pod.get("spec", {}).get("volumes", ()):
        if "hostPath" in volume:
            paths[volume["name"]] = volume["hostPath"].get("path", "")
    for name, path in paths.items():
        yield Finding(
            code="host-path",
            severity="error",
            where=f"{where}: volume {name!r}",
            problem=f"It is the path {path} of the machine that runs the pod.",
            consequence="The pod can change files of the machine. On another machine it finds other"
            " files. Many clusters refuse such pods.",
            fix="Use a claim or `nfs`. If the path is meant, accept the finding in checks.accept.",
            names=(name,),
        )


def _shared_memory(where: str, pods: PodConfig) -> Iterator[Finding]:
    size, limit = pods.shared_memory, pods.limits.get("memory")
    if size is None or limit is None or parse_quantity(size) <= parse_quantity(limit):
        return
    yield Finding(
        code="shared-memory",
        severity="warning",
        where=where,
        problem=f"shared_memory is {size}, and the memory limit is {limit}.",
        consequence="Shared memory counts as memory of the pod: Kubernetes kills the pod before"
        " /dev/shm is full.",
        fix="Raise limits.memory to the shared memory and what the nodes need besides.",
    )


def other_image(subject: Subject) -> Iterator[Finding]:
    """Find pickles that a task with one image makes and a task with another image reads."""
    images = {task.task_id: image_of(subject, task) for task in subject.plan.tasks}
    if len(set(images.values())) == 1:
        return
    for name, (_, node) in subject.made.items():
        if not _is_pickled(subject, name):
            continue
        made_in = images[subject.task_of[node]]
        readers = {
            reader: image
            for reader in subject.readers_elsewhere(name)
            if (image := images[subject.task_of[reader]]) != made_in
        }
        for reader, image in list(readers.items())[:1]:
            yield Finding(
                code="other-image",
                severity="warning",
                where=f"dataset {name!r}",
                problem=f"It is a pickle that passes from the image {made_in!r} to {image!r}."
                f" Node {node!r} makes it, and node {reader!r} reads it.",
                consequence="If the libraries of the images differ, the pickle may not load, or"
                " give something else.",
                fix="Install the same versions of these libraries in both images, or store the"
                " dataset in another format in the catalog.",
            )


def image_of(subject: Subject, task: Task) -> str:
    """Return the image of the pod of a task."""
    pods = subject.plan.pods
    own = pods.resources.get(task.resources, {})
    return str(own.get("image", pods.common["image"]))


def _is_pickled(subject: Subject, name: str) -> bool:
    if subject.pipeline.in_memory(name):
        return True
    entry = subject.catalog.get(name)
    types = (entry.type, *entry.inner_types) if entry else ()
    return any("pickle" in each.lower() for each in types)
