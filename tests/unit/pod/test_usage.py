"""What a pod says that it has used."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kedro_airflow_k8s.pod import usage as pod_usage
from kedro_airflow_k8s.pod.environment import REASON_VARIABLE
from kedro_airflow_k8s.pod.usage import SAMPLE_SECONDS, Container, measured, usage

MIB = 2**20

V2 = {
    "memory.current": "999999999",
    "memory.stat": f"anon {300 * MIB}\nfile {900 * MIB}\nkernel 5\nshmem {20 * MIB}\nanon_thp 7\n",
    "cpu.stat": "usage_usec 4250000\nuser_usec 4000000\n",
}
V1 = {
    "memory/memory.stat": f"cache 1\nrss 2\ntotal_cache {900 * MIB}\ntotal_rss {300 * MIB}\n"
    f"total_shmem {20 * MIB}\n",
    "cpuacct/cpuacct.usage": "4250000000\n",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("files", [V1, V2], ids=["v1", "v2"])
def test_a_container_has_used_what_all_its_processes_have_without_the_cache(
    tmp_path: Path, files: dict[str, str]
) -> None:
    container = Container(write(tmp_path, files))

    assert container.look()
    assert container.memory == 320 * MIB
    assert container.cpu() == 4.25

    write(tmp_path, {name: text.replace(str(300 * MIB), "1") for name, text in files.items()})
    container.look()
    assert container.memory == 320 * MIB, "the peak is over"


def test_without_a_cgroup_there_is_nothing_to_watch(tmp_path: Path) -> None:
    container = Container(tmp_path)

    assert not container.look()
    assert (container.memory, container.cpu()) == (0, None)


PROCESS = {
    "status": "Name:\tpython\nVmPeak:\t  900000 kB\nVmHWM:\t  50000000 kB\n",
    "io": "rchar: 12000000\nwchar: 3400000\nread_bytes: 1\n",
}


def test_a_process_has_used_what_the_kernel_counts(tmp_path: Path) -> None:
    used = usage(write(tmp_path, PROCESS))

    assert (used["memory"], used["read"], used["written"]) == (50000000 * 1024, 12000000, 3400000)
    assert used["cpu"] > 0


def test_the_larger_of_process_and_container_is_the_peak(tmp_path: Path) -> None:
    proc, cgroup = write(tmp_path / "proc", PROCESS), write(tmp_path / "cgroup", V2)

    assert usage(proc, Container(cgroup))["memory"] == 50000000 * 1024
    write(proc, {"status": "VmHWM:\t  1 kB\n"})
    container = Container(write(cgroup, {"memory.stat": "anon 70000000000\n"}))
    assert usage(proc, container)["memory"] == 70000000000
    assert usage(proc, container)["cpu"] == 4.25


def test_what_the_kernel_does_not_show_is_left_out_and_time_is_that_since_the_import(
    tmp_path: Path,
) -> None:
    used = usage(tmp_path)
    assert sorted(used) == ["cpu", "memory", "wall"]
    assert used["wall"] <= usage(Path("/proc/self"))["wall"]


def test_this_process_has_an_age() -> None:
    assert 0 < usage(Path("/proc/self"))["wall"] < 24 * 3600


@pytest.mark.parametrize("code", [None, 0])
def test_a_task_that_succeeds_leaves_its_usage_and_again_with_what_the_end_of_python_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    file = tmp_path / "left"
    monkeypatch.setenv(REASON_VARIABLE, str(file))
    at_last: list[Callable[[], None]] = []
    monkeypatch.setattr(pod_usage, "at_last", at_last.append)

    with pytest.raises(SystemExit), measured():
        sys.exit(code)

    first = json.loads(file.read_text())
    assert sorted(first) == ["cpu", "memory", "read", "wall", "written"]

    (tell,) = at_last
    (out, own), taken = os.pipe(), os.dup(1)
    os.dup2(own, 1)
    try:
        tell()
    finally:
        os.dup2(taken, 1)
        os.close(own)
        os.close(taken)
    with os.fdopen(out) as said:
        assert said.read().startswith(f"Used: {first['memory'] / MIB:.0f} MiB of memory at its ")
    last = json.loads(file.read_text())
    assert last == {**first, "cpu": last["cpu"], "wall": last["wall"]}
    assert last["cpu"] >= first["cpu"]
    assert last["wall"] >= first["wall"]


@pytest.mark.parametrize("error", [SystemExit(1), SystemExit("no"), ValueError()])
def test_a_task_that_fails_says_its_usage_and_leaves_the_cause_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    monkeypatch.setenv(REASON_VARIABLE, str(tmp_path / "left"))

    with pytest.raises(type(error)), measured():
        raise error

    assert not (tmp_path / "left").exists()
    assert "Used: " in capsys.readouterr().out


def test_the_memory_is_looked_at_once_a_second_at_most() -> None:
    assert SAMPLE_SECONDS >= 1
