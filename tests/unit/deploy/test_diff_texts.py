"""DAG files compared line by line, whatever they are, and how that is shown."""

from __future__ import annotations

import io
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.dag import render
from kedro_airflow_k8s.deploy.diff import DagDiff, compare
from kedro_airflow_k8s.deploy.diff.reading import summarise
from kedro_airflow_k8s.deploy.diff.screen import show
from kedro_airflow_k8s.deploy.diff.text_lines import printable, unified_diff
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.entities import PipelineNode
from kedro_airflow_k8s.upload import StoredFile
from tests.support.compiled_dags import compiled_dag
from tests.support.dag_diffs import LOAD, PLACE, diff, said, source
from tests.support.strategies import (
    IMAGE,
    findable,
    plain_nodes,
    projects,
    texts,
)

# What is there is something else.


@pytest.mark.parametrize(
    ("old", "reason"),
    [
        (b"", "was not made by this plugin"),
        (b"print('hello')\n", "was not made by this plugin"),
        (b"# generated_with_kedro_airflow_k8s\n", "was not made by this plugin"),
        (b"x = (  # generated_with_kedro_airflow_k8s", "is not Python (line 1)"),
        (b"x = '\xff' # generated_with_kedro_airflow_k8s", "is not UTF-8"),
        (
            b"with DAG('x', tags=['generated_with_kedro_airflow_k8s:0.6.7']) as dag:\n    pass\n",
            "was made by version 0.6.7 of this plugin, which wrote other files",
        ),
        (b"x = " + b"-" * 100_000 + b"1 # generated_with_kedro_airflow_k8s", "is not Python"),
        (b"x = 1" + b"+1" * 100_000 + b" # generated_with_kedro_airflow_k8s", ""),
    ],
)
def test_what_is_not_ours_is_compared_as_text_only(old: bytes, reason: str) -> None:
    found = diff(old, source())
    title, why = found.words
    assert title.text == f"DAG shop would replace {PLACE}."
    assert why.text.startswith(f"The file there {reason}")
    assert why.text.endswith(", so no single changes can be told.")
    assert [line.text for line in found.lines[:2]] == [f"--- {PLACE}", "+++ new"]


def test_a_text_that_is_far_longer_than_the_new_one_is_not_read_as_python() -> None:
    found = diff(source() + "x = 1\n" * 200_000, source())
    assert "is far longer than the new one, so no single changes can be told" in found.words[1].text
    assert sum(line.text == "-x = 1" for line in found.lines) == 200_000


def test_a_binary_file_is_not_shown() -> None:
    found = diff(b"\x7fELF\0\0", source())
    assert found.words[1].text.startswith("The file there is no text")
    assert found.lines == ()


def test_a_file_that_is_too_large_is_not_shown() -> None:
    found = compare(compiled_dag("shop", source=source()), StoredFile(PLACE, 2**40, None))
    assert found.words[1].text.startswith("The file there has 1099511627776 bytes, more than")
    assert found.lines == ()


def test_a_file_of_another_dag_is_said_to_be_lost() -> None:
    old = source(run_name="market")
    assert said(old, source())[:1] == ["The file there is of DAG market, which Airflow would lose."]
    assert "~ DAG id: market -> shop" in said(old, source())


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_line_ends_are_told_once(end: str) -> None:
    old = source().replace("\n", end).encode()
    found = diff(old, source())
    assert [line.text for line in found.words[1:]] == [
        "Its lines end as on Windows (\\r\\n) or old Macs (\\r), the new ones in \\n.",
        "All else is the same.",
    ]
    assert found.lines == ()
    found = diff(old, source(image="x:2"))
    assert f"  ~ image: {IMAGE} -> x:2" in [line.text for line in found.words]
    assert sum(line.kind == "added" for line in found.lines) == 3


