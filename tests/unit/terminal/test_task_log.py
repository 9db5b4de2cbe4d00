"""The end of a failed task's log, and why the task failed."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from kedro_airflow_k8s.pod.failures import folded
from kedro_airflow_k8s.terminal.task_log import (
    PRINTED_BEFORE,
    cause,
    exception,
    lines_so_far,
    log_end,
    pod_end,
    whole_output,
    without_pod,
)

AIRFLOW_2 = """\
[2026-01-05T12:00:01.000+0000] {pod_manager.py:471} INFO - [base] Traceback (most recent call last):
[2026-01-05T12:00:01.000+0000] {pod_manager.py:471} INFO - [base]   File "nodes.py", line 7, in f
[2026-01-05T12:00:01.000+0000] {pod_manager.py:471} INFO - [base] ValueError: no data
[2026-01-05T12:00:02.000+0000] {taskinstance.py:3340} ERROR - Task failed with exception
Traceback (most recent call last):
  File "pod.py", line 923, in execute_sync
    self.cleanup(
    ^^^^^^^^^^^^^
airflow.exceptions.AirflowException: Pod f-1 returned a failure.
[2026-01-05T12:00:03.000+0000] {job.py:2} INFO - Task exited with return code 1
"""


def test_what_the_pod_has_said_stays_whole_and_airflows_frames_go() -> None:
    assert log_end(AIRFLOW_2).splitlines() == [
        "Traceback (most recent call last):",
        '  File "nodes.py", line 7, in f',
        "ValueError: no data",
    ]


def test_what_airflow_says_of_the_end_stays_where_the_pod_has_not_said_why() -> None:
    log = """\
[base] loading
[2026-01-05T12:00:02Z] ERROR - Container 'base': state='TERMINATED', reason='Error', exit_code=1
[2026-01-05T12:00:02Z] ERROR - Task failed with exception
AirflowException: Pod f-1 returned a failure.
"""
    assert log_end(log).splitlines() == ["loading", *log.splitlines()[1:]]
    killed = log.replace("exit_code=1", "exit_code=137")
    said = f"[base] {HEAD.strip()}\n[base] ValueError: no data\n"
    assert log_end(said + log.partition("\n")[2]).splitlines()[1:] == ["ValueError: no data"]
    assert "exit_code=137" in log_end(said + killed.partition("\n")[2])


def test_the_lines_of_airflow_itself_are_whole_without_those_of_the_pod() -> None:
    assert without_pod(AIRFLOW_2).splitlines() == AIRFLOW_2.splitlines()[3:]

    airflow_3 = """\
2026-01-05T12:00:01.1Z [info     ] Pod has reached Running phase  [x] loc=pod_manager.py:184
2026-01-05T12:00:01.2Z [info     ] [base] RuntimeError: no use
   [airflow.providers.cncf.kubernetes.utils.pod_manager.PodManager] loc=pod_manager.py:508
2026-01-05T12:00:01.3Z [info     ] Deleting pod: fail-1    [pod] loc=pod.py:1557
"""
    first, *_, last = airflow_3.splitlines()
    assert without_pod(airflow_3).splitlines() == [first, last]


def test_the_wide_lines_of_kedros_log_lose_their_padding() -> None:
    first = f"[11/29/26 08:50:01] INFO     Running node: split{' ' * 150}node.py:420"
    second = f"{' ' * 29}of two lines{' ' * 160}"
    assert log_end(f"[base] {first}\n[base] {second}\n").splitlines() == [
        "[11/29/26 08:50:01] INFO     Running node: split  node.py:420",
        f"{' ' * 29}of two lines",
    ]


def test_only_the_end_of_what_the_pod_has_said_is_shown_whatever_airflow_adds() -> None:
    pod = "\n".join(f"[base] line {number}" for number in range(100))
    airflow = "\n".join(f"[2026-01-05T12:00:02Z] ERROR - {number}" for number in range(50))
    lines = log_end(f"{pod}\n{airflow}").splitlines()
    assert lines[:40] == [f"line {number}" for number in range(60, 100)]
    assert lines[40:] == [f"[2026-01-05T12:00:02Z] ERROR - {number}" for number in range(10)]


@pytest.mark.parametrize("log", ["", "\n", "one line"])
def test_a_log_without_a_pod_stays_as_it_is(log: str) -> None:
    assert log_end(log) == log.strip("\n")


HEAD = "Traceback (most recent call last):\n"
OWN = '  File "src/shop/nodes.py", line 37, in train\n    model.fit(x)\n'
CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"


def test_the_cause_is_the_exception_with_its_place_in_the_project() -> None:
    log = f"it begins\n{HEAD}  (24 frames of kedro)\n{OWN}  (9 frames of sklearn)\n"
    assert exception(f"{log}ValueError: Input X contains NaN.\nSee https://example.com\n") == (
        "ValueError: Input X contains NaN. (nodes.py:37)"
    )


def test_the_cause_has_no_module_and_no_more_than_fits_in_a_line() -> None:
    assert exception(f"{HEAD}kedro.io.core.DatasetError: a.b: no\n") == "DatasetError: a.b: no"
    assert exception(f"{HEAD}zlib.error\n") == "error"
    long = exception(f"{HEAD}ValueError: {'x' * 999}\n")
    assert (len(long), long[-1]) == (200, "…")


def test_the_place_is_found_below_what_a_library_made_of_the_exception() -> None:
    chain = f"{HEAD}{OWN}KeyError: 'a'\n{CAUSED}{HEAD}  (2 frames of kedro)\nDatasetError: no\n"
    assert exception(chain) == "DatasetError: no (nodes.py:37)"


def test_the_place_of_an_earlier_traceback_is_not_taken() -> None:
    earlier = f"{HEAD}{OWN}KeyError: 'a'\nIt is tried again.\n"
    assert exception(f"{earlier}{HEAD}  (2 frames of kedro)\nOSError: no\n") == "OSError: no"


def test_the_cause_of_what_another_process_handed_over_has_its_place() -> None:
    remote = (
        f'concurrent.futures.process._RemoteTraceback: \n"""\n{HEAD}{OWN}KeyError: 1\n"""\n'
        f"{CAUSED}{HEAD}  (21 frames of kedro)\nKeyError: 1\n"
    )
    assert exception(remote) == "KeyError: 1 (nodes.py:37)"


def test_the_cause_of_an_exception_that_python_has_raised(tmp_path: Path) -> None:
    code = compile("import json\n\njson.loads('{')", str(tmp_path / "nodes.py"), "exec")
    with pytest.raises(ValueError, match="double quotes") as caught:
        exec(code, {})
    said = exception(folded("".join(traceback.format_exception(caught.value)), str(tmp_path)))
    assert said.startswith("JSONDecodeError: Expecting property name enclosed")
    assert said.endswith("(nodes.py:3)")


def test_a_pod_without_a_traceback_has_its_last_line_or_its_end_as_the_cause() -> None:
    assert pod_end("a\nError: No such option\n\n", "Error", 1) == "Error: No such option"
    assert pod_end("loading\n", "OOMKilled", 137) == "OOMKilled, exit code 137"
    assert pod_end("", "Error", 1) == "exit code 1"


def test_the_cause_in_a_log_of_airflow_is_what_the_pod_has_said() -> None:
    assert cause(AIRFLOW_2) == "ValueError: no data (nodes.py:7)"
    killed = (
        "[2026-01-05T12:00:01.000+0000] {pod_manager.py:471} INFO - [base] loading\n"
        "[2026-01-05T12:00:02.000+0000] {pod.py:1470} ERROR - Container 'base':"
        " state='TERMINATED', reason='OOMKilled', exit_code=137, message='None'\n"
    )
    assert cause(killed) == "OOMKilled, exit code 137"


def test_the_cause_without_a_pod_is_airflows_own() -> None:
    log = f"{HEAD}  File 'x.py', line 1\nairflow.exceptions.AirflowException: no variable 'a'\n"
    assert cause(log) == "AirflowException: no variable 'a'"
    assert cause("nothing\n") == ""


GROUP = f"  + Exception Group {HEAD}"
OF_GROUP = f"""\
  | Group: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | {HEAD}    | ValueError: no data
    +------------------------------------
"""


def pod_lines(text: str) -> str:
    return "".join(f"[base] {line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    "end",
    [
        f"{HEAD}{OWN}ValueError: no data\n",
        f"{HEAD}{OWN}KeyError: 'a'\n{CAUSED}{HEAD}  (2 frames of kedro)\nDatasetError: no\n",
        f"{GROUP}{OWN}{OF_GROUP}",
    ],
    ids=["one", "chain", "group"],
)
def test_the_whole_output_of_a_failure_begins_with_its_last_traceback(end: str) -> None:
    earlier = f"loading\n{HEAD}{OWN}KeyError: 'x'\nIt is tried again.\n"
    log = pod_lines(earlier + end)
    failed = whole_output(log, failed=True)
    assert failed == f"{end}\n{PRINTED_BEFORE}\n{earlier}".rstrip("\n")
    assert whole_output(log, failed=False) == (earlier + end).rstrip("\n")


def test_the_whole_output_of_a_pod_that_has_shown_no_traceback_is_in_its_order() -> None:
    killed = "[2026-01-05T12:00:02Z] ERROR - Container 'base': reason='OOMKilled', exit_code=137"
    log = pod_lines("one\ntwo") + killed
    assert whole_output(log, failed=True).splitlines() == ["one", "two", killed]


def test_the_whole_output_without_a_pod_is_all_that_airflow_says_without_its_frames() -> None:
    log = "\n".join(f"[2026-01-05T12:00:02Z] INFO - {number}" for number in range(99))
    error = f'{HEAD}  File "run.py", line 7, in act\nApiException: Forbidden'
    assert whole_output(f"{log}\n{error}", failed=True) == f"{log}\nApiException: Forbidden"


def test_the_lines_of_a_log_that_grows_stay_as_they_were() -> None:
    lines = AIRFLOW_2.splitlines()
    whole = lines_so_far(AIRFLOW_2)
    assert whole == [HEAD.strip(), '  File "nodes.py", line 7, in f', "ValueError: no data"]
    for end in range(len(lines)):
        shown = lines_so_far("\n".join(lines[:end]))
        assert shown == whole[: len(shown)]


def test_what_the_task_says_of_its_pod_is_the_cause() -> None:
    log = "[base] loading\nTraceback (most recent call last):\nAirflowException: "
    assert cause(f"{log}OOMKilled: The container ran out of memory. Its limit is 1Gi.") == (
        "OOMKilled: The container ran out of memory. Its limit is 1Gi."
    )
    final = log.replace("Airflow", "airflow.exceptions.AirflowFail")
    assert cause(f"{final}DeletedByHand: The pod was deleted.") == (
        "DeletedByHand: The pod was deleted."
    )


def test_a_pod_that_did_not_start_has_a_cause_too() -> None:
    log = "AirflowException: Unschedulable: 0/1 nodes are available: 1 Insufficient memory."
    assert cause(log) == "Unschedulable: 0/1 nodes are available: 1 Insufficient memory."


def test_that_the_pod_was_asked_to_stop_is_not_why() -> None:
    stopped = (
        f"[base] {HEAD.strip()}\n[base] TaskTerminated: The pod was asked to stop (SIGTERM).\n"
    )
    said = "AirflowException: Evicted: The node was low on resource: memory."
    assert cause(f"{stopped}{said}") == "Evicted: The node was low on resource: memory."
    assert log_end(f"{stopped}{said}").splitlines()[-1] == said


def test_what_the_task_repeats_of_the_pod_is_shown_once() -> None:
    log = AIRFLOW_2.replace(
        "Pod f-1 returned a failure.", "ValueError: no data (node f, src/nodes.py:7)"
    )
    assert log_end(log).splitlines()[-1] == "ValueError: no data"
    assert cause(log) == "ValueError: no data (nodes.py:7)"
