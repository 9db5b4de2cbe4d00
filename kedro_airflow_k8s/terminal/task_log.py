"""The end of a task's log: what the pod wrote last, what Airflow made of it, and why it failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

POD_LINES, AIRFLOW_LINES = 40, 10
"""Enough for a traceback, in which the pod counts the frames of libraries, and what is above."""

ALL_FRAMES = 'run-once --raw, or KEDRO_AIRFLOW_K8S_RAW: "1" in run_config.env_vars'
"""How a run on a cluster shows the frames that pods count."""

CAUSE_LENGTH = 200
"""Characters of an exception's message in one line; the whole message is in the log."""

PRINTED_BEFORE = "--- Printed before that:"
"""Stands between a traceback and the output before it."""

# How Airflow's Kubernetes provider marks the lines of the container; before it is when and where.
_FROM_POD = re.compile(r"^.*?\[base\] ?")
# How an entry of Airflow's log begins; what it says may have several lines.
_BEGINS = re.compile(r"\[?\d{4}-\d{2}-\d{2}T")
_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'[ |]*File "([^"]+)", line (\d+)')
_CHAINED = re.compile(
    r"\n\n(?:The above exception was the direct cause of the following"
    r"|During handling of the above) exception.*\n\n"
)
_EXCEPTION = re.compile(r"(?:\w+\.)*[A-Z]\w*: ")
_ENDED = re.compile(r"reason='(?P<reason>\w+)', exit_code=(?P<code>\d+)")
_POD_EVENT = re.compile(r"The Pod has an Event: (.*?) from (?:None|spec\.\S*)")
_STARTED = re.compile(r"Pod has reached Running phase|\[base\] ")
# At the right edge, Kedro's log has the place in the code.
_PADDING = re.compile(r"(?m) {8,}(\w+\.py:\d+|)$")
# As the pod counts frames of libraries.
_FOLDED = re.compile(r"^[ |]*\(\d+ frames? of .+\)$", re.MULTILINE)
_SAYS_THAT_IT_FAILED = re.compile(
    r"Container 'base': .*reason='Error', exit_code=1\b|Task failed with exception\b"
    r"|AirflowException: Pod \S+ returned a failure"
    r"|Failed to execute job \d+ for task .*Pod \S+ returned a failure"
)
# How the DAG's operator of pods fails; older DAGs have the one that says nothing.
_TOLD = re.compile(r"(?:[\w.]+\.)?Airflow(?:Fail)?Exception: (?!Pod \S+ returned a failure)(.+)")
_REASON = re.compile(r"[A-Z][A-Za-z]+: ")
_OF_JOB = re.compile(r"Failed to execute job \d+ for task \S+ \((.+); \d+\)")
# Airflow 2.11, and 3.
_STOPPED = re.compile(
    r"State of this instance has been externally set to"
    r"|Server indicated the task shouldn't be running anymore"
)
_INFORMATION = re.compile(r"^\[[^]]*\] (\{[^}]*\} )?INFO - ")


def log_end(log: str) -> str:
    """Return the last lines of the pod, and what Airflow says of its end.

    Left out are the frames of Airflow's own tracebacks, which lead from its worker to the line that
    found that a pod has failed, and what it puts before each line of the pod. So is that the pod
    failed where the pod itself has said why.
    """
    said, after = _parts(log)
    if not said:
        return "\n".join(after[-POD_LINES:])
    said = said[-POD_LINES:]
    return "\n".join([*said, *_after(said, after)[:AIRFLOW_LINES]])


def whole_output(log: str, *, failed: bool) -> str:
    """Return all that the pod has written, and what Airflow says of its end, as in `log_end`.

    Args:
        log: The log in Airflow.
        failed: Whether the task failed. Then the traceback at the end comes first.
    """
    said, after = _parts(log)
    if not said:
        return "\n".join(after)
    text = "\n".join(said)
    begin = _last_traceback(text) if failed else 0
    parts = [text[begin:], *_after(said, after)]
    if before := text[:begin].strip("\n"):
        parts += ["", PRINTED_BEFORE, before]
    return "\n".join(parts)


