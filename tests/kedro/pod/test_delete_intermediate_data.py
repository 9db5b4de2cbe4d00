"""What a run has left on object storage is deleted, and nothing beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import requests

from kedro_airflow_k8s.pod.delete_intermediate_data import delete_intermediate_data
from kedro_airflow_k8s.pod.environment import INTERMEDIATE_DATA_VARIABLE
from kedro_airflow_k8s.pod.intermediate_data import IntermediateDataset
from kedro_airflow_k8s.pod.kept_data import Kept, forget, kept_below
from tests.kedro.pod.kedro_processes import pod_environment, running
from tests.kedro.pod.object_stores import access, s3_access, use
from tests.support.storage_servers import S3, Gcs, faulty, gcs_server, s3_server

__all__ = ["gcs_server", "s3_server"]

DELETE = ("-m", "kedro_airflow_k8s.pod", "delete-intermediate-data")


class Bucket:
    """A bucket of a real server."""

    def __init__(self, protocol: str, server: S3 | Gcs) -> None:
        self.name, self._server = f"bucket-{os.urandom(6).hex()}", server
        server.make_bucket(self.name)
        self.url = f"{protocol}://{self.name}"

    def save(self, root: str, *names: str) -> None:
        """Store 100 bytes and a little more in each of the datasets of a run."""
        for name in names:
            IntermediateDataset(name, root).save(b"x" * 100)

    def note(self, root: str, dag_id: str, until: str) -> None:
        """Note until when a run is kept."""
        Kept(root, dag_id, "manual__1", datetime.fromisoformat(until)).write()

    def end(self, root: str, arguments: list[str]) -> None:
        """Do what the last task of a run does."""
        os.environ[INTERMEDIATE_DATA_VARIABLE] = root
        delete_intermediate_data(arguments)

    def names(self) -> list[str]:
        return sorted(self._server.names(self.name))


@pytest.fixture(name="bucket", params=["s3", "gs"])
def _bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    server = request.getfixturevalue("s3_server" if request.param == "s3" else "gcs_server")
    use(access(server), monkeypatch)
    monkeypatch.setenv(INTERMEDIATE_DATA_VARIABLE, "")
    return Bucket(request.param, server)


@pytest.fixture(name="delete")
def _delete(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """Delete, and give the line that was printed; a refusal is raised as SystemExit.

    Where a test before has let Kedro set logging up, others print lines before it.
    """

    def delete(root: str) -> str:
        monkeypatch.setenv(INTERMEDIATE_DATA_VARIABLE, root)
        delete_intermediate_data()
        return capsys.readouterr().out.splitlines(keepends=True)[-1]

    return delete


def test_a_run_is_deleted_and_its_neighbours_are_not(
    bucket: Bucket, delete: Callable[[str], str]
) -> None:
    bucket.save(f"{bucket.url}/data/run-1", "a", "b/c", "żółw", "x" * 300)
    bucket.save(f"{bucket.url}/data/run-10", "a")
    bucket.save(f"{bucket.url}/data", "a")
    bucket.save(f"{bucket.url}/data/run-1/deeper", "a")

    said = delete(f"{bucket.url}/data/run-1")

    assert said.startswith("Deleted 5 files, ")
    assert said.endswith(f" bytes, in {bucket.url}/data/run-1.\n")
    assert int(said.split()[3]) > 500
    assert bucket.names() == ["data/a.pickle", "data/run-10/a.pickle"]


RUN = "shop-0123456789ab"
LATER = "2999-01-01T00:00:00+00:00"
EARLIER = "2026-01-01T00:00:00+00:00"


def of_run(until: str = "", dag_id: str = "shop") -> list[str]:
    """What a DAG that keeps the data of failed runs says of one of them."""
    return [f"--keep-until={until}", f"--dag-id={dag_id}", "--run-id=manual__1"]


def test_a_failed_run_is_kept_until_its_time_is_over(bucket: Bucket) -> None:
    root = f"{bucket.url}/data/{RUN}"
    bucket.save(root, "a")

    bucket.end(root, of_run(LATER))

    assert bucket.names() == [f"data/{RUN}/a.pickle", f"data/{RUN}/kept.json"]
    (kept,) = kept_below(f"{bucket.url}/data")
    assert (kept.root, kept.dag_id, kept.run_id) == (root, "shop", "manual__1")
    assert kept.until.isoformat() == LATER
    bucket.end(root, of_run())
    assert bucket.names() == []


def test_the_end_of_a_run_deletes_what_has_expired_of_its_dag_and_nothing_else(
    bucket: Bucket,
) -> None:
    roots = {
        "expired": f"{bucket.url}/data/shop-000000000001",
        "kept": f"{bucket.url}/data/shop-000000000002",
        "of another DAG": f"{bucket.url}/data/mill-000000000003",
        "unfinished": f"{bucket.url}/data/shop-000000000004",
        "this run": f"{bucket.url}/data/{RUN}",
    }
    for root in roots.values():
        bucket.save(root, "a")
    bucket.note(roots["expired"], "shop", EARLIER)
    bucket.note(roots["kept"], "shop", LATER)
    bucket.note(roots["of another DAG"], "mill", EARLIER)

    bucket.end(roots["this run"], of_run())

    left = {name.split("/")[1] for name in bucket.names()}
    assert left == {"shop-000000000002", "mill-000000000003", "shop-000000000004"}


def test_a_run_that_goes_on_does_not_expire(bucket: Bucket) -> None:
    root = f"{bucket.url}/data/{RUN}"
    bucket.save(root, "a")
    bucket.note(root, "shop", EARLIER)

    forget(root)
    forget(root)

    assert kept_below(f"{bucket.url}/data") == []
    assert bucket.names() == [f"data/{RUN}/a.pickle"]


def test_what_is_gone_already_is_fine(bucket: Bucket, delete: Callable[[str], str]) -> None:
    bucket.save(f"{bucket.url}/run/", "a")
    for files in (1, 0):
        assert delete(f"{bucket.url}/run/").startswith(f"Deleted {files} files, ")


def test_more_files_than_one_request_deletes_are_deleted(
    s3_server: S3, delete: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(access(s3_server), monkeypatch)
    bucket = Bucket("s3", s3_server)
    for number in range(1100):
        address = f"{s3_server.url}/{bucket.name}/run/{number}.pickle"
        requests.put(address, data=b"x", headers=s3_server.signed, timeout=30).raise_for_status()

    assert delete(f"{bucket.url}/run").startswith("Deleted 1100 files, 1100 bytes, ")
    assert bucket.names() == []


@pytest.mark.parametrize(
    ("root", "reason"),
    [
        ("", "is not set"),
        ("/home/kedro_docker/data/.kedro-airflow-k8s", "is not on object storage"),
        ("data", "is not on object storage"),
        ("file:///tmp/x", "is not on object storage"),
        ("s3://bucket", "names no folder of one DAG run"),
        ("s3://bucket//", "names no folder of one DAG run"),
        ("s3://", "names no folder of one DAG run"),
        ("gs://bucket/", "names no folder of one DAG run"),
        ("s3://bucket/*", "has one of the characters"),
        ("s3://bucket/run/..", "has one of the characters"),
    ],
)
def test_what_is_not_a_folder_of_a_run_is_refused(
    root: str, reason: str, delete: Callable[[str], str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        delete(root)

    assert str(caught.value).startswith("Nothing is deleted: ")
    assert reason in str(caught.value)


def test_a_store_that_fails_is_reported_without_secrets(
    delete: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = "<Error><Code>AccessDenied</Code><Message>not with secret-of-someone</Message></Error>"
    with faulty(403, answer) as server:
        use(s3_access(server.url), monkeypatch)
        with pytest.raises(SystemExit) as caught:
            delete("s3://bucket/run")

    message = str(caught.value)
    assert message.startswith("Cannot delete what is in s3://bucket/run: PermissionError")
    assert "secret-of-someone" not in message
    assert "\n" not in message


def test_a_refusal_is_one_message_and_exit_code_1() -> None:
    done = subprocess.run(
        [sys.executable, *DELETE],
        env=pod_environment({INTERMEDIATE_DATA_VARIABLE: "nowhere://bucket/run"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "nowhere://bucket/run: ValueError: Protocol not known: nowhere" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_stops_when_the_pod_is_asked_to(tmp_path: Path) -> None:
    # A file system whose listing says that it is there, and waits.
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    os.mkfifo(tmp_path / "go")
    environment = {"PYTHONPATH": str(tmp_path), INTERMEDIATE_DATA_VARIABLE: "slow://bucket/run"}
    with running(tmp_path, *DELETE, environment=environment) as process:
        process.ask_to_stop()

        assert process.exit_code() == 1
    assert "TaskTerminated: The pod was asked to stop (SIGTERM)." in process.output


SLOW = """
import fsspec
from pathlib import Path

class Slow(fsspec.AbstractFileSystem):
    protocol = "slow"
    def find(self, path, **options):
        print("IT RUNS", flush=True)
        Path("go").read_text()

fsspec.register_implementation("slow", Slow)
"""
