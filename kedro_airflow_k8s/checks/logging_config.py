"""Checks of the logging configuration that Kedro reads in the pods."""

from __future__ import annotations

from collections.abc import Iterator

from kedro_airflow_k8s.checks.findings import Finding, Severity
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.wording import listed
from kedro_airflow_k8s.project.image import DOCKERFILE, ProjectImage
from kedro_airflow_k8s.project.logs import (
    CONFIG_VARIABLE,
    chosen_file,
    has_factory,
    is_covered,
    logging_file,
    logging_modules,
    pod_value,
)
from kedro_airflow_k8s.project.own_code import kedro_version

_TRUSTS = "KEDRO_LOGGING_MODULE_ALLOWLIST"
# The versions of Kedro that refuse the key `()`, and modules that the variable does not name.
_REFUSES_FACTORIES = (1, 3)
_REFUSES_MODULES = (1, 7)
_FAILS = "Kedro cannot configure its logging, and every pod fails at its start."


def logging_config(image: ProjectImage, run: RunConfig) -> Iterator[Finding]:
    """Find what Kedro would refuse of the pods' logging configuration."""
    chosen, name = chosen_file(image, run), logging_file(image, run)
    if chosen is not None and name is None and not image.may_bring(chosen):
        reason = image.lacks(chosen)
        if reason is not None or not image.is_mounted(chosen):
            yield _finding(
                chosen,
                "error" if reason is not None else "warning",
                f"{CONFIG_VARIABLE} of the pods names this file, and"
                f" {f'the image lacks it: {reason}' if reason else 'the project lacks it'}.",
                "Correct the variable, or let the image have the file.",
            )
    if name is None:
        return
    if kedro_version() >= _REFUSES_FACTORIES and has_factory(image, name):
        yield _finding(
            name,
            "error",
            "It has a key '()', which Kedro refuses in a logging configuration.",
            "Write the class as `class`.",
        )
    if kedro_version() >= _REFUSES_MODULES:
        yield from _refused_modules(image, run, name)


def _refused_modules(image: ProjectImage, run: RunConfig, name: str) -> Iterator[Finding]:
    """Find modules of logging classes that the pods' variable does not name."""
    given = run.given_variables
    if given is None or (_TRUSTS in given and _TRUSTS not in run.env_vars):
        return
    value = pod_value(_TRUSTS, image, run)
    if value is not None and "$" in value and _TRUSTS not in run.env_vars:
        return
    trusted = tuple(part.strip() for part in (value or "").split(",") if part.strip())
    refused = [each for each in logging_modules(image, name) if not is_covered(each, trusted)]
    if not refused:
        return
    wanted = ",".join([*trusted, *refused])
    yield _finding(
        name,
        "warning" if value is None else "error",
        f"It takes logging classes from {listed(refused)}. Kedro accepts only those from 'logging',"
        f" 'kedro.logging' and the modules in the variable {_TRUSTS}"
        + (f", which is {value!r} in the pods." if value else ", which pods do not have."),
        f"Set {_TRUSTS}: {wanted} in run_config.env_vars, or ENV {_TRUSTS}={wanted} in the"
        f" {DOCKERFILE}.",
        "" if value is not None else "Unless the base image sets it, ",
    )


def _finding(where: str, severity: Severity, problem: str, fix: str, unless: str = "") -> Finding:
    return Finding(
        code="logging-config",
        severity=severity,
        where=where,
        problem=problem,
        consequence=f"{unless}{_FAILS}",
        fix=fix,
    )
