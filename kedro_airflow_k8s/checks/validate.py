"""Checks of whole pipelines before they are deployed: what is read for them, and in what order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from kedro_airflow_k8s.checks import (
    Subject,
    check_pipeline,
    check_settings,
    config_variables,
    unknown_pipelines,
    unknown_resources,
)
from kedro_airflow_k8s.checks.findings import CODES, Code, Finding, errors_first
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.config.warnings import config_warnings
from kedro_airflow_k8s.errors import ConfigError, PlanError
from kedro_airflow_k8s.plan.build import AS_CONFIGURED, Overrides, Plan, build_plan
from kedro_airflow_k8s.plan.tasks import RESOURCES_TAG, grouping_mode
from kedro_airflow_k8s.project.entities import ProjectPipeline
from kedro_airflow_k8s.project.reader import KedroProject

T = TypeVar("T")

_STAND_IN = "image"
"""An image for the plan where there is none, so that the other checks can be made."""


@dataclass(frozen=True)
class Planned:
    """A pipeline with the plan of its DAG."""

    pipeline: ProjectPipeline
    plan: Plan


def validate(
    project: KedroProject,
    pipelines: Sequence[str],
    config: PluginConfig,
    overrides: Overrides = AS_CONFIGURED,
) -> list[Finding]:
    """Everything that is wrong or doubtful in pipelines, errors first; also what stops a compile.

    Args:
        project: The Kedro project.
        pipelines: Registered names.
        config: The configuration.
        overrides: What else is said in place of the configuration.

    Raises:
        ProjectError: If a pipeline is unknown, or a pipeline module does not import.
    """
    findings = _doubts(config)
    planned: list[Planned] = []
    for name in pipelines:
        pipeline = project.read_pipeline(name)
        if not pipeline.nodes and len(pipelines) > 1:
            continue
        found = list(unknown_resources(pipeline, config.run_config))
        findings += found
        try:
            pipeline = ready_to_plan(project, pipeline, config)
            plan = build_plan(_mended(pipeline, found), _with_image(config), overrides)
        except (ConfigError, PlanError) as error:
            findings.append(_of_plan(error, name))
        else:
            planned.append(Planned(pipeline, plan))
    if not planned and not any(finding.pipeline for finding in findings):
        findings.append(_of_plan(PlanError("No pipeline has nodes."), ""))
    return errors_first([*findings, *check_plans(project, planned, config)])


def check_plans(
    project: KedroProject, planned: Sequence[Planned], config: PluginConfig
) -> list[Finding]:
    """What is wrong or doubtful in pipelines of which there are plans already, errors first.

    Args:
        project: The Kedro project.
        planned: The pipelines and their plans. Where a project has no catalog yet, it is read.
        config: The configuration.
    """
    findings = [*check_settings(config.run_config), *_same_dag(planned)]
    findings += unknown_pipelines(config.run_config, project.pipeline_names())
    findings += config_variables(config.run_config, project.variables, project.pod_variables)
    credentials, unread_credentials = _known(lambda: project.credentials, "credentials")
    parameters, unread_parameters = _known(lambda: project.parameters, "parameters")
    findings += [*unread_credentials, *unread_parameters]
    catalog, _ = _known(lambda: project.catalog, "catalog")
    if catalog is not None and not catalog.exists:
        findings.append(_no_catalog(project))
    for each in planned:
        pipeline, unread = _with_catalog(project, each.pipeline)
        findings += unread
        findings += check_pipeline(
            Subject(
                pipeline=pipeline,
                run=config.run_config,
                plan=each.plan,
                parameters=parameters,
                credentials=credentials,
                declared=catalog.names if catalog is not None else frozenset(),
                makers=project.makers,
                hooks_declare=project.hooks_declare,
                hooks_disabled=project.disables_hooks,
            )
        )
    return errors_first(findings)


def _read_catalog(project: KedroProject, pipeline: ProjectPipeline) -> ProjectPipeline:
    """Return a pipeline with what the catalog says of its datasets.

    Raises:
        ConfigError: If the catalog cannot be read without a run.
    """
    names = (name for node in pipeline.nodes for name in (*node.inputs, *node.outputs))
    return replace(pipeline, catalog=project.catalog.entries(names))


def _no_catalog(project: KedroProject) -> Finding:
    return Finding(
        code="no-catalog",
        severity="error",
        where="the project's catalog",
        problem=f"There is no catalog file in {project.base_env or '.'} or {project.env} of the"
        " configuration, not even an empty one.",
        consequence="Kedro refuses to run anything without one: every pod fails at its start.",
        fix="Create conf/base/catalog.yml; it may be empty.",
    )


def _with_catalog(
    project: KedroProject, pipeline: ProjectPipeline
) -> tuple[ProjectPipeline, list[Finding]]:
    """Return a pipeline with what the catalog says of its datasets, if that can be read."""
    if pipeline.catalog is not None:
        return pipeline, []
    found, unread = _known(lambda: _read_catalog(project, pipeline), "catalog")
    return found or pipeline, unread


def ready_to_plan(
    project: KedroProject, pipeline: ProjectPipeline, config: PluginConfig
) -> ProjectPipeline:
    """Return a pipeline with what else its plan needs: parameters to show, what is in memory.

    Raises:
        ConfigError: If that cannot be read, without which there is no plan.
    """
    if config.run_config.trigger_params:
        pipeline = replace(pipeline, parameters=project.parameters)
    if grouping_mode(pipeline, config.run_config) == "memory":
        # For anything else the catalog need not be readable.
        return _read_catalog(project, pipeline)
    return pipeline


def _known(read: Callable[[], T], what: str) -> tuple[T | None, list[Finding]]:
    """What a part of the project says, or a finding that it cannot be read."""
    try:
        return read(), []
    except ConfigError as error:
        return None, [
            Finding(
                code="not-checked",
                severity="warning",
                where=f"the project's {what}",
                problem=f"The checks that need them were not made, because: {_line(error)}.",
                consequence="If that is so in the pods as well, no task can run.",
                fix="Make sure that they can be read without a run, from here.",
            )
        ]


def _line(error: ConfigError) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _with_image(config: PluginConfig) -> PluginConfig:
    run = config.run_config
    if run.image is not None:
        return config
    return config.model_copy(update={"run_config": run.model_copy(update={"image": _STAND_IN})})


def _mended(pipeline: ProjectPipeline, found: Iterable[Finding]) -> ProjectPipeline:
    """Return a pipeline without the tags that findings are about, so that it can have a plan."""
    wrong = {finding.where for finding in found}
    if not wrong:
        return pipeline
    nodes = tuple(
        replace(node, tags=tuple(tag for tag in node.tags if not _names_one(tag, wrong)))
        for node in pipeline.nodes
    )
    return replace(pipeline, nodes=nodes)


def _names_one(tag: str, wrong: set[str]) -> bool:
    match = RESOURCES_TAG.fullmatch(tag)
    return match is not None and f"tag 'resources.{match[1]}'" in wrong


def _doubts(config: PluginConfig) -> list[Finding]:
    """What loads, but will hardly do what its author wanted."""
    findings = []
    for text in config_warnings(config):
        where, _, reason = text.partition(": ")
        findings.append(
            Finding(
                code="config",
                severity="warning",
                where=where,
                problem=f"{reason[:1].upper()}{reason[1:].rstrip('.')}.",
                consequence="It will hardly do what was meant.",
                fix="Correct it in airflow-k8s.yaml, or take it out.",
            )
        )
    return findings


def _of_plan(error: ConfigError | PlanError, pipeline: str) -> Finding:
    name = error.code if isinstance(error, PlanError) else None
    code: Code = next((code for code in CODES if code == name), "plan")
    return Finding(
        code=code,
        severity="error",
        where="the plan of the DAG",
        problem=str(error),
        consequence="There is no DAG.",
        fix="Nothing else of this pipeline is checked until that is mended.",
        pipeline=pipeline,
    )


def _same_dag(planned: Sequence[Planned]) -> list[Finding]:
    """Pipelines that would be one DAG."""
    firsts: dict[str, str] = {}
    findings = []
    for each in planned:
        dag_id, pipeline = each.plan.dag_id, each.pipeline.name
        first = firsts.setdefault(dag_id, pipeline)
        if first != pipeline:
            findings.append(
                Finding(
                    code="id-collision",
                    severity="error",
                    where=f"DAG {dag_id!r}",
                    problem=f"Pipelines {first!r} and {pipeline!r} would both be it.",
                    consequence="Only one of the two files would be there, and only one of the"
                    " pipelines would run.",
                    fix="Rename one of the pipelines.",
                    pipeline=pipeline,
                )
            )
    return findings
