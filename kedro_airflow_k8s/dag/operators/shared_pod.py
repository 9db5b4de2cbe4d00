"""The operators of a visible group: a pod that runs several nodes, and a task for each node."""

from __future__ import annotations

import json
import re
import secrets
import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any
from urllib.parse import quote
from uuid import UUID

from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodManager
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    BaseSensorOperator,
    redact,
)
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from kedro_airflow_k8s.dag.operators.compat import (
    AirflowRescheduleException,
    TimeDeltaTrigger,
)
from kedro_airflow_k8s.dag.operators.kedro_pod import KedroPodOperator
from kedro_airflow_k8s.dag.operators.task_states import task_states

EVENT = "kedro-airflow-k8s-event"
NONCE_VARIABLE = "KEDRO_AIRFLOW_K8S_EVENTS"


class NodeEvents(KubernetesPodOperatorCallback):
    """Reads from the log of a pod what becomes of its nodes."""

    def __init__(self, task: Any) -> None:
        self.task = task
        self.seen: set[str] = set()

    def progress_callback(self, *, line: str, pod: Any, **_: Any) -> None:  # type: ignore[override]
        """Keep a line for the nodes that run, or the event that it is."""
        variables = next(c.env or [] for c in pod.spec.containers if c.name == "base")
        nonce = next(v.value for v in variables if v.name == NONCE_VARIABLE)
        text, mark, event = line.partition(f"{EVENT} {nonce} ")
        for node in self.task.running() if text else ():
            # Airflow masks secrets in logs, not in XComs.
            self.task.parts[node] = [*self.task.parts.get(node, ())[-199:], redact(text)[:2000]]
        # Pods report each event twice, as Airflow reads a line when the next one has come. After a
        # lost connection, it reads lines again: one can be cut, and others were there before.
        if mark and event not in self.seen:
            self.seen.add(event)
            with suppress(json.JSONDecodeError):
                self.task.on_event(*json.loads(event))


class QuietPodManager(PodManager):
    """Leaves the events of nodes out of the log of the task."""

    def _log_message(self, message: str, *args: Any) -> None:
        text = message.partition(f"{EVENT} ")[0]
        if text:
            super()._log_message(text, *args)


