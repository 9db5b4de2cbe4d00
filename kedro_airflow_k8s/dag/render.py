"""Renders a plan as the source of an Airflow DAG."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from jinja2 import Template

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT
from kedro_airflow_k8s.config.own_names import (
    CREATE_VOLUME,
    DATA_VOLUME,
    DELETE_DATA,
    DELETE_VOLUME,
    OWN_TASKS,
    TAG_FINGERPRINT,
)
from kedro_airflow_k8s.dag.arguments import arguments, callbacks
from kedro_airflow_k8s.dag.asset_text import asset_keywords, schedule_value
from kedro_airflow_k8s.dag.body import chain_line, chains, variables
from kedro_airflow_k8s.dag.cluster_text import (
    cluster_keywords,
    cluster_lines,
    cluster_texts,
    cluster_variables,
)
from kedro_airflow_k8s.dag.imports import embedded, names_in
from kedro_airflow_k8s.dag.jinja import jinja_environment
from kedro_airflow_k8s.dag.literals import (
    INDENT,
    Call,
    Expression,
    literal,
    timedelta_call,
    with_names,
)
from kedro_airflow_k8s.dag.needed import (
    imports_of,
    moved_names,
    operators_of,
    task_classes,
)
from kedro_airflow_k8s.plan import names
from kedro_airflow_k8s.plan.build import Plan
from kedro_airflow_k8s.plan.pod_settings import SPEC, OfAirflow
from kedro_airflow_k8s.plan.pods import POD_COMMAND, container_argument
from kedro_airflow_k8s.plan.sensors import Sensor
from kedro_airflow_k8s.plan.task_groups import Group
from kedro_airflow_k8s.plan.tasks import Task

KEEP_UNTIL = "{{ keep_until(ti, dag_run, dag, KEEP_FAILED) }}"
"""Until when the data of the run is kept, as an Airflow template."""

_OF_FAILED_RUN = (
    f"--keep-until={KEEP_UNTIL}",
    "--dag-id={{ dag.dag_id }}",
    '--run-id={{ run_id | replace("$", "$$") }}',
)


@dataclass(frozen=True)
class DagText:
    """The text of a DAG file, and the tag in it with the hash of that text."""

    source: str
    fingerprint: str


def render_dag(plan: Plan) -> DagText:
    """Return the text of the DAG file, which is always the same for the same plan."""
    # Random, so that it differs from every value of the user's. The result does not contain it.
    placeholder = f"{TAG_FINGERPRINT}:{secrets.token_hex(6)}"
    text = _template().render(**_values(plan), tags=[*plan.tags, placeholder])
    digest = hashlib.sha256(text.replace(placeholder, "").encode()).hexdigest()[:12]
    fingerprint = f"{TAG_FINGERPRINT}:{digest}"
    text = text.replace(placeholder, fingerprint)
    return DagText(text, fingerprint)


def _values(plan: Plan) -> dict[str, Any]:
    """Return the values for the template, without the tags."""
    volume, fields = plan.storage.volume, plan.form
    docs = _shared_docs(plan.tasks)
    imports, operators = embedded(list(operators_of(plan)), imports_of(plan), [*moved_names(plan)])
    sensor_ids = [sensor.task_id for sensor in plan.sensors]
    reserved = {*names_in(imports, operators), *_OWN_NAMES, *cluster_variables(plan)}
    python = variables([*sensor_ids, *(task.task_id for task in plan.tasks)], reserved)
    return {
        "plan": plan,
        "version": __version__,
        "imports": imports,
        "operators": operators,
        "volume": volume,
        "owned": bool(volume or plan.storage.intermediate_data or plan.made_clusters),
        "clusters": cluster_texts(plan),
        "kept": bool(plan.assets.outlets or plan.made_clusters),
        "data": DATA_VOLUME,
        "classes": task_classes(plan),
        "assets": dict(plan.assets.uris),
        "schedule": schedule_value(plan),
        "docs": [(name, doc) for doc, name in docs.items()],
        "resources": {name: _arguments(plan, entry) for name, entry in plan.pods.resources.items()},
        "own_specs": any(SPEC in entry for entry in plan.pods.resources.values()),
        "variables": plan.pods.variables,
        "default_resources": RESOURCES_DEFAULT,
        "run_kedro": [*POD_COMMAND, "run", f"--env={container_argument(plan.env)}", *plan.runner],
        "keep_failed": plan.storage.keep_failed and timedelta_call(plan.storage.keep_failed),
        **_volume_tasks(plan),
        "fill_volume": [*POD_COMMAND, "fill-volume", Expression("DATA"), volume.fill_path]
        if volume
        else [],
        "delete_data": [
            *(*POD_COMMAND, "delete-intermediate-data"),
            *(_OF_FAILED_RUN if plan.storage.keep_failed else []),
        ],
        **arguments(plan.settings, plan.schedule),
        "params": {field.name: Call("Param", field.schema, (field.default,)) for field in fields},
        "default_args": _default_args(plan),
        "sensors": [
            (
                python[sensor.task_id],
                _sensor_call(sensor, deferrable=plan.pods.common.get("deferrable") is True),
            )
            for sensor in plan.sensors
        ],
        "mlflow": _mlflow(plan),
        "pipeline": container_argument(plan.pipeline),
        "tasks": list(_group_lines(plan, plan.tree, python, docs)),
        "first": [Expression(python[task_id]) for task_id in plan.ruled_by_airflow],
        "ends": [task_id for task_id in plan.end_ids if task_id in (DELETE_DATA, DELETE_VOLUME)],
        "edges": list(_edges(plan, python)),
    }


_OWN_NAMES = frozenset(
    (
        *(*OWN_TASKS, "dag", "kedro_task", "mlflow", "nodes"),
        # Only some DAGs import these. They are reserved in all, so that variables do not change.
        *("datetime", "json", "k8s", "logging", "pendulum", "re", "time", "timedelta", "timezone"),
        *(
            "OWNED",
            "VOLUME",
            "DATA",
            "ASSETS",
            "KEEP_FAILED",
            "KEEP_UNTIL",
            "ENV",
            "ENV_OF",
            "POD",
            "RESOURCES",
            "DOUBLED",
            "conf",
            "pod_with",
        ),
    )
)


def _volume_tasks(plan: Plan) -> dict[str, Call]:
    """Return the tasks that create and delete the volume of a run."""
    both = {"manifests": [Expression("VOLUME")]}
    create, delete = {"task_id": CREATE_VOLUME, **both}, {"task_id": DELETE_VOLUME, **both}
    if not plan.storage.keep_failed:
        return {
            "create_volume": Call("CreateRunResources", create),
            "delete_volume": Call("DeleteRunResources", delete),
        }
    return {
        "create_volume": Call("ResumeRunResources", {**create, "keep": Expression("KEEP_FAILED")}),
        "delete_volume": Call("KeepRunResources", {**delete, "until": KEEP_UNTIL}),
    }


def _mlflow(plan: Plan) -> Call | None:
    """Return the call for the MLflow experiment of the runs, if they have one."""
    if plan.mlflow is None:
        return None
    keywords: dict[str, Any] = {} if plan.mlflow.restore_experiment else {"restore": False}
    if plan.mlflow.auth:
        function, *arguments = plan.mlflow.auth
        call = literal(Call(function, {}, tuple(arguments)))
        keywords["auth"] = Expression(f"lambda: {call}")
    settings = dict(plan.mlflow.experiment)
    return Call("MlflowExperiment", keywords, (plan.mlflow.tracking_uri, settings))


@cache
def _template() -> Template:
    """Return the template of all DAGs, which takes longer to load than to render."""
    environment = jinja_environment("dag", "")
    environment.filters.update(py=literal, comment=_comment, owned=_with_owned)
    return environment.get_template("dag.py.j2")


def _comment(text: str) -> str:
    """Return a text for the docstring of the file, without characters that could end it."""
    return re.sub(r"[^\w .:/+@-]", "?", text, flags=re.ASCII)


def _with_owned(value: Any, owned: str) -> Any:
    """Return a value with the constant OWNED in place of the name of the run resources."""
    return with_names(value, {owned: "OWNED"})


def _shared_docs(tasks: tuple[Task, ...]) -> dict[str, str]:
    """Return a constant for each docstring that several tasks share: docstring to name."""
    counts = Counter(task.doc for task in tasks if task.doc)
    taken: set[str] = set()
    return {
        task.doc: names.constant(f"doc_{task.function}", taken)
        for task in {task.doc: task for task in reversed(tasks)}.values()
        if counts[task.doc] > 1
    }


def _arguments(plan: Plan, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of KubernetesPodOperator, with the models that the operator needs."""
    found = {name: _value(value) for name, value in entry.items()}
    if "tolerations" in found:
        found["tolerations"] = [
            Call("k8s.V1Toleration", {_SECONDS.get(key, key): v for key, v in toleration.items()})
            for toleration in entry["tolerations"]
        ]
    if "container_resources" in found:
        found["container_resources"] = Call(
            "k8s.V1ResourceRequirements", entry["container_resources"]
        )
    spec = found.pop(SPEC, None)
    if spec is not None:
        found["pod_template_dict"] = Call("pod_with", _with_owned(spec, plan.storage.owned))
    return found


