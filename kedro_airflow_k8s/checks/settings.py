"""Checks of the configuration alone, whatever the pipeline."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.types import store_not_installed
from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.model import PluginConfig, RunConfig
from kedro_airflow_k8s.config.pods import PodConfig
from kedro_airflow_k8s.config.tasks import GROUPING_DEFAULT
from kedro_airflow_k8s.config.warnings import config_warnings
from kedro_airflow_k8s.config.wording import Nearest, first_of, listed
from kedro_airflow_k8s.plan.params import MACRO_SUCCESSORS
from kedro_airflow_k8s.project.reader import KedroProject

MACROS_OF_BOTH = frozenset(
    (
        *("conn", "dag", "dag_run", "data_interval_end", "data_interval_start", "ds", "ds_nodash"),
        *("expanded_ti_count", "exception", "inlet_events", "inlets", "logical_date", "macros"),
        *("map_index_template", "outlet_events", "outlets", "params"),
        *("prev_data_interval_end_success", "prev_data_interval_start_success"),
        *("prev_end_date_success", "prev_start_date_success", "reason", "run_id", "task"),
        *("task_instance", "task_instance_key_str", "templates_dict", "test_mode", "ti"),
        *("try_number", "ts", "ts_nodash", "ts_nodash_with_tz", "var"),
    )
)
"""Macros that Airflow 2.11 and Airflow 3 have."""

MACROS_OF_AIRFLOW_2 = frozenset(
    ("conf", "prev_ds", "prev_ds_nodash", "prev_execution_date", "triggering_dataset_events")
)
"""Macros that Airflow 3 does not have, and that have no successor in the DAG."""

EMULATED_MACROS = frozenset(MACRO_SUCCESSORS)
"""What Airflow 3 does not have, but the DAG has an expression for."""

MACROS_OF_AIRFLOW_3 = frozenset(
    (
        *("asset_state_store", "partition_date", "partition_key", "task_reschedule_count"),
        *("task_state_store", "triggering_asset_events"),
    )
)
"""Macros that Airflow 2.11 does not have."""


def doubtful_settings(config: PluginConfig) -> Iterator[Finding]:
    """Report the settings that load, but probably do not do what their author wants."""
    for doubt in config_warnings(config):
        yield Finding(
            code="config",
            severity="warning",
            where=doubt.path,
            problem=doubt.reason,
            consequence=doubt.consequence,
            fix=doubt.fix,
        )


def no_image(run: RunConfig) -> Iterator[Finding]:
    """Report that no image is set."""
    if run.image is None:
        yield Finding(
            code="no-image",
            severity="error",
            where="run_config.image",
            problem="No image is set for the pods.",
            consequence="The DAG cannot be compiled.",
            fix="Set run_config.image in airflow-k8s.yaml, or pass one with --image.",
        )


def check_settings(run: RunConfig) -> list[Finding]:
    """Return all findings about `run_config` alone."""
    return [*_image_tag(run), *_amounts(run), *_macros(run), *store_not_installed(run)]


def unknown_pipelines(config: PluginConfig, registered: Collection[str]) -> Iterator[Finding]:
    """Find keys of `pipelines` and `grouping` that are not pipelines.

    Args:
        config: The configuration.
        registered: The names of all pipelines.
    """
    nearest = Nearest(registered)
    grouped = f"the intended pipeline is grouped as {GROUPING_DEFAULT} says, or not at all"
    for section, names, effect in (
        ("pipelines", config.pipelines, "the intended pipeline has the settings of run_config"),
        ("run_config.grouping", {*config.run_config.grouping} - {GROUPING_DEFAULT}, grouped),
    ):
        for name in sorted({*names} - {*registered}):
            yield Finding(
                code="unknown-pipeline",
                severity="warning",
                where=f"{section}.{name}",
                problem=f"No pipeline {name!r} is registered.{nearest.hint(name)}",
                consequence=f"The key has no effect: {effect}.",
                fix="Correct the name, or remove the key. Pipelines:"
                f" {first_of(sorted(registered), '`kedro registry list` lists all')}.",
            )


def config_variables(run: RunConfig, project: KedroProject) -> Iterator[Finding]:
    """Find variables `KEDRO_CONFIG_<NAME>` that the project's files use and pods do not have.

    Args:
        run: The configuration.
        project: The project, with what its files use and what the DAG gives its pods.
    """
    configured = run.given_variables
    if configured is None:
        return
    given = {*configured, *project.pod_variables}
    uses = sorted(project.variables, key=attrgetter("variable"))
    for variable, group in groupby(uses, key=attrgetter("variable")):
        its_uses = list(group)
        if variable in given:
            continue
        needed = [use.file for use in its_uses if not use.has_default]
        if needed:
            yield _variable(
                variable,
                f"{_using(needed)} it without a default",
                consequence="Unless the image has it, pods cannot read that configuration, and"
                " fail.",
                fix="Add it there, or write a default:"
                f" ${{kedro_config:{its_uses[0].name},default}}.",
            )
        elif variable in os.environ:
            yield _variable(
                variable,
                f"{_using([use.file for use in its_uses])} it; it is set here",
                consequence="Unless the image has it, pods use the default, unlike a run on this"
                " machine.",
                fix="Add it there, or unset it here.",
            )


def _using(files: list[str]) -> str:
    return f"{listed(files)} {'uses' if len(files) == 1 else 'use'}"


def _variable(variable: str, problem: str, *, consequence: str, fix: str) -> Finding:
    return Finding(
        code="config-variable",
        severity="warning",
        where=f"variable {variable}",
        problem=f"{problem}, and neither run_config.env_vars nor run_config.secrets gives it to the"
        " pods.",
        consequence=consequence,
        fix=fix,
    )


def _image_tag(run: RunConfig) -> Iterator[Finding]:
    name, _, digest = (run.image or "").partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not name or digest or tag not in ("", "latest"):
        return
    stale = (
        f" With image_pull_policy {run.image_pull_policy}, machines that have an older one keep it."
        if run.image_pull_policy != "Always"
        else ""
    )
    yield Finding(
        code="image-tag",
        severity="warning",
        where="run_config.image",
        problem=f"{run.image!r} has {'the tag latest' if tag else 'no tag, which means latest'}."
        " The name can point to another image later.",
        consequence=f"Tasks of one run may then run different code.{stale}",
        fix="Use a tag that stays with its image, such as the commit, or a digest (@sha256:...).",
    )


def _amounts(run: RunConfig) -> Iterator[Finding]:
    of_all = list(_amounts_of("run_config", run))
    yield from of_all
    inherited = {replace(finding, where="") for finding in of_all}
    for name, entry in run.resources.items():
        for finding in _amounts_of(f"run_config.resources.{name}", entry):
            if replace(finding, where="") not in inherited:
                yield finding


def _amounts_of(where: str, settings: PodConfig) -> Iterator[Finding]:
    for resource in sorted(settings.requests):
        yield from _amount(where, settings, resource)


def _amount(where: str, settings: PodConfig, resource: str) -> Iterator[Finding]:
    request, limit = settings.requests[resource], settings.limits.get(resource)
    if limit is not None and parse_quantity(request) > parse_quantity(limit):
        yield Finding(
            code="request-above-limit",
            severity="error",
            where=where,
            problem=f"It requests {resource} {request}, and its limit is {limit}.",
            consequence="Kubernetes refuses the pod, and the task fails.",
            fix="Raise the limit, or lower the request.",
        )
    elif _is_device(resource) and (
        limit is None or parse_quantity(request) < parse_quantity(limit)
    ):
        said = f"its limit is {limit}" if limit is not None else "it has no limit for that"
        yield Finding(
            code="device-limit",
            severity="error",
            where=where,
            problem=f"It requests {resource} {request}, and {said}.",
            consequence="Kubernetes refuses the pod: devices and huge pages are not shared, so"
            " request and limit must be equal.",
            fix=f"Set limits.{resource} to {request}.",
        )


def _is_device(resource: str) -> bool:
    """Return whether a resource has a domain in front, other than Kubernetes' own."""
    extended = "/" in resource and not resource.partition("/")[0].endswith("kubernetes.io")
    return extended or resource.startswith("hugepages-")


def _macros(run: RunConfig) -> Iterator[Finding]:
    nearest = Nearest(MACROS_OF_BOTH | MACROS_OF_AIRFLOW_2 | MACROS_OF_AIRFLOW_3 | EMULATED_MACROS)
    for name in run.macro_params:
        root = name.partition(".")[0]
        if root in MACROS_OF_BOTH | EMULATED_MACROS:
            continue
        if root in MACROS_OF_AIRFLOW_2:
            problem = "Airflow 3 does not have it."
        elif root in MACROS_OF_AIRFLOW_3:
            problem = "Airflow 2 does not have it."
        else:
            problem = f"Airflow has no macro {root!r}.{nearest.hint(root)}"
        yield Finding(
            code="unknown-macro",
            severity="warning",
            where=f"run_config.macro_params: {name}",
            problem=problem,
            consequence="Such an Airflow passes nothing on: Kedro uses its own parameter of that"
            " name, or fails if it has none.",
            fix="Use another macro, or add a parameter of that name to the project.",
        )
