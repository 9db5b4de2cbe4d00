"""Plan pipelines and check them before they are deployed: read, plan, check, report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from kedro_airflow_k8s.checks import check_pipeline
from kedro_airflow_k8s.checks.accepted import Accept, accepted_names, unused, with_accepted
from kedro_airflow_k8s.checks.asset_places import with_assets
from kedro_airflow_k8s.checks.asset_waits import asset_waits
from kedro_airflow_k8s.checks.clusters import unused_clusters
from kedro_airflow_k8s.checks.environment import environment
from kedro_airflow_k8s.checks.findings import CODES, Finding, errors_first
from kedro_airflow_k8s.checks.image import check_image
from kedro_airflow_k8s.checks.image_config import other_files, unreadable_in_pods
from kedro_airflow_k8s.checks.left_out import unknown_files
from kedro_airflow_k8s.checks.logging_config import logging_config
from kedro_airflow_k8s.checks.pods import check_pods
from kedro_airflow_k8s.checks.settings import (
    check_settings,
    config_variables,
    doubtful_settings,
    no_image,
    unknown_pipelines,
)
from kedro_airflow_k8s.checks.slips import endless_waits, scheduled_twice, unused_resources
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.checks.tags import missing_resources, unknown_resources
from kedro_airflow_k8s.config.checks import Code
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, PluginConfig, RunConfig
from kedro_airflow_k8s.errors import ConfigError, PlanError
from kedro_airflow_k8s.plan.build import AS_CONFIGURED, Overrides, Plan, build_plan
from kedro_airflow_k8s.plan.tasks import grouping_of
from kedro_airflow_k8s.project.catalog import Catalog
from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE, ProjectPipeline
from kedro_airflow_k8s.project.image import ProjectImage
from kedro_airflow_k8s.project.image_config import conf_folder, read_image_config
from kedro_airflow_k8s.project.own_code import own_run_command
from kedro_airflow_k8s.project.parameters import has_stand_in
from kedro_airflow_k8s.project.reader import KedroProject

T = TypeVar("T")


@dataclass(frozen=True)
class Planned:
    """A pipeline with its settings and the plan of its DAG.

    Attributes:
        pipeline: The pipeline.
        run: The settings of its runs.
        plan: The plan.
        run_params: The parameters that a command gives its run.
    """

    pipeline: ProjectPipeline
    run: RunConfig
    plan: Plan
    run_params: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Read:
    """What was read of the project on this machine; None for what cannot be read."""

    catalog: Catalog | None
    parameters: Mapping[str, Any] | None
    credentials: frozenset[str] | None


def validate(
    project: KedroProject, config: PluginConfig, pipelines: Sequence[str]
) -> list[Finding]:
    """Return all that is wrong or doubtful in pipelines, errors first.

    Args:
        project: The Kedro project.
        config: The configuration.
        pipelines: Registered names.

    Raises:
        ProjectError: If a pipeline is unknown, or a pipeline module does not import.
    """
    planned, findings = plan_pipelines(project, config, pipelines)
    findings += check_plans(project, config, planned)
    # Nearly always, the default pipeline has all nodes. Another one may lack what is accepted.
    if DEFAULT_PIPELINE in pipelines:
        # What is scheduled twice may be seen only with all pipelines.
        whole = len(pipelines) > 1
        accept = [each for each in config.checks.accept if whole or each.code != "scheduled-twice"]
        findings += unused(accept, findings)
    return errors_first(findings)


def plan_pipelines(
    project: KedroProject,
    config: PluginConfig,
    pipelines: Sequence[str],
    overrides: Overrides = AS_CONFIGURED,
) -> tuple[list[Planned], list[Finding]]:
    """Plan the DAGs of pipelines; of several pipelines, those without nodes are left out.

    An error among the findings means that the plans cannot be compiled. They can be checked: in
    them, stand-ins take the place of a missing image and missing resources.

    Args:
        project: The Kedro project.
        config: The configuration. DAG files in its output do not count as uncommitted changes.
        pipelines: Registered names.
        overrides: What a command says of the DAGs.

    Raises:
        ProjectError: If a pipeline is unknown, or a pipeline module does not import.
    """
    output = Path(config.output) if config.output else None
    settings = {name: config.of(name) for name in pipelines}
    doubts = (finding for each in settings.values() for finding in doubtful_settings(each))
    findings = [*with_accepted(dict.fromkeys(doubts), config.checks.accept)]
    findings += dict.fromkeys(f for each in settings.values() for f in no_image(each.run_config))
    planned: list[Planned] = []
    for name, own in settings.items():
        pipeline = project.read_pipeline(name, output)
        if not pipeline.nodes and len(pipelines) > 1:
            continue
        missing = missing_resources(pipeline.nodes, own.run_config)
        found = [*unknown_resources(missing, own.run_config)]
        try:
            new = _plan(project, own, missing, pipeline, overrides)
        except (ConfigError, PlanError) as error:
            found.append(_not_planned(error))
        else:
            found += _same_dag(new, planned)
            planned.append(new)
        findings += [replace(finding, pipeline=name) for finding in found]
    if not planned and not any(finding.pipeline for finding in findings):
        empty = PlanError("No pipeline has nodes, so there is nothing to compile.")
        findings.append(_not_planned(empty))
    return planned, findings


def check_plans(
    project: KedroProject, config: PluginConfig, planned: Sequence[Planned]
) -> list[Finding]:
    """Return what would go wrong or is doubtful when planned pipelines run, errors first.

    Args:
        project: The Kedro project.
        config: The configuration.
        planned: The pipelines and their plans. Where a pipeline has no catalog yet, it is read.
    """
    findings = [
        *unknown_pipelines(config, project.pipeline_names()),
        *endless_waits([each.plan for each in planned]),
        *_scheduled_twice(project, config, planned),
        *asset_waits(project, [(each.pipeline, each.run) for each in planned]),
    ]
    credentials = _readable(lambda: project.credentials, "credentials", findings)
    parameters = _readable(lambda: project.parameters, "parameters", findings)
    # A pipeline without a plan may lack it because the catalog cannot be read.
    catalog = _readable(lambda: project.catalog, "catalog", findings if planned else [])
    if catalog is not None and not catalog.exists:
        findings.append(_no_catalog(project))
    here = _Read(catalog, parameters, credentials)
    groups: list[list[Planned]] = []
    for each in planned:
        group = next((group for group in groups if group[0].run == each.run), None)
        groups.append([each]) if group is None else group.append(each)
    for group in groups or [[]]:
        run = group[0].run if group else config.run_config
        findings += _check_group(project, run, group, here, config.checks.accept)
    return errors_first(with_accepted(dict.fromkeys(findings), config.checks.accept))


def _check_group(
    project: KedroProject,
    run: RunConfig,
    planned: Sequence[Planned],
    here: _Read,
    accept: Accept,
) -> list[Finding]:
    """Return what would go wrong or is doubtful when pipelines with the same settings run."""

    def config_in_run(name: str) -> Mapping[str, Any] | None:
        return project.catalog_of_runs.config(name)  # read only if a check asks

    findings = [*check_settings(run), *check_pods(run), *config_variables(run, project)]
    if set(run.resources) - {RESOURCES_DEFAULT}:
        findings += unused_resources(run, project.node_tags)
    findings += unused_clusters(run, project.node_tags) if run.clusters else []
    image = ProjectImage.of(project.path, run, _package(project))
    # All that is read here has been read by now: OmegaConf's resolvers are those of one loader.
    in_pods = read_image_config(project, image)
    findings += [*check_image(project, image, run), *logging_config(image, run)]
    findings += unknown_files(project, image)
    given = {name for each in planned for name in each.plan.pods.environment}
    findings += environment(project, image, run, given)
    if in_pods is not None:
        unread = [kind for kind, content in vars(here).items() if content is None]
        findings += [*unreadable_in_pods(in_pods, unread), *other_files(in_pods)]
    for each in planned:
        pipeline = each.pipeline
        if pipeline.catalog is None and here.catalog is not None:
            read = partial(_with_catalog, project, pipeline)
            pipeline = _readable(read, "catalog", findings) or pipeline
        subject = Subject(
            pipeline=pipeline,
            run=run,
            plan=each.plan,
            parameters=here.parameters,
            credentials=here.credentials,
            declared=here.catalog.names if here.catalog is not None else frozenset(),
            makers=project.makers,
            hooks_declare=project.hooks_declare,
            hooks_start=project.hooks_start,
            runtime_params=project.runtime_params,
            run_params=each.run_params,
            run_command=own_run_command(project.package_name),
            sets_parameters_in_run=project.sets_parameters_in_run,
            hooks_disabled=project.disables_hooks,
            image=image,
            in_pods=in_pods,
            config_of=here.catalog.config if here.catalog is not None else lambda _: None,
            config_in_run=config_in_run,
            accepted=accepted_names(accept),
            conf=conf_folder(project),
            base=conf_folder(project, project.base_env),
        )
        findings += check_pipeline(subject)
    return findings


def _scheduled_twice(
    project: KedroProject, config: PluginConfig, planned: Sequence[Planned]
) -> Iterator[Finding]:
    """Report nodes in several DAGs with schedules, of all pipelines that are not disabled."""
    enabled = config.enabled(project.pipeline_names())
    configured = {name: config.of(name).run_config.cron_expression for name in enabled}
    by_command = {each.pipeline.name: each.plan.schedule.cron for each in planned}
    crons = {name: by_command.get(name, cron) for name, cron in configured.items()}
    scheduled = [name for name, cron in crons.items() if cron not in (None, "@once")]
    of_all = config.run_config.cron_expression
    every = len(planned) > 1
    deployed = [name for name in scheduled if every or configured[name] != of_all]
    if deployed:
        yield from scheduled_twice(project.node_keys(scheduled), deployed)


def _package(project: KedroProject) -> str:
    """Return the folder of the project's package, relative to the project."""
    folder = project.source_path.joinpath(*project.package_name.split("."))
    return folder.relative_to(project.path).as_posix() if project.path in folder.parents else "src"


