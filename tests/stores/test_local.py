"""Uploads that are killed half way, and to locations that are asked over the network."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kedro_airflow_k8s.errors import UploadError
from kedro_airflow_k8s.upload import upload_dag
from tests.support.storage_servers import faulty

OLD = "old = 1\n" * 1000
NEW = "new = 'zażółć'\n" * 2000
KILLED = """
import os, signal, sys
from kedro_airflow_k8s.upload import upload_dag

os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)  # written, not yet renamed
upload_dag("new = 1\\n" * 5000, "d.py", sys.argv[1])
"""


def text(path: Path) -> str:
    return path.read_bytes().decode()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed_upload(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL


def test_an_upload_killed_half_way_leaves_the_old_file_whole(tmp_path: Path) -> None:
    upload_dag(OLD, "d.py", str(tmp_path))

    killed_upload(tmp_path)

    assert text(tmp_path / "d.py") == OLD
    [leftover] = [name for name in names(tmp_path) if name != "d.py"]
    assert leftover.startswith(".")
    assert not leftover.endswith((".py", ".zip")), "Airflow would read it"


def test_an_upload_killed_half_way_leaves_no_dag_where_none_was(tmp_path: Path) -> None:
    killed_upload(tmp_path)

    assert list(tmp_path.glob("*.py")) == []


def test_what_a_killed_upload_left_is_removed_once_it_cannot_be_at_work(tmp_path: Path) -> None:
    killed_upload(tmp_path)
    [leftover] = tmp_path.iterdir()

    upload_dag(NEW, "d.py", str(tmp_path))
    assert names(tmp_path) == [leftover.name, "d.py"], "it may still be at work"

    an_hour_ago = leftover.stat().st_mtime - 3600
    others = [tmp_path / name for name in (".other.py.0123456789abcdef.writing", ".d.py.mine")]
    for path in (leftover, *others):
        path.touch()
        os.utime(path, (an_hour_ago, an_hour_ago))
    upload_dag(OLD, "d.py", str(tmp_path))
    assert names(tmp_path) == sorted([*(path.name for path in others), "d.py"])
    assert text(tmp_path / "d.py") == OLD


@pytest.mark.parametrize(
    "output",
    [
        "s3://AKIAEXAMPLE:s3cr/t@bucket/dags",
        "gs://s3cr-t@bucket/dags",
        "abfs://container:s3cr-t@account/dags",
        "s3://bucket/dags?X-Amz-Signature=s3cr-t",
        "abfs://container/dags?sig=s3cr-t",
        "https://example.com/dags?sig=s3cr-t",
        "nonsense://user:s3cr-t@example.com/dags?sig=s3cr-t",
        "ftp://someone:s3cr-t@127.0.0.1:1/dags",
        "http://someone:s3cr-t@127.0.0.1:1/dags",
    ],
)
def test_a_secret_in_the_location_is_not_repeated(
    output: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="kedro_airflow_k8s")
    with pytest.raises(UploadError) as caught:
        upload_dag(NEW, "d.py", output)
    assert "s3cr" not in str(caught.value)
    assert "s3cr" not in caplog.text


def test_a_write_that_another_protocol_swallows_is_noticed() -> None:
    with faulty(200) as server, pytest.raises(UploadError, match="differs from the uploaded one"):
        upload_dag(NEW, "d.py", f"{server.url}/dags")
