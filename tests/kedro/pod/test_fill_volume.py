"""The copy of the image's data on the volume."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kedro_airflow_k8s.pod.fill_volume import FILLED

AS_THE_POD_DOES = """
import os, sys
from kedro_airflow_k8s.pod.fill_volume import fill_volume
PREPARE
fill_volume(*sys.argv[1:])
"""


def fill(
    source: Path, destination: Path, prepare: str = "", *other: Path
) -> subprocess.CompletedProcess[str]:
    """Copy in a process of its own, after some more statements."""
    return subprocess.run(
        [
            *(sys.executable, "-c", AS_THE_POD_DOES.replace("PREPARE", prepare)),
            *map(str, (source, destination, *other)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def filled(source: Path, destination: Path, *other: Path) -> str:
    """Copy, which succeeds, and give what is printed."""
    done = fill(source, destination, "", *other)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def content(folder: Path) -> dict[str, str | bytes | None]:
    """Paths below a folder: to the bytes of files, the targets of links, None of folders.

    The mark of a volume that has been filled is left out.
    """
    found: dict[str, str | bytes | None] = {}
    for path in sorted(set(folder.rglob("*")) - {folder / FILLED}):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink())
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The data folder of an image, with everything that a folder can hold."""
    data = tmp_path / "image" / "data"
    (data / "01_raw" / "deep" / "deeper").mkdir(parents=True)
    (data / "01_raw" / "deep" / "deeper" / "table.bin").write_bytes(bytes(range(256)) * 1000)
    (data / "01_raw" / "name with spaces, ł and 名").write_text("odd\n")
    (data / "01_raw" / "empty").touch()
    (data / "02_empty_folder").mkdir()
    (data / ".hidden").write_text("seen\n")
    (data / ".cache").mkdir()
    (data / ".cache" / ".gitkeep").touch()
    (data / "read-only").write_text("locked\n")
    (data / "read-only").chmod(0o400)
    (data / "link").symlink_to("01_raw/empty")
    (data / "folder-link").symlink_to("01_raw")
    (data / "dangling").symlink_to("/nowhere/at all")
    return data


def test_all_of_the_data_comes_to_the_volume(image: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()

    said = filled(image, volume)

    assert content(volume) == content(image)
    assert len(content(image)) == 14
    size = 256_000 + len("odd\nseen\nlocked\n")
    assert said == f"Copied 9 files, {size} bytes, from {image} to {volume}.\n"


def test_after_a_copy_that_was_interrupted_the_files_of_the_image_win(
    image: Path, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    filled(image, volume)
    (volume / FILLED).unlink()
    (volume / ".hidden").write_text("half of a first att")
    (volume / "link").unlink()
    (volume / "link").symlink_to("elsewhere")
    (volume / "lost+found").mkdir()

    filled(image, volume)

    assert content(volume) == {**content(image), "lost+found": None}


def test_a_volume_that_has_been_filled_keeps_what_a_run_has_made(
    image: Path, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    filled(image, volume)
    (volume / ".hidden").write_text("made by a node")

    said = filled(image, volume)

    assert said == "The volume has been filled before: it keeps the data of the run.\n"
    assert (volume / ".hidden").read_text() == "made by a node"


def test_what_is_read_only_in_the_image_can_be_written_on_the_volume(
    image: Path, tmp_path: Path
) -> None:
    filled(image, tmp_path / "volume")

    assert (tmp_path / "volume" / "read-only").stat().st_mode & 0o200


def test_an_image_without_data_leaves_the_volume_empty_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()

    said = filled(tmp_path / "missing", tmp_path / "volume")

    assert said == f"The image has no {tmp_path / 'missing'}: nothing is copied.\n"
    assert content(tmp_path / "volume") == {}


def test_an_empty_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()

    assert filled(tmp_path / "data", tmp_path / "volume").startswith("Copied 0 files, 0 bytes")
    assert content(tmp_path / "volume") == {}


def test_a_data_folder_that_is_a_link_is_followed(image: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(image)

    filled(link, tmp_path / "volume")

    assert content(tmp_path / "volume") == content(image)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that any user can write in."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=True)
    shutil.rmtree(folder)


@pytest.mark.parametrize("what", ["file", "folder", "volume"])
def test_what_cannot_be_read_or_written_is_an_error_that_names_it(what: str, public: Path) -> None:
    (public / "data" / "secret").mkdir(parents=True)
    (public / "data" / "secret" / "table").touch()
    (public / "volume").mkdir()
    (public / "volume").chmod(0o777)
    path = {
        "file": public / "data" / "secret" / "table",
        "folder": public / "data" / "secret",
        "volume": public / "volume",
    }[what]
    path.chmod(0o000)

    # Nothing is forbidden to root.
    as_nobody = "os.setgroups([]); os.setgid(65534); os.setuid(65534)"
    prepare = as_nobody if os.geteuid() == 0 else ""
    done = fill(public / "data", public / "volume", prepare)

    assert done.returncode != 0
    assert f"Permission denied: '{path}" in done.stderr


def test_a_file_in_the_place_of_the_data_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    done = fill(tmp_path / "data", tmp_path / "volume")

    assert done.returncode != 0
    assert f"Not a directory: '{tmp_path / 'data'}'" in done.stderr


@pytest.fixture
def other(image: Path, tmp_path: Path) -> Path:
    """The volume of a run that has replaced a file of the image, and made others."""
    volume = tmp_path / "other"
    filled(image, volume)
    for path in volume.rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    os.utime(volume / FILLED, (1, 1))
    (volume / ".hidden").write_text("made by a node")
    (volume / ".kedro-airflow-k8s").mkdir()
    (volume / ".kedro-airflow-k8s" / "table.pickle").write_text("made as well")
    (volume / "unpacked").write_text("made with an old time")
    os.utime(volume / "unpacked", (0, 0))
    (volume / "lost+found").mkdir()
    return volume


def test_what_another_run_has_made_is_copied_over_the_files_of_the_image(
    image: Path, other: Path, tmp_path: Path
) -> None:
    (image / "01_raw" / "name with spaces, ł and 名").write_text("corrected\n")
    before = content(other)

    said = filled(image, tmp_path / "volume", other)

    assert content(tmp_path / "volume") == {
        **content(image),
        ".hidden": b"made by a node",
        ".kedro-airflow-k8s": None,
        ".kedro-airflow-k8s/table.pickle": b"made as well",
        "unpacked": b"made with an old time",
    }
    assert said.splitlines()[1].startswith("Copied 3 files, 47 bytes, from ")
    assert content(other) == before
    assert "filled before" in filled(image, tmp_path / "volume", other)


def test_without_data_in_the_image_all_of_another_run_is_copied_once(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "table").write_text("made")

    filled(tmp_path / "missing", tmp_path / "volume", tmp_path / "other")

    assert content(tmp_path / "volume") == {"table": b"made"}
    said = filled(tmp_path / "missing", tmp_path / "volume", tmp_path / "other")
    assert "filled before" in said