def test_nothing_of_a_file_reaches_a_terminal_raw() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\r\x9b31m\u2028"
    old = source().replace(
        'kedro_task("load"', f'kedro_task("lo{evil.encode("unicode_escape").decode()}ad"'
    )
    for text in (old, f"# {evil}\n{old}", evil):
        found = diff(text, source(LOAD))
        for terminal in (True, False):
            written = printed([found], terminal=terminal)
            plain = re.sub(r"\x1b\[[0-9;]*m", "", written) if terminal else written
            assert printable(plain.replace("\n", "")) == plain.replace("\n", "")
        assert "\\x1b]0;owned\\x07" in written


def printed(diffs: list[DagDiff], *, terminal: bool) -> str:
    """What is written on a terminal of 40 columns, or into a file."""
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=terminal, color_system="standard", width=40, _environ={}
    )
    show(diffs, console)
    return file.getvalue()


def test_a_terminal_gets_colours_and_whole_lines_and_a_file_gets_the_same_text() -> None:
    found = diff(source(), source(cron_expression="@daily", env_vars={"A": "x" * 200}))
    coloured = printed([found], terminal=True)
    plain = printed([found], terminal=False)
    assert "\x1b[33m  ~ schedule: none -> @daily\x1b[0m" in coloured
    assert "\x1b[31m-    schedule=None,\x1b[0m" in coloured
    assert '\x1b[32m+    schedule="@daily",\x1b[0m' in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\x1b" not in plain


def test_who_wants_no_colours_gets_none() -> None:
    file = io.StringIO()
    show(
        [diff(source(), source(image="x:2"))],
        Console(file=file, force_terminal=True, no_color=True),
    )
    assert "  ~ image: " in file.getvalue()
    assert "\x1b" not in file.getvalue()


# The unified diff.

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "d\n", "e\n"]), max_size=30)


@given(LINES, LINES, st.sampled_from(["", "a", "b"]), st.sampled_from(["", "a", "b"]))
def test_a_unified_diff_leads_from_one_text_to_the_other(
    old_lines: list[str], new_lines: list[str], old_end: str, new_end: str
) -> None:
    old, new = "".join(old_lines) + old_end, "".join(new_lines) + new_end
    lines = [line.text for line in unified_diff(old, new, "a", "b")]
    assert bool(lines) == (old != new)
    assert applied(old, lines[2:]) == new


def applied(old: str, lines: list[str]) -> str:
    """What a patch makes of a text."""
    rest, made, place = old.splitlines(keepends=True), "", 0
    for line, following in zip(lines, [*lines, ""][1:], strict=True):
        if match := re.fullmatch(r"@@ -(\d+)(,0)?(,\d+)? \+\d+(,\d+)? @@", line):
            start = int(match[1]) - (0 if match[2] else 1)
            made += "".join(rest[place:start])
            place = start
        elif not line.startswith("\\"):
            whole = line[1:] + ("" if following.startswith("\\") else "\n")
            if line[0] != "+":
                assert rest[place] == whole
                place += 1
            if line[0] != "-":
                made += whole
    return made + "".join(rest[place:])


def test_git_applies_the_unified_diff(tmp_path: Path) -> None:
    old, new = source(), source(cron_expression="@daily", image="x:2")
    (tmp_path / "shop.py").write_text(old)
    lines = diff(old, new).lines
    patch = "\n".join(line.text for line in lines).replace(PLACE, "a/shop.py", 1)
    (tmp_path / "patch").write_text(patch.replace("+++ new", "+++ b/shop.py") + "\n")
    subprocess.run(["git", "apply", "patch"], cwd=tmp_path, check=True)
    assert (tmp_path / "shop.py").read_text() == new


def test_files_of_thousands_of_lines_are_compared_piece_by_piece() -> None:
    nodes = [
        PipelineNode(f"n{index}", inputs=("x",), outputs=(f"d{index}",)) for index in range(2000)
    ]
    old = source(*nodes)
    new = source(*[replace(node, inputs=("y",)) for node in nodes])
    found = diff(old, new)
    changed = [line.text for line in found.lines if line.kind in ("added", "removed")]
    assert len(changed) == 2 * (2000 + 2)
    assert said(old, new) == [
        "~ 2000 tasks: now reads y; no longer reads x (n0, n1, n2, n3, n4 and 1995 more)"
    ]
    assert diff("\n" * 100_000 + "x\n" * 100_000, new).lines


