"""A headless browser, and what the tests do with Airflow's pages in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.support.find_browser import find_browser
from tests.support.waiting import WAIT_SECONDS

# `make test` too says aloud when there is no browser.
needs_browser = pytest.mark.skipif(find_browser() is None, reason="there is no Chrome or Chromium")
"""Marks the tests in a browser."""

# Only the pages of this machine, whatever the browser or a page would like to ask for.
# Playwright's own options already keep it from updates and other work in the background.
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
SCREENSHOT_BYTES = 150_000

NODE = ".react-flow__node"


@contextmanager
def open_page(width: int = 1280, height: int = 800) -> Iterator[Page]:
    """A page in a browser of its own, with a new profile. Sizes are pixels."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(),
            args=ARGUMENTS,
            # Chromium refuses to make a sandbox for root.
            chromium_sandbox=os.geteuid() != 0,
        )
        page = browser.new_page(
            viewport={"width": width, "height": height},
            locale="en-US",
            timezone_id="UTC",
            reduced_motion="reduce",
        )
        page.set_default_timeout(WAIT_SECONDS * 1000)
        expect.set_options(timeout=WAIT_SECONDS * 1000)
        yield page
        browser.close()


def log_in(page: Page, url: str, username: str, password: str) -> None:
    """Go to a page of Airflow, by way of the form that asks who one is."""
    page.goto(url)
    page.locator("input[name=username]").fill(username)
    page.locator("input[name=password]").fill(password)
    page.locator("form:has(input[name=password]) [type=submit]").click()
    page.wait_for_url(lambda address: "/login" not in address)


def expect_graph(page: Page, tasks: Sequence[str], groups: Sequence[str]) -> None:
    """Turn a DAG's page to its graph, open every group, and fail unless all is there, labelled.

    Args:
        page: The page of a DAG or of a run of it.
        tasks: The ids of all tasks.
        groups: The ids of all task groups, each after the one that it is in.
    """
    graph2 = page.get_by_role("tab", name="Graph", exact=True)
    graph3 = page.get_by_role("button", name=re.compile("^Show Graph"))
    graph2.or_(graph3).wait_for()
    if graph3.is_visible():
        graph3.click()
        if groups:
            page.get_by_test_id("expand-all-button").click()
    else:
        # Airflow 2 draws what fits on the page, and makes all of it fit when it opens the graph.
        page.get_by_role("tab", name="Details", exact=True).click()
        for group in groups:
            page.locator("tr").get_by_test_id(group).locator("span").click()
        graph2.click()
    for each in (*groups, *tasks):
        label = each.rpartition(".")[2]
        expect(node(page, each).get_by_text(label, exact=True)).to_be_visible()
    expect(page.locator(NODE)).to_have_count(len(tasks) + len(groups))


def node(page: Page, name: str) -> Locator:
    """A task or group in the graph."""
    return page.locator(f'{NODE}[data-id="{name}"]')


def write_screenshot(page: Page, path: Path) -> None:
    """Write what the page shows when nothing moves any more, small enough for a repository."""
    before, picture = b"", page.screenshot(animations="disabled")
    while picture != before:
        before, picture = picture, page.screenshot(animations="disabled")
    assert len(picture) < SCREENSHOT_BYTES
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)
