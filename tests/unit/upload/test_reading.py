"""What was uploaded, read back from a local folder or through fsspec."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO

import pytest

from kedro_airflow_k8s import upload
from kedro_airflow_k8s.errors import UploadError
from kedro_airflow_k8s.upload import StoredFile, read_dag, upload_dag, was_replaced

OLD = "old = 1\n" * 1000
NEW = "new = 'zażółć'\n" * 2000


def test_an_uploaded_file_is_read_back_byte_by_byte(tmp_path: Path) -> None:
    output = str(tmp_path / "dags")
    assert read_dag("d.py", output) == StoredFile(f"{output}/d.py", None, None)
    assert list(tmp_path.iterdir()) == [], "reading makes no folder"
    upload_dag(NEW, "d.py", output)
    data = NEW.encode()
    assert read_dag("d.py", f"file://{output}/") == StoredFile(f"{output}/d.py", len(data), data)
    Path(output, "d.py").write_bytes(b"")
    assert read_dag("d.py", output) == StoredFile(f"{output}/d.py", 0, b"")


@pytest.mark.parametrize("output", ["{tmp}", "memory://too-large"])
def test_of_a_file_that_is_too_large_only_the_size_is_read(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = output.format(tmp=tmp_path)
    upload_dag(OLD, "d.py", output)
    monkeypatch.setattr(upload, "MAX_SIZE", len(OLD))
    assert read_dag("d.py", output) == StoredFile(f"{output}/d.py", len(OLD), OLD.encode())
    monkeypatch.setattr(upload, "MAX_SIZE", len(OLD) - 1)
    assert read_dag("d.py", output) == StoredFile(f"{output}/d.py", len(OLD), None)
    assert not was_replaced(OLD, "d.py", output)
    assert was_replaced(NEW, "d.py", output)


def test_where_nothing_could_be_uploaded_nothing_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "d.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    for file_name, output, words in (
        ("d.py", str(tmp_path / "file"), "it is a file"),
        ("d.py", str(tmp_path / "file" / "sub"), "Cannot read .*: Not a directory"),
        ("d.py", str(tmp_path), "a folder has this name"),
        ("pipe.py", str(tmp_path), "it is not a regular file"),
        ("x/y.py", str(tmp_path), "is not a file name"),
        ("d.py", "s3:bucket", "Write s3://, then the bucket"),
    ):
        with pytest.raises(UploadError, match=words):
            read_dag(file_name, output)


def test_a_file_that_one_may_not_read_gives_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_dag(OLD, "d.py", str(tmp_path))

    def denied(*_: object, **__: object) -> IO[bytes]:
        raise PermissionError(errno.EACCES, "Permission denied")

    # Root may read everything, so the refusal is made here.
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(UploadError, match=r"Cannot read .*d\.py: Permission denied\. Ask for"):
        read_dag("d.py", str(tmp_path))
