"""Files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

import pytest

from kedro_airflow_k8s.pod.atomic import LEFTOVER_SECONDS, TEMPORARY_FILES, atomic_write


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    with atomic_write(path) as file:
        file.write(b"new")
        [temporary] = tmp_path.iterdir()
        assert temporary.match(TEMPORARY_FILES)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["file.py"]


def test_a_plain_name_is_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with atomic_write("file") as file:
        file.write(b"new")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def replace_in_part() -> None:
        with atomic_write(tmp_path / "file") as file:
            file.write(b"new")
            raise error

    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(error):
        replace_in_part()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["x" * 255, "ż" * 127, "x" * 230])
def test_a_name_of_any_length_that_the_system_allows_is_written(tmp_path: Path, name: str) -> None:
    with atomic_write(tmp_path / name) as file:
        file.write(b"new")
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("before", [None, 0o664])
def test_a_private_file_is_private_from_its_first_byte(tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "token"
    if before is not None:
        path.touch()
        path.chmod(before)
    with atomic_write(path, 0o600) as file:
        assert mode_of(Path(file.name)) == 0o600
    assert mode_of(path) == 0o600


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "new"):
            pass
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "new") == 0o640


def test_a_replaced_file_keeps_owner_and_permissions(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o640)
    # An ordinary user can only give the file to itself; the assertion is the same.
    owner = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(path, owner, -1)

    with atomic_write(path):
        pass

    assert mode_of(path) == 0o640
    assert path.stat().st_uid == owner


@pytest.mark.parametrize("fsync", [True, False])
def test_the_disk_has_the_data_before_the_rename_where_that_is_asked_for(
    tmp_path: Path, fsync: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    with atomic_write(tmp_path / "file", fsync=fsync) as file:
        file.write(b"new")
    assert synced == ([3] if fsync else [])


def test_several_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    with contextlib.suppress(ValueError), contextlib.ExitStack() as files:
        for name in ("a", "b"):
            files.enter_context(atomic_write(tmp_path / name)).write(b"new")
        raise ValueError
    assert names(tmp_path) == []


def test_what_killed_processes_left_of_the_same_file_is_deleted(tmp_path: Path) -> None:
    def left(name: str, age: float) -> Path:
        path = tmp_path / name
        path.touch()
        now = path.stat().st_mtime
        os.utime(path, (now - age, now - age))
        return path

    left(".file.0123456789abcdef.writing", LEFTOVER_SECONDS + 60)
    kept = [
        left(".file.fedcba9876543210.writing", 0),
        left(".other.0123456789abcdef.writing", LEFTOVER_SECONDS + 60),
        left(".file.mine.writing", LEFTOVER_SECONDS + 60),
    ]
    with atomic_write(tmp_path / "file"):
        pass
    assert names(tmp_path) == sorted([*(path.name for path in kept), "file"])
