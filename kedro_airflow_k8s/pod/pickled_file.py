"""Any Python object in one file, without a second copy of its large parts in memory.

The file holds, in this order and with little-endian numbers:

    a head      16 bytes that name the format, its version (uint32)
    a pickle    of protocol 5
    buffers     the memory of large arrays, one after the other; pickle's out-of-band data
    an index    the size of each buffer (uint64)
    a tail      the size of the pickle, the number of buffers (uint64 each), the 16 bytes again

Buffers are written from the object's own memory and read into the memory of the new object.
"""

from __future__ import annotations

import mmap
import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from kedro_airflow_k8s.pod.process import TaskTerminated

VERSION = 1
_NAME = b"kedro-airflow-k8"
_HEAD = struct.Struct("<16sI")
_TAIL = struct.Struct("<QQ16s")

# Smaller buffers stay in the pickle: each buffer costs an object and an entry in the index.
_LARGE_BYTES = 16 * 1024

# Clients of object stores copy what they are given, so they get this much at a time.
_CHUNK_BYTES = 8 * 1024 * 1024


class NotPicklableError(Exception):
    """An object cannot be pickled; the reason is its cause."""


class NotWrittenError(Exception):
    """The file cannot be written; the reason is its cause."""


class NotUnpickledError(Exception):
    """The file is whole, but its object cannot be unpickled; the reason is its cause."""


class NotReadableError(Exception):
    """The file has the wrong content; the text continues a sentence that begins "The file"."""


def write(value: object, file: BinaryIO, pickler: Callable[..., Any] = pickle.Pickler) -> None:
    """Write an object to an empty file.

    Args:
        value: The object.
        file: Open for writing; need not be able to seek.
        pickler: The class that pickles: pickle's own, or cloudpickle's.

    Raises:
        NotPicklableError: If the object cannot be pickled. The file is then incomplete.
        NotWrittenError: If the file raised an error.
    """
    sink = _Sink(file)
    sink.write(_HEAD.pack(_NAME, VERSION))
    buffers: list[memoryview] = []
    try:
        pickler(sink, protocol=5, buffer_callback=_collector(buffers)).dump(value)
    except (MemoryError, NotWrittenError, TaskTerminated):
        raise
    except Exception as error:  # __reduce__ of the user's classes may raise anything
        raise NotPicklableError from error
    pickled = sink.size - _HEAD.size
    for buffer in buffers:
        sink.write(buffer)
    sink.write(struct.pack(f"<{len(buffers)}Q", *(buffer.nbytes for buffer in buffers)))
    sink.write(_TAIL.pack(pickled, len(buffers), _NAME))


def read(file: BinaryIO, size: int) -> Any:
    """Return the object in a file.

    Args:
        file: Open for reading; must be able to seek.
        size: The size of the file in bytes.

    Raises:
        NotReadableError: If the file is incomplete, or not one of ours.
        NotUnpickledError: If unpickling fails, for example because a class does not exist.
    """
    name, version = _HEAD.unpack(_part(file, size, 0, _HEAD.size))
    if name != _NAME:
        raise NotReadableError("was not written by kedro-airflow-k8s")
    if version != VERSION:
        raise NotReadableError(
            f"has the format {version} and not {VERSION}: another version of kedro-airflow-k8s "
            "wrote it. Use one version in the images of all tasks"
        )
    pickled, count, name = _TAIL.unpack(_part(file, size, size - _TAIL.size, _TAIL.size))
    index = struct.Struct(f"<{count}Q") if name == _NAME and count <= size // 8 else None
    if index is None:
        raise NotReadableError("has no end: it was truncated")
    start = size - _TAIL.size - index.size
    sizes = index.unpack(_part(file, size, start, index.size))
    if _HEAD.size + pickled + sum(sizes) != start:
        raise NotReadableError("is damaged: its parts do not add up to its size")
    file.seek(_HEAD.size + pickled)
    buffers = [_buffer(file, buffer_size) for buffer_size in sizes]
    file.seek(_HEAD.size)
    try:
        return pickle.Unpickler(file, buffers=buffers).load()  # noqa: S301 - of the same DAG run
    except (MemoryError, OSError, TaskTerminated):
        raise
    except Exception as error:  # __setstate__ of the user's classes may raise anything
        raise NotUnpickledError from error


class _Sink:
    """A file that is written in chunks, counts its bytes and raises NotWrittenError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        try:
            with memoryview(data) as view:
                for start in range(0, view.nbytes, _CHUNK_BYTES):
                    self._file.write(view[start : start + _CHUNK_BYTES])
                self.size += view.nbytes
        except (MemoryError, TaskTerminated):
            raise
        except Exception as error:  # clients of object stores share no base class
            raise NotWrittenError from error


def _collector(buffers: list[memoryview]) -> Callable[[pickle.PickleBuffer], bool]:
    """Return pickle's callback for each buffer: True if the buffer goes into the pickle."""

    def collect(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # Memory with gaps.
            return True
        if raw.nbytes < _LARGE_BYTES:
            return True
        buffers.append(raw)
        return False

    return collect


def _part(file: BinaryIO, size: int, start: int, length: int) -> bytes:
    if start < 0 or start + length > size:
        raise NotReadableError("is too short: it was truncated, or has another format")
    file.seek(start)
    data = file.read(length)
    if len(data) != length:
        raise NotReadableError("became shorter while it was read")
    return data


def _buffer(file: BinaryIO, size: int) -> bytearray | mmap.mmap:
    """Return the next bytes of a file, in memory that the object will own."""
    data = _memory(size)
    with memoryview(data) as view:
        done = 0
        while done < size:
            with view[done : done + _CHUNK_BYTES] as rest:
                count = file.readinto(rest)  # type: ignore[attr-defined] # BinaryIO lacks it.
            if not count:
                raise NotReadableError("became shorter while it was read")
            done += count
    return data


def _memory(size: int) -> bytearray | mmap.mmap:
    if size < _CHUNK_BYTES or sys.platform == "win32":
        return bytearray(size)
    # A bytearray would be filled with zeros first, which takes half as long as reading.
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