def _plan(
    project: KedroProject,
    config: PluginConfig,
    missing: Collection[str],
    pipeline: ProjectPipeline,
    overrides: Overrides,
) -> Planned:
    """Plan a pipeline, after a look at what its plan needs of the project besides.

    Args:
        project: The project.
        config: The configuration of this pipeline.
        missing: Entries of resources that do not exist, for which the plan has stand-ins.
        pipeline: The pipeline.
        overrides: What a command says of the DAG.

    Raises:
        ConfigError: If that cannot be read.
        PlanError: If the pipeline and the configuration do not fit together.
    """
    if config.run_config.trigger_params:
        pipeline = replace(pipeline, parameters=project.parameters)
    if grouping_of(pipeline, config.run_config).by == "memory":
        # For anything else the catalog need not be readable.
        pipeline = _with_catalog(project, pipeline)
        for name, entry in (pipeline.catalog or {}).items():
            if has_stand_in(entry.type):
                raise ConfigError(
                    f"run_config.grouping: memory needs the type of dataset {name!r}. It is a"
                    f" runtime parameter ({entry.type}). Use another grouping, or write the type."
                )
    elif any(each.nodes == "spark_datasets" for each in config.run_config.clusters.values()):
        pipeline = _with_catalog(project, pipeline)
    elif overrides != AS_CONFIGURED:
        # A run of some nodes has to know which data of the others outlives a run.
        with contextlib.suppress(ConfigError):
            pipeline = _with_catalog(project, pipeline)
    waits = not overrides.once and overrides.cron is None
    pipeline = with_assets(project, config.run_config, pipeline, waits=waits)
    plan = build_plan(pipeline, _with_stand_ins(config, missing), overrides)
    return Planned(pipeline, config.run_config, plan, overrides.params)


