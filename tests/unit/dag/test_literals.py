"""Python source of values: exact whatever they hold, and laid out for a reader."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kedro_airflow_k8s.dag.literals import WIDTH, Call, Expression, literal
from tests.support.strategies import texts

floats = st.floats(allow_nan=False, allow_infinity=False)
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), floats, texts(surrogates=True)
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(texts(surrogates=True), inner, max_size=4),
    ),
    max_leaves=12,
)


def exactly(a: Any, b: Any) -> bool:
    """Equal, and of the same types: to Python, True is 1."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(exactly(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(exactly, a, b))
    return bool(a == b)


@given(values, st.integers(0, 4), st.integers(0, 120))
@example("\ud800 '\"\n\\", 0, 0)
@example(("x" * 200,), 1, 90)
@example({"": [], "a": {}, "b": ()}, 3, 200)
def test_reading_the_source_gives_the_value_back(value: Any, depth: int, before: int) -> None:
    source = literal(value, depth, before)
    assert exactly(ast.literal_eval(source.strip()), value)
    source.encode()


def short(text: str) -> bool:
    return len(ascii(text)) < 30


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(0, 10**6), texts().filter(short)),
        lambda inner: st.lists(inner, max_size=6) | st.dictionaries(texts().filter(short), inner),
        max_leaves=20,
    ),
    st.integers(0, 2),
)
def test_lines_fit_the_page_where_the_values_do(value: Any, depth: int) -> None:
    lines = literal(value, depth, before=4 * depth).splitlines()
    # A value too deep for the page is its own fault; that which fits has to.
    deep = max((len(line) - len(line.lstrip()) for line in lines), default=0) > 28
    assert deep or all(len(line) <= WIDTH for line in lines)


def test_a_short_value_stays_on_its_line_and_a_long_one_has_a_line_for_each_item() -> None:
    assert literal(["a", "b"]) == '["a", "b"]'
    assert literal(("a",)) == '("a",)'
    assert literal(["a" * 60, "b" * 60], 1).splitlines() == [
        "[",
        f'        "{"a" * 60}",',
        f'        "{"b" * 60}",',
        "    ]",
    ]


def test_a_long_text_of_several_lines_has_a_literal_for_each() -> None:
    text = "First line of a text that is long.\n\n  Third, and 'the last' but one of it.\nLast."
    source = literal(text, 1, 60)
    assert source.splitlines() == [
        "(",
        '        "First line of a text that is long.\\n"',
        '        "\\n"',
        "        \"  Third, and 'the last' but one of it.\\n\"",
        '        "Last."',
        "    )",
    ]
    assert ast.literal_eval(source.strip()) == text


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("plain", '"plain"'),
        ("it's", '"it\'s"'),
        ('say "it"', "'say \"it\"'"),
        ("'\"", "'\\'\"'"),
        ("zażółć 😀", '"zażółć 😀"'),
        ("\ud800", '"\\ud800"'),
        ("\x00\x7f", '"\\x00\\x7f"'),
    ],
)
def test_texts_have_double_quotes_unless_others_read_better(text: str, source: str) -> None:
    assert literal(text) == source


def test_names_and_calls_are_not_quoted() -> None:
    call = Call("make", {"a": Expression("x"), "b": ["y"]}, ("z",))
    assert literal(call) == 'make("z", a=x, b=["y"])'
    assert literal(call, before=90).splitlines() == [
        "make(",
        '    "z", a=x, b=["y"]',
        ")",
    ]
    assert literal(Call("make")) == "make()"


@pytest.mark.parametrize("value", [1j, b"x", {1: 2}, {"a": {3}}, [object()]])
def test_a_value_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        literal(value)
