"""Checks of the environment: what of this terminal's the project takes, and pods do not have."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.wording import listed
from kedro_airflow_k8s.project.environment import VariableUse, code_variables, config_uses
from kedro_airflow_k8s.project.image import ProjectImage
from kedro_airflow_k8s.project.reader import KedroProject

# What every container has, or what Kubernetes, Python's images and this plugin set.
_EVERYWHERE = re.compile(
    r"PATH|HOME|HOSTNAME|PWD|LANG|LC_\w+|TZ|TERM|USER|TMPDIR|SHLVL|PYTHON\w*|KUBERNETES_\w+|COLUMNS"
    r"|KEDRO_AIRFLOW_K8S_\w+|KEDRO_CONFIG_\w+|KEDRO_LOGGING_CONFIG|DO_NOT_TRACK|PYTEST_\w+|CI"
    r"|KEDRO_DISABLE_TELEMETRY|VIRTUAL_ENV|CONDA_\w+"
)


def environment(
    project: KedroProject, image: ProjectImage, run: RunConfig, variables: Iterable[str]
) -> Iterator[Finding]:
    """Find environment variables that the project takes and that pods do not have.

    Args:
        project: The project, its pipelines imported.
        image: What the image will hold.
        run: The configuration.
        variables: The names that the DAG gives the pods besides the configuration.
    """
    configured = run.given_variables
    if configured is None:
        return
    code = code_variables(project)
    given = {*configured, *variables, *code.set_here, *_of_image(image)}
    found: dict[str, list[VariableUse]] = {}
    for use in (*config_uses(project, image, frozenset(given)), *code.uses):
        if use.name not in given and not _EVERYWHERE.fullmatch(use.name):
            found.setdefault(use.name, []).append(use)
    for name, uses in sorted(found.items()):
        needed = [use.place for use in uses if use.is_needed]
        if needed:
            yield _finding(
                name,
                f"{listed(needed)} {'takes' if len(needed) == 1 else 'take'} it without a default",
                "Unless the image has it, pods fail when they read that.",
            )
        elif name in os.environ:
            places = [use.place for use in uses]
            yield _finding(
                name,
                f"{listed(places)} {'takes' if len(places) == 1 else 'take'} it; it is set here",
                "Unless the image has it, pods use the default"
                + (
                    " and may register other pipelines than those of the DAG."
                    if name == "KEDRO_ENV"
                    else ", unlike a run on this machine."
                ),
            )


def _finding(name: str, problem: str, consequence: str) -> Finding:
    return Finding(
        code="environment-variable",
        severity="warning",
        where=f"variable {name}",
        problem=f"{problem}, and neither run_config.env_vars nor run_config.secrets gives it to the"
        " pods.",
        consequence=consequence,
        fix="Add it to run_config.env_vars or, if it is secret, to run_config.secrets.",
    )


def _of_image(image: ProjectImage) -> Iterator[str]:
    """Yield the variables of the Dockerfile, and of a file `.env` in the image."""
    if image.dockerfile is not None:
        yield from image.dockerfile.variables
    file = image.root / ".env"
    if file.is_file() and image.lacks(".env") is None:
        text = file.read_text(encoding="utf-8", errors="replace")
        yield from re.findall(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", text, re.MULTILINE)
