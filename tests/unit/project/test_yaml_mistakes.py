"""Mistakes in YAML files, in plain words: the same for both parsers of PyYAML."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from kedro_airflow_k8s.project.yaml_mistakes import yaml_mistake

PARSERS = [yaml.SafeLoader, yaml.CSafeLoader]


def mistake(text: str, parser: type) -> str | None:
    with pytest.raises(yaml.MarkedYAMLError) as found:
        yaml.load(text, parser)
    return yaml_mistake(text, found.value)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("run_config\n  image: a\n", 1, "no colon"),
        ("run_config\n  # A comment.\n\n  image: a\n", 1, "no colon"),
        ("host: a\nrun_config\n  image: a\n", 2, "no colon"),
        ("run_config:\n  image a\n  startup_time: 3\n", 2, "no colon"),
        ("run_config:\n  startup_time: 3\n  image a\n", 3, "no colon"),
        ("run_config:\n  volume\n    disabled: true\n", 2, "no colon"),
        ("run_config:\n  image:a\n  startup_time: 3\n", 2, "no space after its colon"),
        ("run_config:\n  startup_time: 3\n  image:a\n", 3, "no space after its colon"),
        (
            "run_config:\n  secrets:\n    -secret: x\n    - secret: y\n",
            3,
            "no space after its dash",
        ),
        ('run_config:\n  image: "a\n  startup_time: 3\n', 2, "opens a quote that is not closed"),
        ("run_config:\n  image: 'a\n  startup_time: 3\n", 2, "opens a quote that is not closed"),
        (
            'x: it\'s\nimage: "a\nother: "b"\n',
            2,
            "opens a quote that is not closed",
        ),
        ('x: it\'s\nimage: "a" b\n', 2, "text after the end of its value"),
        ("a:\n  b: [c, d\n  e: 3\n", 2, "opens the bracket [, which is not closed"),
        ("a:\n  b: [c, d\n", 2, "opens the bracket [, which is not closed"),
        ("a:\n  b: {c: d\n  e: 3\n", 2, "opens the bracket {, which is not closed"),
        ("a: [b]]\n", 1, "bracket that closes nothing"),
        ("a:\n  b: c\n    d: e\n", 3, "indented deeper than line 2"),
        ("a:\n    b: c\n  d: e\n", 3, "not indented like the lines of its section"),
        ("a:\n  - b: c\n   d: e\n", 3, "not indented like the lines of its section"),
        ("a:\n\tb: c\n", 2, "indented with a tab. Use spaces."),
        ("a:\n  b: c\n\td: e\n", 3, "indented with a tab. Use spaces."),
        ("a: b: c\n", 1, "a colon in its value. Put the value in quotes."),
        ("a: @daily\n", 1, "begins with @. Put the value in quotes."),
        ("a: * * * * *\n", 1, "begins with *. Put the value in quotes."),
        ("a: {{ b }}\n", 1, "begins with {{. Put the value in quotes."),
        ('a: "C:\\path"\n', 1, "backslash in double quotes"),
        ("a: b\n---\nc: d\n", 2, "second document"),
    ],
)
def test_the_line_and_the_mistake_are_named(text: str, line: int, words: str, parser: type) -> None:
    found = mistake(text, parser)
    assert found is not None
    assert found.startswith(f"line {line} ")
    assert words in found
    assert len(found) <= 100


@pytest.mark.parametrize("parser", PARSERS)
def test_values_are_not_in_the_message(parser: type) -> None:
    text = "one:\n  password: hunter2\n  other hunter3\n  last: x\n"
    assert "hunter" not in str(mistake(text, parser))


@pytest.mark.parametrize("parser", PARSERS)
@given(text=st.text(alphabet="ab:-'\"[]{}#*\t\n .", max_size=30))
@example(text="")
def test_any_text_has_a_mistake_in_one_of_its_lines_or_none_that_is_known(
    parser: type, text: str
) -> None:
    try:
        yaml.load(text, parser)
    except yaml.MarkedYAMLError as error:
        found = yaml_mistake(text, error)
        if found is not None:
            assert 1 <= int(found.split()[1]) <= len(text.splitlines()) + 1
    except (yaml.YAMLError, ValueError):
        pass
