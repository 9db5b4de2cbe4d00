"""Whatever settings of pods the configuration accepts, Airflow's pod has every one of them.

KubernetesPodOperator drops a field that its Kubernetes client does not have, without a message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.errors import ConfigError, PlanError
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.plan.manifests import pod_manifest
from kedro_airflow_k8s.plan.pods import run_objects_name
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.airflow.dag.operators.airflow_process import AirflowWorker
from tests.support.pod_settings import any_settings
from tests.support.strategies import IMAGE, config_of

pytestmark = pytest.mark.core_once

NODES = PipelineNode("plain"), PipelineNode("tagged", tags=("resources.large",))
EXTENDED = {"env": "name", "volumeMounts": "mountPath", "volumes": "name"}
"""Lists to which the operator or the task adds others, by what distinguishes their parts."""


def lost(wanted: Any, found: Any, path: str = "") -> Iterator[str]:
    """What of a manifest is not in a pod: a line each."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key, value in wanted.items():
            if key in found:
                yield from lost(value, found[key], f"{path}.{key}")
            elif value not in ({}, []):  # To Kubernetes, these say nothing.
                yield f"{path}.{key} = {value!r} is missing"
        return
    if isinstance(wanted, list) and isinstance(found, list):
        key = EXTENDED.get(path.rpartition(".")[2])
        names = [part.get(key) for part in wanted] if key else []
        # What the settings repeat, as those of a sidecar may, is compared by its place.
        if key is not None and len({*names}) == len(names):
            there = {part.get(key): part for part in found}
            found = [there.get(part.get(key)) for part in wanted]
        if len(wanted) != len(found):
            yield f"{path} = {wanted!r} is {found!r}"
        for index, (one, other) in enumerate(zip(wanted, found, strict=False)):
            yield from lost(one, other, f"{path}[{index}]")
        return
    if wanted != found:
        yield f"{path} = {wanted!r} is {found!r}"


def test_what_is_lost_is_found() -> None:
    wanted = {"spec": {"volumes": [{"name": "a", "emptyDir": {}}], "searches": ["x"]}}
    assert [*lost(wanted, {"spec": {"volumes": [], "searches": ["x", "y"]}})] == [
        ".spec.volumes[0] = {'name': 'a', 'emptyDir': {}} is None",
        ".spec.searches = ['x'] is ['x', 'y']",
    ]
    more = [{"name": "b"}, {"name": "a", "emptyDir": {}}]
    assert [*lost(wanted, {"spec": {"volumes": more, "searches": ["x"]}})] == []


@settings(max_examples=settings().max_examples // 2, suppress_health_check=list(HealthCheck))
@given(of_all=any_settings, of_entry=any_settings)
def test_no_field_is_lost_on_the_way_to_kubernetes(
    airflow: AirflowWorker, of_all: dict[str, Any], of_entry: dict[str, Any]
) -> None:
    pipeline = ProjectPipeline("shop", "local", True, "__default__", NODES, "none", parameters={})
    try:
        config = config_of({"image": IMAGE, **of_all, "resources": {"large": of_entry}})
        source = render_dag(build_plan(pipeline, config)).source
    except (ConfigError, PlanError):
        assume(False)
    pods = airflow.call("pods_of", source)

    run = config.run_config
    for task, entry in (("plain", "__default__"), ("tagged", "large")):
        wanted = pod_manifest(run.settings_of(entry), run, run_objects_name("shop"), {})
        assert list(lost(wanted, pods[task])) == [], source
        # And none of the other entry's.
        spec = pods[task]["spec"]
        more = {key: value for key, value in spec.items() if value and key not in wanted["spec"]}
        assert more == {"restartPolicy": "Never"}, source
        selectors = wanted["spec"].get("nodeSelector", {})
        assert (spec.get("nodeSelector") or {}) == selectors, source