class SharedPodOperator(KedroPodOperator):
    """Runs several nodes in one pod, and reports how they end to their tasks, which `shows` has."""

    def __init__(self, **kwargs: Any) -> None:
        # Events of nodes are read from the log while the pod runs, which a trigger does not do.
        super().__init__(**{**kwargs, "deferrable": False})
        self.shows: dict[str, str] = {}

    def execute(self, context: Any) -> Any:
        """Run the pod. At its end, the nodes that it was at have failed."""
        self.ti = context["ti"]
        self.events = NodeEvents(self)
        self.callbacks = [*self.callbacks, self.events]  # type: ignore[list-item]
        self.parts: dict[str, list[str]] = {}
        states = task_states(self.ti, context["dag_run"], context["dag_run"].run_id)
        self.left = [n for n, task_id in self.shows.items() if states.get(task_id) != "success"]
        if not self.left:
            self.log.info("No pod was started: the tasks of all its nodes have succeeded.")
            return None
        self.reports: dict[str, dict[str, Any]] = {}
        self.began = time.time()
        self.report_progress()
        cause = ""
        try:
            return super().execute(context)
        except AirflowException as error:
            cause = str(error)
            raise
        finally:
            for node, why in self.stopped_by(cause).items():
                self.on_event("failed", node, time.time(), why)

    def stopped_by(self, cause: str) -> dict[str, str]:
        """Return the nodes that a failure of the pod has ended, with the cause of each."""
        running = self.running() if cause else []
        named = [node for node in running if re.search(rf"\(node {re.escape(node)}[,)]", cause)]
        other = f"Stopped, as another node failed: {cause}"
        return {node: cause if node in (named or running) else other for node in running}

    @cached_property
    def pod_manager(self) -> Any:
        """What follows the log of the pod."""
        return QuietPodManager(kube_client=self.client, callbacks=self.callbacks)

    def build_pod_request_obj(self, context: Any = None, **options: Any) -> Any:
        """Return a pod for the nodes that are left, which can report their events."""
        rendered: Any = self.env_vars
        own = [variable for variable in rendered if variable.name != NONCE_VARIABLE]
        self.env_vars = [*own, k8s.V1EnvVar(name=NONCE_VARIABLE, value=secrets.token_hex(8))]
        if len(self.left) < len(self.shows):
            others = [a for a in self.arguments or () if not a.startswith("--nodes=")]
            self.arguments = [*others, f"--nodes={','.join(self.left)}".replace("$", "$$")]
        return super().build_pod_request_obj(context, **options)

    def cause(self, pod: Any, error: Any) -> str:
        """Return why a pod failed, after the events that a lost connection has cost are read."""
        name, namespace = pod.metadata.name, pod.metadata.namespace
        with suppress(ApiException, HTTPError):  # It can be gone.
            read = self.client.read_namespaced_pod_log
            log = read(name, namespace, container="base", _preload_content=False)
            for line in log.data.decode(errors="replace").split("\n"):
                if EVENT in line:
                    self.events.progress_callback(line=line, pod=pod)
        return super().cause(pod, error)

    def words(self, pod: Any, end: Any) -> str:
        """Return the reason and the message of an end, which can be the last lines of the log."""
        lines = (end.message or "").split("\n")
        end.message = "\n".join(line for line in lines if EVENT not in line)
        return super().words(pod, end)

    def on_event(self, state: str, node: str, at: float, cause: str = "") -> None:
        """Keep what became of a node, where its task reads it."""
        known = self.reports.setdefault(node, {"start": at, "began": self.began, "state": ""})
        if known["state"] != state and node in self.shows:
            known["state"] = state
            if state != "running":
                known.update(end=at, cause=cause, log=self.parts.pop(node, []))
            self.ti.xcom_push(self.shows[node], known)
            # A pod that an earlier attempt has started runs more nodes than are left.
            if state == "success" and node in self.left:
                self.left.remove(node)
                self.report_progress()

    def report_progress(self) -> None:
        """Keep when the pod began, and how many nodes are done."""
        self.ti.xcom_push("progress", [self.began, len(self.shows) - len(self.left)])

    def running(self) -> list[str]:
        """Return the nodes that have begun and not ended."""
        return [node for node, known in self.reports.items() if known["state"] == "running"]


