"""The page of `usage --html` in a browser: what people see, and that it loads nothing.

With DOCS_SCREENSHOTS naming a folder, the picture for the documentation is written there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from kedro_airflow_k8s.deploy.usage import KEY, asked_for, usage_of
from kedro_airflow_k8s.deploy.usage_page import as_html, usage_page, write_page
from kedro_airflow_k8s.terminal.task_table import TaskState
from tests.support.browser import needs_browser, open_page, write_screenshot
from tests.support.checked import node, subject
from tests.unit.deploy.looking import BEGAN, RUN, looked_at

pytestmark = needs_browser

MIB = 2**20
HOSTILE = "<script>document.title = 'changed'</script>"


def written(folder: Path, other: str) -> Path:
    """The page of a run of which a task has failed, with another task of a name."""
    airflow = looked_at()
    began = BEGAN.timestamp()
    airflow.tasks["create_volume"] = TaskState("success", began, began + 4, 1)
    airflow.tasks["delete_volume"] = TaskState("success", began + 61, began + 63, 1)
    airflow.tasks["prepare"] = TaskState("success", began + 5, began + 20, 1)
    airflow.tasks["train"] = TaskState("failed", began + 21, began + 60, 2)
    airflow.tasks[other] = TaskState("success", began + 5, began + 8, 1)
    for name, memory in (("prepare", 480), (other, 900)):
        text = f'{{"memory": {memory * MIB}, "cpu": 2, "wall": 10}}'
        airflow.xcoms[RUN, name, KEY] = text
    asked = {"requests": {"memory": "512Mi"}, "limits": {"memory": "1Gi"}}
    checked = subject(
        [node("prepare", "orders", "table"), node(other, "table", "found")],
        resources={"__default__": asked},
    )
    usage = usage_of(airflow, "shop", 10, asked_for(checked.pipeline, checked.run))
    found = usage_page(airflow, "shop", None, usage, BEGAN + timedelta(hours=1))
    file = folder / "usage.html"
    write_page(file, as_html(found))
    return file


@contextmanager
def opened(file: Path, width: int) -> Iterator[Page]:
    """The page in a browser; fail if it asks for anything else, or complains."""
    asked: list[str] = []
    complaints: list[str] = []
    with open_page(width, 800) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        yield page
        assert asked == [file.as_uri()]
        assert complaints == []


@pytest.mark.core_once
@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_shows_the_bars_and_asks_for_nothing_else(tmp_path: Path, width: int) -> None:
    with opened(written(tmp_path, HOSTILE), width) as page:
        expect(page).to_have_title("Usage of shop")
        expect(page.get_by_role("heading", name="shop")).to_be_visible()
        tasks = page.get_by_role("table", name="Tasks of the run")
        expect(tasks.get_by_role("rowheader")).to_have_count(5)
        expect(tasks.get_by_role("rowheader", name=HOSTILE)).to_be_visible()
        expect(tasks.get_by_role("row", name="train ✗ failed")).to_be_visible()
        bar = tasks.get_by_role("img", name="train: failed, started 12:00:21, ended 12:01:00")
        assert drawn(bar.locator(".failed")) == pytest.approx(39 / 63, abs=0.02)

        use = page.get_by_role("table", name="Memory and other use")
        bar = use.get_by_role("img", name="prepare: peak 480Mi, request 512Mi, limit 1Gi")
        assert drawn(bar.locator(".fits")) == pytest.approx(480 / 1024 / 1.03, abs=0.02)
        for line in (".request", ".limit"):
            expect(bar.locator(line)).to_have_count(1)

        # The page itself is never wider than the window.
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_bars_differ_from_the_ground_in_light_and_dark(
    tmp_path: Path, scheme: str
) -> None:
    with opened(written(tmp_path, "report"), 1440) as page:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        colours = page.evaluate(
            """() => [
                getComputedStyle(document.body).backgroundColor,
                getComputedStyle(document.body).color,
                getComputedStyle(document.querySelector(".bars .success")).fill,
                getComputedStyle(document.querySelector(".bars .failed")).fill,
            ]"""
        )
        if scheme == "light" and (folder := os.environ.get("DOCS_SCREENSHOTS")):
            page.set_viewport_size({"width": 1280, "height": 600})
            write_screenshot(page, Path(folder, "usage-page.png"))
        ground, *others = [luminance(colour) for colour in colours]
        assert (ground > 0.5) == (scheme == "light")
        contrasts = [(max(ground, o) + 0.05) / (min(ground, o) + 0.05) for o in others]
        # What WCAG 2 asks of text, and of graphics.
        assert contrasts[0] >= 4.5
        assert min(contrasts) >= 3


def drawn(bar: Locator) -> float:
    """How wide a bar is, as a part of its chart."""
    box, chart = bar.bounding_box(), bar.locator("..").bounding_box()
    assert box is not None
    assert chart is not None
    assert box["height"] > 10
    return box["width"] / chart["width"]


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2, of a colour such as `rgb(1, 2, 3)`."""
    parts = [int(number) / 255 for number in re.findall(r"\d+", colour)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
