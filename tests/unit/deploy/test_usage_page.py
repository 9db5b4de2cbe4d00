"""The page of `usage --html`: what it shows, and that it is one file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.airflow_api.records import TaskInstance
from kedro_airflow_k8s.deploy.usage import TaskUsage
from kedro_airflow_k8s.deploy.usage_page import (
    Bar,
    Line,
    UsagePage,
    as_html,
    check_place,
    usage_page,
    write_page,
)
from kedro_airflow_k8s.errors import OptionError, RunError
from tests.support.scripted_airflow import ScriptedAirflow
from tests.unit.deploy.looking import BEGAN, RUN, add_run, looked_at

MIB = 2**20
NOW = BEGAN + timedelta(seconds=100)
USED = TaskUsage(
    task_id="prepare",
    runs=3,
    memory=300 * MIB,
    cores=0.2,
    cpu=2,
    wall=10,
    read=1500000,
    written=10,
    entry="__default__",
    requests={"cpu": "250m", "memory": "512Mi"},
    limits={"memory": "1Gi"},
    of_runs={RUN: {"memory": 250 * MIB, "cpu": 1, "wall": 8}},
)


def task(state: str | None, *seconds: float | None, attempt: int = 1) -> dict[str, Any]:
    """A task that was queued, began and ended so many seconds after the run began."""

    def moment(place: int) -> datetime | None:
        after = seconds[place] if place < len(seconds) else None
        return None if after is None else BEGAN + timedelta(seconds=after)

    return {
        "state": state,
        "queued_when": moment(0),
        "start_date": moment(1),
        "end_date": moment(2),
        "try_number": attempt,
    }


class Airflow(ScriptedAirflow):
    """An Airflow with the tasks that a test says."""

    instances: dict[str, TaskInstance]

    def task_states(self, dag_id: str, run_id: str) -> dict[str, TaskInstance]:
        return self.instances


def page(
    tasks: dict[str, dict[str, Any]],
    *usage: TaskUsage,
    state: RunState = RunState.FAILED,
    run_id: str | None = None,
) -> UsagePage:
    airflow = Airflow(**vars(looked_at(state)))
    airflow.instances = {
        name: TaskInstance.model_validate({"task_id": name, **found})
        for name, found in tasks.items()
    }
    return usage_page(airflow, "shop", run_id, usage, NOW)


TASKS = {
    "delete_volume": task(None, attempt=0),
    "train": task("failed", 10, 20, 60, attempt=2),
    "prepare": task("success", 0, 5, 10),
    "after": task("success", 1, 6, 90),
}


def test_a_row_is_a_task_in_the_order_of_their_starts() -> None:
    found = page(TASKS, USED)

    assert [row.task_id for row in found.tasks] == ["prepare", "after", "train", "delete_volume"]
    prepare, _, train, last = found.tasks
    assert (train.state, train.attempts, train.took) == ("✗ failed", "2", "40.0 s")
    assert (train.queued, train.start, train.end) == ("12:00:10", "12:00:20", "12:01:00")
    assert train.words == (
        "train: failed, queued 12:00:10, started 12:00:20, ended 12:01:00, took 40.0 s, attempt 2"
    )
    assert (prepare.memory, train.memory) == ("250Mi", "")
    assert (last.state, last.attempts, last.bars, last.start) == ("○ waiting", "", (), "")
    assert last.words == "delete_volume: waiting"


def test_bars_are_of_the_time_from_the_first_moment_to_the_last() -> None:
    bars = {row.task_id: row.bars for row in page(TASKS).tasks}

    assert bars["after"][1] == Bar("success", round(6 / 0.9, 3), round(84 / 0.9, 3))
    assert bars["train"] == (
        Bar("queued", round(10 / 0.9, 3), round(10 / 0.9, 3)),
        Bar("failed", round(20 / 0.9, 3), round(40 / 0.9, 3)),
    )


def test_what_has_not_ended_has_a_bar_until_now() -> None:
    tasks = {"a": task("running", 0, 50), "b": task("queued", 60)}
    first, second = page(tasks, state=RunState.RUNNING).tasks

    assert first.bars == (Bar("queued", 0, 50), Bar("running", 50, 50))
    assert (first.took, first.end) == ("50.0 s", "")
    assert first.words.endswith("started 12:00:50, took 50.0 s so far")
    assert second.bars == (Bar("queued", 60, 40),)


def test_a_task_that_was_deferred_is_not_queued_after_its_start() -> None:
    (row,) = page({"a": task("success", 30, 10, 40)}).tasks
    assert (row.queued, [bar.kind for bar in row.bars]) == ("", ["success"])


@pytest.mark.parametrize("tasks", [{}, {"a": task(None)}, {"a": task("skipped", None, 3, 3)}])
def test_a_run_without_times_has_a_page(tasks: dict[str, dict[str, Any]]) -> None:
    found = page(tasks, state=RunState.QUEUED)
    assert found.summary.startswith(f"Queued, {len(tasks)} task")
    for row in found.tasks:
        for bar in row.bars:
            assert 0 <= bar.x <= bar.x + bar.width <= 100


def test_the_summary_says_how_the_run_stands() -> None:
    assert page(TASKS).summary == (
        "Failed, 4 tasks: 1 failed, 2 success, 1 waiting. Started 2026-01-05 12:00:00 UTC, took"
        " 1 min 3 s."
    )


def test_another_run_can_be_shown() -> None:
    assert page(TASKS, run_id=RUN).run_id == RUN
    with pytest.raises(RunError, match="has no run 'nope'"):
        page(TASKS, run_id="nope")


@given(st.floats(0.001, 10**7))
def test_the_axis_has_a_few_round_times(seconds: float) -> None:
    ticks = page({"a": task("success", 0, 0, max(seconds, 64))}).ticks
    assert 2 <= len(ticks) <= 7
    assert ticks[0] == Line("0 s", 0)
    places = [tick.x for tick in ticks]
    assert places == sorted(set(places))
    assert places[-1] <= 90  # The places are rounded.


@pytest.mark.parametrize(
    ("end", "last"),
    [
        (64, "45 s"),
        (300, "4 min"),
        (1000, "10 min"),
        (3 * 3600, "2 h 30 min"),
        (50 * 3600, "1 d 12 h"),
        (20 * 86400, "16 d"),
    ],
)
def test_the_axis_is_in_units_that_people_use(end: float, last: str) -> None:
    assert page({"a": task("success", 0, 0, end)}).ticks[-1].kind == last


@pytest.mark.parametrize(
    ("change", "kind", "part"),
    [
        ({}, "fits", "29% of limit"),
        ({"memory": 600 * MIB}, "above", "59% of limit"),
        ({"memory": 1000 * MIB}, "tight", "98% of limit"),
        ({"memory": 600 * MIB, "limits": {}}, "above", "117% of request"),
        ({"requests": {"cpu": "1"}}, "fits", "29% of limit"),
    ],
)
def test_a_bar_shows_the_peak_beside_request_and_limit(
    change: dict[str, Any], kind: str, part: str
) -> None:
    used = replace(USED, **change)
    (row,) = page(TASKS, used).memory

    ((bar,), lines) = row.bars, {line.kind: line.x for line in row.lines}
    assert (bar.kind, bar.x, row.part) == (kind, 0, part)
    whole = max(used.memory, 2**30 if used.limits else 512 * MIB) * 1.03
    assert bar.width == pytest.approx(used.memory / whole * 100, abs=0.01)
    expected = {"request": 512 * MIB} if "memory" in used.requests else {}
    expected |= {"limit": 2**30} if used.limits else {}
    assert lines == {k: pytest.approx(v / whole * 100, abs=0.01) for k, v in expected.items()}


def test_the_words_of_a_bar_have_its_figures() -> None:
    (row,) = page(TASKS, USED).memory
    assert row.words == "prepare: peak 300Mi, request 512Mi, limit 1Gi, 29% of limit"


def test_a_task_that_asks_for_nothing_has_no_bar() -> None:
    (row,) = page(TASKS, replace(USED, requests={}, limits={})).memory
    assert (row.bars, row.lines, row.part) == ((), (), "")
    assert row.words == "prepare: peak 300Mi, no request and no limit"


class Reader(HTMLParser):
    """The tags of a page with their attributes, and its texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "wbr":
            return
        if tag not in ("meta", "rect", "line"):
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]][-1] += data


HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</title></style><b>&amp;",
    "{{ 7*7 }}",
    "a_b.c",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_whatever_they_contain(name: str) -> None:
    used = replace(USED, task_id=name, requests={"memory": "512Mi", "cpu": name})
    found = page({name: task("success", 0, 5, 10)}, used)
    found = replace(found, dag_id=name, run_id=name, url=f"https://airflow.example.com/{name}")

    read = Reader(as_html(found))

    plain = Reader(as_html(page({"a": task("success", 0, 5, 10)}, replace(USED, task_id="a"))))
    tags = [tag for tag, _ in read.tags if tag != "wbr"]
    assert tags == [tag for tag, _ in plain.tags if tag != "wbr"]
    assert read.texts["h1"] == read.texts["a"] == [name]
    assert read.texts["th"].count(name) == 2
    assert name in read.texts["td"]
    assert read.texts["title"] == [
        f"Usage of {name}",
        f"{name}: success, queued 12:00:00, started 12:00:05, ended 12:00:10, took 5.0 s",
        f"{name}: peak 300Mi, request 512Mi, limit 1Gi, 29% of limit",
    ]
    (link,) = [found for tag, found in read.tags if tag == "a"]
    assert link["href"] == f"https://airflow.example.com/{name}"


def test_a_page_has_no_script_and_loads_nothing() -> None:
    read = Reader(as_html(page(TASKS, USED)))

    assert {tag for tag, _ in read.tags} == {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "section"),
        *("h1", "h2", "p", "a", "div", "span", "wbr"),
        *("table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "line", "text"),
    }
    names = {name for _, found in read.tags for name in found}
    assert not {"src", "srcset", "style", "action", "xlink:href", "data", "background"} & names
    assert not [name for name in names if name.startswith("on")]
    assert [tag for tag, found in read.tags if "href" in found] == ["a"]
    (style,) = read.texts["style"]
    assert not re.search(r"url|@import|http", style)


