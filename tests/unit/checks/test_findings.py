"""Findings in words and as JSON, and the page that explains them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from kedro_airflow_k8s.checks.findings import (
    CODES,
    Finding,
    as_json,
    counts,
    errors_first,
    messages,
    paragraphs,
)

PAGE = Path(__file__).parents[3] / "docs/reference/checks.md"

ERROR = Finding(
    code="lost-data",
    severity="error",
    where="dataset 'x'",
    problem="It is in memory.",
    consequence="It is lost.",
    fix="Store it.",
    pipeline="sales",
)
WARNING = Finding(
    code="image-tag",
    severity="warning",
    where="run_config.image",
    problem="No tag.",
    consequence="It may change.",
    fix="Name one.",
)


def other(pipeline: str) -> Finding:
    """The same finding about another pipeline."""
    return Finding(**{**ERROR.__dict__, "pipeline": pipeline})


def test_a_finding_is_a_paragraph_with_its_code_place_and_pipeline() -> None:
    assert paragraphs([ERROR, WARNING]) == [
        "error [lost-data] dataset 'x' (pipeline sales): It is in memory. It is lost. Store it.",
        "warning [image-tag] run_config.image: No tag. It may change. Name one.",
    ]


def test_errors_come_first_and_each_finding_once() -> None:
    assert errors_first([WARNING, ERROR, WARNING, other("stock")]) == [
        ERROR,
        other("stock"),
        WARNING,
    ]


def test_what_pipelines_have_in_common_is_reported_once() -> None:
    found = [ERROR, other("stock"), WARNING]
    assert paragraphs(found) == [
        paragraphs([ERROR])[0].replace("pipeline sales", "pipelines sales, stock"),
        *paragraphs([WARNING]),
    ]
    many = [other(f"p{index}") for index in range(9)]
    rest = "p4 and 4 more (`validate --format json` lists all)): It is"
    assert f"(pipelines p0, p1, p2, p3, {rest}" in paragraphs(many)[0]


def test_a_flood_of_one_kind_is_cut_and_counted() -> None:
    found = [Finding(**{**ERROR.__dict__, "where": f"dataset {index}"}) for index in range(25)]
    told = paragraphs([*found, WARNING])
    assert told[:10] == paragraphs(found[:10])
    assert told[10].startswith("error [lost-data] 15 more")
    assert told[11:] == paragraphs([WARNING])


def test_messages_are_the_same_paragraphs_without_the_severity() -> None:
    found = [ERROR, *(other(f"p{index}") for index in range(3)), WARNING]
    assert [
        f"{severity} {message.text}"
        for severity, message in zip(["error", "warning"], messages(found), strict=True)
    ] == paragraphs(found)


def test_all_findings_about_a_run_are_shown_as_validate_cannot_list_them() -> None:
    found = [replace(WARNING, where=f"--params {index}", of_run=True) for index in range(12)]
    told = messages([WARNING, *found])
    assert [message.of_run for message in told] == [False] + [True] * 12
    assert "of_run" not in as_json([WARNING])


def test_counts_are_in_words() -> None:
    assert counts([]) == "0 errors, 0 warnings"
    assert counts([ERROR, WARNING, WARNING]) == "1 error, 2 warnings"


def test_json_is_one_line_with_all_fields() -> None:
    text = as_json([ERROR, WARNING])
    assert "\n" not in text
    first, second = json.loads(text)
    assert first == {
        "code": "lost-data",
        "severity": "error",
        "where": "dataset 'x'",
        "problem": "It is in memory.",
        "consequence": "It is lost.",
        "fix": "Store it.",
        "pipeline": "sales",
        "names": [],
    }
    assert second["pipeline"] == ""


def test_the_page_explains_each_code_and_no_other() -> None:
    sections = re.split(r"^### ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    explained = {}
    for section in sections:
        title, _, rest = section.partition("\n")
        text = rest.partition("\n## ")[0].strip()
        explained[title.strip("`")] = text
    assert sorted(explained) == sorted(CODES)
    for code, text in explained.items():
        assert re.match(r"(Error|Warning|Error or warning)\. ", text), code