def lines_so_far(log: str) -> list[str]:
    """Return the lines of a running task: the pod's, and Airflow's that are not information.

    What is returned of a log stays the beginning of what is returned when the log has grown.
    """
    shown: list[str] = []
    of_pods: list[str] = []
    for of_pod, text in _own_lines(without_padding(log)):
        if of_pod:
            of_pods.append(text)
        elif _INFORMATION.match(text) or (of_pods and _is_known(text, _last(of_pods))):
            continue
        shown.append(text)
    return shown


def _last(lines: list[str]) -> str:
    """Return the exception at the end of a pod's output."""
    return exception("\n".join(lines[-POD_LINES:]))


def cause(log: str) -> str:
    """Return why a task failed according to its log in Airflow, in one line; empty if unknown."""
    if _STOPPED.search(log):
        return "stopped: Airflow had ended the task, for example because its run was cancelled"
    lines = list(_own_lines(log))
    pod = "\n".join(text for of_pod, text in lines if of_pod)
    found = exception(pod)
    told = told_cause(log)
    # A pod that did not start has printed nothing, and its task says why with a word of Kubernetes.
    if (pod or _REASON.match(told)) and told and not _repeats(told, found):
        return _short(told)
    if found:
        return found
    if pod and (end := _ENDED.search(log)):
        return pod_end(pod, end["reason"], int(end["code"]))
    exceptions = [text for of_pod, text in lines if not of_pod and _EXCEPTION.match(text)]
    return _message(f"\n{exceptions[-1]}") if exceptions else ""


def told_cause(log: str) -> str:
    """Return the cause with which the DAG's operator of pods has failed; empty if there is none."""
    return next((told for line in reversed(log.splitlines()) if (told := _told(line))), "")


def pod_cause(said: str, told: str) -> str:
    """Return the cause from the exception in the output of a pod and from what its task says.

    The exception has the shorter place. But one that only says that the pod was asked to stop is
    not the cause.
    """
    return said if not told or _repeats(told, said) else _short(told)


def _told(line: str) -> str:
    found = _TOLD.match(line)
    return found[1].strip() if found else ""


def _repeats(told: str, said: str) -> bool:
    """Return whether a task says no more than the exception of its pod."""
    return bool(told and said) and told.startswith(re.sub(r" \([^()]*:\d+\)$|…$", "", said))


def has_started(log: str) -> bool:
    """Return whether the pod of a task runs or has run, according to the task's log in Airflow."""
    return _STARTED.search(log) is not None


def has_folded_frames(log: str) -> bool:
    """Return whether the traceback in a log counts frames in place of showing them."""
    return _FOLDED.search(log) is not None


def without_padding(log: str) -> str:
    """Return the output of a pod without the spaces with which Kedro's log fills its wide lines."""
    return _PADDING.sub(lambda found: found[1] and f"  {found[1]}", log)


def without_pod(log: str) -> str:
    """Return a task's log in Airflow without the lines of its pod."""
    kept: list[str] = []
    of_pod = False
    for line in log.splitlines():
        if _FROM_POD.match(line):
            of_pod = True
        elif not of_pod or _BEGINS.match(line):
            of_pod = False
            kept.append(line)
    return "\n".join(kept)


def pod_event(log: str) -> str:
    """Return the last event of the pod in a task's log; empty if there is none."""
    events = _POD_EVENT.findall(log)
    return str(events[-1]) if events else ""


def failures(causes: Mapping[str, str]) -> str:
    """Return a line for each task that failed.

    Args:
        causes: Why, by task id; empty if unknown.
    """
    return "\n".join(f"{task} failed{why and ': '}{why or '.'}" for task, why in causes.items())


