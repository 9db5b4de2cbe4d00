"""Any object in one file, large parts without a copy, and nothing else taken for one."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any, BinaryIO, cast

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedro_airflow_k8s.pod.pickled_file import (
    NotPicklableError,
    NotReadableError,
    NotWrittenError,
    read,
    write,
)
from kedro_airflow_k8s.pod.process import TaskTerminated

MEBIBYTE = 2**20

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=40_000)
    | st.datetimes()
    | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.frozensets(st.integers())
    ),
    max_leaves=20,
)
ARRAYS = st.builds(
    lambda length, order, kind: np.arange(length * 3, dtype=kind).reshape(length, 3, order=order),
    st.integers(0, 5000),
    st.sampled_from("CF"),
    st.sampled_from(["int8", "int64", "float32", "complex128"]),
)


def written(value: object, **options: Any) -> bytes:
    file = io.BytesIO()
    write(value, file, **options)
    return file.getvalue()


def loaded(data: bytes) -> Any:
    return read(io.BytesIO(data), len(data))


@given(VALUES)
def test_what_is_read_is_what_was_written(value: object) -> None:
    assert loaded(written(value)) == value


@given(st.lists(ARRAYS, max_size=4))
def test_arrays_of_every_size_order_and_type_come_back_writable(arrays: list[Any]) -> None:
    found = loaded(written(arrays))

    for one, other in zip(arrays, found, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert (one.flags.c_contiguous, one.flags.f_contiguous) == (
            other.flags.c_contiguous,
            other.flags.f_contiguous,
        )
        assert np.array_equal(one, other)
        assert other.flags.writeable


def test_frames_series_and_read_only_arrays_come_back_as_they_were() -> None:
    frame = pd.DataFrame(
        {
            "number": np.arange(10_000.0),
            "word": ["a", None] * 5000,
            "kind": pd.Categorical(["x", "y"] * 5000),
            "day": pd.date_range("2024-01-01", periods=10_000, tz="UTC"),
        }
    )
    fixed = np.arange(10_000)
    fixed.setflags(write=False)
    with_gaps = np.arange(20_000)[::2]

    found, found_fixed, found_gaps = loaded(written((frame, fixed, with_gaps)))

    pd.testing.assert_frame_equal(found, frame)
    assert not found_fixed.flags.writeable
    assert np.array_equal(found_fixed, fixed)
    assert np.array_equal(found_gaps, with_gaps)
    found.loc[0, "number"] = -1.0


def test_an_array_that_occurs_twice_is_one_array_again() -> None:
    array = np.arange(100_000)
    data = written([array, array])

    first, second = loaded(data)

    assert first is second
    assert len(data) < 2 * array.nbytes


class _Nowhere(io.RawIOBase):
    """Takes bytes and keeps none."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def test_writing_a_large_array_takes_no_memory_for_another_one() -> None:
    frame = pd.DataFrame(np.zeros((16 * MEBIBYTE // 8, 8)))
    tracemalloc.start()
    try:
        write(frame, cast(BinaryIO, _Nowhere()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert frame.memory_usage().sum() > 16 * 8 * MEBIBYTE // 8
    assert peak < 2 * MEBIBYTE


READER = """
import resource, sys
import numpy
from kedro_airflow_k8s.pod.pickled_file import read
unit = 1 if sys.platform == "darwin" else 1024
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(sys.argv[1], "rb") as file:
    array = read(file, int(sys.argv[2]))
array += 1
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit, array.sum())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the peak of a process's memory")
def test_reading_a_large_array_takes_the_memory_of_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    array = np.ones(128 * MEBIBYTE, dtype="int8")
    with path.open("wb") as file:
        write(array, file)

    done = subprocess.run(
        [sys.executable, "-c", READER, str(path), str(path.stat().st_size)],
        capture_output=True,
        text=True,
        check=True,
    )

    more, total = map(int, done.stdout.split())
    assert total == 2 * array.nbytes
    assert more < 1.25 * array.nbytes


@pytest.mark.parametrize("value", [threading.Lock(), (i for i in "ab"), lambda: 1])
def test_what_pickle_does_not_take_is_not_mistaken_for_what_the_file_does_not(
    value: object,
) -> None:
    with pytest.raises(NotPicklableError) as caught:
        written(value)

    assert isinstance(caught.value.__cause__, TypeError | AttributeError | pickle.PicklingError)


def test_cloudpickle_writes_the_same_kind_of_file() -> None:
    array = np.arange(100_000)
    data = written(lambda: array, pickler=cloudpickle.Pickler)

    assert np.array_equal(loaded(data)(), array)
    assert len(data) > array.nbytes


@pytest.mark.parametrize("room", [0, 10, 100, 50_000])
def test_a_full_disk_is_not_a_fault_of_the_object(room: int) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() + len(data) > room:
                raise OSError(28, "No space left on device")
            return super().write(data)

    with pytest.raises(NotWrittenError) as caught:
        write([np.zeros(100_000), "x" * 1000], Full())
    assert isinstance(caught.value.__cause__, OSError)


class _Stops:
    def __reduce__(self) -> Any:
        raise TaskTerminated("now")


class _StoppingFile(io.BytesIO):
    def write(self, data: Any) -> int:
        raise TaskTerminated("now")


def test_being_asked_to_stop_is_neither() -> None:
    with pytest.raises(TaskTerminated):
        written(_Stops())
    with pytest.raises(TaskTerminated):
        write(1, _StoppingFile())


WHOLE = written([np.arange(10_000), np.arange(5000), "text"])


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_was_cut_off_is_never_read(length: int) -> None:
    with pytest.raises(NotReadableError, match="truncated"):
        loaded(WHOLE[:length])


@given(st.binary(max_size=200))
def test_other_files_are_never_read(data: bytes) -> None:
    with pytest.raises(NotReadableError):
        loaded(data)
    with pytest.raises(NotReadableError):
        loaded(pickle.dumps(data))


def test_parts_that_do_not_add_up_are_reported() -> None:
    with pytest.raises(NotReadableError, match="do not add up"):
        loaded(WHOLE[:1000] + WHOLE[2000:])


def test_a_file_of_another_version_says_what_to_do() -> None:
    data = WHOLE[:16] + b"\x02" + WHOLE[17:]

    with pytest.raises(NotReadableError, match=r"has the format 2 and not 1.*images of all tasks"):
        loaded(data)


def test_a_file_that_ends_while_it_is_read_is_reported() -> None:
    class Short(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            return 0

    with pytest.raises(NotReadableError, match="became shorter while it was read"):
        read(Short(WHOLE), len(WHOLE))
