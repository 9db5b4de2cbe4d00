"""Pipelines to check: nodes and a configuration in few words, and the findings about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kedro_airflow_k8s.checks import check_pipeline
from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.settings import check_settings
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.catalog import Catalog
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline

IMAGE = "registry.example.com/shop:1.0"
PICKLE = "pickle.PickleDataset"


def node(name: str, inputs: str = "", outputs: str = "", *tags: str) -> PipelineNode:
    """A node whose inputs and outputs are words of a text."""
    return PipelineNode(
        name=name, inputs=tuple(inputs.split()), outputs=tuple(outputs.split()), tags=tags
    )


def stored(**paths: str) -> dict[str, dict[str, str]]:
    """A catalog of datasets that are stored at paths."""
    return {name: {"type": PICKLE, "filepath": path} for name, path in paths.items()}


def config(**run: Any) -> PluginConfig:
    return load_config({"run_config": {"image": IMAGE, **run}}, "airflow-k8s.yaml")


def subject(
    nodes: Sequence[PipelineNode],
    catalog: Mapping[str, Any] | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    credentials: frozenset[str] | None = None,
    **run: Any,
) -> Subject:
    """A pipeline with its catalog's content, or None for one that was not read."""
    found = None if catalog is None else Catalog(catalog)
    names = [name for each in nodes for name in (*each.inputs, *each.outputs)]
    pipeline = ProjectPipeline(
        package_name="shop",
        env="local",
        is_default_env=True,
        name="sales",
        nodes=tuple(nodes),
        commit="none",
        catalog=None if found is None else found.entries(names),
    )
    settings = config(**run)
    return Subject(
        pipeline=pipeline,
        run=settings.run_config,
        plan=build_plan(pipeline, settings),
        parameters=parameters,
        credentials=credentials,
        declared=found.names if found else frozenset(),
        config_of=found.config if found else lambda _: None,
    )


def check(
    nodes: Sequence[PipelineNode], catalog: Mapping[str, Any] | None = None, **options: Any
) -> list[Finding]:
    """The findings about a pipeline."""
    return check_pipeline(subject(nodes, catalog, **options))


def check_config(**run: Any) -> list[Finding]:
    """The findings about the configuration alone."""
    return check_settings(config(**run).run_config)


def shown(findings: Sequence[Finding]) -> list[tuple[str, str, str]]:
    """Code, severity and place of each."""
    return [(finding.code, finding.severity, finding.where) for finding in findings]


def only(findings: Sequence[Finding], code: str) -> Finding:
    """The one finding, which has a code."""
    assert [finding.code for finding in findings] == [code], findings
    return findings[0]
