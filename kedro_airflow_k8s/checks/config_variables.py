"""Environment variables that the project's configuration takes, and pods may not have."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.wording import listed
from kedro_airflow_k8s.dynamic_config.usage import Use


def config_variables(
    run: RunConfig, uses: Iterable[Use], variables: Mapping[str, str]
) -> Iterator[Finding]:
    """Variables `KEDRO_CONFIG_<NAME>` that nothing gives the pods.

    Args:
        run: The configuration.
        uses: What the project's files take.
        variables: What the DAG gives the pods besides the configuration.
    """
    in_env = [secret for secret in run.secrets if secret.deploy_type == "env"]
    # A whole Secret may hold anything.
    if any(not secret.key for secret in in_env):
        return
    given = {*run.env_vars, *variables, *(secret.deploy_target for secret in in_env)}
    found: dict[str, list[Use]] = {}
    for use in uses:
        if use.variable not in given:
            found.setdefault(use.name, []).append(use)
    for name, its_uses in sorted(found.items()):
        needed = [use.file for use in its_uses if not use.has_default]
        if needed:
            yield _missing(name, its_uses[0].variable, needed)
        elif its_uses[0].variable in os.environ:
            yield _only_here(its_uses[0].variable, [use.file for use in its_uses])


def _missing(name: str, variable: str, files: list[str]) -> Finding:
    return Finding(
        code="config-variable",
        severity="warning",
        where=f"variable {variable}",
        problem=f"{listed(files)} {_takes(files)} it without a default, and neither"
        " run_config.env_vars nor run_config.secrets gives it to the pods.",
        consequence="Unless the image has it, pods cannot read that configuration, and fail.",
        fix=f"Give it there, or write a default: ${{kedro_config:{name},default}}.",
    )


def _only_here(variable: str, files: list[str]) -> Finding:
    return Finding(
        code="config-variable",
        severity="warning",
        where=f"variable {variable}",
        problem=f"{listed(files)} {_takes(files)} it; it is set here, and neither"
        " run_config.env_vars nor run_config.secrets gives it to the pods.",
        consequence="Unless the image has it, pods take the default, unlike a run on this machine.",
        fix="Give it there, or unset it here.",
    )


def _takes(files: list[str]) -> str:
    return "takes" if len(files) == 1 else "take"
