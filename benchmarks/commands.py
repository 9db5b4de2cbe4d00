"""Whole `kedro` commands: compile against its rivals, and what the plugin adds to others."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from benchmarks.environments import REPOSITORY, Environments, child_environment
from benchmarks.projects import nodes, write_project
from benchmarks.results import Section, Verdict, milliseconds
from benchmarks.timing import Command, Rounds, differences, interleave, ratios
from kedro_airflow_k8s.plan.pods import POD_COMMAND
from kedro_airflow_k8s.pod import environment as pod

FLOOR, RIVAL, OURS = "registry list", "airflow create", "airflow-k8s compile"
BARE, REQUIREMENTS, PLUGIN = "Kedro alone", "with its requirements", "with the plugin"

EXAMPLE = REPOSITORY / "examples" / "spaceflights"
EXAMPLE_RATIO = 1.0
RATIOS = {10: 1.1, 100: 1.1, 1000: 1.1, 5000: 1.0}
"""The most that `compile` may take of `airflow create`, by number of nodes."""
OVER_HELP, OVER_RUN = 0.020, 0.030
"""Seconds."""

UNITS = "Milliseconds: best and median by the clock / median in CPU time."
COMPILE_NOTE = (
    f"{UNITS} `registry list` and `compile` run in the environment with the plugin, `airflow"
    " create` in the one with kedro-airflow. Ratios and differences: the clock / CPU time."
)
OVERHEAD_NOTE = (
    f"{UNITS} A project of 10 nodes. What stands in the column of the requirements comes from their"
    " being installed: Kedro itself imports pydantic where it finds it, unless the plugin is there."
    " A pod runs the command of a compiled DAG, with the variables of one: the plugin also stores"
    " the output of the node. It is compared with `kedro run` of this node where the plugin is not"
    " installed. Differences: the clock / CPU time."
)


def compile_section(
    made: Environments, folder: Path, rounds: Mapping[int, int], advance: Callable[[], None]
) -> Section:
    """`compile` against `registry list` and `airflow create`: a real project, and generated ones.

    Args:
        made: The environments.
        folder: Where the projects are made.
        rounds: How often each command runs, by number of nodes; the real project first, as 0.
        advance: Called after each command.
    """
    rows, verdicts = [], []
    for count, times in rounds.items():
        if count:
            name, limit = f"{count} nodes", RATIOS[count]
            project = write_project(folder, count)
            plugin, rival = made.plugin, made.kedro_airflow
        else:
            name, limit = "examples/spaceflights", EXAMPLE_RATIO
            project = folder / EXAMPLE.name
            shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("dags", "data"))
            plugin, rival = made.example_plugin, made.example_kedro_airflow
        commands = [
            _kedro(FLOOR, plugin, project, ["registry", "list"]),
            _kedro(RIVAL, rival, project, ["airflow", "create"]),
            _kedro(OURS, plugin, project, ["airflow-k8s", "compile"]),
        ]
        costs = interleave(commands, times, advance)
        ratio, ratio_cpu = (ratios(costs, OURS, RIVAL, clock).median for clock in ("wall", "cpu"))
        over, over_cpu = (
            differences(costs, OURS, FLOOR, clock).median for clock in ("wall", "cpu")
        )
        rows.append(
            [
                name,
                *(both(costs, name) for name in (FLOOR, RIVAL, OURS)),
                f"{ratio:.2f} / {ratio_cpu:.2f}",
                f"{milliseconds(over)} / {milliseconds(over_cpu)}",
                str(times),
            ]
        )
        what = f"compile / `airflow create`, {name}"
        verdicts.append(Verdict(what, ratio, limit, "of it", ratio_cpu))
    header = ["project", FLOOR, RIVAL, OURS, "compile / create", "compile - list", "rounds"]
    return Section("`kedro airflow-k8s compile`", [COMPILE_NOTE], header, rows, verdicts)


def overhead_section(
    made: Environments, folder: Path, rounds: int, advance: Callable[[], None]
) -> Section:
    """What the plugin adds to `kedro --help`, to one node in a pod, and to `kedro run` of it."""
    project = write_project(folder, 10)
    node = nodes(10)[0].name
    run = ["run", "--env=local", "--pipelines=__default__", f"--nodes={node}"]
    in_pod = Command(
        PLUGIN,
        (str(made.plugin / "bin" / POD_COMMAND[0]), *POD_COMMAND[1:], *run),
        project,
        child_environment(
            **{
                pod.CONTRACT_VARIABLE: pod.CONTRACT,
                pod.TASK_VARIABLE: node,
                pod.PARAMS_VARIABLE: '{"conf": null}',
                pod.INTERMEDIATE_DATA_VARIABLE: str(project / "data"),
            }
        ),
    )
    rows, verdicts = [], []
    for title, arguments, limit, ours in (
        ("`kedro --help` in a project", ["--help"], OVER_HELP, None),
        ("a node in a pod", run, OVER_RUN, in_pod),
        ("`kedro run` of this node by hand", run, OVER_RUN, None),
    ):
        environments = {BARE: made.kedro, REQUIREMENTS: made.requirements, PLUGIN: made.plugin}
        commands = [_kedro(name, where, project, arguments) for name, where in environments.items()]
        if ours is not None:
            commands[-1] = ours
        costs = interleave(commands, rounds, advance)
        more, more_cpu = (differences(costs, PLUGIN, BARE, clock) for clock in ("wall", "cpu"))
        own, own_cpu = (
            differences(costs, PLUGIN, REQUIREMENTS, clock) for clock in ("wall", "cpu")
        )
        rows.append(
            [
                title,
                *(both(costs, name) for name in environments),
                f"{milliseconds(more.median)} / {milliseconds(more_cpu.median)}",
                f"{milliseconds(own.median)} / {milliseconds(own_cpu.median)}",
                str(rounds),
            ]
        )
        what = f"{title}, with the plugin - Kedro alone"
        found, found_cpu = more.median * 1000, more_cpu.median * 1000
        verdicts.append(Verdict(what, found, limit * 1000, "ms", found_cpu))
    header = ["command", BARE, REQUIREMENTS, PLUGIN, "plugin - alone", "plugin - requirements"]
    title = "What the plugin adds to other commands"
    return Section(title, [OVERHEAD_NOTE], [*header, "rounds"], rows, verdicts)


def _kedro(name: str, environment: Path, project: Path, arguments: list[str]) -> Command:
    program = str(environment / "bin" / "kedro")
    return Command(name, (program, *arguments), project, child_environment())


def both(costs: Rounds, name: str) -> str:
    """For a table: best and median by the clock, and the median in CPU time."""
    wall, cpu = [cost.wall for cost in costs[name]], [cost.cpu for cost in costs[name]]
    return f"{milliseconds(min(wall))}, {milliseconds(median(wall))} / {milliseconds(median(cpu))}"
