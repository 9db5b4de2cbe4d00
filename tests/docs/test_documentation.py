"""The documentation builds without a warning, and no link in the repository leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
# What people read; the rest is generated, or belongs to an environment.
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "benchmarks/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
    if "_build" not in path.parts and not any(part.startswith(".") for part in path.parts[:-1])
)
MARKDOWN = MarkdownIt("commonmark").enable("table")


def test_the_documentation_builds_without_a_warning_and_each_page_is_in_a_table_of_contents(
    tmp_path: Path,
) -> None:
    # What `make docs` does, in folders of its own.
    built = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--builder", "html", "--fail-on-warning"),
            *("--keep-going", "--quiet", "--doctree-dir", tmp_path / "doctrees"),
            *(ROOT / "docs", tmp_path / "html"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert built.returncode == 0, built.stderr
    pages = {path for path in PAGES if path.is_relative_to(ROOT / "docs")}
    for page in pages:
        html = tmp_path / "html" / page.relative_to(ROOT / "docs").with_suffix(".html")
        assert html.exists(), page


def tokens(tree: list[Token]) -> Iterator[Token]:
    for token in tree:
        yield token
        yield from tokens(token.children or [])


@cache
def parsed(page: Path) -> list[Token]:
    return MARKDOWN.parse(page.read_text("utf-8"))


def links(page: Path) -> Iterator[str]:
    """Where the links and pictures of a page lead, as they are written."""
    for token in tokens(parsed(page)):
        target = token.attrGet("href") if token.type == "link_open" else token.attrGet("src")
        if token.type in ("link_open", "image") and target:
            yield str(target)
        elif token.type == "fence" and token.info.startswith(("{figure}", "{image}")):
            yield token.info.split()[1]


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    found: set[str] = set()
    tree = parsed(page)
    for heading, inline in pairwise(tree):
        if heading.type != "heading_open":
            continue
        text = "".join(
            t.content for t in inline.children or [] if t.type in ("text", "code_inline")
        )
        slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        number = sum(1 for other in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other))
        found.add(f"{slug}-{number}" if slug in found else slug)
    return found


def problem_of(page: Path, link: str) -> str | None:
    """What is wrong with a link, if it leads to somewhere in this repository."""
    if re.match(r"[a-z][a-z0-9+.-]*:", link):
        return None
    path, _, anchor = link.partition("#")
    target = (page.parent / unquote(path)).resolve() if path else page
    if not target.is_relative_to(ROOT):
        return "leads out of the repository"
    if not target.exists():
        return "is not there"
    if anchor and target.suffix == ".md" and anchor not in anchors(target):
        return "has no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    problems = [f"{link} {problem}" for link in links(page) if (problem := problem_of(page, link))]
    assert not problems, "\n".join(problems)


def test_the_look_at_links_finds_the_links_there_are_and_the_broken_ones(tmp_path: Path) -> None:
    page = ROOT / "docs/reference/configuration.md"
    assert len(list(links(page))) > 50
    assert problem_of(page, "checks.md#lost-data") is None
    assert problem_of(page, "#run_configvolumesize") is None
    assert problem_of(page, "checks.md#lost-date") == "has no such heading"
    assert problem_of(page, "chekcs.md") == "is not there"
    assert problem_of(page, "../../../elsewhere") == "leads out of the repository"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_place_of_the_machine_they_were_written_on(page: Path) -> None:
    assert not re.search(r"(?<![\w.~])/(work|tmp/w|root)/", page.read_text("utf-8"))
