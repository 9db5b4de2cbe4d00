"""What the tasks of the last runs have used, and the resources that would fit them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import yaml
from rich.console import Console
from rich.text import Text

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.own_names import is_own_task
from kedro_airflow_k8s.config.wording import counted
from kedro_airflow_k8s.deploy.find import find_dag, ordered, tasks_in_order
from kedro_airflow_k8s.errors import RunError
from kedro_airflow_k8s.plan.clusters import reserved_ids
from kedro_airflow_k8s.plan.tasks import plan_tasks
from kedro_airflow_k8s.project.entities import ProjectPipeline
from kedro_airflow_k8s.terminal.tables import plain_table, print_table

KEY = "usage"
"""The key of the XCom in which a DAG keeps what a task has used, as JSON."""

HEADROOM = 1.25
"""How much more than was used is suggested."""

_MIB, _GIB = 2**20, 2**30
_BAR = 10


@dataclass(frozen=True)
class Asked:
    """What a task asks for, as the configuration says now.

    Attributes:
        entry: The entry of `run_config.resources`.
        requests: The requests of its pod.
        limits: The limits of its pod.
    """

    entry: str
    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True)
class TaskUsage:
    """What a task has used over several runs.

    Attributes:
        task_id: Its id.
        runs: In how many runs that is known.
        memory: The most memory at once of any run, in bytes.
        cores: The most CPUs that it has used on average over a run.
        cpu: The CPU time of the longest run, in seconds.
        wall: The time of the longest run, in seconds.
        read: The most bytes read in a run.
        written: The most bytes written in a run.
        entry: The entry of `run_config.resources` that it selects; None for a task that the
            project does not have now.
        requests: What it asks for.
        limits: What it may use.
        of_runs: What it has used in each run, by the ids of the runs, the newest first.
    """

    task_id: str
    runs: int
    memory: float
    cores: float
    cpu: float
    wall: float
    read: float
    written: float
    entry: str | None
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    of_runs: Mapping[str, Mapping[str, float]]


def asked_for(pipeline: ProjectPipeline, run: RunConfig) -> dict[str, Asked]:
    """Return what the tasks of a pipeline ask for, by their ids."""
    tasks = plan_tasks(pipeline, run, reserved=reserved_ids(run))
    found = {}
    for task in tasks.all:
        settings = tasks.settings[task.resources]
        found[task.task_id] = Asked(task.resources, settings.requests, settings.limits)
    return found


def usage_of(
    client: AirflowClient, dag_id: str, runs: int, asked: Mapping[str, Asked]
) -> list[TaskUsage]:
    """Return what the tasks of a DAG have used in its last runs, in the order of the DAG.

    Args:
        client: Airflow.
        dag_id: The DAG.
        runs: How many runs to look at.
        asked: What its tasks ask for.

    Raises:
        RunError: If Airflow has no such DAG, or knows of no task what it has used.
        AirflowApiError: If Airflow cannot be asked.
    """
    find_dag(client, dag_id)
    found: dict[str, dict[str, dict[str, float]]] = {}
    last = client.newest_runs(dag_id)[:runs]
    for run in last:
        for task_id, task in client.task_states(dag_id, run.run_id).items():
            if task.state == "success" and not is_own_task(task_id):
                text = client.xcom(dag_id, run.run_id, task_id, KEY)
                used = _numbers(text or "")
                if used:
                    found.setdefault(task_id, {})[run.run_id] = used
    if not found:
        raise RunError(
            f"Airflow does not know what the tasks of DAG {dag_id} have used. It was asked for"
            f" {counted(len(last), 'run')}. Only tasks that succeed leave it, with a DAG and an"
            " image of this version of kedro-airflow-k8s."
        )
    order = ordered(found, tasks_in_order(client, dag_id))
    return [_over_runs(task_id, found[task_id], asked.get(task_id)) for task_id in order]


def _numbers(text: str) -> dict[str, float]:
    """Return what a task has left; nothing if that is something else, such as words of a node."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and {"memory", "cpu"} <= found.keys() else {}


def _over_runs(
    task_id: str, of_runs: Mapping[str, Mapping[str, float]], asked: Asked | None
) -> TaskUsage:
    used = of_runs.values()

    def most(key: str) -> float:
        return max(each.get(key, 0) for each in used)

    return TaskUsage(
        task_id=task_id,
        runs=len(used),
        memory=most("memory"),
        cores=round(max(each["cpu"] / max(each.get("wall", 0), 0.001) for each in used), 3),
        cpu=most("cpu"),
        wall=most("wall"),
        read=most("read"),
        written=most("written"),
        entry=asked.entry if asked else None,
        requests=asked.requests if asked else {},
        limits=asked.limits if asked else {},
        of_runs=of_runs,
    )


