"""A run that has failed goes on where it stopped, on Airflow 3 and on Airflow 2.11."""

from __future__ import annotations

import json
import os
import re
from urllib.parse import quote

from tests.airflow.sandbox.chain_lab import Lab, lab
from tests.airflow.sandbox.cluster.cluster_client import wait_for
from tests.support.storage_servers import S3, s3_server

__all__ = ["lab", "s3_server"]


def test_after_a_fix_only_the_failed_node_of_ten_runs_again_and_then_the_data_is_deleted(
    lab: Lab,
) -> None:
    lab.write(fails=True, steps=8)
    run_id = lab.failed_run("fixed")
    before = lab.attempts("fixed", run_id)
    assert lab.claims("fixed") == [run_id]
    lab.write(fails=False, steps=8)

    code, output = lab.call("resume", "fixed", "--follow")

    assert code == 0, output
    assert f"Run {run_id}: 1 task to run: sum_up." in output
    assert "9 finished tasks not run again (image shop:1.0" in output
    assert "Changed since the run: src/" in output
    after = lab.attempts("fixed", run_id)
    again = {task_id for task_id in after if after[task_id] > before[task_id]}
    assert again == {"create_volume", "data_volume_init", "sum_up", "delete_volume"}
    assert (lab.results / "total.txt").read_text() == str(sum(range(9)))
    assert lab.claims("fixed") == []


def test_a_task_cleared_by_airflows_api_finds_the_data_that_others_have_stored(lab: Lab) -> None:
    lab.write(fails=True)
    run_id = lab.failed_run("cleared")
    lab.write(fails=False)

    lab.rest.clear("cleared", run_id, "sum_up", downstream=True)

    path = f"dags/cleared/dagRuns/{quote(run_id, safe='')}"
    wait_for(lambda: lab.rest.get(path).json()["state"] == "success")
    assert lab.claims("cleared") == []


def test_a_run_on_object_storage_gives_its_folder_to_a_part_and_then_goes_on_itself(
    lab: Lab,
    s3_server: S3,
) -> None:
    bucket = f"resume-{os.urandom(6).hex()}"
    s3_server.make_bucket(bucket)
    more = f"""
        , volume: {{disabled: true}}, intermediate_data: s3://{bucket}/runs, env_vars: {{
          AWS_ENDPOINT_URL: {s3_server.url}, AWS_ACCESS_KEY_ID: someone,
          AWS_SECRET_ACCESS_KEY: something, AWS_DEFAULT_REGION: us-east-1 }}"""
    lab.write(fails=True, more=more)
    run_id = lab.failed_run("stored")
    names = {name.rpartition("/")[2] for name in s3_server.names(bucket)}
    assert names == {"numbers_0.pickle", "numbers_1.pickle", "kept.json"}
    before = lab.attempts("stored", run_id)
    lab.write(fails=False, more=more)
    part = ("--nodes", "sum_up", "--from-run", run_id, "-w", "10")
    code, output = lab.call("run-once", "stored", *part)
    assert code == 0, output
    assert (lab.results / "total.txt").read_text() == "1"
    (lab.results / "total.txt").unlink()
    assert {name.rpartition("/")[2] for name in s3_server.names(bucket)} == names

    code, output = lab.call("resume", "stored", run_id, "--follow")

    assert code == 0, output
    after = lab.attempts("stored", run_id)
    again = {task_id for task_id in after if after[task_id] > before[task_id]}
    assert again == {"sum_up", "delete_intermediate_data"}
    assert (lab.results / "total.txt").read_text() == "1"
    assert s3_server.names(bucket) == []


def test_failed_runs_are_kept_side_by_side_until_their_time_is_over(lab: Lab) -> None:
    lab.write(fails=True, keep="1s")
    expired = lab.failed_run("kept")
    lab.write(fails=True)

    runs = [lab.failed_run("kept"), lab.failed_run("kept")]

    assert lab.claims("kept") == sorted(runs)
    code, output = lab.call("resume", "kept", expired)
    assert code == 1
    assert f"Run {expired} cannot go on where it stopped: its data is gone." in output
    assert "on the volume of the run was kept until" in output
    code, output = lab.call("clean", "kept", "--dry-run")
    assert code == 0, output
    assert re.search(rf"\b1Gi +kept +{runs[0]} +failed +0h +20\d\d-.* yes\b", output)
    assert lab.claims("kept") == sorted(runs)
    cleaned = lab.project.path / "cleaned.json"
    as_json = ("--format", "json", "--output-file", str(cleaned))
    code, output = lab.call("clean", "kept", "--kept", *as_json)
    assert code == 2
    assert "--format json does not ask: add --yes or --dry-run." in output
    code, output = lab.call("clean", "kept", "--kept", "--yes", *as_json)
    assert code == 0, output
    found = json.loads(cleaned.read_text())
    assert sorted(each["run_id"] for each in found if each["deleted"]) == sorted(runs)
    assert {(each["dag_id"], each["size"], each["state"]) for each in found} == {
        ("kept", "1Gi", "failed")
    }
    assert lab.claims("kept") == []
    code, output = lab.call("clean", "kept")
    assert (code, "Runs of these DAGs have left no data." in output) == (0, True)
    code, output = lab.call("resume", "kept", runs[0])
    assert code == 1
    assert f"its data is gone. The cluster has no volume of run {runs[0]}" in output
    part = ("--nodes", "sum_up", "--from-run", runs[1])
    code, output = lab.call("run-once", "kept", *part)
    assert code == 1
    assert f"Error: The data of run {runs[1]} is gone. The cluster has no volume" in output


