"""The paths in a pod's log are those of the project, not those of the sandbox's copy."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from kedro_airflow_k8s.sandbox.cluster.files import PathMap
from kedro_airflow_k8s.sandbox.cluster.logs import ContainerLog

COPY, CLAIM = "/tmp/k/pods/default/a/base/root", "/tmp/k/volumes/default/a"


@pytest.fixture
def paths() -> PathMap:
    found = PathMap(Path(COPY))
    found.show(Path(COPY), PurePosixPath())
    found.show(Path(CLAIM), PurePosixPath("data"))
    found.show(Path(f"{CLAIM}/mnt"), PurePosixPath("/mnt/kedro-data"))
    return found


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"no such file: '{COPY}/src/nodes.py'", "no such file: 'src/nodes.py'"),
        (f"{COPY}/a and {COPY}/b", "a and b"),
        (f"in {COPY}", "in ."),
        (f"{CLAIM}/01_raw/a.csv", "data/01_raw/a.csv"),
        (f"{CLAIM}/mnt/a.csv", "/mnt/kedro-data/a.csv"),
        ("/tmp/k/pods/other \udcff", "/tmp/k/pods/other \udcff"),
    ],
)
def test_a_path_of_the_copy_is_the_projects(paths: PathMap, line: str, shown: str) -> None:
    raw = line.encode(errors="surrogateescape")
    assert paths.log_line(raw) == shown.encode(errors="surrogateescape")


def test_a_line_that_comes_in_two_pieces_is_changed_as_well(paths: PathMap, tmp_path: Path) -> None:
    log = ContainerLog(tmp_path / "log")
    log.shown = paths.log_line
    line = f"{COPY}/a.py\n".encode()
    log.write(line[:9])
    log.write(line[9:])
    log.close()
    assert log.text() == "a.py\n"
