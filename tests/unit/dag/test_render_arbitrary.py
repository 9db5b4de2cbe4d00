"""Whatever a project and its configuration hold, the DAG says exactly that and does no more."""

from __future__ import annotations

import ast
import builtins
import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import event, example, given
from jinja2 import Template
from jinja2.sandbox import SandboxedEnvironment
from kedro.framework.cli.utils import split_node_names, split_string

from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.build import Plan, build_plan
from kedro_airflow_k8s.plan.schedule import DEFAULT_START_DATE
from kedro_airflow_k8s.plan.tasks import Task
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.dag_source import bound, called, imported, statements
from tests.support.recorded_dag import Model, RecordedDag, operator_trees, run_dag_file
from tests.support.strategies import (
    IMAGE,
    config_of,
    findable,
    kedro_finds_node,
    kedro_finds_pipeline,
    plain_nodes,
    projects,
    upstream_of,
)

# Kedro warns of such namespaces and takes them.
pytestmark = pytest.mark.filterwarnings("ignore:Namespace ':UserWarning")

CALLED = frozenset(
    (
        *("CreateRunResources", "DAG", "DeleteRunResources", "ExternalTaskSensor", "Param"),
        *("KedroPodOperator", "RESOURCES.get", "TaskGroup", "datetime", "kedro_task"),
        *("k8s.V1ResourceRequirements", "k8s.V1Toleration", "k8s.V1VolumeMount"),
        *("nodes.rpartition", "pendulum.datetime", "timedelta"),
        # On what was just made.
        *(".as_setup", ".as_teardown"),
    )
)
"""All that a DAG calls, beside what the operators that it holds call themselves."""

OWN_NAMES = frozenset(
    (
        *("annotations", "dag", "k8s", "kedro_task", "nodes"),
        *("create_volume", "data_volume_init", "delete_intermediate_data", "delete_volume"),
        *("DATA", "ENV", "OWNED", "POD", "RESOURCES", "RUN_KEDRO", "VOLUME"),
        *(
            "Any",
            "DAG",
            "KedroPodOperator",
            "KubernetesPodOperator",
            "TaskGroup",
            "datetime",
            "timedelta",
            "timezone",
        ),
        *("Param", "pendulum"),
    )
)
"""What a DAG names, beside its tasks and what the operators that it holds name themselves."""

POD_COMMAND = ["python", "-m", "kedro_airflow_k8s.pod"]

STATEMENTS = (ast.Assign, ast.Expr, ast.With)
"""What stands below `with DAG`: a task, the order of tasks, a group."""


CALLED_BY_OPERATORS = frozenset().union(*(called(ast.walk(tree)) for tree in operator_trees()))
BOUND_BY_OPERATORS = frozenset(name for tree in operator_trees() for name in bound(tree))


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """What a kubelet makes of an argument.

    Written after the rule in the API reference of Container: `$(NAME)` is the variable if there is
    one, `$$` is a dollar sign, and everything else stays.
    """

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", value, text)


@lru_cache
def template(text: str) -> Template:
    return SandboxedEnvironment().from_string(text)


def in_the_pod(argument: str, macros: Mapping[str, Any]) -> str:
    """What Kedro gets of an argument in the DAG, after Airflow and the kubelet."""
    rendered = template(argument).render(**macros)
    return expanded(rendered, {"HOME": "/home/me", "COLUMNS": "220"})