_SECONDS = {"tolerationSeconds": "toleration_seconds"}


def _value(value: Any) -> Any:
    if isinstance(value, timedelta):
        return timedelta_call(int(value.total_seconds()))
    if value is OfAirflow.DOUBLED:
        return Expression("DOUBLED")
    if value is OfAirflow.DEFERRABLE:
        return Expression('conf.getboolean("operators", "default_deferrable", fallback=False)')
    return value


def _default_args(plan: Plan) -> dict[str, Any]:
    """Return the arguments of KubernetesPodOperator that all pods share."""
    found: dict[str, Any] = {
        **_arguments(plan, plan.pods.common),
        "startup_check_interval_seconds": 1,
        "log_events_on_failure": True,
        "log_pod_spec_on_failure": False,
        "termination_message_policy": "FallbackToLogsOnError",
        "env_vars": Expression("ENV"),
        "pod_template_dict": Expression("POD"),
    }
    if plan.settings.owner:
        found["owner"] = plan.settings.owner
    found.update(callbacks(plan.settings.of_tasks))
    if plan.settings.keeps_reasons:
        of_tasks = found.get("on_failure_callback", [])
        found["on_failure_callback"] = [Expression("keep_reason"), *of_tasks]
    if plan.storage.volume:
        mount = {"name": DATA_VOLUME, "mount_path": Expression("DATA")}
        found["volume_mounts"] = [Call("k8s.V1VolumeMount", mount)]
    return found


