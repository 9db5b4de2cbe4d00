"""A plan as the source of an Airflow DAG."""

from __future__ import annotations

import ast
import hashlib
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Template

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT
from kedro_airflow_k8s.config.values import UTC
from kedro_airflow_k8s.dag.jinja import jinja_environment
from kedro_airflow_k8s.dag.literals import INDENT, WIDTH, Call, Expression, literal
from kedro_airflow_k8s.errors import AirflowK8sError
from kedro_airflow_k8s.plan import names
from kedro_airflow_k8s.plan.build import Plan, Sensor
from kedro_airflow_k8s.plan.mlflow import RUN_ID
from kedro_airflow_k8s.plan.pods import RUN_SLUG, container_argument
from kedro_airflow_k8s.plan.task_groups import Group
from kedro_airflow_k8s.plan.tasks import Task

TAG_FINGERPRINT = "fingerprint"
"""Of the DAG's own text, so that one can ask Airflow whether it has parsed exactly this file."""

OWN = "kedro_airflow_k8s."

BASE_IMPORTS = """
from typing import Any
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.common.compat.sdk import DAG
"""


@dataclass(frozen=True)
class DagText:
    """The text of a DAG file, and the tag in it that only a DAG of exactly this text has."""

    source: str
    fingerprint: str


def render_dag(plan: Plan) -> DagText:
    """The DAG file's text: valid Python, and always the same for the same plan.

    Raises:
        AirflowK8sError: If the text is not Python, which would be an error of this plugin.
    """
    docs = _shared_docs(plan.tasks)
    imports, operators = _embedded(plan)
    fields = plan.trigger_params
    # Random, so that no value of the user's can be taken for it; the result does not hold it.
    placeholder = f"{TAG_FINGERPRINT}:{secrets.token_hex(6)}"
    text = _template().render(
        plan=plan,
        version=__version__,
        imports=imports,
        operators=operators,
        docs=[(name, doc) for doc, name in docs.items()],
        run_kedro=_source("pod", "run_kedro.py"),
        kedro_run=["python", "-c", Expression("RUN_KEDRO"), *plan.kedro_run],
        fill_volume=_source("pod", "fill_volume.py") if plan.volume and plan.volume.fill else "",
        default_resources=RESOURCES_DEFAULT,
        tags=[*plan.tags, placeholder],
        start_date=_start_date(plan),
        params={field.name: Call("Param", field.schema, (field.default,)) for field in fields},
        macros={name: Expression(name) for name in plan.macros},
        claim=RUN_SLUG,
        mlflow_run_id=RUN_ID,
        pipeline=container_argument(plan.pipeline),
        tasks=list(_group_lines(plan, plan.tree, 1, docs)),
    )
    digest = hashlib.sha256(text.replace(placeholder, "").encode()).hexdigest()[:12]
    fingerprint = f"{TAG_FINGERPRINT}:{digest}"
    text = text.replace(placeholder, fingerprint)
    try:
        compile(text, f"{plan.dag_id}.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise AirflowK8sError(
            f"The DAG made of pipeline {plan.pipeline!r} is not valid Python ({error}). This is an"
            " error of kedro-airflow-k8s: please report it with the names of the nodes."
        ) from error
    return DagText(text, fingerprint)


def _start_date(plan: Plan) -> Call:
    """Midnight of the first day in the DAG's time zone, which Airflow takes from here."""
    start = (plan.start_date.year, plan.start_date.month, plan.start_date.day)
    if plan.timezone == UTC:
        return Call("datetime", {"tzinfo": Expression("timezone.utc")}, start)
    return Call("pendulum.datetime", {"tz": plan.timezone}, start)


@cache
def _template() -> Template:
    """The template of all DAGs, which takes longer to load than to fill."""
    environment = jinja_environment("dag", "")
    environment.filters.update(py=literal, comment=_comment, sensor_call=_sensor_call)
    return environment.get_template("dag.py.j2")


def _comment(text: str) -> str:
    """Text for the docstring of the file: nothing in it can end the docstring."""
    return re.sub(r"[^\w .:/+@-]", "?", text, flags=re.ASCII)


def _shared_docs(tasks: tuple[Task, ...]) -> dict[str, str]:
    """A constant for each text that several tasks have: docstring to name."""
    counts = Counter(task.doc for task in tasks if task.doc)
    taken: set[str] = set()
    return {
        task.doc: names.constant(f"doc_{task.function}", taken)
        for task in {task.doc: task for task in reversed(tasks)}.values()
        if counts[task.doc] > 1
    }


