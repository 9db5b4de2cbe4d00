"""A DAG's way into Airflow: what the user sees, and when the wait is over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest
from semver import Version

from kedro_airflow_k8s.airflow_api import Dag
from kedro_airflow_k8s.deploy.delivery import PARSE_MINUTES, check_partitions, deliver
from kedro_airflow_k8s.errors import RunError
from tests.support.compiled_dags import compiled_dag
from tests.support.scripted_airflow import ScriptedAirflow, known_dag

DAG = compiled_dag("sales")
PARSED = known_dag("sales", DAG.fingerprint)
OLD = known_dag("sales", "fingerprint:0ld", schedule="0 6 * * *")


def test_a_new_dag_is_uploaded_and_airflow_is_asked_to_read_it(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    airflow.at(3, lambda: airflow.parse(PARSED))
    progress, written = airflow.progress()

    assert deliver(airflow, DAG, str(tmp_path), progress) is None

    assert (tmp_path / "sales.py").read_text() == DAG.source
    assert airflow.asked_to_parse == [0]
    assert airflow.seconds == 3
    assert f"Uploaded DAG sales to {tmp_path / 'sales.py'}" in written.getvalue()
    assert "Waiting until Airflow has read sales.py\n" in written.getvalue()


def test_airflow_is_asked_again_while_its_copy_of_the_file_may_be_old(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    airflow.at(100, lambda: airflow.parse(PARSED))

    deliver(airflow, DAG, str(tmp_path), airflow.progress()[0])

    assert airflow.asked_to_parse == [0, 4, 12, 28, 58, 88]


def test_a_new_tag_is_not_enough_while_airflow_would_run_the_old_version(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    airflow.parse(OLD)
    airflow.at(2, lambda: airflow.dags.update(sales=PARSED))
    airflow.at(30, lambda: airflow.parse(PARSED))

    assert deliver(airflow, DAG, str(tmp_path), airflow.progress()[0]) == OLD

    assert airflow.seconds == 30


@pytest.mark.parametrize(
    ("before", "waits"),
    [(None, 0), (PARSED, 0), (OLD, 10)],
    ids=["a new DAG", "the same version", "another version"],
)
def test_a_scheduler_that_remembers_the_version_before_is_given_time_to_forget_it(
    tmp_path: Path, before: Dag | None, waits: float
) -> None:
    airflow = ScriptedAirflow(memory_seconds=10)
    if before:
        airflow.parse(before)
    airflow.at(1, lambda: airflow.parse(PARSED))

    deliver(airflow, DAG, str(tmp_path), airflow.progress()[0])

    assert airflow.seconds == (0 if before is PARSED else 1) + waits


def test_where_airflow_cannot_be_asked_the_user_reads_why_it_takes_long(tmp_path: Path) -> None:
    airflow = ScriptedAirflow(can_be_asked=False)
    airflow.at(70, lambda: airflow.parse(PARSED))
    progress, written = airflow.progress()

    deliver(airflow, DAG, str(tmp_path), progress)

    waits = [line for line in written.getvalue().splitlines() if "every five minutes" in line]
    assert [line.rpartition(" (")[2] for line in waits[1:]] == ["30 s)", "60 s)"]


def test_an_airflow_that_says_how_often_it_looks_is_believed(tmp_path: Path) -> None:
    airflow = ScriptedAirflow(can_be_asked=False, look_seconds=2)
    airflow.at(3, lambda: airflow.parse(PARSED))
    progress, written = airflow.progress()

    deliver(airflow, DAG, str(tmp_path), progress)

    assert "has read sales.py: it looks for new files every 2 s\n" in written.getvalue()


def test_in_a_terminal_the_wait_is_one_line_that_moves(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    airflow.at(70, lambda: airflow.parse(PARSED))
    progress, written = airflow.progress(terminal=True)

    deliver(airflow, DAG, str(tmp_path), progress)

    assert "Waiting until Airflow has read" in written.getvalue()
    assert written.getvalue().count("Uploaded DAG") == 1


def test_an_import_error_ends_the_wait_with_airflows_own_words(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    airflow.at(2, lambda: airflow.fail_import("sales.py", "No module named 'airflow.providers'"))

    with pytest.raises(RunError, match=r"cannot import sales\.py:\nNo module named"):
        deliver(airflow, DAG, str(tmp_path), airflow.progress()[0])
    assert airflow.seconds == 2


def test_an_import_error_of_the_version_before_does_not_count(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    airflow.fail_import("sales.py", "SyntaxError")
    airflow.at(5, lambda: airflow.fail_import("sales.py", "SyntaxError"))
    airflow.at(9, lambda: airflow.parse(PARSED))

    deliver(airflow, DAG, str(tmp_path), airflow.progress()[0])

    assert airflow.seconds == 9


def test_the_same_import_error_as_before_counts_when_it_stays(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    airflow.fail_import("sales.py", "no provider")
    airflow.at(5, lambda: airflow.fail_import("sales.py", "no provider"))

    with pytest.raises(RunError, match="no provider"):
        deliver(airflow, DAG, str(tmp_path), airflow.progress()[0])
    assert airflow.seconds == 120


def test_a_dag_that_never_appears_ends_with_what_to_check(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()

    with pytest.raises(RunError, match=r"after 10 minutes\. Does it read its DAGs") as error:
        deliver(airflow, DAG, str(tmp_path), airflow.progress()[0])

    assert str(tmp_path) in str(error.value)
    assert PARSE_MINUTES * 60 <= airflow.seconds < PARSE_MINUTES * 60 + 5


def test_another_upload_meanwhile_is_said_and_nothing_started(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()

    def other_upload() -> None:
        (tmp_path / "sales.py").write_text("other")
        airflow.parse(known_dag("sales", "fingerprint:0ther"))

    airflow.at(2, other_upload)

    with pytest.raises(RunError, match=r"DAG sales in .* was replaced by another version"):
        deliver(airflow, DAG, str(tmp_path), airflow.progress()[0])


def test_an_old_version_put_back_is_noticed_though_airflow_shows_what_it_showed(
    tmp_path: Path,
) -> None:
    airflow = ScriptedAirflow()
    airflow.parse(OLD)
    airflow.at(2, (tmp_path / "sales.py").unlink)

    with pytest.raises(RunError, match="or removed"):
        deliver(airflow, DAG, str(tmp_path), airflow.progress()[0])
    assert airflow.seconds == 4


def test_a_version_that_comes_while_the_scheduler_forgets_the_old_one_is_noticed(
    tmp_path: Path,
) -> None:
    airflow = ScriptedAirflow(memory_seconds=10)
    airflow.parse(OLD)
    airflow.at(1, lambda: airflow.parse(PARSED))

    def other_upload() -> None:
        (tmp_path / "sales.py").write_text("other")
        airflow.parse(known_dag("sales", "fingerprint:0ther"))

    airflow.at(5, other_upload)

    with pytest.raises(RunError, match="was replaced by another version"):
        deliver(airflow, DAG, str(tmp_path), airflow.progress()[0])


def test_a_long_wait_comes_with_what_may_be_wrong(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    airflow.at(100, lambda: airflow.parse(PARSED))
    progress, written = airflow.progress()

    deliver(airflow, DAG, str(tmp_path), progress)

    hint = f"This takes long. Does it read its DAGs from {tmp_path}"
    assert written.getvalue().count(hint) == 1


def test_ctrl_c_while_waiting_says_what_becomes_of_the_dag(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()

    def press() -> None:
        raise KeyboardInterrupt

    airflow.at(2, press)
    progress, written = airflow.progress()
    with pytest.raises(KeyboardInterrupt):
        deliver(airflow, DAG, str(tmp_path), progress)
    assert "Interrupted: the DAG is uploaded" in written.getvalue()


def test_a_version_uploaded_shortly_before_may_appear_and_go(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    airflow.at(1, lambda: airflow.parse(known_dag("sales", "fingerprint:0ther")))
    airflow.at(4, lambda: airflow.parse(PARSED))

    deliver(airflow, DAG, str(tmp_path), airflow.progress()[0])

    assert airflow.seconds == 4


def test_taking_away_the_schedule_of_a_dag_is_said(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    airflow.parse(OLD)
    airflow.at(1, lambda: airflow.parse(PARSED))
    progress, written = airflow.progress()

    deliver(airflow, DAG, str(tmp_path), progress)

    assert "Warning: DAG sales has a schedule in Airflow (0 6 * * *)" in written.getvalue()
    assert "Restore it with `kedro airflow-k8s schedule`" in written.getvalue()


def test_an_asset_that_another_dag_calls_something_else_is_a_warning(tmp_path: Path) -> None:
    class Clashing(ScriptedAirflow):
        def inactive_assets(self, dag_id: str, uris: Collection[str]) -> dict[str, str]:
            assert (dag_id, *uris) == ("sales", "s3://shop/a", "s3://shop/b")
            return {"s3://shop/b": 'Asset(name="b", uri="s3://shop/b")'}

    airflow = Clashing()
    airflow.at(1, lambda: airflow.parse(PARSED))
    progress, written = airflow.progress()
    dag = replace(DAG, assets=("s3://shop/a", "s3://shop/b"))

    deliver(airflow, dag, str(tmp_path), progress)

    text = " ".join(written.getvalue().split())
    assert "Airflow fails the tasks of DAG sales that make or read s3://shop/b." in text
    assert 'Another DAG has Asset(name="b", uri="s3://shop/b")' in text


@pytest.mark.parametrize("version", [Version(2, 11), Version(3, 1)])
def test_a_dag_with_partitions_is_not_uploaded_to_an_airflow_without(
    tmp_path: Path, version: Version
) -> None:
    airflow = ScriptedAirflow(version=version)
    dag = replace(DAG, partition_format="%Y-%m-%d")
    with pytest.raises(RunError, match=rf"Airflow {version} at .* has no partitions"):
        deliver(airflow, dag, str(tmp_path), airflow.progress()[0])
    assert list(tmp_path.iterdir()) == []


def test_partitions_in_a_time_zone_are_not_uploaded_to_an_airflow_with_keys_in_utc(
    tmp_path: Path,
) -> None:
    airflow = ScriptedAirflow(version=Version(3, 2, 2))
    dag = replace(DAG, partition_format="%Y-%m-%d", timezone="Europe/Warsaw")
    with pytest.raises(RunError, match=r"3\.2\.2 writes partition keys in UTC, not in Europe/Wars"):
        deliver(airflow, dag, str(tmp_path), airflow.progress()[0])
    assert list(tmp_path.iterdir()) == []
    check_partitions(airflow, replace(dag, timezone="UTC"))
    airflow.version = Version(3, 3)
    check_partitions(airflow, dag)
