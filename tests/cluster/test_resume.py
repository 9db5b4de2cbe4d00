"""A run that has failed on a real cluster goes on where it stopped."""

from __future__ import annotations

from tests.cluster.runs import Airflow

LAST = ("create_volume", "data_volume_init", "sum_up", "delete_volume")


def test_only_the_last_of_ten_nodes_runs_again_on_the_volume_that_the_run_has_kept(
    airflow: Airflow,
) -> None:
    namespace = airflow.namespace
    failed = airflow.run("try_resume", keep_failed="1h").failed("ValueError: not today")
    airflow.wait_for_end(failed)
    kept = namespace.claim(failed.run_id)
    assert namespace.claims.there() == [kept.metadata.name]
    assert (
        "kedro-airflow-k8s/keep-until"
        in namespace.claims.last(kept.metadata.name).metadata.annotations
    )
    before = airflow.client().task_states("try_resume", failed.run_id)

    done = airflow.resume(failed, keep_failed="1h", env_vars={"FIXED": "1"}).succeeded()

    after = airflow.client().task_states("try_resume", failed.run_id)
    again = {name for name, task in after.items() if task.attempt > before[name].attempt}
    assert again == {*LAST}
    assert "9 finished tasks not run again" in done.text
    for task in ("begin", *(f"append_{index}" for index in range(8))):
        assert len(namespace.task_pods(failed.run_id, task)) == 1
    log = airflow.client().task_log("try_resume", failed.run_id, "sum_up", 2)
    assert f"THE SUM IS {sum(range(9))}" in log
    assert namespace.claim(failed.run_id).metadata.uid == kept.metadata.uid
    namespace.claims.wait_until_gone("the volume of the run that has succeeded")