def _group_lines(
    plan: Plan,
    group: Group[Task],
    python: Mapping[str, str],
    docs: dict[str, str],
    depth: int = 1,
) -> Iterator[str]:
    indent = INDENT * depth
    for task in group.tasks:
        start = f"{indent}{python[task.task_id]} = "
        yield start + literal(_task_call(plan, task, python, docs), depth, len(start))
    for inner in group.groups:
        opened = f"TaskGroup({literal(inner.label)})"
        while not inner.tasks and len(inner.groups) == 1:
            (inner,) = inner.groups  # noqa: PLW2901 - one statement opens both
            opened += f", TaskGroup({literal(inner.label)})"
        yield f"{indent}with {opened}:"
        yield from _group_lines(plan, inner, python, docs, depth + 1)


def _task_call(plan: Plan, task: Task, python: Mapping[str, str], docs: dict[str, str]) -> Call:
    plain = "" if task.whole_pipeline else ",".join(task.runs or task.nodes)
    nodes = container_argument(plain)
    keywords: dict[str, Any] = {}
    if task.label != nodes.rpartition(".")[2]:
        keywords["task_id"] = task.label
    if task.resources != RESOURCES_DEFAULT:
        keywords["resources"] = task.resources
    if task.pipeline != plan.pipeline:
        keywords["pipeline"] = container_argument(task.pipeline)
    if task.passes_on is not None and plan.storage.intermediate_data is not None:
        found = json.dumps(task.passes_on, ensure_ascii=False)
        keywords["passes_on"] = container_argument(found)
    keywords.update(asset_keywords(plan, task))
    keywords.update(cluster_keywords(plan, task))
    if task.runs:
        keywords["shared"] = True
    if task.pod:
        keywords["pod"] = Expression(python[task.pod])
        if nodes != plain:
            keywords["node"] = plain
    if task.doc in docs:
        # As positional arguments, the constant and the pipeline fit on the line of the name.
        pipeline = [keywords.pop("pipeline")] if "pipeline" in keywords else []
        return Call("kedro_task", keywords, (nodes, Expression(docs[task.doc]), *pipeline))
    if task.doc:
        keywords["doc"] = task.doc
    return Call("kedro_task", keywords, (nodes,))


def _sensor_call(sensor: Sensor, *, deferrable: bool) -> Call:
    delta = Call("timedelta", {"minutes": sensor.execution_delta})
    return Call(
        "ExternalTaskSensor",
        {
            "task_id": sensor.task_id,
            "external_dag_id": sensor.dag_id,
            "external_task_id": sensor.external_task_id,
            "check_existence": sensor.check_existence,
            "execution_delta": delta if sensor.execution_delta else None,
            "timeout": sensor.timeout * 60,
            "failed_states": list(sensor.failed_states),
            # It takes no slot while it waits. `deferrable` is for pods.
            "mode": "reschedule",
            **({"deferrable": False} if deferrable else {}),
        },
    )


def _edges(plan: Plan, python: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of edges: those before the nodes, then those between nodes."""
    order = [python[task.task_id] for task in plan.tasks]
    first = [name for name, task in zip(order, plan.tasks, strict=True) if not task.upstream]
    waits = [python[sensor.task_id] for sensor in plan.sensors]
    if waits and not plan.setup_ids and len(first) > 1:
        for wait in waits:
            yield chain_line([wait, first])
    else:
        start = [*([waits] if waits else []), *plan.setup_ids]
        if start:
            yield chain_line([*start, first])
    yield from cluster_lines(plan, python, waits)
    upstream = {
        name: [order[index] for index in task.upstream]
        for name, task in zip(order, plan.tasks, strict=True)
    }
    yield from map(chain_line, chains(upstream))