def as_json(tasks: Sequence[TaskUsage]) -> str:
    """Return usage as JSON in one line, as Kedro may have logged some before it."""
    return json.dumps([asdict(task) for task in tasks])


def show_usage(tasks: Sequence[TaskUsage], console: Console) -> None:
    """Write usage as a table, with a bar for the memory that each task has used of what it has."""
    table = plain_table("Task")
    for title in ("Runs", "Peak memory", "Requested", "Limit"):
        table.add_column(title, justify="right")
    table.add_column("Of it")
    for title in ("CPUs", "Requested", "Seconds", "Read", "Written"):
        table.add_column(title, justify="right")
    for task in tasks:
        table.add_row(
            Text(task.task_id),
            str(task.runs),
            f"{task.memory / _MIB:.0f}Mi",
            task.requests.get("memory", ""),
            task.limits.get("memory", ""),
            _bar(task),
            f"{task.cores:.2f}",
            task.requests.get("cpu", ""),
            f"{task.wall:.1f}",
            f"{task.read / 1e6:.1f} MB",
            f"{task.written / 1e6:.1f} MB",
        )
    print_table(table, console)


def _bar(task: TaskUsage) -> str:
    """Return the part of the memory limit, or else of the request, that a task has used."""
    whole = task.limits.get("memory") or task.requests.get("memory")
    if not whole:
        return ""
    part = task.memory / max(float(parse_quantity(whole)), 1)
    full = min(_BAR, round(part * _BAR))
    return f"{'█' * full}{'░' * (_BAR - full)} {part:.0%}"


def suggestion(tasks: Sequence[TaskUsage]) -> str:
    """Return entries of `run_config.resources` that would fit, as YAML.

    An entry has what the largest of its tasks has used, and a quarter more. A task of several
    entries counts for each of them.

    Raises:
        RunError: If the project has none of the tasks.
    """
    by_entry: dict[str, list[TaskUsage]] = {}
    for task in tasks:
        for entry in (task.entry or "").split(" + "):
            if entry:
                by_entry.setdefault(entry, []).append(task)
    if not by_entry:
        names = ", ".join(task.task_id for task in tasks)
        raise RunError(
            f"The pipeline has no task {names}, so nothing is known of their `resources`. Name the"
            " pipeline of the DAG with --pipeline."
        )
    return "".join(_suggested(by_entry))


def _suggested(by_entry: Mapping[str, Sequence[TaskUsage]]) -> Iterator[str]:
    yield "run_config:\n  resources:\n"
    for entry, tasks in sorted(by_entry.items()):
        largest = max(tasks, key=lambda task: task.memory)
        busiest = max(tasks, key=lambda task: task.cores)
        memory, cpu = rounded_memory(largest.memory), rounded_cpu(busiest.cores)
        name = yaml.safe_dump(entry, allow_unicode=True).split("\n")[0]
        yield (
            f"    {name}:\n"
            f"      # {_comment(largest.task_id)}: {largest.memory / _MIB:.0f}Mi;"
            f" {_comment(busiest.task_id)}: {busiest.cores:.2f} CPUs\n"
            f'      requests: {{cpu: "{cpu}", memory: {memory}}}\n'
            f"      limits: {{memory: {memory}}}\n"
        )


def _comment(task_id: str) -> str:
    return " ".join(task_id.split())


def rounded_memory(used: float) -> str:
    """Return a quantity of memory that leaves headroom: in steps of 32Mi, 256Mi or 1Gi."""
    wanted = used * HEADROOM
    step = 32 * _MIB if wanted <= _GIB else 256 * _MIB if wanted <= 8 * _GIB else _GIB
    amount = math.ceil(wanted / step) * step
    return f"{amount // _GIB}Gi" if amount % _GIB == 0 else f"{amount // _MIB}Mi"


def rounded_cpu(used: float) -> str:
    """Return a quantity of CPUs that leaves headroom: in steps of 50m, and of 250m above one."""
    wanted = used * HEADROOM * 1000
    step = 50 if wanted <= 1000 else 250
    amount = max(step, math.ceil(round(wanted, 6) / step) * step)
    return str(amount // 1000) if amount % 1000 == 0 else f"{amount}m"
