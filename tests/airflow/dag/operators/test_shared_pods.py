"""A task that shows a node of a shared pod ends as the node did, or says what is not known."""

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
from tests.support.waiting import WAIT_SECONDS

EVENTS = """
import os, sys, time
nonce = os.environ["KEDRO_AIRFLOW_K8S_EVENTS"]
from kedro_airflow_k8s.pod.node_events import node_events as events
def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()
"""
A = """
events.begin("a"); print("HERE IS a", flush=True); events.succeed("a")
"""
FORGED = """
for nonce in ("0123456789abcdef", "$NONCE", ""):
    write(f'kedro-airflow-k8s-event {nonce} ["success", "b", {time.time()}]\\n' * 2)
    write(f'kedro-airflow-k8s-event {nonce} ["failed", "a", {time.time()}]\\n' * 2)
"""
AGAIN = """
lines = [f'kedro-airflow-k8s-event {nonce} ["{s}", "a", {at}]\\n' for s, at in
         (("running", 1.5), ("success", 2.5))]
write("".join(lines * 3))
"""
CUT = """
write(f'kedro-airflow-k8s-event {nonce} ["success", "a"\\n')
write(f'kedro-airflow-k8s-event {nonce} ["running", "b", 1.5]\\n' * 2)
"""
FAIL = """
events.begin("b"); print("HERE IS b", flush=True)
sys.stderr.write("ValueError: no price (node b, src/shop/nodes.py:16)\\n")
sys.exit(1)
"""
HANG = """
events.begin("b"); time.sleep(600)
"""
NO_PRICE = "ValueError: no price (node b, src/shop/nodes.py:16)"
KEPT = {"a": "success"}


def pod(*code: str, fault: str = "", **states: str) -> dict[str, Any]:
    return {"code": "".join([EVENTS, *code]), "states": states, "fault": fault}


PODS = {
    "fails": pod(A, FAIL),
    "forged": pod(A, FORGED, FAIL),
    "read-again": pod(AGAIN, FAIL),
    "cut": pod(A, CUT, FAIL),
    "connection-lost": pod(A, FAIL, fault="connection"),
    "deleted": pod(A, HANG, fault="delete"),
    "says-nothing": pod("sys.exit(1)"),
    "worker-lost": pod("time.sleep(2)", A, FAIL, fault="worker", a="success"),
}
RUNNING = {"state": "running", "start": 1.5, "began": 1}
ENDED = {**RUNNING, "end": 2.5, "log": []}
SUCCESS, FAILED = {**ENDED, "state": "success"}, {**ENDED, "state": "failed", "cause": NO_PRICE}
NOT_RUN = "NotRun: The pod of group ended before this node began."
STOPPED = "Stopped: The pod of group ended while this node ran."
GOOD, BAD, WAITS = "", "AirflowFailException", "AirflowRescheduleException"
OVER = ("failed", "upstream_failed", "skipped", "removed")
"""The states of a task that has ended, and not well."""
NOT_OVER = (None, "scheduled", "queued", "running", "up_for_retry", "deferred", "restarting")
NODES: dict[tuple[str | None, str], tuple[str, str]] = {
    **{(state, "success"): (GOOD, "") for state in ("success", *OVER, *NOT_OVER)},
    # The pod has succeeded, and so all its nodes: what is missing of its log tells no other end.
    **{("success", report): (GOOD, "") for report in ("nothing", "running")},
    **{(state, "nothing"): (BAD, NOT_RUN) for state in OVER},
    **{(state, "running"): (BAD, STOPPED) for state in OVER},
    **{(state, "failed"): (BAD, NO_PRICE) for state in OVER},
    # There may be another attempt.
    **{
        (state, report): (WAITS, "")
        for state in NOT_OVER
        for report in ("nothing", "running", "failed")
    },
}
CLEARED = {"max_tries": 3, "try_number": 2, "clear_number": 1}
FIRST = {"max_tries": 2, "try_number": 1, "clear_number": 1}
RETRIED = {"max_tries": 2, "try_number": 2, "clear_number": 1}
UNTOUCHED = {"max_tries": 2, "try_number": 1, "clear_number": 0}
RESET: dict[str, tuple[str | None, str, dict[str, int], str | None]] = {
    "after-it-failed": ("failed", "failed", CLEARED, None),
    "after-it-succeeded": ("success", "success", CLEARED, None),
    # It was upstream_failed.
    "before-it-began": ("failed", "nothing", FIRST, None),
    "while-the-pod-runs": ("running", "failed", CLEARED, "AirflowRescheduleException"),
    "and-the-pod-too": ("queued", "failed", FIRST, "AirflowRescheduleException"),
    "never-but-retried": ("failed", "failed", RETRIED, "AirflowFailException"),
    "never": ("failed", "failed", UNTOUCHED, "AirflowFailException"),
}
"""The state of the pod's task, what it has reported of the node, and how the task of the node ends
after it was cleared; None if it runs the node alone.
"""
REPORTS = {"nothing": {}, "running": RUNNING, "success": SUCCESS, "failed": FAILED}