def _group_lines(plan: Plan, group: Group[Task], depth: int, docs: dict[str, str]) -> Iterator[str]:
    indent = INDENT * depth
    for task in group.tasks:
        yield indent + literal(_task_call(plan, task, docs), depth, len(indent))
    for inner in group.groups:
        yield f"{indent}with TaskGroup({literal(inner.label)}):"
        yield from _group_lines(plan, inner, depth + 1, docs)


def _task_call(plan: Plan, task: Task, docs: dict[str, str]) -> Call:
    nodes: Any = task.nodes[0] if len(task.nodes) == 1 else list(task.nodes)
    positional: list[Any] = [nodes, list(task.inputs), list(task.outputs)]
    if task.doc:
        positional.append(Expression(docs[task.doc]) if task.doc in docs else task.doc)
    keywords: dict[str, Any] = {}
    # Of one node, the file works it out.
    if task.label != (task.nodes[0].rpartition(".")[2] if len(task.nodes) == 1 else ""):
        keywords["task_id"] = task.label
    if task.resources != RESOURCES_DEFAULT:
        keywords["resources"] = task.resources
    if task.pipeline != plan.pipeline:
        keywords["pipeline"] = container_argument(task.pipeline)
    if task.whole_pipeline:
        keywords["whole_pipeline"] = True
    elif (argument := container_argument(",".join(task.nodes))) != ",".join(task.nodes):
        keywords["argument"] = argument
    return Call("kedro_task", keywords, tuple(positional))


def _sensor_call(sensor: Sensor) -> Call:
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
            "mode": "reschedule",
        },
    )


def _embedded(plan: Plan) -> tuple[str, list[str]]:
    """The import statements of the file, and the text of the operator modules without theirs."""
    trees = [ast.parse(BASE_IMPORTS + "\n".join(_imports(plan)))]
    bodies = []
    for module in plan.operators:
        source = _source("dag.operators", f"{module}.py")
        tree = ast.parse(source)
        trees.append(tree)
        header = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom | ast.Expr)]
        last_line = max(node.end_lineno or 0 for node in header)
        bodies.append("".join(source.splitlines(keepends=True)[last_line:]).strip())
    return _merged_imports(trees), bodies


def _imports(plan: Plan) -> Iterator[str]:
    """What the file imports for this plan, beside what every DAG and the operators need."""
    if plan.timezone == UTC:
        yield "from datetime import datetime, timezone"
    else:
        yield "import pendulum"
    if (
        plan.mlflow
        or plan.volume
        or plan.deletes_data
        or any(sensor.execution_delta for sensor in plan.sensors)
    ):
        yield "from datetime import timedelta"
    if plan.tree.groups:
        yield "from airflow.providers.common.compat.sdk import TaskGroup"
    if plan.trigger_params:
        yield "from airflow.providers.common.compat.sdk import Param"
    arguments = set().union(*plan.resources.values())
    if {"tolerations", "container_resources"} & arguments:
        yield "from kubernetes.client import models as k8s"


def _merged_imports(trees: list[ast.Module]) -> str:
    """One statement a module, the standard library's first."""
    plain: set[str] = set()
    members: dict[str, set[str]] = {}
    for node in (node for tree in trees for node in tree.body):
        if isinstance(node, ast.Import):
            plain.update(alias.name for alias in node.names)
        # Operator modules that use each other are all in the file.
        elif isinstance(node, ast.ImportFrom) and not str(node.module).startswith(OWN):
            aliases = {f"{a.name} as {a.asname}" if a.asname else a.name for a in node.names}
            members.setdefault(node.module or "", set()).update(aliases)
    future = members.pop("__future__", set())
    lines = {name: f"import {name}" for name in sorted(plain)}
    for module in sorted(members):
        line = f"from {module} import {', '.join(sorted(members[module], key=_import_order))}"
        if len(line) > WIDTH:
            inside = "".join(
                f"{INDENT}{name},\n" for name in sorted(members[module], key=_import_order)
            )
            line = f"from {module} import (\n{inside})"
        lines[module] = line
    third_party = ("airflow", "jinja2", "kubernetes", "pendulum", "requests", "urllib3")
    blocks = [
        [f"from __future__ import {', '.join(sorted(future))}"] if future else [],
        [line for name, line in lines.items() if name.split(".")[0] not in third_party],
        [line for name, line in lines.items() if name.split(".")[0] in third_party],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _import_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as ruff and isort have them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _source(package: str, name: str) -> str:
    return files(f"kedro_airflow_k8s.{package}").joinpath(name).read_text(encoding="utf-8")
