"""The status of a pod, as its kubelet reports it."""

from __future__ import annotations

from kedro_airflow_k8s.sandbox.cluster.services import LOOPBACK
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import timestamp

NODE = "sandbox"
_LISTS = (("initContainers", "initContainerStatuses"), ("containers", "containerStatuses"))


def pending(pod: Object) -> None:
    """Set the status of a pod that waits for a node."""
    pod["status"] = {"phase": "Pending"}


def unschedulable(pod: Object, message: str) -> None:
    """Report that the pod waits for something, such as a claim."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    pod["status"]["conditions"] = [{**condition, "message": message}]


def scheduled(pod: Object, address: str) -> None:
    """Report that the node has the pod, and none of its containers run."""
    pod["spec"]["nodeName"] = NODE
    waiting_for = "PodInitializing" if pod["spec"].get("initContainers") else "ContainerCreating"
    pod["status"] |= {
        "startTime": timestamp(),
        "hostIP": LOOPBACK,
        "podIP": address,
        "hostIPs": [{"ip": LOOPBACK}],
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "PodScheduled", "status": "True"}],
    }
    for containers, statuses in _LISTS:
        pod["status"][statuses] = [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": {"waiting": {"reason": waiting_for}},
            }
            for container in pod["spec"].get(containers) or []
        ]


def waiting(pod: Object, container: str, reason: str, message: str) -> None:
    """Report that a container cannot start now."""
    _status(pod, container)["state"] = {"waiting": {"reason": reason, "message": message}}


def running(pod: Object, container: str) -> None:
    """Report that a container runs."""
    status = _status(pod, container)
    status["state"] = {"running": {"startedAt": timestamp()}}
    if status in pod["status"]["containerStatuses"]:
        pod["status"]["phase"] = "Running"
        probed = {each["name"] for each in pod["spec"]["containers"] if each.get("readinessProbe")}
        if container not in probed:
            ready(pod, container)


def ready(pod: Object, container: str) -> None:
    """Report that a container that runs is ready, and the pod if all of them are."""
    _status(pod, container)["ready"] = "running" in _status(pod, container)["state"]
    if all(status["ready"] for status in pod["status"]["containerStatuses"]):
        _set_ready(pod, "True")


def _set_ready(pod: Object, status: str) -> None:
    conditions = pod["status"].setdefault("conditions", [])
    found = next((each for each in conditions if each["type"] == "Ready"), None)
    if found is None:
        conditions.append({"type": "Ready", "status": status})
    else:
        found["status"] = status


def sidecar_started(pod: Object, container: str) -> None:
    """Report that the startup probe of a sidecar has succeeded."""
    _status(pod, container).update(ready=True, started=True)


def restarting(pod: Object, container: str) -> None:
    """Report that a container that has ended is started again."""
    status = _status(pod, container)
    status["lastState"] = status["state"]
    status["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    status["restartCount"] += 1


def terminated(pod: Object, container: str, code: int, reason: str, message: str) -> None:
    """Report that a container has ended, or could not be started."""
    status = _status(pod, container)
    started = status["state"].get("running", {}).get("startedAt") or timestamp()
    state = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": timestamp()}
    if message:
        state["message"] = message
    status |= {"ready": False, "state": {"terminated": state}}
    if status in pod["status"]["containerStatuses"]:
        _set_ready(pod, "False")


def ended(pod: Object, phase: str, reason: str = "", message: str = "") -> None:
    """Report that the pod will not run again."""
    pod["status"]["phase"] = phase
    if reason:
        pod["status"] |= {"reason": reason, "message": message}


def disrupted(pod: Object) -> None:
    """Report that the pod is about to be deleted because of its node."""
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    message = "Eviction API: evicting"
    pod["status"].setdefault("conditions", []).append({**condition, "message": message})


def state_of(pod: Object, container: str) -> Object:
    """Return the state of a container, empty while the pod waits for a node."""
    return _status(pod, container).get("state") or {}


def _status(pod: Object, container: str) -> Object:
    statuses = [status for _, key in _LISTS for status in pod["status"].get(key) or []]
    return next((status for status in statuses if status["name"] == container), {})