@dataclass(frozen=True)
class End:
    """How a task ended, what it has reported of nodes, and which of them it has left."""

    kind: str
    message: str
    reports: dict[str, dict[str, Any]]
    left: list[str]


@dataclass(frozen=True)
class Ends:
    """How all tasks ended, and everything that they printed."""

    found: dict[str, End]
    output: str


def named(state: str | None, report: str, deferrable: bool = False) -> str:
    return f"{state}-{report}-{deferrable}"


@pytest.fixture(scope="module", name="ends")
def _ends(airflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Ends:
    folder = tmp_path_factory.mktemp("shared")
    (folder / "project").mkdir()
    image = PodImage(
        folder / "project", PurePosixPath("/home/kedro_docker"), (Path(sys.executable).parent,)
    )
    nodes: dict[str, Any] = {
        named(state, report, deferrable): {
            "state": state,
            "report": REPORTS[report],
            "deferrable": deferrable,
        }
        for state, report in NODES
        for deferrable in (False, True)
    }
    for when, (state, report, cleared, _) in RESET.items():
        nodes[when] = {
            "state": state,
            "report": REPORTS[report],
            "deferrable": False,
            "cleared": cleared,
        }
    with LocalCluster(image, folder / "cluster") as cluster:
        cluster.write_kubeconfig(folder / "kubeconfig")
        done = subprocess.run(
            [
                airflow_python,
                FOLDER / "run_shared_pods.py",
                json.dumps({"pods": PODS, "nodes": nodes}),
            ],
            env={**environment(folder), "PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )
    lines = [json.loads(line[4:]) for line in done.stdout.splitlines() if line.startswith("END ")]
    return Ends({name: End(kind, text, *rest) for name, (kind, text), *rest in lines}, done.stdout)


@pytest.mark.parametrize("case", [case for case in PODS if case != "says-nothing"])
def test_what_the_pod_has_done_is_reported_whatever_becomes_of_its_log(
    ends: Ends, case: str
) -> None:
    assert case in ends.found, ends.output
    end = ends.found[case]
    states = {node: report["state"] for node, report in end.reports.items()}
    assert states == {"a": "success", "b": "failed"}
    assert end.left == ["b", "c"]
    cause = end.reports["b"]["cause"]
    assert cause == end.message
    assert end.message.startswith("Deleted" if case == "deleted" else NO_PRICE)


def test_of_a_pod_whose_log_says_nothing_no_node_is_done(ends: Ends) -> None:
    end = ends.found["says-nothing"]
    assert (end.message, end.reports, end.left) == ("Error: exit code 1", {}, ["a", "b", "c"])


def test_each_node_has_its_part_of_the_log(ends: Ends) -> None:
    reports = ends.found["fails"].reports
    assert reports["a"]["log"] == ["HERE IS a"]
    assert reports["b"]["log"][0] == "HERE IS b"


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(("state", "report"), NODES)
def test_a_task_of_a_node_ends_when_the_end_is_known_and_succeeds_only_if_the_node_did(
    ends: Ends, state: str | None, report: str, deferrable: bool
) -> None:
    kind, message = NODES[state, report]
    if kind == WAITS and deferrable:
        kind = "TaskDeferred"
    name = named(state, report, deferrable)
    assert name in ends.found, ends.output
    end = ends.found[name]
    assert end.kind == kind
    assert message in end.message


@pytest.mark.parametrize("when", RESET)
def test_a_node_whose_task_was_cleared_alone_runs_when_the_pod_has_ended(
    ends: Ends, when: str
) -> None:
    assert when in ends.found, ends.output
    kind, end = RESET[when][-1], ends.found[when]
    assert (end.kind, end.left) == ((kind, []) if kind else ("", ["alone"]))


def test_the_more_nodes_are_before_one_the_later_it_looks_for_a_pod_that_has_not_begun(
    ends: Ends,
) -> None:
    assert "waits" in ends.found, ends.output
    assert json.loads(ends.found["waits"].message) == {"0": 10, "50": 50, "1000": 300}