# Whatever the texts are.


FULL = source(
    env_vars={"A": "x"},
    secrets=[{"secret": "s", "deploy_type": "volume", "deploy_target": "/s"}, {"secret": "t"}],
    cron_expression="@daily",
    trigger_params=["depth"],
    external_dependencies=[{"dag_id": "up"}],
    project={"parameters": {"depth": 3}},
)
"""The text of a DAG with something of everything."""


@given(projects(plain_nodes()), projects(plain_nodes()), st.booleans())
def test_there_are_words_exactly_if_the_texts_differ_in_more_than_tags(
    one: Any, other: Any, same_nodes: bool
) -> None:
    first, second = findable(one[0]), findable(other[0])
    if same_nodes:
        second = replace(second, nodes=first.nodes)
    if not first.nodes or not second.nodes:
        return
    # Each configuration knows only the resources of its own tags; plain nodes have none.
    old = render.render_dag(build_plan(first, one[1])).source
    new = render.render_dag(build_plan(second, other[1])).source
    found = diff(old, new)
    assert found.same == (old == new)
    words = [line.text for line in found.words]
    assert not any("comments, layout" in text for text in words), "something was not told"
    assert not any(re.search("fingerprint:[0-9a-f]{12}", text) for text in words)
    tag = re.compile(r"fingerprint:\w+|commit_sha:[\w-]+")
    if old != new:
        alone = tag.sub("", old) == tag.sub("", new)
        assert alone == any(text.startswith("Only the commit differs") for text in words)


@given(st.data())
def test_no_text_is_too_strange(data: st.DataObject) -> None:
    new = FULL
    pieces = st.sampled_from(
        ["(", ")", "[", "None", "{", "0", '"', "\n", "\t", "*x", "**x", "a.b()"]
    )
    old = new
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(new.index("IMAGE = "), len(old) - 1))
        length = data.draw(st.integers(0, 40))
        old = old[:start] + data.draw(pieces | texts()) + old[start + length :]
    assert diff(old, new).same == (old == new)


SHAPES = (
    "None",
    "0",
    "[]",
    "{}",
    "''",
    "[None]",
    "{'a': 1}",
    "x",
    "f(1, *y, **z)",
    "[{'name': 1}]",
)


@given(st.data())
def test_values_of_other_types_than_ours_are_taken(data: st.DataObject) -> None:
    new = source(
        env_vars={"A": "x"},
        secrets=[{"secret": "s", "deploy_type": "volume", "deploy_target": "/s"}],
    )
    literals = [match.span() for match in re.finditer(r'"[^"\n]*"(?=[,\]})])|\[[^\[\]\n]*\]', new)]
    start, end = data.draw(st.sampled_from([span for span in literals if span[0] > 3000]))
    others = [shape for shape in SHAPES if shape != new[start:end]]
    old = new[:start] + data.draw(st.sampled_from(others)) + new[end:]
    assert not diff(old, new).same


@given(st.binary())
def test_no_bytes_are_too_strange(data: bytes) -> None:
    assert not diff(data, FULL).same


def test_the_golden_dags_are_understood_whole() -> None:
    folder = Path(__file__).parents[3] / "examples"
    for path in folder.glob("*/dags/*.py"):
        dag = summarise(path.read_text("utf-8"))
        assert dag.dag_id == path.stem
        assert dag.tasks
        assert [words for words in dag.rest if "connect_kedro_tasks" not in words] == []


def test_nothing_is_run() -> None:
    dag: CompiledDag = compiled_dag("shop", source=source())
    marker = "raise SystemExit('was run')\n"
    assert diff(marker + dag.source, dag.source).words
