"""What a pipeline and its configuration make of the DAG, before any text."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.errors import OptionError, PlanError
from kedro_airflow_k8s.plan.build import AS_CONFIGURED, Overrides, Plan, build_plan
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.strategies import IMAGE, config_of

# Kedro warns of such namespaces and takes them.
pytestmark = pytest.mark.filterwarnings("ignore:Namespace ':UserWarning")

ONE = PipelineNode("one", outputs=("x",))
TWO = PipelineNode("two", inputs=("x",))


def planned(
    *nodes: PipelineNode,
    env: str | None = None,
    pipeline: str = "__default__",
    overrides: Overrides = AS_CONFIGURED,
    **run_config: Any,
) -> Plan:
    found = ProjectPipeline(
        package_name="flights",
        env=env or "local",
        is_default_env=env is None,
        name=pipeline,
        nodes=nodes or (ONE,),
        commit="0a1b2c-dirty",
    )
    return build_plan(found, config_of({"image": IMAGE, **run_config}), overrides)


NO_VOLUME = {"disabled": True}


# What is refused.


def test_without_an_image_the_message_says_where_to_put_one() -> None:
    pipeline = ProjectPipeline("flights", "local", True, "__default__", (ONE,), "0a1b2c")
    with pytest.raises(PlanError, match=r"run_config\.image.*--image"):
        build_plan(pipeline, config_of({}))


def test_a_pipeline_without_nodes_is_refused_by_its_name() -> None:
    pipeline = ProjectPipeline("flights", "local", True, "train", (), "0a1b2c")
    with pytest.raises(PlanError, match="'train' has no nodes"):
        build_plan(pipeline, config_of({"image": IMAGE}))


@pytest.mark.parametrize("tag", ["resources.huge", "resources:huge"])
def test_a_tag_of_resources_that_do_not_exist_is_refused_with_those_that_do(tag: str) -> None:
    node = PipelineNode("train", tags=("other", tag))
    with pytest.raises(PlanError) as refused:
        planned(node, resources={"small": {}, "__default__": {}})
    for part in ("'train'", tag, "run_config.resources", "'huge'", "__default__, small"):
        assert part in str(refused.value)


def test_a_tag_of_resources_without_a_name_is_refused() -> None:
    with pytest.raises(PlanError, match=r"has the tag 'resources\.'"):
        planned(PipelineNode("train", tags=("resources.",)))


def test_a_tag_of_resources_where_none_are_configured_says_so() -> None:
    with pytest.raises(PlanError, match="Entries: none"):
        planned(PipelineNode("train", tags=("resources.huge",)))


def test_two_tags_of_resources_on_a_node_are_refused() -> None:
    node = PipelineNode("train", tags=("resources.a", "resources.b"))
    with pytest.raises(PlanError, match=r"'train' has several.*resources\.a, resources\.b"):
        planned(node, resources={"a": {}, "b": {}})


# Resources.


def test_a_node_has_the_resources_of_its_tag_and_of_default_without_one() -> None:
    plan = planned(
        PipelineNode("a", tags=("resources.big",)),
        PipelineNode("b", tags=("resources:big",)),
        PipelineNode("c", tags=("big", "my.resources.big", "resources")),
        PipelineNode("d", tags=("resources.__default__",)),
        resources={
            "big": {"node_selectors": {"size": "big"}},
            "idle": {"node_selectors": {"size": "none"}},
        },
    )
    assert [task.resources for task in plan.tasks] == ["big", "big", "__default__", "__default__"]
    assert plan.pods.resources == {"big": {"node_selector": {"size": "big"}}}


def test_default_resources_are_there_even_if_every_node_has_others() -> None:
    plan = planned(
        PipelineNode("a", tags=("resources.big",)),
        resources={"__default__": {"labels": {"of": "storage tasks"}}, "big": {}},
    )
    assert plan.pods.resources == {"__default__": {"labels": {"of": "storage tasks"}}}


def test_everything_of_an_entry_reaches_the_operator() -> None:
    entry = {
        "node_selectors": {"disk": "ssd"},
        "labels": {"team": "a"},
        "annotations": {"note": "{{ run_id }}"},
        "tolerations": [
            {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
            {"operator": "Exists", "effect": "NoExecute", "toleration_seconds": 60},
        ],
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"nvidia.com/gpu": 1},
    }
    plan = planned(ONE, resources={"__default__": entry, "other": {}}, volume=NO_VOLUME)
    assert plan.pods.resources["__default__"] == {
        "node_selector": {"disk": "ssd"},
        "tolerations": [
            {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
        ],
        "container_resources": {
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"nvidia.com/gpu": "1"},
        },
    }
    # As the only entry that tasks use, it gives its labels and annotations to all pods.
    metadata = plan.pods.template["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["annotations"]["note"] == '{{ "{{ run_id }}" }}'


# The DAG.


@pytest.mark.parametrize(
    ("arguments", "dag_id"),
    [
        ({}, "flights"),
        ({"run_name": "Prices"}, "Prices"),
        ({"env": "prod"}, "flights--prod"),
        ({"pipeline": "train"}, "flights.train"),
        ({"run_name": "Prices", "env": "prod", "pipeline": "train"}, "Prices--prod.train"),
    ],
)
def test_the_dag_id_names_project_or_run_then_environment_and_pipeline(
    arguments: dict[str, Any], dag_id: str
) -> None:
    assert planned(**arguments).dag_id == dag_id


@pytest.mark.parametrize("schedule", [None, "@daily", "@once", "0 6 * * 1-5"])
def test_a_schedule_is_passed_on_as_it_is(schedule: str | None) -> None:
    plan = planned(cron_expression=schedule)
    assert (plan.schedule.cron, plan.schedule.max_active_runs) == (schedule, None)


def test_a_continuous_dag_has_one_run_at_a_time_as_airflow_demands() -> None:
    plan = planned(cron_expression="@continuous")
    assert (plan.schedule.cron, plan.schedule.max_active_runs) == ("@continuous", 1)


def test_the_start_date_is_the_given_day_or_a_fixed_one_in_the_past() -> None:
    assert planned(start_date="20260721").schedule.start_date == date(2026, 7, 21)
    assert planned().schedule.start_date == date(2021, 1, 1)


def test_tags_say_version_commit_and_experiment() -> None:
    version, commit = f"generated_with_kedro_airflow_k8s:{__version__}", "commit_sha:0a1b2c-dirty"
    assert planned().tags == (version, commit, "experiment_name:flights")
    assert planned(experiment_name="Prices").tags == (version, commit, "experiment_name:Prices")


def test_settings_of_all_pods_are_those_of_the_configuration() -> None:
    plan = planned(
        description='Says "hello"',
        image_pull_policy="Always",
        startup_time=30,
        namespace="team",
        kubernetes_conn_id="cluster",
    )
    found = (
        plan.settings.description,
        plan.pods.common,
    )
    assert found == (
        'Says "hello"',
        {
            "image": IMAGE,
            "image_pull_policy": "Always",
            "namespace": "team",
            "kubernetes_conn_id": "cluster",
            "startup_timeout_seconds": 30,
            "deferrable": False,
        },
    )


def test_the_schedule_is_in_utc_or_in_the_time_zone_of_the_configuration() -> None:
    assert planned().schedule.timezone == "UTC"
    assert planned(timezone="Europe/Paris").schedule.timezone == "Europe/Paris"


# What a command says in place of the configuration.


def test_a_dag_name_is_the_whole_id_whatever_environment_and_pipeline() -> None:
    overrides = Overrides(dag_name="My_dag.2-x")
    plan = planned(env="prod", pipeline="train", run_name="Prices", overrides=overrides)
    assert plan.dag_id == "My_dag.2-x"


@pytest.mark.parametrize("name", ["", " ", "a b", ".a", "a/b", "źródło", "a\n", "../a", "x" * 251])
def test_a_dag_name_that_airflow_or_a_file_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(OptionError, match=r"--dag-name .* is invalid. It must consist") as refused:
        planned(overrides=Overrides(dag_name=name))
    assert len(str(refused.value)) < 300


def test_a_dag_to_run_once_has_no_schedule_and_no_sensors() -> None:
    dependencies = [{"dag_id": "up"}]
    scheduled = planned(cron_expression="@continuous", external_dependencies=dependencies)
    once = planned(
        cron_expression="@continuous",
        external_dependencies=dependencies,
        overrides=Overrides(once=True),
    )
    schedule = once.schedule
    assert (schedule.cron, schedule.max_active_runs, once.sensors) == (None, None, ())
    assert len(scheduled.sensors) == 1
    assert once.task_ids == ("create_volume", "data_volume_init", "one", "delete_volume")
    assert once.dag_id == scheduled.dag_id


def test_a_schedule_on_the_command_line_takes_the_place_of_the_configured_one() -> None:
    plan = planned(cron_expression="@daily", overrides=Overrides(cron="@continuous"))
    assert (plan.schedule.cron, plan.schedule.max_active_runs) == ("@continuous", 1)
    assert planned(overrides=Overrides(cron="0 6 * * 1-5")).schedule.cron == "0 6 * * 1-5"


def test_a_schedule_of_six_fields_is_refused_with_the_reason() -> None:
    with pytest.raises(OptionError) as refused:
        planned(overrides=Overrides(cron="0 0 6 * * *"))
    for part in ("--cron-expression '0 0 6 * * *' is invalid", "five fields", "not 6"):
        assert part in str(refused.value)


@pytest.mark.parametrize("cron", ["", "@sometimes", "61 * * * *"])
def test_an_invalid_schedule_is_refused(cron: str) -> None:
    with pytest.raises(OptionError, match="is invalid"):
        planned(overrides=Overrides(cron=cron))


# Parameters of runs.


def test_the_form_shows_parameters_with_their_values_types_and_descriptions() -> None:
    pipeline = ProjectPipeline(
        "flights", "local", True, "__default__", (ONE,), "0a1b2c",
        parameters={"model": {"depth": 3, "names": ["a"]}, "seed": None, "hidden": 1},
    )  # fmt: skip
    shown = [{"name": "model.depth", "description": "How deep."}, "seed", "model.names"]
    plan = build_plan(pipeline, config_of({"image": IMAGE, "trigger_params": shown}))

    depth, seed, names = plan.form
    assert (depth.name, depth.default) == ("model.depth", 3)
    assert depth.schema == {"type": "integer", "description": "How deep."}
    assert (seed.name, seed.default, seed.schema) == ("seed", None, {"type": ["null", "string"]})
    assert names.schema == {"type": "array", "items": {"type": "string"}}


# The command.


def test_a_task_runs_its_node_in_the_environment_and_pipeline() -> None:
    plan = planned(env="prod", pipeline="train")

    assert plan.env == "prod"
    assert {task.pipeline for task in plan.tasks} == {"train"}


def test_a_task_knows_its_node_for_a_reader() -> None:
    node = PipelineNode("ns.n", "ns", ("a", "params:b"), ("c",), (), "clean", "Cleans.")
    (task,) = planned(node).tasks
    assert (task.task_id, task.label, task.nodes) == ("ns.n", "n", ("ns.n",))
    assert (task.inputs, task.outputs) == (("a", "params:b"), ("c",))
    assert (task.function, task.doc) == ("clean", "Cleans.")


# The volume and the order of tasks.


def test_the_volume_is_made_and_filled_first_and_deleted_last() -> None:
    plan = planned(ONE, TWO)
    assert plan.setup_ids == ("create_volume", "data_volume_init")
    assert plan.end_ids == ("delete_volume",)
    assert plan.task_ids == ("create_volume", "data_volume_init", "one", "two", "delete_volume")


def test_a_volume_that_stays_empty_has_no_task_that_fills_it() -> None:
    plan = planned(ONE, volume={"skip_init": True})
    assert plan.storage.volume is not None
    assert not plan.storage.volume.fill
    assert plan.task_ids == ("create_volume", "one", "delete_volume")


def test_without_a_volume_there_are_only_the_nodes() -> None:
    plan = planned(ONE, TWO, volume=NO_VOLUME)
    assert plan.storage.volume is None
    assert plan.task_ids == ("one", "two")


def test_the_volume_is_as_configured() -> None:
    plan = planned(
        volume={
            "storageclass": "fast",
            "size": "5Gi",
            "access_modes": ["ReadWriteMany"],
            "mount_path": "/data",
        }
    )
    volume = plan.storage.volume
    assert volume is not None
    assert volume.claim["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "5Gi"}},
        "storageClassName": "fast",
    }
    assert volume.claim["metadata"]["name"] == plan.storage.owned
    assert volume.mount_path == "/data"


def test_without_a_storage_class_the_cluster_chooses_one() -> None:
    volume = planned().storage.volume
    assert volume is not None
    assert "storageClassName" not in volume.claim["spec"]


# Waiting for others.


def test_a_dependency_on_a_dag_waits_before_anything_else_is_made() -> None:
    plan = planned(ONE, external_dependencies=[{"dag_id": "up"}])
    (sensor,) = plan.sensors
    assert (sensor.task_id, sensor.dag_id) == ("wait_for_up", "up")
    assert (sensor.external_task_id, sensor.timeout, sensor.execution_delta) == (None, 1440, 0)
    assert sensor.check_existence
    assert sensor.failed_states == ("failed",)
    assert plan.task_ids[0] == "wait_for_up"


def test_a_dependency_on_a_task_notices_that_it_will_never_run() -> None:
    plan = planned(
        external_dependencies=[
            {
                "dag_id": "up",
                "task_id": "group.task",
                "timeout": 5,
                "check_existence": False,
                "execution_delta": 30,
            }
        ]
    )
    (sensor,) = plan.sensors
    assert (sensor.task_id, sensor.external_task_id) == ("wait_for_up.group.task", "group.task")
    assert (sensor.timeout, sensor.execution_delta, sensor.check_existence) == (5, 30, False)
    assert sensor.failed_states == ("failed", "upstream_failed")


def test_several_dependencies_come_before_every_beginning_of_a_pipeline_without_a_volume() -> None:
    dependencies = [{"dag_id": "a"}, {"dag_id": "b"}]
    plan = planned(ONE, PipelineNode("n"), volume=NO_VOLUME, external_dependencies=dependencies)
    assert [sensor.task_id for sensor in plan.sensors] == ["wait_for_a", "wait_for_b"]
    assert plan.task_ids == ("wait_for_a", "wait_for_b", "one", "n")


def test_the_same_dependency_at_different_times_is_two_tasks() -> None:
    dependencies = [{"dag_id": "up", "execution_delta": minutes} for minutes in (0, 60, 60)]
    plan = planned(external_dependencies=dependencies)
    assert len({sensor.task_id for sensor in plan.sensors}) == 3
