"""Checks of parameters: those that nodes read, and those that only a run has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import Nearest, did_you_mean
from kedro_airflow_k8s.pod.names import parameter_name
from kedro_airflow_k8s.project.parameters import parameter_names


class _Given:
    """The parameters that a run gets besides those of the project.

    Args:
        names: Their names, with dots where they are nested.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = set(names)
        self._below = tuple(f"{name}." for name in self.names)
        # Also what is above a parameter whose value only a run knows.
        self.names |= {
            name[:end] for name in self.names for end, sign in enumerate(name) if sign == "."
        }

    def __contains__(self, name: str) -> bool:
        return name in self.names or name.startswith(self._below)


def unknown_parameters(subject: Subject) -> Iterator[Finding]:
    """Find parameters that nodes read and neither the project nor Airflow gives."""
    if subject.parameters is None:
        return
    given = _Given(_from_airflow(subject))
    known = {*parameter_names(subject.parameters), *given.names}
    nearest = Nearest(known)
    scheduled = subject.plan.schedule.cron is not None
    readers = {
        name: node.name
        for node in reversed(subject.pipeline.nodes)
        for item in node.inputs
        if (name := parameter_name(item)) is not None
    }
    hooked = (
        " A hook, the context or the catalog class of the project may add it in a run."
        if subject.sets_parameters_in_run
        else ""
    )
    for name, node in reversed(readers.items()):
        if name in known or name in given:
            continue
        yield Finding(
            code="unknown-parameter",
            severity="error" if scheduled and not hooked else "warning",
            where=f"parameter {name!r}",
            problem=f"Node {node!r} reads it, but the environment {subject.pipeline.env!r} does not"
            f" have it.{hooked}{nearest.hint(name)}",
            consequence="Kedro refuses to run the node, and the pod fails at its start"
            + ("." if scheduled else ", unless the run is started with a value for it."),
            fix="Add it to the project's parameters, to run_config.variables_params or to"
            " run_config.macro_params, or correct the name.",
        )


def runtime_parameters(subject: Subject) -> Iterator[Finding]:
    """Find `${runtime_params:name}` without a default, for which a run may have no value."""
    run = subject.run
    given = _Given(_from_airflow(subject))
    in_form = _Given(entry.name for entry in run.trigger_params)
    nearest = Nearest({*given.names, *in_form.names})
    scheduled = subject.plan.schedule.cron is not None
    for name, kind in sorted(subject.runtime_params.items()):
        # Who starts a run on Airflow's page sees the form.
        if name in given or (name in in_form and not scheduled):
            continue
        unsure = not scheduled or name in in_form or subject.sets_parameters_in_run
        yield Finding(
            code="unknown-parameter",
            severity="warning" if unsure else "error",
            where=f"runtime parameter {name!r}",
            problem=f"The project's {kind} has ${{runtime_params:{name}}} without a default."
            f" Neither run_config.macro_params nor run_config.variables_params has it."
            f"{nearest.hint(name)}",
            consequence="Runs that the schedule starts have no value for it: Kedro cannot read the"
            f" {kind}, and every pod fails at its start."
            if scheduled
            else f"In a run that is started without a value for it, Kedro cannot read the {kind},"
            " and every pod fails at its start.",
            fix="Write a default (${runtime_params:name,default}), or add it to"
            " run_config.macro_params or run_config.variables_params.",
        )


def unknown_run_parameters(subject: Subject) -> Iterator[Finding]:
    """Find parameters that a run is started with and that nothing in the project has."""
    if subject.parameters is None:
        return
    run = subject.run
    read = (parameter_name(item) for node in subject.pipeline.nodes for item in node.inputs)
    known = _Given(
        (
            *(name for name in read if name is not None),
            *subject.runtime_params,
            *run.airflow_params,
        )
    )
    names = {*parameter_names(subject.parameters), *known.names}
    nearest = Nearest(names)
    for name in subject.run_params:
        # A parameter that is read whole may have keys that no file has.
        if name not in names and not (nearest.find(name) is None and name in known):
            yield Finding(
                code="unknown-parameter",
                severity="warning",
                where=f"--params {name}",
                problem="No parameter of the environment"
                f" {subject.pipeline.env!r} has that name."
                f"{did_you_mean(_nested(name, names)) or nearest.hint(name)}",
                consequence="No node reads a parameter of that name, so the run ignores your"
                " value.",
                fix="Correct the name. Ignore this if code of the project reads it.",
                of_run=True,
            )


def _nested(name: str, names: Iterable[str]) -> str | None:
    """Return the only nested parameter whose last part is a name, or None."""
    found = [known for known in names if known.endswith(f".{name}")]
    return found[0] if len(found) == 1 else None


def _from_airflow(subject: Subject) -> Iterator[str]:
    """Yield the parameters that each run gets from Airflow, or the only one from its command."""
    yield from subject.run.airflow_params
    if subject.plan.schedule.cron is None:
        yield from subject.run_params
