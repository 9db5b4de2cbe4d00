"""What one task saves another loads, from a volume or object storage, or a message says why."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DatasetError

from kedro_airflow_k8s.pod import places
from kedro_airflow_k8s.pod.intermediate_data import IntermediateDataset, file_name
from kedro_airflow_k8s.pod.process import TaskTerminated
from tests.kedro.pod.object_stores import access, use
from tests.support.storage_servers import S3, Gcs, gcs_server, s3_server

__all__ = ["gcs_server", "s3_server"]

NAMES = st.text(min_size=1, max_size=300)


@pytest.fixture(name="root", params=["volume", "s3", "gs"])
def _root(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The place of one DAG run, on each kind of storage."""
    if request.param == "volume":
        yield str(tmp_path / "data" / ".kedro-airflow-k8s")
    else:
        bucket = f"bucket-{os.urandom(6).hex()}"
        server: S3 | Gcs = request.getfixturevalue(
            "s3_server" if request.param == "s3" else "gcs_server"
        )
        server.make_bucket(bucket)
        use(access(server), monkeypatch)
        yield f"{request.param}://{bucket}/passed on/run=1"


def files(root: str) -> list[str]:
    """The names of all files in a root, whatever it is on."""
    folder = places.local_path(root)
    if folder is not None:
        return sorted(path.name for path in Path(folder).glob("*"))
    filesystem, path = places.remote_filesystem(root)
    filesystem.invalidate_cache()
    return sorted(name.rpartition("/")[2] for name in filesystem.find(path))


VALUES = [
    "text",
    {"a": [1, 2.5, None]},
    np.arange(3_000_000.0),  # more than a client of object storage sends at once
    frozenset("abc"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_another_object_of_the_same_name_loads_what_one_has_saved(root: str, value: Any) -> None:
    saving, loading = (IntermediateDataset("x", root) for _ in range(2))
    assert not loading.exists()

    saving.save(value)

    assert loading.exists()
    found = loading.load()
    assert type(found) is type(value)
    assert np.all(found == value)
    assert files(root) == ["x.pickle"]


def test_what_is_saved_again_replaces_the_old_data(root: str) -> None:
    dataset = IntermediateDataset("x", root)
    dataset.save("a" * 1000)
    dataset.save("b")

    assert IntermediateDataset("x", root).load() == "b"
    assert files(root) == ["x.pickle"]


def test_each_load_gives_an_object_of_its_own_and_release_loses_nothing(root: str) -> None:
    dataset = IntermediateDataset("x", root)
    dataset.save([1])
    dataset.load().append(2)
    dataset.release()

    assert dataset.load() == [1]


@pytest.mark.parametrize(
    "name", ["a/b", "../up", "ns.table", "żółw 名前", "a%2Fb", "C:\\x", "x" * 400]
)
def test_any_name_of_a_dataset_is_one_file(root: str, name: str) -> None:
    IntermediateDataset(name, root).save(name)

    assert IntermediateDataset(name, root).load() == name
    assert len(files(root)) == 1


@given(st.sets(NAMES, min_size=2, max_size=6))
def test_every_name_is_a_valid_file_name_and_no_two_are_the_same(names: set[str]) -> None:
    found = [file_name(name) for name in names]

    # As on a volume that does not tell small letters from capital ones.
    assert len({name.lower() for name in found}) == len(names)
    for name in found:
        assert re.fullmatch(r"[A-Za-z0-9_.%=~-]+\.pickle", name)
        assert len(f".{name}.0123456789abcdef.writing") <= 255


def test_names_that_differ_by_capital_letters_or_late_in_a_long_name_are_two_files() -> None:
    assert file_name("table") == "table.pickle"
    assert file_name("Table").lower() != file_name("table").lower()
    assert file_name("x" * 500 + "a") != file_name("x" * 500 + "b")
    assert file_name("X_train").startswith("X_train=")


def test_closures_and_classes_made_in_functions_are_stored_by_cloudpickle(root: str) -> None:
    class Model:
        weight = 3

    dataset = IntermediateDataset("model", root)
    dataset.save({"apply": lambda x: x * Model.weight, "data": np.ones(100_000)})

    found = dataset.load()
    assert found["apply"](2) == 6
    assert found["data"].sum() == 100_000
    assert files(root) == ["model.pickle"]


def test_what_nothing_can_pickle_names_dataset_node_reason_and_the_way_out(root: str) -> None:
    dataset = IntermediateDataset("connection", root, node="connect")
    dataset.save("the old data")

    with pytest.raises(DatasetError) as caught:
        dataset.save([np.zeros(100_000), threading.Lock()])

    message = str(caught.value)
    assert message.startswith("Dataset 'connection', made by node 'connect', cannot be passed to")
    assert "TypeError: cannot pickle '_thread.lock' object" in message
    assert "`airflow-k8s.group.<name>`" in message
    assert "`grouping: memory`" in message
    assert "`{type: MemoryDataset, copy_mode: assign}`" in message
    assert "all nodes that read it in one task" in message
    assert dataset.load() == "the old data"
    assert files(root) == ["connection.pickle"]


def test_an_object_too_deep_for_pickle_is_reported_and_does_not_end_the_process(root: str) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(DatasetError, match=r"cannot be passed to another task: .*ecursion"):
        IntermediateDataset("deep", root).save(deep)
    assert files(root) == []


def test_what_is_not_there_says_which_task_to_run(root: str) -> None:
    with pytest.raises(DatasetError) as caught:
        IntermediateDataset("prices", root).load()

    message = str(caught.value)
    assert f"Dataset 'prices' is not in {root}." in message
    assert "has not run in this DAG run" in message


def test_a_file_of_someone_else_is_not_loaded(root: str) -> None:
    IntermediateDataset("x", root).save(1)
    overwrite(root, "x.pickle", pickle.dumps(1))

    with pytest.raises(DatasetError, match=r"the file .*x\.pickle (is too short|was not written)"):
        IntermediateDataset("x", root).load()


def test_a_class_that_the_reading_image_lacks_is_reported(root: str) -> None:
    sys.modules["of_the_other_image"] = module = type(sys)("of_the_other_image")
    module.Thing = type("Thing", (), {"__module__": "of_the_other_image"})  # type: ignore[attr-defined]
    IntermediateDataset("x", root).save(module.Thing())
    del sys.modules["of_the_other_image"]

    with pytest.raises(DatasetError) as caught:
        IntermediateDataset("x", root).load()

    assert "No module named 'of_the_other_image'" in str(caught.value)
    assert "The image of this task must have the packages of the image that" in str(caught.value)


def overwrite(root: str, name: str, data: bytes) -> None:
    folder = places.local_path(root)
    if folder is not None:
        (Path(folder) / name).write_bytes(data)
    else:
        filesystem, path = places.remote_filesystem(root)
        filesystem.pipe_file(f"{path}/{name}", data)


class Stopping:
    """An object in whose pickling the pod is asked to stop."""

    def __reduce__(self) -> Any:
        raise TaskTerminated("now")


def test_being_asked_to_stop_while_saving_keeps_the_old_data(root: str) -> None:
    dataset = IntermediateDataset("x", root)
    dataset.save("before")

    with pytest.raises(DatasetError) as caught:  # Kedro makes a DatasetError of every error.
        dataset.save([np.zeros(3_000_000), Stopping()])

    assert isinstance(caught.value.__cause__, TaskTerminated)
    assert dataset.load() == "before"
    assert files(root) == ["x.pickle"]


def test_two_writers_at_once_leave_the_whole_work_of_one(root: str) -> None:
    together = threading.Barrier(2)
    errors: list[DatasetError] = []

    class Meeting:
        """Both have begun to write before either ends."""

        def __reduce__(self) -> Any:
            together.wait(60)
            return (str, ())

    def save(number: int) -> None:
        try:
            IntermediateDataset("x", root).save([np.full(300_000, number), Meeting()])
        except DatasetError as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    array, _ = IntermediateDataset("x", root).load()
    assert set(array) in ({1}, {2})
    assert files(root) == ["x.pickle"]


WRITER = """
import os, sys
import numpy as np
from kedro_airflow_k8s.pod.intermediate_data import IntermediateDataset

class Killed:
    def __reduce__(self):
        print("HALF", flush=True)
        sys.stdin.read()

IntermediateDataset("x", sys.argv[1]).save([np.zeros(3_000_000).tobytes(), Killed()])
"""


@pytest.mark.parametrize("before", [True, False])
def test_a_writer_that_is_killed_leaves_the_old_file_or_none(root: str, before: bool) -> None:
    if before:
        IntermediateDataset("x", root).save("before")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"HALF\n"
        process.kill()

    dataset = IntermediateDataset("x", root)
    assert dataset.exists() == before
    if before:
        assert dataset.load() == "before"
    dataset.save("after")
    assert dataset.load() == "after"


def test_what_killed_pods_left_goes_with_the_next_write_when_it_is_old(tmp_path: Path) -> None:
    dataset = IntermediateDataset("x", str(tmp_path))
    old, new, other = (
        tmp_path / f".{name}.writing"
        for name in (
            "x.pickle.0123456789abcdef",
            "x.pickle.fedcba9876543210",
            "xx.pickle.0123456789abcdef",
        )
    )
    for path in (old, new, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, 0))

    dataset.save(1)

    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "x.pickle", new, other])


