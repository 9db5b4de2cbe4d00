"""A task says in one line why its pod failed, and fails at once where a retry cannot help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
from tests.airflow.dag.operators.airflow_process import FOLDER, environment
from tests.airflow.dag.operators.faulty_api import Fault, FaultyApi
from tests.support.waiting import WAIT_SECONDS

LEAVE = "printf '{}' > $$KEDRO_AIRFLOW_K8S_REASON; exit 1"
ERROR = "ValueError: no price (node rank, src/shop/nodes.py:16)"
USE = "x = b'x' * (200 << 20); import time; time.sleep(600)"
# The second pod of the task finds what the first has left.
ONCE = "ls $$MARKS/$$TASK || { touch $$MARKS/$$TASK; sleep 600; }"
QUOTA = 'pods "a" is forbidden: exceeded quota: small, requested: memory=1Gi, limited: memory=0'
FAULTS = {"POST /api/v1/namespaces/full/pods": Fault(403, message=QUOTA)}
CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "missing"}}
NEVER = {"cmds": ["true"], "startup_timeout_seconds": 2}


def pod_of(**spec: Any) -> dict[str, Any]:
    base = {"name": "base", **spec.pop("base", {})}
    return {
        "pod_template_dict": {
            "apiVersion": "v1",
            "kind": "Pod",
            "spec": {"containers": [base], **spec},
        }
    }


MORE_MEMORY = {
    "cmds": ["python", "-c", USE.replace("600", "1")],
    "container_resources": {"limits": {"memory": "50Mi"}, "requests": {"cpu": "10m"}},
    "on_oom": ["100Mi", "400Mi", "800Mi"],
}


CASES: dict[str, dict[str, Any]] = {
    "success": {"cmds": ["true"]},
    "short": {"cmds": ["sh", "-c", "sleep 1"], "patience": 60},
    "exception": {"cmds": ["sh", "-c", LEAVE.format(ERROR)]},
    "short-exception": {"cmds": ["sh", "-c", LEAVE.format(ERROR)], "patience": 60},
    "invalid": {"cmds": ["sh", "-c", LEAVE.format(f"{ERROR} A retry cannot fix this.")]},
    "silent": {"cmds": ["sh", "-c", "exit 7"]},
    "crash": {"cmds": ["sh", "-c", "echo one; echo 'Bus error'; exit 135"]},
    "no-plugin": {"cmds": ["python", "-I", "-S", "-m", "kedro_airflow_k8s.pod", "run"]},
    "no-program": {"cmds": ["no-such-program"]},
    "memory": {
        "cmds": ["python", "-c", USE],
        "container_resources": {"limits": {"memory": "100Mi"}},
    },
    "deadline": {"cmds": ["sleep", "600"], **pod_of(activeDeadlineSeconds=1)},
    "timeout": {"cmds": ["sleep", "600"], "timeout": 3},
    "secret": {**NEVER, **pod_of(base={"envFrom": [{"secretRef": {"name": "missing"}}]})},
    "claim": {**NEVER, "schedule_timeout_seconds": 2, **pod_of(volumes=[CLAIM])},
    "quota": {"cmds": ["true"], "namespace": "full", "schedule_timeout_seconds": 1},
    "delete": {"cmds": ["sleep", "600"], "deeds": 1},
    "evict": {"cmds": ["sleep", "600"], "deeds": 1},
    "more-memory": MORE_MEMORY,
    "short-memory": {**MORE_MEMORY, "patience": 60},
    "never-enough": {
        "cmds": ["python", "-c", USE],
        "container_resources": {"limits": {"memory": "50Mi"}},
        "on_oom": ["100Mi"],
        "on_eviction": 3,
    },
    "evict-once": {"cmds": ["sh", "-c", ONCE], "deeds": 1, "on_eviction": 1},
    "evict-twice": {"cmds": ["sleep", "600"], "deeds": 2, "on_eviction": 1},
    "error-with-repeats": {
        "cmds": ["sh", "-c", LEAVE.format(ERROR)],
        "on_oom": ["1Gi"],
        "on_eviction": 3,
    },
}


def waiting(reason: str, message: str) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"pod": {"status": {"phase": "Pending", "containerStatuses": [_status(state)]}}}


def condition(kind: str, status: str, reason: str, message: str) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def event(reason: str, message: str, kind: str = "Normal") -> dict[str, Any]:
    named = {"metadata": {"name": reason}, "involvedObject": {"name": "pod"}}
    return {**named, "reason": reason, "message": message, "type": kind}


def _status(state: dict[str, Any]) -> dict[str, Any]:
    image = {"image": "example.com/project:1", "imageID": ""}
    return {"name": "base", "ready": False, "restartCount": 0, "state": state, **image}


STOPPED = {"terminated": {"exitCode": 1, "reason": "Error", "message": "TaskTerminated: SIGTERM"}}
FAILED = {"phase": "Failed", "containerStatuses": [_status(STOPPED)]}
LOW = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 9Mi."
BAD_NAME = 'Failed to apply default image tag "a:b:c": invalid reference format'
PREEMPTING = "default-scheduler: preempting to accommodate a higher priority pod"
OOM = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "one\ntwo"}}
RECORDED: dict[str, dict[str, Any]] = {
    "image-name": waiting("InvalidImageName", BAD_NAME),
    "image-never": waiting("ErrImageNeverPull", "Container image is not present with pull policy"),
    "image-pull": waiting("ImagePullBackOff", 'Back-off pulling image "example.com/project:1"'),
    "evicted": {"pod": {"status": {"phase": "Failed", "reason": "Evicted", "message": LOW}}},
    "preempted": {
        "pod": {
            "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {
                **FAILED,
                "conditions": [
                    condition("DisruptionTarget", "True", "PreemptionByScheduler", PREEMPTING)
                ],
            },
        }
    },
    "preempted-and-gone": {
        "gone": True,
        "events": [event("Preempted", "Preempted by pod 1234 on node a"), event("Killing", "base")],
    },
    "gone": {"gone": True, "events": [event("Killing", "Stopping container base")]},
    "by-hand": {
        "pod": {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": FAILED}
    },
    "by-hand-and-gone": {
        "gone": True,
        "pod": {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
    },
    "by-whom": {
        "minor": "25+",
        "pod": {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": FAILED},
    },
    "unschedulable": {
        "pod": {
            "status": {
                "phase": "Pending",
                "conditions": [
                    condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available")
                ],
            }
        },
        "events": [event("FailedScheduling", "0/3 nodes", "Warning")],
    },
    "volume": {
        "pod": {"status": {"phase": "Pending"}},
        "events": [event("Scheduled", "yes"), event("FailedMount", "no such claim", "Warning")],
    },
    "memory-of-the-machine": {
        "pod": {"status": {"phase": "Failed", "containerStatuses": [_status(OOM)]}}
    },
}
GONE = "Deleted: The pod is gone, and no event says why."
AGAIN, AT_ONCE = "AirflowException", "AirflowFailException"
ENDS = {
    "success": ("", ""),
    "short": ("", ""),
    "exception": (AGAIN, ERROR),
    "short-exception": (AGAIN, ERROR),
    "invalid": (AT_ONCE, f"{ERROR} A retry cannot fix this."),
    "silent": (AGAIN, "Error: exit code 7"),
    "crash": (AGAIN, "Bus error"),
    "no-plugin": (AT_ONCE, "PluginMissing: The image has no kedro-airflow-k8s, or an older"),
    "no-program": (AGAIN, "StartError: failed to start the container: "),
    "memory": (AGAIN, "OOMKilled: The container ran out of memory. Its limit is 100Mi."),
    "deadline": (AGAIN, "DeadlineExceeded: Pod was active longer than its activeDeadlineSeconds"),
    "timeout": (AGAIN, "DeadlineExceeded: The task took longer than 0:00:03."),
    "secret": (AGAIN, 'CreateContainerConfigError: secret "missing" not found'),
    "claim": (AGAIN, "Unschedulable: 0/1 nodes are available: persistentvolumeclaim"),
    "delete": (AT_ONCE, "DeletedByHand: The pod was deleted while it ran."),
    "quota": (AGAIN, f"QuotaExceeded: {QUOTA}"),
    "evict": (AGAIN, "EvictionByEvictionAPI: Eviction API: evicting"),
    "more-memory": ("", ""),
    "short-memory": ("", ""),
    "never-enough": (AGAIN, "OOMKilled: The container ran out of memory. Its limit is 100Mi."),
    "evict-once": ("", ""),
    "evict-twice": (AGAIN, "EvictionByEvictionAPI: Eviction API: evicting"),
    "error-with-repeats": (AGAIN, ERROR),
    "image-name": (AT_ONCE, f"InvalidImageName: {BAD_NAME}"),
    "image-never": (AT_ONCE, "ErrImageNeverPull: Container image is not present"),
    "image-pull": (AGAIN, "ImagePullBackOff: Back-off pulling image"),
    "evicted": (AGAIN, f"Evicted: {LOW}"),
    "preempted": (AGAIN, f"PreemptionByScheduler: {PREEMPTING}"),
    "preempted-and-gone": (AGAIN, "Preempted: Preempted by pod 1234 on node a"),
    "gone": (AGAIN, GONE),
    "by-hand": (AT_ONCE, "DeletedByHand: The pod was deleted while it ran."),
    "by-hand-and-gone": (AT_ONCE, "DeletedByHand: The pod was deleted while it ran."),
    "by-whom": (AGAIN, "Deleted: The pod was deleted while it ran."),
    "unschedulable": (AGAIN, "Unschedulable: 0/3 nodes are available"),
    "volume": (AGAIN, "FailedMount: no such claim"),
    "memory-of-the-machine": (AGAIN, "OOMKilled: The container ran out of memory. Its limit is"),
}


@dataclass(frozen=True)
class Ends:
    """How the operators ended, what their pods asked for, and everything they printed."""

    found: dict[tuple[str, bool], tuple[str, str]]
    resources: dict[str, list[Any]]
    output: str

    def looks(self) -> dict[str, list[int]]:
        """Return the seconds between looks of the triggers, by task."""
        lines = [json.loads(line[6:]) for line in self.output.splitlines() if line[:6] == "LOOKS "]
        return {name: seconds for name, *seconds in lines}


@pytest.fixture(scope="module", name="ends")
def _ends(airflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Ends:
    folder = tmp_path_factory.mktemp("causes")
    (folder / "project").mkdir()
    bin_dirs = (Path(sys.executable).parent,)
    home, marks = PurePosixPath("/home/kedro_docker"), {"MARKS": str(folder)}
    image = PodImage(folder / "project", home, bin_dirs, marks)
    with (
        LocalCluster(image, folder / "cluster") as cluster,
        FaultyApi(cluster.url, FAULTS) as api,
    ):
        cluster.write_kubeconfig(folder / "kubeconfig")
        text = (folder / "kubeconfig").read_text()
        (folder / "kubeconfig").write_text(text.replace(cluster.url, api.url))
        done = subprocess.run(
            [
                airflow_python,
                FOLDER / "run_causes.py",
                json.dumps(CASES | {k: {"recorded": v} for k, v in RECORDED.items()}),
            ],
            env={**environment(folder), "PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )
        resources: dict[str, list[Any]] = {}
        for pod in cluster.pods():
            asked = pod.manifest["spec"]["containers"][0].get("resources")
            resources.setdefault(pod.labels["task_id"], []).append(asked)
    lines = [json.loads(line[4:]) for line in done.stdout.splitlines() if line.startswith("END ")]
    return Ends({(n, d): (kind, text) for n, d, kind, text in lines}, resources, done.stdout)


@pytest.mark.parametrize("case", ENDS)
def test_the_error_of_the_task_is_the_cause(ends: Ends, case: str) -> None:
    found = {d: end for (name, d), end in ends.found.items() if name == case}
    assert False in found, ends.output
    for kind, text in found.values():
        wanted, beginning = ENDS[case]
        # A pod that was deleted can be gone before anyone has read its status.
        if case in ("delete", "evict", "evict-twice") and text == GONE:
            wanted, beginning = AGAIN, GONE
        assert text.startswith(beginning), text
        assert (kind, text.count("\n")) == (wanted, 0)


def test_deferred_tasks_have_the_same_causes(ends: Ends) -> None:
    deferred = {name for name, deferred in ends.found if deferred}
    assert deferred == {*CASES}


def test_the_trigger_looks_again_after_airflow_knows_that_the_task_waits(ends: Ends) -> None:
    # Airflow 3 fails a task that resumes sooner, and can take 5 seconds to know.
    looks = ends.looks()
    assert looks["success-deferred"] == [10, 10]
    assert all(seconds >= 10 for pair in looks.values() for seconds in pair)


def test_a_pod_that_ends_within_seconds_needs_no_trigger(ends: Ends) -> None:
    assert "success-deferred" in ends.looks()
    assert not {"short-deferred", "short-exception-deferred", "short-memory-deferred"}.intersection(
        ends.looks()
    )


@pytest.mark.parametrize(
    "task", ["more-memory", "more-memory-deferred", "short-memory", "short-memory-deferred"]
)
def test_the_pods_of_a_task_get_more_memory_until_it_is_enough(ends: Ends, task: str) -> None:
    assert ends.resources[task] == [
        {"limits": {"memory": "50Mi"}, "requests": {"cpu": "10m"}},
        {"limits": {"memory": "100Mi"}, "requests": {"cpu": "10m", "memory": "100Mi"}},
        {"limits": {"memory": "400Mi"}, "requests": {"cpu": "10m", "memory": "400Mi"}},
    ]
    assert "Another pod starts, with 400Mi of memory." in ends.output
    assert "Enough memory: 400Mi" in ends.output


@pytest.mark.parametrize("suffix", ["", "-deferred"])
@pytest.mark.parametrize(
    ("case", "pods"),
    [("never-enough", 2), ("evict-once", 2), ("evict-twice", 2), ("error-with-repeats", 1)],
)
def test_a_pod_is_repeated_as_often_as_its_cause_allows(
    ends: Ends, case: str, pods: int, suffix: str
) -> None:
    assert len(ends.resources[f"{case}{suffix}"]) == pods