def _with_catalog(project: KedroProject, pipeline: ProjectPipeline) -> ProjectPipeline:
    """Return a pipeline with what the catalog says of its datasets.

    Raises:
        ConfigError: If the catalog cannot be read without a run.
    """
    names = (name for node in pipeline.nodes for name in (*node.inputs, *node.outputs))
    return replace(pipeline, catalog=project.catalog.entries(names))


def _with_stand_ins(config: PluginConfig, missing: Collection[str]) -> PluginConfig:
    """Return a configuration that can be planned, without the image and some resources or not."""
    run = config.run_config
    default = run.settings_of(RESOURCES_DEFAULT)
    entries = {**run.resources, **dict.fromkeys(missing, default)}
    resources = {
        name: entry.model_copy(update={"image": entry.image or "image"})
        for name, entry in entries.items()
    }
    changes = {"image": run.image or "image", "resources": resources}
    return config.model_copy(update={"run_config": run.model_copy(update=changes)})


def _same_dag(new: Planned, planned: Sequence[Planned]) -> Iterator[Finding]:
    """Report that another pipeline has the same DAG id."""
    for earlier in planned:
        if earlier.plan.dag_id == new.plan.dag_id:
            yield Finding(
                code="id-collision",
                severity="error",
                where=f"DAG {new.plan.dag_id!r}",
                problem=f"Pipelines {earlier.pipeline.name!r} and {new.pipeline.name!r} have the"
                " same DAG id.",
                consequence="One file replaces the other, and only one of the pipelines runs.",
                fix="Rename one of the pipelines.",
            )


def _not_planned(error: ConfigError | PlanError) -> Finding:
    name = error.code if isinstance(error, PlanError) else None
    code: Code = next((code for code in CODES if code == name), "plan")
    return Finding(
        code=code,
        severity="error",
        where="the DAG",
        problem=str(error),
        consequence="The DAG cannot be compiled.",
        fix="Fix this first: the other checks of the pipeline need its plan.",
    )


def _no_catalog(project: KedroProject) -> Finding:
    return Finding(
        code="no-catalog",
        severity="error",
        where="the project's catalog",
        problem=f"There is no catalog file in {project.base_env or '.'} or {project.env} of the"
        " configuration.",
        consequence="Kedro refuses to run anything without one: every pod fails at its start.",
        fix=f"Create {conf_folder(project, project.base_env)}/catalog.yml; it may be empty.",
    )


def _readable(read: Callable[[], T], what: str, findings: list[Finding]) -> T | None:
    """Return a part of the project, or None and one more finding if it cannot be read."""
    try:
        return read()
    except ConfigError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        they, them = ("it", "it") if what == "catalog" else ("they", "them")
        findings.append(
            Finding(
                code="not-checked",
                severity="warning" if error.outside else "error",
                where=f"the project's {what}",
                problem=f"The checks that need {them} were skipped: {reason}.",
                consequence=f"If {they} cannot be read in the pods either, no task can run."
                if error.outside
                else f"Kedro cannot read {them} in the pods either, and no task can run.",
                fix=f"Make sure that {they} can be read without a run, on this machine."
                if error.outside
                else "Correct the file.",
            )
        )
        return None