def test_a_part_of_a_pipeline_runs_without_pods_of_the_other_tasks(lab: Lab) -> None:
    lab.write(fails=True)

    code, output = lab.call("run-once", "part", "--to-nodes", "append_0", "-w", "10")

    assert code == 0, output
    (run_id,) = re.findall(r"Started run (\S+):", output)
    assert "No pod was started" in lab.rest.log("part", run_id, "sum_up")
    assert "No pod was started" not in lab.rest.log("part", run_id, "append_0")
    assert lab.claims("part") == []
    code, output = lab.call("run-once", "part", "--nodes", "sum_up")
    assert code == 1
    assert "Error: 1 input of these nodes would be missing: 'numbers_1'." in output
    code, output = lab.call("run-once", "part", "--tags", "none")
    assert code == 1
    assert "Error: These nodes of pipeline 'chain' cannot be selected." in output


def test_a_part_takes_its_inputs_from_a_run_that_has_kept_them_and_can_still_be_resumed(
    lab: Lab,
) -> None:
    lab.write(fails=True)
    kept = lab.failed_run("taken")
    lab.write(fails=False)
    part = ("--nodes", "sum_up", "--from-run", kept)
    code, output = lab.call("run-once", "taken", *part, "--context", "elsewhere")
    assert code == 1
    assert "Error: The cluster of the runs is unknown." in output

    code, output = lab.call("run-once", "taken", *part, "-w", "10")

    assert code == 0, output
    assert f"From run {kept}: numbers_1." in output
    (run_id,) = re.findall(r"Started run (\S+):", output)
    assert "No pod was started" in lab.rest.log("taken", run_id, "append_0")
    assert (lab.results / "total.txt").read_text() == "1"
    assert lab.claims("taken") == [kept]
    (lab.results / "total.txt").unlink()
    code, output = lab.call("resume", "taken", kept, "--follow")
    assert code == 0, output
    assert (lab.results / "total.txt").read_text() == "1"
    assert lab.claims("taken") == []
    code, output = lab.call("run-once", "taken", *part)
    assert code == 1
    assert f"Error: The data of run {kept} is gone." in output
    code, output = lab.call("run-once", "taken", "--nodes", "sum_up", "--from-run", "nosuch")
    assert code == 1
    assert "Error: DAG taken has no run 'nosuch'." in output
    code, output = lab.call("run-once", "taken", "--from-run", kept)
    assert code == 2
    assert "--from-run is for a part of a pipeline." in output


def test_a_part_that_has_taken_data_and_failed_is_resumed(lab: Lab) -> None:
    lab.write(fails=True)
    kept = lab.failed_run("twice")
    code, output = lab.call(
        "run-once", "twice", "--nodes", "sum_up", "--from-run", kept, "-w", "10"
    )
    assert code == 1, output
    (run_id,) = re.findall(r"Started run (\S+):", output)
    assert lab.claims("twice") == sorted((kept, run_id))
    lab.write(fails=False)

    code, output = lab.call("resume", "twice", "--follow")

    assert code == 0, output
    assert f"Run {run_id}: 1 task to run: sum_up." in output
    assert (lab.results / "total.txt").read_text() == "1"
    assert lab.claims("twice") == [kept]


def test_without_data_a_run_is_resumed_from_the_node_that_makes_it(lab: Lab) -> None:
    lab.write(fails=True, keep="0")
    run_id = lab.failed_run("gone")
    assert lab.claims("gone") == []
    lab.write(fails=False, keep="0")

    code, output = lab.call("resume", "gone")

    assert code == 1
    assert f"Run {run_id} cannot go on where it stopped: its data is gone." in output
    assert "Missing is 'numbers_1', made by append_0." in output
    assert "--from append_0" in output
    code, output = lab.call("resume", "gone", "--from", "begin", "--follow")
    assert code == 0, output
    assert (lab.results / "total.txt").read_text() == "1"
