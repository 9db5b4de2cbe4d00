"""Whatever settings of pods the configuration accepts, the cluster's API accepts the pod."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from jinja2 import Environment
from kubernetes.client.exceptions import ApiException

from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.plan.manifests import pod_manifest
from kedro_airflow_k8s.plan.pods import environment
from tests.cluster.cluster import Namespace
from tests.support.pod_settings import typed_settings
from tests.support.strategies import IMAGE, config_of

NIGHTLY = 2000
EXAMPLES = settings().max_examples if settings().max_examples >= NIGHTLY else 60
"""Each is a request: only a nightly run has time for all of them."""
NEEDED = {
    "service_account_name": "default",
    "priority_class_name": "system-cluster-critical",
}
"""What the API looks up."""
JINJA = Environment(keep_trailing_newline=True)


def rendered(value: Any) -> Any:
    """A manifest as Airflow renders it for a task."""
    if isinstance(value, str):
        variables = {"region": "north"}
        return JINJA.from_string(value).render(ti={"task_id": "t"}, var={"value": variables},
                                               dag_run={"conf": {}})  # fmt: skip
    if isinstance(value, dict):
        return {key: rendered(part) for key, part in value.items()}
    return [rendered(part) for part in value] if isinstance(value, list) else value


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(given_settings=typed_settings)
def test_the_cluster_accepts_what_the_configuration_accepts(
    namespace: Namespace, given_settings: dict[str, Any]
) -> None:
    found = {key: NEEDED.get(key, value) for key, value in given_settings.items()}
    # No cluster has one of itself.
    found.pop("runtime_class_name", None)
    try:
        run = config_of({"image": IMAGE, **found}).run_config
    except ConfigError:
        assume(False)
    own = run.settings_of("__default__")
    pod = rendered(pod_manifest(own, run, "run-1", {}))
    (container,) = pod["spec"]["containers"]
    variables = rendered(environment(own, run, "run-1"))
    container.setdefault("env", []).extend(
        {"name": name, "value": text} for name, text in variables.items()
    )
    pod["metadata"]["name"] = "any"

    try:
        namespace.core.create_namespaced_pod(namespace.name, pod, dry_run="All")
    except ApiException as error:
        pytest.fail(f"{error.body}\n{found}")