def pod_end(log: str, reason: str, code: int) -> str:
    """Return why a pod failed that has shown no exception.

    Args:
        log: Its output.
        reason: How Kubernetes calls its end.
        code: Its exit code.
    """
    said = log.strip().rpartition("\n")[2].strip()
    if code == 1 and said:
        return _short(said)
    return f"exit code {code}" if reason == "Error" else f"{reason}, exit code {code}"


def exception(log: str) -> str:
    """Return the exception at the end of a pod's output with its place in the project.

    Args:
        log: The output; a traceback in it counts the frames that are not the project's.

    Returns:
        `ValueError: no data (nodes.py:37)`, or nothing.
    """
    links = _CHAINED.split(log)
    if _TRACEBACK not in links[-1]:
        return ""
    said = _message(links[-1].rpartition(_TRACEBACK)[2])
    for link in reversed(links):
        before, _, end = link.rpartition(_TRACEBACK)
        if frames := _FRAME.findall(end):
            path, line = frames[-1]
            return f"{said} ({path.rpartition('/')[2]}:{line})"
        # What a library raised from an exception of the project has no line of the project itself.
        if before.strip():
            break
    return said


def _message(traceback: str) -> str:
    """Return the name of the exception without its module, and the first line of its message."""
    # In a group of exceptions, lines begin with a bar.
    lines = (re.sub(r"^ *\| ", "", line) for line in traceback.split("\n")[1:])
    said = next((line for line in lines if line and not line.startswith(" ")), "")
    name, colon, message = said.partition(": ")
    return _short(name.rpartition(".")[2] + colon + message)


def _parts(log: str) -> tuple[list[str], list[str]]:
    """Return the lines of the pod, and those in which Airflow says how it ended.

    Without a pod, all lines are Airflow's.
    """
    lines = list(_own_lines(without_padding(log)))
    last = max((number for number, (of_pod, _) in enumerate(lines) if of_pod), default=-1)
    if last < 0:
        return [], [text for _, text in lines]
    said = [text for of_pod, text in lines if of_pod]
    return said, [text for _, text in lines[last + 1 :] if not _INFORMATION.match(text)]


def _after(said: list[str], after: list[str]) -> list[str]:
    """Return what Airflow says of the end of a pod, as far as the pod has not said why."""
    found = exception("\n".join(said))
    return [text for text in after if not _is_known(text, found)] if found else after


def _is_known(line: str, found: str) -> bool:
    """Return whether a line of Airflow says no more than the exception of the pod."""
    job = _OF_JOB.search(line)
    told = job[1] if job else _told(line)
    return bool(_SAYS_THAT_IT_FAILED.search(line)) or _repeats(told, found)


def _last_traceback(text: str) -> int:
    """Return where the last traceback begins, with those of its causes; 0 if there is none."""
    begin = text.rfind(_TRACEBACK)
    group = text.rfind("+ Exception Group", 0, begin + 1)
    if "|" in text[text.rfind("\n", 0, begin + 1) + 1 : begin] and group >= 0:
        begin = group
    for link in reversed(list(_CHAINED.finditer(text, 0, max(begin, 0)))):
        before = text.rfind(_TRACEBACK, 0, link.start())
        if before < 0 or text[link.end() : begin].strip():
            break
        begin = before
    return text.rfind("\n", 0, max(begin, 0)) + 1


def _short(text: str) -> str:
    return text if len(text) <= CAUSE_LENGTH else f"{text[: CAUSE_LENGTH - 1]}…"


def _own_lines(log: str) -> Iterator[tuple[bool, str]]:
    """Yield the lines that stay, each with whether it is the pod's."""
    in_traceback = False
    for line in log.splitlines():
        pod = _FROM_POD.match(line)
        if pod:
            in_traceback = False
            yield True, line[pod.end() :]
        elif line.strip() == _TRACEBACK:
            in_traceback = True
        elif not in_traceback or (line and not line.startswith(" ")):
            in_traceback = False
            yield False, line