def test_parallel_runners_may_pickle_it_and_their_processes_use_it(root: str) -> None:
    dataset = IntermediateDataset("x", root)
    dataset.save([1])
    copy = pickle.loads(bytes(ForkingPickler.dumps(dataset)))

    assert copy.load() == [1]
    assert not getattr(dataset, "_SINGLE_PROCESS", False)
    assert not dataset._EPHEMERAL


def test_none_is_refused_as_by_every_dataset_of_kedro(root: str) -> None:
    with pytest.raises(DatasetError, match="Saving 'None'"):
        IntermediateDataset("x", root).save(None)


def test_it_shows_where_it_is_without_secrets() -> None:
    assert "filepath='/data/x.pickle'" in repr(IntermediateDataset("x", "/data"))
    shown = repr(IntermediateDataset("x", "sftp://me:hunter2@example.com/data"))
    assert "hunter2" not in shown
    assert "@example.com/data/x.pickle" in shown
    azure = "abfs://box@account.dfs.core.windows.net/data"
    # Kedro takes that for a user name; our own messages do not.
    assert IntermediateDataset("x", azure).folder == azure


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    IntermediateDataset("x", f"file://{tmp_path}/run").save(1)

    assert files(str(tmp_path / "run")) == ["x.pickle"]


def test_other_protocols_of_fsspec_work_as_well() -> None:
    root = f"memory://{os.urandom(6).hex()}/run"
    dataset = IntermediateDataset("x", root)
    dataset.save("first")
    with pytest.raises(DatasetError, match="cannot be passed"):
        dataset.save(threading.Lock())

    assert dataset.load() == "first"
    assert files(root) == ["x.pickle"]


def test_those_who_may_write_to_the_volume_may_write_to_its_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    before = os.umask(0o022)
    try:
        IntermediateDataset("x", str(tmp_path / "run")).save(1)
    finally:
        os.umask(before)

    assert (tmp_path / "run").stat().st_mode & 0o7777 == 0o2775
    assert (tmp_path / "run" / "x.pickle").stat().st_mode & 0o444 == 0o444
