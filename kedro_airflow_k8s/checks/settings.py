"""What the configuration says, whatever the pipeline."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from kedro_airflow_k8s.checks.dataset_types import store_not_installed
from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.tasks import GROUPING_DEFAULT
from kedro_airflow_k8s.config.wording import Nearest, listed

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
"""What Airflow 2.11 and Airflow 3 both have for templates."""

MACROS_OF_AIRFLOW_2 = frozenset(
    ("conf", "prev_ds", "prev_ds_nodash", "prev_execution_date", "triggering_dataset_events")
)
"""What Airflow 3 does not have, and the DAG has nothing to put in its place."""

MACROS_MADE_GOOD = frozenset(
    (
        *("execution_date", "next_ds", "next_ds_nodash", "next_execution_date"),
        *("prev_execution_date_success", "tomorrow_ds", "tomorrow_ds_nodash"),
        *("yesterday_ds", "yesterday_ds_nodash"),
    )
)
"""What Airflow 3 does not have, but the DAG works out for itself."""

MACROS_OF_AIRFLOW_3 = frozenset(
    (
        *("asset_state_store", "partition_date", "partition_key", "task_reschedule_count"),
        *("task_state_store", "triggering_asset_events"),
    )
)
"""What Airflow 2.11 does not have."""


def check_settings(run: RunConfig) -> list[Finding]:
    """All findings about the configuration alone."""
    return [*_image(run), *_amounts(run), *_macros(run), *store_not_installed(run)]


def unknown_pipelines(run: RunConfig, registered: Collection[str]) -> Iterator[Finding]:
    """Keys of `grouping` that are no pipelines.

    Args:
        run: The configuration.
        registered: The names of all pipelines.
    """
    nearest = Nearest(registered)
    for name in run.grouping:
        if name != GROUPING_DEFAULT and name not in registered:
            yield Finding(
                code="unknown-pipeline",
                severity="warning",
                where=f"run_config.grouping.{name}",
                problem=f"No pipeline {name!r} is registered.{nearest.hint(name)}",
                consequence="It has no effect: the pipeline that was meant is grouped as"
                " __default__ says, or not at all.",
                fix="Correct the name, or take the key out."
                f" Pipelines: {listed(sorted(registered))}.",
            )


def _image(run: RunConfig) -> Iterator[Finding]:
    where = "run_config.image"
    if run.image is None:
        yield Finding(
            code="no-image",
            severity="error",
            where=where,
            problem="There is none.",
            consequence="There is no DAG: nobody knows what the pods run.",
            fix="Set run_config.image in airflow-k8s.yaml, or give one with --image.",
        )
        return
    name, _, digest = run.image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if digest or tag not in ("", "latest"):
        return
    stale = (
        f" With image_pull_policy {run.image_pull_policy}, machines that have an older one keep it."
        if run.image_pull_policy != "Always"
        else ""
    )
    yield Finding(
        code="image-tag",
        severity="warning",
        where=where,
        problem=f"{run.image!r} has {'the tag latest' if tag else 'no tag, which means latest'}:"
        " another image may have that name tomorrow.",
        consequence=f"Tasks of one run may run different code.{stale}",
        fix="Name a tag that stays with its image, such as the commit, or a digest (@sha256:...).",
    )


def _amounts(run: RunConfig) -> Iterator[Finding]:
    for name, entry in run.resources.items():
        for resource in sorted(entry.requests):
            yield from _amount(name, entry, resource)


def _amount(name: str, entry: ResourcesConfig, resource: str) -> Iterator[Finding]:
    request, limit = entry.requests[resource], entry.limits.get(resource)
    where = f"run_config.resources.{name}"
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
            " request and limit must be the same.",
            fix=f"Set limits.{resource} to {request}.",
        )


def _is_device(resource: str) -> bool:
    # With a domain in front, but Kubernetes' own.
    extended = "/" in resource and not resource.partition("/")[0].endswith("kubernetes.io")
    return extended or resource.startswith("hugepages-")


def _macros(run: RunConfig) -> Iterator[Finding]:
    known = MACROS_OF_BOTH | MACROS_OF_AIRFLOW_2 | MACROS_OF_AIRFLOW_3 | MACROS_MADE_GOOD
    nearest = Nearest(known)
    missing: Mapping[str, frozenset[str]] = {
        "Airflow 3 does not have it.": MACROS_OF_AIRFLOW_2,
        "Airflow 2 does not have it.": MACROS_OF_AIRFLOW_3,
    }
    for name in run.macro_params:
        root = name.partition(".")[0]
        if root in MACROS_OF_BOTH | MACROS_MADE_GOOD:
            continue
        problem = next((text for text, macros in missing.items() if root in macros), None)
        yield Finding(
            code="unknown-macro",
            severity="warning",
            where=f"run_config.macro_params: {name}",
            problem=problem or f"Airflow has no macro {root!r}.{nearest.hint(root)}",
            consequence="Such an Airflow hands on nothing in its place: Kedro takes the value of"
            " its own parameter of that name, or fails if it has none.",
            fix="Take another macro, or see to it that the project has a parameter of that name.",
        )
