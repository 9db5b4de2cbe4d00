"""Several files are written, or none: whatever goes wrong in between."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init.writing import NewFile, content_of, write_all

NAMES = ("a.txt", "conf/base/b.yaml", ".github/workflows/c.yml")


def files(root: Path, text: str = "new\n", names: tuple[str, ...] = NAMES) -> list[NewFile]:
    return [NewFile(root / name, root, text) for name in names]


def snapshot(root: Path) -> dict[str, bytes | None]:
    """All that is in a folder; None for folders."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.txt").write_text("old\n")
    (folder / "other").mkdir()
    return folder


def failing(function: Callable[..., Any], at: int, error: BaseException) -> Callable[..., Any]:
    """The function, but its call number `at` fails."""
    calls = 0

    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise error
        return function(*arguments, **options)

    return call


def test_all_files_are_written_with_their_folders_and_nothing_else_is_left(root: Path) -> None:
    (root / "a.txt").chmod(0o640)
    write_all(files(root, "größer\r\n"))
    assert sorted(name for name, data in snapshot(root).items() if data is not None) == sorted(
        NAMES
    )
    assert (root / "conf/base/b.yaml").read_bytes() == "größer\r\n".encode()
    assert (root / "a.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("function", ["fsync", "replace", "mkdir"])
@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ScaffoldError, "The disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), ScaffoldError, "Ask for the right"),
        (OSError(errno.EIO, "Input/output error"), ScaffoldError, "Input/output error"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
    ],
    ids=["full", "read-only", "broken", "interrupted"],
)
def test_when_anything_fails_everything_is_as_before(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    function: str,
    error: BaseException,
    raised: type[BaseException],
    words: str | None,
) -> None:
    before = snapshot(root)
    place: Any = os if function == "fsync" else Path
    monkeypatch.setattr(place, function, failing(getattr(place, function), number, error))
    with pytest.raises(raised, match=words) as caught:
        write_all(files(root))
    monkeypatch.undo()
    assert snapshot(root) == before
    if raised is ScaffoldError:
        assert "Nothing was written." in str(caught.value)
        assert any(str(root / name) in str(caught.value) for name in NAMES)


def test_a_folder_in_place_of_a_file_is_named(root: Path) -> None:
    (root / "conf/base/b.yaml").mkdir(parents=True)
    before = snapshot(root)
    with pytest.raises(ScaffoldError, match=r"b\.yaml cannot be written: there is a folder"):
        write_all(files(root))
    assert snapshot(root) == before


def test_a_file_in_place_of_a_folder_is_named(root: Path) -> None:
    (root / "conf").write_text("mine")
    before = snapshot(root)
    with pytest.raises(ScaffoldError, match=r"project/conf is a file"):
        write_all(files(root))
    assert snapshot(root) == before


def test_what_is_no_ordinary_file_is_left_alone(root: Path) -> None:
    os.mkfifo(root / ".github")
    with pytest.raises(ScaffoldError, match=r"\.github is a file"):
        write_all(files(root))
    (root / ".github").unlink()
    (root / "a.txt").unlink()
    os.mkfifo(root / "a.txt")
    with pytest.raises(ScaffoldError, match="no ordinary file"):
        write_all(files(root))


@pytest.mark.parametrize("link", ["a.txt", "conf", "conf/base"])
def test_a_link_out_of_the_project_is_not_followed(root: Path, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / link).parent.mkdir(exist_ok=True)
    (root / link).unlink(missing_ok=True)
    (root / link).symlink_to(outside / "x" if link == "a.txt" else outside)
    with pytest.raises(ScaffoldError, match="a symbolic link leads out"):
        write_all(files(root))
    assert list(outside.iterdir()) == []


def test_a_link_within_the_project_stays_and_its_file_changes(root: Path) -> None:
    (root / "a.txt").unlink()
    (root / "other/real.txt").write_text("old")
    (root / "a.txt").symlink_to("other/real.txt")
    write_all(files(root))
    assert (root / "a.txt").is_symlink()
    assert (root / "other/real.txt").read_text() == "new\n"


def test_a_circle_of_links_is_told(root: Path) -> None:
    (root / "a.txt").unlink()
    (root / "a.txt").symlink_to("a.txt")
    with pytest.raises(ScaffoldError, match=r"a\.txt cannot be written"):
        write_all(files(root))


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self").exists(), reason="root may all")
def test_a_read_only_folder_is_told() -> None:
    # Read-only even for root.
    root = Path("/proc/self") if os.geteuid() == 0 else Path("/")
    with pytest.raises(ScaffoldError, match=r"cannot be written: .*Nothing was written"):
        write_all(files(root, names=("kedro-airflow-k8s.txt",)))


# --- beside other calls, and after ones that were killed ----------------------------------------


def test_what_a_killed_call_has_left_goes_and_files_of_others_stay(root: Path) -> None:
    (root / "conf/base").mkdir(parents=True)
    left = ".b.yaml.0123456789abcdef.kedro-airflow-k8s"
    for folder in (root, root / "conf/base"):
        (folder / left).write_text("half")
    mine = {".b.yaml.kedro-airflow-k8s", "b.yaml.0123456789abcdef.kedro-airflow-k8s", ".b.new"}
    for name in mine:
        (root / "conf/base" / name).write_text("mine")
    write_all(files(root))
    assert not list(root.rglob(left))
    assert mine <= {path.name for path in (root / "conf/base").iterdir()}


def test_while_another_call_writes_nothing_is_written(root: Path) -> None:
    before = snapshot(root)
    other = os.open(root, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        with pytest.raises(ScaffoldError, match=r"Another init is writing in .*Nothing was"):
            write_all(files(root))
    finally:
        os.close(other)
    assert snapshot(root) == before
    write_all(files(root))


def test_a_file_that_has_changed_since_it_was_looked_at_is_not_replaced(root: Path) -> None:
    before = content_of(root / "a.txt")
    (root / "a.txt").write_text("by somebody else\n")
    planned = [NewFile(root / "b.txt", root, "new\n", None)]
    planned.append(NewFile(root / "a.txt", root, "new\n", before))
    with pytest.raises(ScaffoldError, match=r"a\.txt has been written by something else"):
        write_all(planned)
    assert (root / "a.txt").read_text() == "by somebody else\n"
    assert not (root / "b.txt").exists()
    # Who has written the very same has done no harm.
    (root / "a.txt").write_text("new\n")
    write_all(planned)
