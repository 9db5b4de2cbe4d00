"""What `make bench` measures with is itself right; what it measures is not a test."""

import ast
import os
import socket
import sys
from pathlib import Path

import pytest
import requests

from benchmarks.errors import BenchmarkError
from benchmarks.handwritten import handwritten_dag
from benchmarks.mlflow import answering, silent, unused
from benchmarks.projects import nodes
from benchmarks.results import Verdict
from benchmarks.timing import Command, Cost, differences, interleave, ratios, run


def command(folder: Path, name: str, code: str) -> Command:
    return Command(name, (sys.executable, "-c", code), folder, dict(os.environ))


def test_commands_take_turns_and_each_round_begins_with_another_one(tmp_path: Path) -> None:
    note = "open('order', 'a').write({name!r})"
    commands = [command(tmp_path, name, note.format(name=name)) for name in "AB"]

    costs = interleave(commands, rounds=3)

    assert (tmp_path / "order").read_text() == "ABBAABBA"
    assert [len(costs[name]) for name in "AB"] == [3, 3]


def test_cpu_time_counts_the_children_of_a_command(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"

    assert run(command(tmp_path, "parent", child)).cpu >= 0.2


def test_a_command_that_fails_ends_the_measurement_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"(?s)broken: exit code 3.*no such pipeline"):
        run(command(tmp_path, "broken", "print('no such pipeline'); raise SystemExit(3)"))


def test_ratios_and_differences_pair_the_costs_of_one_round() -> None:
    costs = {
        "ours": [Cost(2.0, 1.0), Cost(30.0, 1.0), Cost(4.0, 3.0)],
        "theirs": [Cost(1.0, 2.0), Cost(10.0, 2.0), Cost(1.0, 2.0)],
    }

    assert ratios(costs, "ours", "theirs").median == 3.0
    assert differences(costs, "ours", "theirs").median == 3.0
    assert ratios(costs, "ours", "theirs", "cpu").median == 0.5


@pytest.mark.parametrize(
    ("found", "found_cpu", "text"),
    [
        (1.0, None, "holds"),
        (1.1, None, "**missed**"),
        (1.1, 1.2, "**missed**"),
        (1.1, 0.9, "**missed** by the clock, holds in CPU time"),
        (0.9, 1.1, "holds by the clock, **missed** in CPU time"),
    ],
)
def test_a_verdict_says_which_clock_it_goes_by_where_they_differ(
    found: float, found_cpu: float | None, text: str
) -> None:
    assert Verdict("anything", found, 1.0, "s", found_cpu).text == text


def test_a_generated_project_has_as_many_nodes_as_asked_for_each_after_what_it_needs() -> None:
    made = nodes(100)

    assert len({node.name for node in made}) == 100
    position = {node.name: index for index, node in enumerate(made)}
    for node in made:
        assert all(position[parent.name] < position[node.name] for parent in node.upstream)


def test_the_handwritten_dag_is_python_with_a_task_for_each_node() -> None:
    made = nodes(25)
    calls = [
        call.func.id
        for call in ast.walk(ast.parse(handwritten_dag(made)))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    ]

    assert calls.count("KubernetesPodOperator") == 25 + 1  # and the one that fills the volume


def test_a_call_to_the_mlflow_servers_of_the_benchmark_is_counted() -> None:
    with answering() as server:
        assert server.number == 0
        requests.get(f"{server.url}/api/2.0/mlflow/experiments/search", timeout=60)
        requests.post(f"{server.url}/api/2.0/mlflow/runs/create", json={}, timeout=60)
        assert server.number == 2
    with silent() as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as gone:
            gone.send(b"GET / HTTP/1.1\r\n\r\n")
        waits = socket.create_connection((host, int(port)))
    waits.close()
    assert server.number == 2


def test_no_one_answers_at_the_address_that_the_benchmark_takes_for_no_server() -> None:
    with unused() as server, pytest.raises(requests.ConnectionError, match="refused"):
        requests.get(server.url, timeout=60)
