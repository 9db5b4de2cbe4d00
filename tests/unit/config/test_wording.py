"""Lists of names in messages: complete, or they say how to see the rest."""

from __future__ import annotations

import re
from pathlib import Path

import kedro_airflow_k8s
from kedro_airflow_k8s.config import wording
from kedro_airflow_k8s.config.wording import first_of, listed

SOURCES = Path(kedro_airflow_k8s.__file__).parent

# What a list of its own begins with: a part of a sequence is joined, or the rest is counted.
SHORTENED = re.compile(
    r"\", \"\.join\([^\n]*\[:(?!_MOST_LISTED)|\band \{[^}]*\} (?:more|others)\b(?! \(\{rest\}\))"
)


def test_a_list_is_complete() -> None:
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(map(str, range(7))) == "'0', '1', '2', '3', '4', '5', '6'"


def test_a_shortened_list_says_how_to_see_the_rest() -> None:
    rest = "`kedro registry list` lists all"
    assert first_of(map(str, range(5)), rest) == "'0', '1', '2', '3', '4'"
    assert first_of(map(str, range(7)), rest) == (
        "'0', '1', '2', '3', '4' and 2 more (`kedro registry list` lists all)"
    )


def test_no_message_shortens_a_list_without_saying_how_to_see_the_rest() -> None:
    shortened = {
        path.relative_to(SOURCES).as_posix(): found[0]
        for path in SOURCES.rglob("*.py")
        if (found := SHORTENED.search(path.read_text("utf-8")))
    }
    assert shortened == {}
    assert SHORTENED.search('", ".join(names[:5])')
    assert SHORTENED.search("and {number} more")
    assert "and {more} more ({rest})" in Path(wording.__file__).read_text("utf-8")