def test_the_policy_of_a_page_allows_its_own_style_and_nothing_else() -> None:
    read = Reader(as_html(page(TASKS, USED)))

    (style,) = read.texts["style"]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policies = [f["content"] for tag, f in read.tags if f.get("http-equiv")]
    assert policies == [
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    ]


def test_every_bar_has_its_figures_as_text_for_a_screen_reader() -> None:
    read = Reader(as_html(page(TASKS, USED)))
    images = [found for tag, found in read.tags if tag == "svg" and found.get("role") == "img"]
    assert len(images) == len(read.texts["title"]) - 1 == len(TASKS) + 1


def test_a_thousand_tasks_have_a_page_of_about_a_megabyte() -> None:
    tasks = {f"group.task_{i}": task("success", i, i + 1, i + 9) for i in range(1000)}
    used = [replace(USED, task_id=name) for name in tasks]
    text = as_html(page(tasks, *used))
    assert text.count("<tr>") == 2002
    assert len(text) < 1_500_000


def test_a_page_replaces_another_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "usage.html"
    for text in ("old", "näher"):
        check_place(file)
        write_page(file, text)
    assert file.read_text(encoding="utf-8") == "näher"
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_where_no_page_can_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"the folder .*nope does not exist. Create it") as caught:
        check_place(tmp_path / "nope/usage.html")
    assert str(tmp_path / "nope/usage.html") in str(caught.value)
    for place in (tmp_path, Path("/dev/null")):
        with pytest.raises(OptionError, match=r"it is not a regular file\. Choose another FILE"):
            check_place(place)
    with pytest.raises(OptionError, match=r"Cannot write to .*Ask for write access"):
        write_page(tmp_path / "nope/usage.html", "text")
    assert list(tmp_path.iterdir()) == []


def test_the_last_run_is_shown_that_airflow_has() -> None:
    airflow = looked_at(RunState.SUCCESS)
    add_run(airflow, "newest", RunState.RUNNING)
    assert usage_page(airflow, "shop", None, [], NOW).run_id == "newest"
