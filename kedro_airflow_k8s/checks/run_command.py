"""The check of a `run` command that a project has in place of Kedro's."""

from __future__ import annotations

from collections.abc import Iterator

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import listed


def run_command(subject: Subject) -> Iterator[Finding]:
    """Find options that pods pass to `kedro run` and that the project's command does not take."""
    command = subject.run_command
    if command is None:
        return
    given = {"--env": True, command.pipelines: True}
    given["--nodes"] = any(not task.whole_pipeline for task in subject.plan.tasks)
    given["--runner"] = bool(subject.plan.runner)
    run = subject.run
    given["--params"] = bool(run.airflow_params or subject.run_params)
    passed = [option for option, used in given.items() if used]
    if command.options is not None:
        lacking = [option for option in passed if option not in command.options]
        if lacking:
            yield _finding(
                f"It does not take {listed(lacking)}, which pods pass to `kedro run`.",
                "Every pod fails at its start: No such option.",
                "Add the options to the command, as in the `run` command of the installed Kedro,"
                " or remove the command.",
            )
    missing = [name for name in command.required if name not in passed]
    if missing:
        yield _finding(
            f"It requires {listed(missing)}, which pods do not pass to `kedro run`.",
            "Every pod fails at its start.",
            f"Give {'it' if len(missing) == 1 else 'them'} a default.",
        )


def _finding(problem: str, consequence: str, fix: str) -> Finding:
    return Finding(
        code="run-command",
        severity="error",
        where="the command run in cli.py",
        problem=problem,
        consequence=consequence,
        fix=fix,
    )
