"""Several files are written whole, or none if one cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init.files import NewFile, read_text, write_files

NAMES = ("a.txt", "conf/base/b.yaml", ".github/workflows/c.yml")


def files(root: Path, text: str = "new\n") -> list[NewFile]:
    return [NewFile(root / name, text, "for a test") for name in NAMES]


def contents(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.txt").write_text("old\n")
    return folder


def test_all_files_are_written_with_their_folders_and_nothing_else_is_left(root: Path) -> None:
    (root / "a.txt").chmod(0o640)
    write_files(files(root, "größer\r\n"))
    assert sorted(contents(root)) == sorted(NAMES)
    assert (root / "conf/base/b.yaml").read_bytes() == "größer\r\n".encode()
    assert (root / "a.txt").stat().st_mode & 0o777 == 0o640


def test_the_first_file_appears_last(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = os.replace

    def replace(source: str, target: str) -> None:
        seen.append(Path(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    write_files(files(root))
    assert seen == [file.path for file in reversed(files(root))]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_when_the_last_file_cannot_be_written_none_is(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    real = Path.mkdir

    def mkdir(self: Path, *arguments: bool, **options: bool) -> None:
        if self.name == "workflows":
            raise error
        real(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    expected = ScaffoldError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as raised:
        write_files(files(root))
    assert contents(root) == {"a.txt": "old\n"}
    if expected is ScaffoldError:
        assert "c.yml cannot be written: No space left on device." in str(raised.value)


def test_what_is_in_the_way_is_named(root: Path) -> None:
    (root / "b").mkdir()
    os.mkfifo(root / "pipe")
    for name in ("b", "pipe"):
        with pytest.raises(ScaffoldError, match=f"/{name} is not a regular file. Rename or remove"):
            read_text(root / name)
    with pytest.raises(ScaffoldError, match=r"a\.txt/deep/er cannot be read: Not a directory\."):
        read_text(root / "a.txt/deep/er")
    assert read_text(root / "b/new/file") is None


def test_a_link_stays_and_its_file_changes(root: Path) -> None:
    (root / "real.txt").write_text("old")
    (root / "a.txt").unlink()
    (root / "a.txt").symlink_to("real.txt")
    write_files(files(root))
    assert (root / "a.txt").is_symlink()
    assert (root / "real.txt").read_text() == "new\n"


def test_a_cycle_of_links_is_named(root: Path) -> None:
    (root / "a.txt").unlink()
    (root / "a.txt").symlink_to("a.txt")
    with pytest.raises(ScaffoldError, match=r"a\.txt cannot be read: Too many levels"):
        read_text(root / "a.txt")


def test_a_file_that_is_not_text_is_named(root: Path) -> None:
    assert read_text(root / "missing") is None
    (root / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ScaffoldError, match=r"a\.txt cannot be read: it is not text in UTF-8"):
        read_text(root / "a.txt")