def as_recorded(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the plan's resources as the file's code makes it."""
    found = dict(arguments)
    if "tolerations" in found:
        found["tolerations"] = [Model("V1Toleration", t) for t in found["tolerations"]]
    if "container_resources" in found:
        found["container_resources"] = Model("V1ResourceRequirements", found["container_resources"])
    return found


def check_task(task: Task, plan: Plan, config: PluginConfig, dag: RecordedDag) -> None:
    """A task runs exactly its nodes."""
    keywords = dict(dag.tasks[task.task_id].keywords)
    arguments, doc = keywords.pop("arguments"), keywords.pop("doc_md")
    env = keywords.pop("env_vars")
    run = config.run_config
    mount = Model("V1VolumeMount", {"name": "data", "mount_path": run.volume.mount_path})
    assert keywords == {
        "task_id": task.label,
        **plan.pods.common,
        "startup_check_interval_seconds": 1,
        "log_events_on_failure": True,
        "log_pod_spec_on_failure": False,
        "termination_message_policy": "FallbackToLogsOnError",
        "pod_template_dict": plan.pods.template,
        **({} if run.volume.disabled else {"volume_mounts": [mount]}),
        **as_recorded(plan.pods.resources.get(task.resources, {})),
    }
    assert plan.pods.environment.items() <= env.items()
    assert [in_the_pod(argument, {}) for argument in arguments] == [
        *POD_COMMAND,
        "run",
        f"--env={plan.env}",
        f"--pipelines={task.pipeline}",
        f"--nodes={','.join(task.nodes)}",
    ]
    assert split_node_names(None, None, ",".join(task.nodes)) == [*task.nodes]  # type: ignore[arg-type]
    assert split_string(None, None, task.pipeline) == [task.pipeline]  # type: ignore[arg-type]
    assert doc.startswith(f"{task.doc}\n\n")
    check_passing_on(task, plan, env)


def check_passing_on(task: Task, plan: Plan, env: Mapping[str, str]) -> None:
    """The pod gets the list of what other tasks read, unless it can work that out."""
    told = env.get("KEDRO_AIRFLOW_K8S_PASSED_ON")
    if plan.storage.intermediate_data is None or task.passes_on is None:
        assert told is None
    else:
        assert told is not None
        assert json.loads(in_the_pod(told, {})) == list(task.passes_on)


def check_nodes(pipeline: ProjectPipeline, plan: Plan) -> dict[str, str]:
    """Each node is in one task; gives its id by the node's name."""
    assert sorted(name for task in plan.tasks for name in task.nodes) == sorted(
        node.name for node in pipeline.nodes
    )
    for task in plan.tasks:
        if len(task.nodes) == 1:
            (node,) = (node for node in pipeline.nodes if node.name == task.nodes[0])
            assert (task.inputs, task.outputs) == (node.inputs, node.outputs)
            assert task.doc == node.doc.partition("\n")[0]
    return {name: task.task_id for task in plan.tasks for name in task.nodes}


def check_edges(
    pipeline: ProjectPipeline, plan: Plan, task_ids: dict[str, str], dag: RecordedDag
) -> None:
    """The order of tasks is that of Kedro, after sensors and volume and before the clean-up."""
    upstream: dict[str, set[str]] = {task.task_id: set() for task in plan.tasks}
    for name, before in upstream_of(pipeline.nodes).items():
        upstream[task_ids[name]] |= {task_ids[other] for other in before} - {task_ids[name]}
    expected = {(a, b) for b, before in upstream.items() for a in before}
    roots = {task_id for task_id, before in upstream.items() if not before}
    steps = [
        {sensor.task_id for sensor in plan.sensors},
        {"create_volume"} & set(dag.tasks),
        {"data_volume_init"} & set(dag.tasks),
        roots,
    ]
    steps = [step for step in steps if step]
    ends = [{"delete_intermediate_data"} & set(dag.tasks), {"delete_volume"} & set(dag.tasks)]
    ends = [step for step in ends if step]
    # Storage waits for the sensors too, which is the same order as without that.
    before = {*upstream, *(sensor.task_id for sensor in plan.sensors)}
    first_end = [(before, ends[0])] if ends else []
    for earlier, later in [*pairwise(steps), *first_end, *pairwise(ends)]:
        expected |= {(a, b) for a in earlier for b in later}
    assert dag.edges == expected


def check_passed_on(
    pipeline: ProjectPipeline, plan: Plan, task_ids: dict[str, str], dag: RecordedDag
) -> None:
    """Each pod knows which of its datasets other tasks read, and where to put them."""
    root = plan.pods.environment.get("KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA")
    assert root == plan.storage.intermediate_data
    assert ("delete_intermediate_data" in dag.tasks) == plan.storage.deletes_data
    if root is None:
        return
    readers: dict[str, set[str]] = {}
    for node in pipeline.nodes:
        for name in node.inputs:
            readers.setdefault(name, set()).add(task_ids[node.name])
    for task in plan.tasks:
        nodes = [node for node in pipeline.nodes if node.name in task.nodes]
        made = {name for node in nodes for name in node.outputs}
        crossing = {name for name in made if readers.get(name, set()) - {task.task_id}}
        by_itself = made - {name for node in nodes for name in node.inputs}
        assert set(by_itself if task.passes_on is None else task.passes_on) == crossing
    rendered = in_the_pod(root, {"dag": {"dag_id": "d"}, "run_id": "r", "macros": {"uuid": uuid}})
    assert rendered.startswith(("s3://bucket/folder/", "/"))


def check_dag(plan: Plan, config: PluginConfig, dag: RecordedDag) -> None:
    run = config.run_config
    start = run.start_date or DEFAULT_START_DATE
    start_date: object = datetime(start.year, start.month, start.day, tzinfo=timezone.utc)
    if run.timezone != "UTC":
        start_date = Model(
            "pendulum.datetime", {"tz": run.timezone}, (start.year, start.month, start.day)
        )
    params = {field.name: Model("Param", field.schema, (field.default,)) for field in plan.form}
    assert [field.name for field in plan.form] == [e.name for e in run.trigger_params]
    keywords = dict(dag.keywords)
    *tags, fingerprint = keywords.pop("tags")
    keywords.pop("default_args")
    assert keywords == {
        "dag_id": plan.dag_id,
        **({"description": run.description} if run.description else {}),
        "doc_md": dag.variables["__doc__"],
        "schedule": run.cron_expression,
        "start_date": start_date,
        "catchup": False,
        **({"params": params} if params else {}),
        **({"max_active_runs": 1} if run.cron_expression == "@continuous" else {}),
    }
    assert dag.variables["__doc__"].splitlines()[-1] == fingerprint
    assert tags == list(plan.tags)
    assert re.fullmatch("fingerprint:[0-9a-f]{12}", fingerprint)
    for sensor in plan.sensors:
        delta = timedelta(minutes=sensor.execution_delta) if sensor.execution_delta else None
        keywords = dag.tasks[sensor.task_id].keywords
        defaults = dag.keywords["default_args"]
        assert {k: v for k, v in keywords.items() if k not in defaults} == {
            "task_id": sensor.task_id,
            "external_dag_id": sensor.dag_id,
            "external_task_id": sensor.external_task_id,
            "check_existence": sensor.check_existence,
            "execution_delta": delta,
            "timeout": sensor.timeout * 60,
            "failed_states": list(sensor.failed_states),
            "mode": "reschedule",
        }


def rendered(values: Mapping[str, str]) -> dict[str, str]:
    """Values of the pod after Airflow's Jinja."""
    return {name: template(value).render() for name, value in values.items()}


def check_pod(config: PluginConfig, dag: RecordedDag) -> None:
    """Free texts of the configuration are in the pod and the resources as they were given."""
    run = config.run_config
    env, metadata = dag.variables["ENV"], dag.variables["POD"]["metadata"]
    assert {name: in_the_pod(env[name], {}) for name in run.env_vars} == run.env_vars
    for name, arguments in dag.variables["RESOURCES"].items():
        if name not in run.resources:
            assert " + " in name or name == "__default__"
            continue
        wanted = run.resources[name]
        for key, values in (("labels", wanted.labels), ("annotations", wanted.annotations)):
            found = {**metadata.get(key, {}), **arguments.get(key, {})}
            assert rendered({k: v for k, v in found.items() if k in values}) == values
            assert {k for k in found if not k.startswith("kedro-airflow-k8s/")} == values.keys()
        assert rendered(arguments.get("node_selector", {})) == wanted.node_selectors


def check_source(source: str, plan: Plan) -> None:
    """The text holds only imports, the operators, constants and the tasks."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    assert called(nodes) <= CALLED | CALLED_BY_OPERATORS
    inside = next(statement for statement in tree.body if isinstance(statement, ast.With))
    assert {type(statement) for statement in statements(inside.body)} <= set(STATEMENTS)
    inner = list(ast.walk(inside))
    assert called(inner) <= CALLED

    variables = [name for name in bound(tree) if name != "ExternalTaskSensor"]
    assert len(variables) == len(set(variables))
    assert not set(variables) & set(dir(builtins))
    loaded = {node.id for node in inner if isinstance(node, ast.Name)}
    assert loaded <= set(variables) | {"ExternalTaskSensor", "__doc__", "task"}
    # Users have a say in the names of tasks, and of constants for texts of several tasks.
    tasks = {name for name in variables if name not in {*OWN_NAMES, *BOUND_BY_OPERATORS}}
    docs = {name for name in tasks if re.fullmatch(r"DOC(_\w+)?", name)}
    assert len(tasks - docs) == len(plan.tasks) + len(plan.sensors)
    assert all(re.fullmatch("[a-z_][a-z0-9_]*", name, re.ASCII) for name in tasks - docs)
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    assert set(imported(nodes)) <= used | {"annotations"}


def check_ids(plan: Plan, dag: RecordedDag) -> None:
    """Ids that Airflow takes (`validate_key`, `validate_group_key`), and none twice."""
    assert len(dag.ids) == len(set(dag.ids))
    assert plan.task_ids == tuple(sorted(dag.tasks, key=plan.task_ids.index))
    for task_id in [plan.dag_id, *dag.tasks]:
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,250}", task_id)
    for group in dag.group_ids:
        assert len(group) <= 200
        assert all(re.fullmatch(r"[A-Za-z0-9_-]+", label) for label in group.split("."))


def check(pipeline: ProjectPipeline, config: PluginConfig) -> None:
    plan = build_plan(pipeline, config)
    source = render_dag(plan).source
    check_source(source, plan)
    dag = run_dag_file(source)
    for task in plan.tasks:
        check_task(task, plan, config, dag)
    task_ids = check_nodes(pipeline, plan)
    check_edges(pipeline, plan, task_ids, dag)
    check_passed_on(pipeline, plan, task_ids, dag)
    check_dag(plan, config, dag)
    check_pod(config, dag)
    check_ids(plan, dag)


@given(projects())
def test_whatever_kedro_accepts_is_in_the_dag_exactly_and_nothing_else_runs(
    given_: tuple[ProjectPipeline, PluginConfig],
) -> None:
    pipeline, config = given_
    unnameable = [node.name for node in pipeline.nodes if not kedro_finds_node(node.name)]
    if unnameable or not kedro_finds_pipeline(pipeline.name):
        with pytest.raises(PlanError, match="does not accept"):
            build_plan(pipeline, config)
        event("refused: Kedro's command line cannot name it")
        pipeline = findable(pipeline)
    if pipeline.nodes:
        try:
            build_plan(pipeline, config)
        except PlanError as error:
            event(f"refused: {error.code}")
            if error.code not in ("group-cycle", "resources-contradict"):
                raise
            return
        check(pipeline, config)


def pipeline_of(*nodes: PipelineNode, pipeline: str = "__default__") -> ProjectPipeline:
    return ProjectPipeline("my_package", "local", True, pipeline, nodes, "0a1b2c")


PLAIN = config_of({"image": IMAGE})


@given(plain_nodes())
@example((PipelineNode("nodes"), PipelineNode("kedro_task"), PipelineNode("dag")))
@example((PipelineNode("POD"), PipelineNode("k8s"), PipelineNode("KedroPodOperator")))
@example((PipelineNode("class"), PipelineNode("print"), PipelineNode("1a"), PipelineNode("-")))
@example((PipelineNode("a.b", "a"), PipelineNode("c.b", "c"), PipelineNode("a_b")))
@example((PipelineNode("a.upstream_join_id", "a"), PipelineNode("a", None)))
@example((PipelineNode("a.b", None), PipelineNode("a.b.c", "a.b"), PipelineNode("a", None)))
@example((PipelineNode("{{😀.n", "{{😀"),))
@example((PipelineNode("a\rb.n", "a\rb"), PipelineNode("a\r\nb.n", "a\r\nb")))
@example((PipelineNode("$(HOME)$$.n", "$(HOME)$$"),))
@example((PipelineNode("{{ $(HOME) }}\\.n", "{{ $(HOME) }}\\"),))
def test_any_names_and_namespaces_make_distinct_tasks_that_run_exactly_their_nodes(
    nodes: tuple[PipelineNode, ...],
) -> None:
    pipeline = findable(pipeline_of(*nodes))
    if pipeline.nodes:
        check(pipeline, PLAIN)


@pytest.mark.parametrize("name", ["a,b", " a", "a ", "", "a\n", "\x00", "\ud800"])
def test_a_pipeline_that_kedros_command_line_cannot_name_is_refused(name: str) -> None:
    with pytest.raises(PlanError, match="does not accept"):
        build_plan(pipeline_of(PipelineNode("n"), pipeline=name), PLAIN)


@pytest.mark.parametrize("name", ["a,b", " a", "a\n", "[a", "a]", "\x00", "\ud800"])
def test_a_node_that_kedros_command_line_cannot_name_is_refused(name: str) -> None:
    assert not kedro_finds_node(name)
    with pytest.raises(PlanError, match="does not accept"):
        build_plan(pipeline_of(PipelineNode(name)), PLAIN)


@pytest.mark.parametrize("name", ["[a,b]", "]a[", "a],b[", "a b", "a[1]", "--x", "{a}", "$(A)"])
def test_a_node_that_kedros_command_line_can_name_is_not_refused(name: str) -> None:
    assert kedro_finds_node(name)
    check(pipeline_of(PipelineNode(name)), PLAIN)


def test_a_group_a_sensor_and_a_node_of_one_name_are_three_things() -> None:
    config = config_of(
        {"image": IMAGE, "external_dependencies": [{"dag_id": "up"}, {"dag_id": "up"}]}
    )
    nodes = PipelineNode("wait_for_up.n", "wait_for_up"), PipelineNode("wait_for_up")
    check(pipeline_of(*nodes), config)


def test_the_stand_ins_notice_a_dag_that_does_more() -> None:
    source = render_dag(build_plan(pipeline_of(PipelineNode("n")), PLAIN)).source
    for more in ("import os", "open('f')", "eval('1')", "from airflow.configuration import conf"):
        with pytest.raises((ImportError, NameError)):
            run_dag_file(f"{source}\n{more}\n")
    assert "print" in called(ast.walk(ast.parse("print(1)")))
    with pytest.raises(AssertionError):
        check_source(f"{source}\nprint(1)\n", build_plan(pipeline_of(PipelineNode("n")), PLAIN))


def test_a_dag_of_two_tasks_of_one_id_is_noticed() -> None:
    source = render_dag(build_plan(pipeline_of(PipelineNode("n")), PLAIN)).source
    task = '    n = kedro_task("n")\n'
    assert task in source
    with pytest.raises(ValueError, match="Two tasks"):
        run_dag_file(source.replace(task, task * 2))


def test_the_same_texts_of_several_nodes_stand_in_the_file_once() -> None:
    nodes = [PipelineNode(name, function="f", doc='Says "it" {{ x }}\n😀') for name in "abc"]
    source = render_dag(build_plan(pipeline_of(*nodes), PLAIN)).source
    assert source.count("{{ x }}") == 1
    assert run_dag_file(source).variables["DOC_F"] == 'Says "it" {{ x }}'
    check(pipeline_of(*nodes), PLAIN)
