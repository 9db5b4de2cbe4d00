"""Which DAG, run and tasks a command is about, and what it says where there are none."""

from __future__ import annotations

import pytest

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.airflow_api.records import DagTask
from kedro_airflow_k8s.deploy.find import find_dag, find_own_dag, find_run, find_tasks, ordered
from kedro_airflow_k8s.errors import RunError
from tests.support.scripted_airflow import ScriptedAirflow, known_dag
from tests.unit.deploy.looking import RUN, TASKS, add_run, looked_at

TASK_IDS = [task.task_id for task in TASKS]


def test_without_an_id_the_last_run_is_meant() -> None:
    airflow = looked_at()
    add_run(airflow, "later", RunState.RUNNING)
    assert find_run(airflow, "shop", None).run_id == "later"
    assert find_run(airflow, "shop", RUN).run_id == RUN


def test_a_dag_that_airflow_does_not_have_is_said_with_the_one_that_was_meant() -> None:
    words = r"has no DAG shopp\. Did you mean 'shop'\? `kedro airflow-k8s run-once` uploads"
    for run_id in (None, "run-1"):
        with pytest.raises(RunError, match=words):
            find_run(looked_at(), "shopp", run_id)
    with pytest.raises(RunError, match=words):
        find_dag(looked_at(), "shopp")


def test_an_unknown_run_is_said_with_the_nearest_and_the_last_ones() -> None:
    airflow = looked_at()
    for number in range(7):
        add_run(airflow, f"scheduled-{number}", RunState.SUCCESS)
    with pytest.raises(RunError) as error:
        find_run(airflow, "shop", RUN[:-1])
    assert str(error.value) == (
        f"DAG shop has no run '{RUN[:-1]}'. Did you mean '{RUN}'? The last runs: scheduled-6,"
        " scheduled-5, scheduled-4, scheduled-3, scheduled-2 and 3 more"
        " (see https://airflow.example.com/dags/shop)."
    )


def test_a_dag_without_runs_says_what_starts_one() -> None:
    airflow = ScriptedAirflow()
    airflow.parse(known_dag("shop"))
    with pytest.raises(RunError, match=r"DAG shop has no run yet\. `kedro airflow-k8s trigger`"):
        find_run(airflow, "shop", None)


def test_a_dag_of_something_else_is_refused_with_its_page() -> None:
    airflow = ScriptedAirflow()
    airflow.parse(known_dag("theirs", "generated-by-hand"))
    with pytest.raises(RunError, match=r"DAG theirs was not made by this plugin.*dags/theirs$"):
        find_own_dag(airflow, "theirs")
    assert find_own_dag(looked_at(), "shop").dag_id == "shop"


def test_a_task_is_named_by_its_id_or_by_one_of_its_nodes() -> None:
    names = ["science.clean", "train", "load", "create_volume"]
    assert find_tasks(names, TASKS, TASK_IDS) == ["prepare", "train", "create_volume"]


def test_the_tasks_of_other_versions_of_the_dag_are_known_by_their_ids() -> None:
    assert find_tasks(["old"], TASKS, ["old"]) == ["old"]
    assert ordered(["old", "train", "create_volume"], TASKS) == ["create_volume", "train", "old"]
    with pytest.raises(RunError, match="has no task or node 'train'"):
        find_tasks(["train"], TASKS, ["old"])


def test_an_unknown_node_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RunError) as error:
        find_tasks(["science.claen"], TASKS, TASK_IDS)
    assert str(error.value) == (
        "The run has no task or node 'science.claen'. Did you mean 'science.clean'? It has"
        " create_volume, delete_volume, prepare, train."
    )


def test_a_name_of_several_tasks_is_refused() -> None:
    twins = [
        DagTask.model_validate({"task_id": task_id, "doc_md": "\n\nKedro: `same`"})
        for task_id in ("one", "two")
    ]
    with pytest.raises(RunError, match="Several tasks run 'same': one, two"):
        find_tasks(["same"], twins, ["one", "two"])


@pytest.mark.parametrize(
    ("doc", "nodes"),
    [
        ("Train.\n\nKedro: `train`", ("train",)),
        ("\n\nKedro: `a,ns.b`", ("a", "ns.b")),
        # As Airflow 2 and 3 give it back, perhaps without blank lines at its ends.
        ("Kedro: `a`\n", ("a",)),
        ("\n\nKedro: `od`d,ż`", ("od`d", "ż")),
        ("Kedro: `a` is a task.", ()),
        ("Copies the data folder of the image to the volume of the run.", ()),
        (None, ()),
    ],
)
def test_the_documentation_of_a_task_names_its_nodes(
    doc: str | None, nodes: tuple[str, ...]
) -> None:
    assert DagTask.model_validate({"task_id": "x", "doc_md": doc}).nodes == nodes
