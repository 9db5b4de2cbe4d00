"""The status of a pod, as its kubelet reports it."""

from __future__ import annotations

from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import timestamp

NODE = "sandbox"
ADDRESS = "127.0.0.1"
_LISTS = (("initContainers", "initContainerStatuses"), ("containers", "containerStatuses"))


def pending(pod: Object) -> None:
    """The status of a pod that no machine has taken yet."""
    pod["status"] = {"phase": "Pending", "qosClass": "BestEffort"}


def unschedulable(pod: Object, message: str) -> None:
    """The pod waits for something, such as a claim."""
    _condition(pod, "PodScheduled", False, "Unschedulable", message)


def scheduled(pod: Object) -> None:
    """The machine has taken the pod; nothing of it runs."""
    pod["spec"]["nodeName"] = NODE
    pod["status"].update(startTime=timestamp(), hostIP=ADDRESS, podIP=ADDRESS)
    pod["status"]["podIPs"] = [{"ip": ADDRESS}]
    _condition(pod, "PodScheduled", True)
    has_init = bool(pod["spec"].get("initContainers"))
    for field, statuses in _LISTS:
        reason = "PodInitializing" if has_init else "ContainerCreating"
        for container in pod["spec"].get(field) or []:
            pod["status"].setdefault(statuses, []).append(
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": False,
                    "started": False,
                    "restartCount": 0,
                    "lastState": {},
                    "state": {"waiting": {"reason": reason}},
                }
            )
    _condition(pod, "Initialized", not has_init)
    _ready(pod)


def waiting(pod: Object, container: str, reason: str, message: str) -> None:
    """A container cannot start yet, or ever."""
    of(pod, container)["state"] = {"waiting": {"reason": reason, "message": message}}


def running(pod: Object, container: str) -> None:
    """The process of a container runs."""
    status = of(pod, container)
    status.update(started=True, containerID=f"sandbox://{pod['metadata']['uid']}/{container}")
    status["state"] = {"running": {"startedAt": timestamp()}}
    if status in pod["status"]["containerStatuses"]:
        status["ready"] = True
        pod["status"]["phase"] = "Running"
        _condition(pod, "Initialized", True)
        _ready(pod)


def terminated(pod: Object, container: str, code: int, reason: str, message: str = "") -> None:
    """The process of a container has ended, or could not be started."""
    status = of(pod, container)
    started = status["state"].get("running", {}).get("startedAt") or timestamp()
    state = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": timestamp()}
    if message:
        state["message"] = message
    # A finished init container counts as ready, and nothing else that has ended does.
    in_init = status in pod["status"].get("initContainerStatuses", [])
    status.update(started=False, ready=in_init and code == 0, state={"terminated": state})


def ended(pod: Object, phase: str, reason: str = "", message: str = "") -> None:
    """The pod will not run again."""
    pod["status"]["phase"] = phase
    for name, value in (("reason", reason), ("message", message)):
        if value:
            pod["status"][name] = value
    _ready(pod)


def of(pod: Object, container: str) -> Object:
    """The status of one container."""
    found: Object = next(
        status
        for _, statuses in _LISTS
        for status in pod["status"].get(statuses, [])
        if status["name"] == container
    )
    return found


def _ready(pod: Object) -> None:
    ready = pod["status"]["phase"] == "Running"
    reason = "" if ready else "ContainersNotReady"
    if pod["status"]["phase"] == "Succeeded":
        reason = "PodCompleted"
    _condition(pod, "ContainersReady", ready, reason)
    _condition(pod, "Ready", ready, reason)


def _condition(pod: Object, kind: str, value: bool, reason: str = "", message: str = "") -> None:
    conditions = pod["status"].setdefault("conditions", [])
    old = next((condition for condition in conditions if condition["type"] == kind), None)
    new = {"type": kind, "status": str(value), "lastTransitionTime": timestamp()}
    if reason:
        new["reason"] = reason
    if message:
        new["message"] = message
    if old is None:
        conditions.append(new)
    elif old["status"] != new["status"] or old.get("reason") != new.get("reason"):
        old.clear()
        old.update(new)
