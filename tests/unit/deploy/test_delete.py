"""DAGs that are deleted: the file, then the records; and those that are not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.config.own_names import TAG_VERSION
from kedro_airflow_k8s.deploy.delete import (
    Deletion,
    as_json,
    delete,
    plan_deletion,
    question,
    say_deleted,
    warning,
)
from kedro_airflow_k8s.errors import AirflowApiError, RunError, ServerFailed, UploadError
from tests.support.scripted_airflow import ScriptedAirflow, known_dag
from tests.unit.deploy.looking import RUN, add_run

FINGERPRINT = "fingerprint:0123456789ab"
SOURCE = f'''
"""{FINGERPRINT}"""
with DAG(dag_id="shop", tags=["{TAG_VERSION}:1.0.0", "{FINGERPRINT}"]):
    pass
'''


@dataclass
class Deleting(ScriptedAirflow):
    """An Airflow that forgets DAGs, and remembers whether the file was there then."""

    folder: Path = field(default_factory=Path)
    files_left: list[str] = field(default_factory=list)
    refuses: AirflowApiError | None = None

    def delete_dag(self, dag_id: str) -> None:
        self.files_left = [file.name for file in self.folder.iterdir()]
        if self.refuses:
            raise self.refuses
        del self.dags[dag_id]


@pytest.fixture
def airflow(tmp_path: Path) -> Deleting:
    scripted = Deleting(folder=tmp_path)
    scripted.parse(known_dag("shop", f"{TAG_VERSION}:1.0.0", FINGERPRINT))
    add_run(scripted, RUN, RunState.FAILED)
    (tmp_path / "shop.py").write_text(SOURCE)
    (tmp_path / "other.py").write_text("# another DAG")
    return scripted


def test_the_file_goes_first_and_then_the_records(airflow: Deleting, tmp_path: Path) -> None:
    deletion = plan_deletion(airflow, "shop", str(tmp_path))
    records = "the records of DAG shop in https://airflow.example.com, with 1 run"
    assert question(deletion) == f"Delete the file {tmp_path}/shop.py and {records}?"
    assert (tmp_path / "shop.py").exists()

    deleted = delete(airflow, deletion, str(tmp_path))

    assert airflow.files_left == ["other.py"]
    assert not airflow.dags
    assert json.loads(as_json(deleted)) == {
        "dag_id": "shop",
        "file": f"{tmp_path}/shop.py",
        "runs": 1,
        "keeping": 0,
        "airflow": "https://airflow.example.com",
        "deleted": True,
    }
    progress, written = airflow.progress()
    say_deleted(deleted, progress)
    assert written.getvalue().splitlines() == [
        f"Deleted {tmp_path}/shop.py.",
        f"Deleted {records}.",
    ]


def refused(airflow: Deleting, output: Path, words: str) -> None:
    """See that nothing is deleted, and why."""
    with pytest.raises(RunError, match=words):
        plan_deletion(airflow, "shop", str(output))
    assert airflow.dags


def test_a_dag_of_something_else_stays(airflow: Deleting, tmp_path: Path) -> None:
    airflow.parse(known_dag("shop", "by-hand", FINGERPRINT))
    refused(airflow, tmp_path, "was not made by this plugin")


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.QUEUED], ids=lambda s: s.value)
def test_a_dag_with_a_run_in_progress_stays(
    airflow: Deleting, tmp_path: Path, state: RunState
) -> None:
    add_run(airflow, "now", state)
    refused(airflow, tmp_path, r"DAG shop has runs that have not ended: now\. Wait .* cancel")


def test_a_dag_whose_file_is_elsewhere_stays_and_it_is_said_where_airflow_reads_it(
    airflow: Deleting, tmp_path: Path
) -> None:
    refused(
        airflow,
        tmp_path / "empty",
        r"is not in the output: .*/empty/shop\.py does not exist\. Airflow reads the DAG from"
        r" /shop\.py\. Use --output",
    )


def test_only_records_are_left_of_a_dag_whose_file_is_gone(
    airflow: Deleting, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").unlink()
    airflow.dags["shop"] = airflow.dags["shop"].model_copy(update={"active": False})
    deletion = plan_deletion(airflow, "shop", str(tmp_path))
    assert question(deletion).startswith("Delete the records of DAG shop in https://")
    deleted = delete(airflow, deletion, str(tmp_path))
    assert (deleted.file, airflow.dags) == (None, {})
    progress, written = airflow.progress()
    say_deleted(deleted, progress)
    assert "The file of the DAG was gone already." in written.getvalue()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# by hand\n" + FINGERPRINT, r"is not the file of DAG shop\. It is of another DAG, or"),
        (
            SOURCE.replace('"shop"', '"shop-2"'),
            r"is not the file of DAG shop\. It is of another DAG, or",
        ),
        (SOURCE.replace("0123", "9876"), "is another version of DAG shop than Airflow has"),
    ],
    ids=["by hand", "of another DAG", "of another version"],
)
def test_a_file_that_is_not_that_of_the_dag_stays(
    airflow: Deleting, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "shop.py").write_text(text)
    refused(airflow, tmp_path, words)
    assert (tmp_path / "shop.py").read_text() == text


def test_a_dag_that_airflow_does_not_have_is_said(airflow: Deleting, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has no DAG shopp\. Did you mean 'shop'"):
        plan_deletion(airflow, "shopp", str(tmp_path))


def test_where_airflow_keeps_its_records_it_is_said_that_the_file_is_gone(
    airflow: Deleting, tmp_path: Path
) -> None:
    airflow.refuses = ServerFailed("500 Internal Server Error.")
    deletion = plan_deletion(airflow, "shop", str(tmp_path))
    with pytest.raises(ServerFailed) as error:
        delete(airflow, deletion, str(tmp_path))
    assert str(error.value) == (
        f"{tmp_path}/shop.py is deleted, and the records in Airflow are not. 500 Internal Server"
        " Error. Airflow notices within minutes that the file is gone: delete the DAG again then."
    )


def test_a_file_that_cannot_be_deleted_leaves_the_records(
    airflow: Deleting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deletion = plan_deletion(airflow, "shop", str(tmp_path))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(UploadError, match=r"Cannot delete .*shop\.py: Permission denied\. Ask for"):
        delete(airflow, deletion, str(tmp_path))
    assert airflow.dags


def test_of_a_bucket_it_is_said_that_the_dag_may_come_back(airflow: Deleting) -> None:
    progress, written = airflow.progress()
    gone = Deletion("shop", "s3://dags/shop.py", 100, 0, "https://airflow.example.com", True)
    say_deleted(gone, progress)
    assert "with 100 runs or more." in written.getvalue()
    assert "the DAG may come back until the copy has followed" in written.getvalue()


def test_of_failed_runs_that_keep_their_data_it_is_said_what_deletes_it_first(
    airflow: Deleting, tmp_path: Path
) -> None:
    add_run(airflow, "good", RunState.SUCCESS)
    assert warning(plan_deletion(airflow, "shop", str(tmp_path))) is None
    (tmp_path / "shop.py").write_text(f"{SOURCE}\nKEEP_FAILED = timedelta(days=3)\n")
    deletion = plan_deletion(airflow, "shop", str(tmp_path))
    assert deletion.keeping == 1
    assert warning(deletion) == (
        "1 failed run of DAG shop may have kept data. It is not deleted with the DAG, and `clean`"
        " deletes it only while Airflow knows the runs: call `kedro airflow-k8s clean --kept"
        " --dag-name shop` before."
    )
