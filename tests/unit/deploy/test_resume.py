"""What a run that has failed runs again, what is refused, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.deploy import resume as module
from kedro_airflow_k8s.deploy.resume import Resumption, describe, plan_resumption, resume
from kedro_airflow_k8s.deploy.run import RunOptions
from kedro_airflow_k8s.errors import RunError
from kedro_airflow_k8s.plan.data_places import DataPlace
from kedro_airflow_k8s.plan.tasks import plan_tasks
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.scripted_airflow import ScriptedAirflow
from tests.unit.deploy.looking import DONE, FAILED, RUN, Volumes, add_run, looked_at

NODES = (
    PipelineNode("prepare", None, ("orders",), ("table",), (), "prepare"),
    PipelineNode("train", None, ("table",), ("model",), (), "train"),
)
RUN_CONFIG = load_config({"run_config": {"image": "shop:1"}}, "airflow-k8s.yaml").run_config
TASKS = plan_tasks(
    ProjectPipeline("shop", "local", True, "shop", NODES, "none"), RUN_CONFIG, ()
).all
LATER, EARLIER = "2999-01-01T00:00:00+00:00", "2026-01-01T10:30:00+00:00"


def dag(storage: DataPlace = DataPlace.VOLUME) -> CompiledDag:
    """The DAG of two nodes, and where it stores what the first one makes."""
    return CompiledDag(
        dag_id="shop",
        source="",
        fingerprint="",
        task_ids=("create_volume", "prepare", "train", "delete_volume"),
        sensor_ids=(),
        schedule=None,
        timezone="UTC",
        start_date=date(2026, 1, 1),
        trigger_params=(),
        tasks=TASKS,
        storage={"table": storage, "model": DataPlace.LASTING},
    )


def kept(until: str = LATER, **fields: Any) -> ScriptedAirflow:
    """An Airflow with a failed run that keeps its volume until a time."""
    airflow = looked_at()
    airflow.rendered = {"delete_volume": {"until": until}, "prepare": fields}
    return airflow


def plan(
    airflow: ScriptedAirflow,
    dag: CompiledDag,
    run_id: str | None,
    start_from: Collection[str],
    *lost: str,
) -> Resumption:
    """What runs again, on a cluster that has lost the volumes of some runs."""
    return plan_resumption(airflow, dag, run_id, start_from, Volumes(lost=lost))


def refusal(
    airflow: ScriptedAirflow, *start_from: str, run_id: str | None = None, lost: str = ""
) -> str:
    with pytest.raises(RunError) as caught:
        plan(airflow, dag(), run_id, start_from, lost)
    return str(caught.value)


def test_what_has_failed_and_what_follows_runs_again() -> None:
    found = plan(kept(), dag(), None, ())

    assert (found.run.run_id, found.again, {*found.finished}) == (RUN, ("train",), {"prepare"})


def test_a_named_node_runs_again_with_what_follows_it() -> None:
    found = plan(looked_at(), dag(), RUN, ["prepare"])

    assert (found.again, found.finished) == (("prepare", "train"), {})


def test_a_run_of_a_part_goes_on_with_the_tasks_of_that_part_alone() -> None:
    airflow = kept()
    chosen = {"kedro_tasks": ["train"]}
    airflow.runs[RUN] = airflow.runs[RUN].model_copy(update={"conf": chosen})

    found = plan(airflow, dag(), None, ())

    assert (found.again, found.finished) == (("train",), {})
    assert refusal(airflow, "prepare").startswith(
        f"Run {RUN} is one of a part of the pipeline, without prepare. It has the tasks train."
    )


def taken(*, objects: bool = False, until: str = LATER) -> ScriptedAirflow:
    """An Airflow with a failed run of `train` that has taken what it needs from run `first`."""
    airflow = kept(until)
    if objects:
        airflow.tasks["delete_intermediate_data"] = DONE
        arguments = [f"--keep-until={until}"]
        airflow.rendered["delete_intermediate_data"] = {"arguments": arguments}
    add_run(airflow, "first", RunState.FAILED)
    conf = {
        "kedro_tasks": ["train"],
        "kedro_inputs_from": {"run_id": "first", "datasets": ["table"]},
    }
    airflow.runs[RUN] = airflow.runs[RUN].model_copy(update={"conf": conf})
    return airflow


@pytest.mark.parametrize("place", [DataPlace.VOLUME, DataPlace.OBJECTS])
def test_a_run_that_has_taken_data_goes_on_while_the_other_run_still_has_it(
    place: DataPlace,
) -> None:
    airflow = taken(objects=True)

    assert plan(airflow, dag(place), RUN, ()).again == ("train",)


def test_a_run_that_has_taken_data_which_is_gone_cannot_go_on() -> None:
    assert refusal(taken(until=EARLIER), run_id=RUN) == (
        f"Run {RUN} cannot go on: the data of run first is gone. What is on the volume of the run"
        " was kept until 2026-01-01 10:30 UTC. From there, it needs 'table'. Start a new run."
    )


def test_the_last_run_that_failed_is_resumed_whatever_came_after_it() -> None:
    airflow = kept()
    add_run(airflow, "later", RunState.SUCCESS)

    assert plan(airflow, dag(), None, ()).run.run_id == RUN


def test_a_run_in_progress_is_refused() -> None:
    airflow = kept()
    add_run(airflow, "now", RunState.RUNNING)

    assert refusal(airflow, run_id="now").startswith("Run now of DAG shop is running: only a run")


def test_without_a_failed_run_there_is_nothing_to_resume() -> None:
    assert "has no failed run among its last 100" in refusal(looked_at(RunState.SUCCESS))


def test_a_run_whose_nodes_have_all_succeeded_says_how_to_run_one_again() -> None:
    airflow = looked_at(RunState.SUCCESS)
    airflow.tasks["train"] = DONE

    message = refusal(airflow, run_id=RUN)
    assert message.startswith(f"All nodes of run {RUN} have succeeded: there is nothing to resume.")
    assert "--from" in message


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        ("", "It was deleted at the end of the run: `run_config.keep_failed` was not set."),
        (EARLIER, "What is on the volume of the run was kept until 2026-01-01 10:30 UTC."),
    ],
)
def test_data_that_is_gone_is_named_with_the_task_that_makes_it(until: str, reason: str) -> None:
    assert refusal(kept(until)) == (
        f"Run {RUN} cannot go on where it stopped: its data is gone. {reason} Missing is 'table',"
        " made by prepare. Run it again, too: --from prepare. Or start a new run."
    )


def test_a_volume_that_the_cluster_does_not_have_any_more_is_refused() -> None:
    assert refusal(kept(), lost=RUN).startswith(
        f"Run {RUN} cannot go on where it stopped: its data is gone. The cluster has no volume of"
        f" {RUN}. Missing is 'table', made by prepare."
    )


def test_a_volume_that_nothing_is_read_from_may_be_gone() -> None:
    assert plan(kept(), dag(), RUN, ["prepare"], RUN).again == ("prepare", "train")


def test_the_volume_of_the_run_that_data_is_taken_from_is_looked_for() -> None:
    message = refusal(taken(), run_id=RUN, lost="first")

    assert message.startswith(f"Run {RUN} cannot go on: the data of run first is gone. The cluster")


def test_data_outside_the_run_is_never_missing() -> None:
    assert plan(kept(""), dag(DataPlace.LASTING), None, ()).again == ("train",)


def test_a_run_whose_data_was_not_deleted_for_another_reason_goes_on() -> None:
    airflow = kept("")
    airflow.tasks["delete_volume"] = FAILED

    assert plan(airflow, dag(), None, ()).again == ("train",)


def test_data_on_object_storage_is_kept_by_an_argument_of_its_pod() -> None:
    airflow = looked_at()
    airflow.tasks["delete_intermediate_data"] = DONE
    arguments = ["python", f"--keep-until={LATER}", "--dag-id=shop"]
    airflow.rendered = {"delete_intermediate_data": {"arguments": arguments}}

    assert plan(airflow, dag(DataPlace.OBJECTS), None, ()).again == ("train",)


def test_the_rest_is_said_with_its_image_its_commit_and_what_has_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels = {"kedro-airflow-k8s/commit": "0123456789abcdef-dirty"}
    airflow = kept(image="shop:1", pod_template_dict={"metadata": {"labels": labels}})
    changed = {"prepare": [Path("src/shop/nodes.py")]}
    monkeypatch.setattr(module, "changed_files", lambda *_: changed)
    found = plan(airflow, dag(), None, ())

    to_run, finished, old = describe(airflow, dag(), found, tmp_path, "shop")

    assert to_run == f"Run {RUN}: 1 task to run: train."
    assert finished == "1 finished task not run again (image shop:1, commit 0123456789ab): prepare."
    assert old == (
        "Changed since the run: src/shop/nodes.py. These finished nodes use it, and keep their old"
        " results: prepare. --from NODE runs a node again, with those that follow it."
    )


def test_the_tasks_are_cleared_and_the_run_goes_on() -> None:
    airflow = kept()
    airflow.stored["shop"] = ""
    progress, written = airflow.progress()

    resume(airflow, dag(), "dags", plan(airflow, dag(), None, ()), RunOptions(), progress)

    assert airflow.cleared == ["train"]
    assert f"Run {RUN} goes on: https://airflow.example.com/dags/shop" in written.getvalue()