class NodeOfPodOperator(BaseSensorOperator, KedroPodOperator):
    """Shows how a node ends that another task runs in its pod. Cleared alone, it runs the node."""

    seconds = 10
    mode, soft_fail, never_fail = "reschedule", False, False

    def __init__(self, *, pod: SharedPodOperator, node: str, **kwargs: Any) -> None:
        # Without the constructor of a sensor, which makes the import of large DAGs slower.
        super(BaseSensorOperator, self).__init__(**{**kwargs, "weight_rule": "absolute"})
        # Else tasks that wait for the pod could take all worker slots, and it would never start.
        pod.priority_weight = max(pod.priority_weight, self.priority_weight + 1)
        # Airflow 3 fails a task that resumes before the executor has reported that it waits, which
        # can take 5 seconds. A few more retries are for that.
        own = self.retries or 0
        self.spare = max(0, 2 - own)
        self.retries, self.retry_delay = own + self.spare, timedelta(seconds=self.seconds)
        self.pod_task_id, self.position = pod.task_id, len(pod.shows)
        pod.shows[node] = self.task_id

    def execute(self, context: Any, event: Any = None) -> Any:  # noqa: ARG002 - of the trigger
        """Wait for the end of the node: without a worker slot, if that takes long."""
        run = context["dag_run"]
        alone = self.pod_task_id not in (run.conf or {}).get("kedro_tasks", [self.pod_task_id])
        patience = time.monotonic() + self.seconds
        while not alone:
            # First the state: when the task of the pod has ended, its reports are complete.
            state = task_states(context["ti"], run, run.run_id).get(self.pod_task_id)
            over = state in ("success", "failed", "upstream_failed", "skipped", "removed")
            known = context["ti"].xcom_pull(task_ids=self.pod_task_id, key=self.task_id) or {}
            progress = context["ti"].xcom_pull(task_ids=self.pod_task_id, key="progress") or (0, 0)
            # A pod that began before this task was cleared reports the attempt before.
            if known.get("began", progress[0]) <= time_of_reset(context["ti"], run):
                known, alone = {}, over and bool(progress[0])
            if known.get("state") == "success" or (over and not alone):
                return self.show(context["ti"], known, state)
            # Nodes run one after another: few tasks have a slot for longer.
            since = time.time() - known["start"] if known else 0
            patient = since < 60 if known else time.monotonic() < patience
            if not alone and (state != "running" or not patient):
                self.wait(min(60, since / 4) if known else self.expected(*progress) / 2)
            time.sleep(0.5)
        # Not the one of a sensor.
        return super(BaseSensorOperator, self).execute(context)

    def expected(self, began: float, done: int) -> float:
        """Return in how many seconds the node begins, if those before it take as long as others."""
        left = max(0, self.position - done)
        # Before the pod starts, it is unknown. The tasks of a large group look less often.
        rate = (time.time() - began) / max(1, done) if began else 2
        return min(600, rate * left)

    def wait(self, seconds: float) -> None:
        """Let Airflow resume this task later."""
        then = timedelta(seconds=max(self.seconds, seconds))
        if self.deferrable:
            self.defer(trigger=TimeDeltaTrigger(then), method_name="execute")
        raise AirflowRescheduleException(datetime.now(timezone.utc) + then)

    def show(self, ti: Any, known: dict[str, Any], state: Any) -> None:
        """Log what the node has written. Fail if it has not succeeded."""
        for line in known.get("log", ()):
            self.log.info("%s", line)
        url = ti.log_url.replace(quote(self.task_id), quote(self.pod_task_id))
        self.log.info("The whole log of the pod: %s", url.partition("?try_number")[0])
        if "end" in known:
            start, end = (datetime.fromtimestamp(known[k], timezone.utc) for k in ("start", "end"))
            self.log.info("The node ran from %s to %s (%s).", start, end, end - start)
        if "success" not in (state, known.get("state")):
            did = "while this node ran" if known else "before this node began"
            unknown = (
                f"{'Stopped' if known else 'NotRun'}: The pod of {self.pod_task_id} ended {did}."
            )
            raise AirflowFailException(known.get("cause", unknown))

    def cleanup(self, *args: Any, **kwargs: Any) -> None:
        """Do not spend on pods of this task's own the retries that are for waiting."""
        try:
            super().cleanup(*args, **kwargs)
        except AirflowException as error:
            ti = kwargs["context"]["ti"]
            over = ti.try_number > ti.max_tries - self.spare
            raise (AirflowFailException if over else type(error))(str(error)) from None


def time_of_reset(ti: Any, dag_run: Any) -> float:
    """Return when a task instance was cleared, or a time before its run if it was not."""
    # Clearing gives a task that has run more tries, and one that has not run its first one.
    if ti.max_tries <= ti.task.retries and (ti.try_number > 1 or not dag_run.clear_number):
        return 0
    if hasattr(ti, "get_task_states"):  # Airflow 3: the id is a new one, with its time.
        return int.from_bytes(UUID(str(ti.id)).bytes[:6], "big") / 1000
    from airflow.models.taskinstancehistory import TaskInstanceHistory as Before
    from airflow.utils.session import create_session

    with create_session() as session:
        same = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id}
        ends = session.query(Before.end_date).filter_by(**same).order_by(Before.try_number.desc())
        found = ends.first()
    return found[0].timestamp() if found and found[0] else 0
