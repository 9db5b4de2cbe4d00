"""Messages say what is wrong in one short sentence, before they explain it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "kedro_airflow_k8s"
ERRORS = re.compile(
    r"Error$|^(Unreachable|Not[A-Z]\w+|Conflict|Refused|ServerFailed|AirflowException|BadParameter|warn)$"
)
NAME = "x" * 12
"""A value in a message: longer ones are names of the user's."""
LONGEST = 100


def text_of(node: ast.expr) -> str:
    """The text of an expression, with a name in place of each value; empty if it is none."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else NAME for v in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return ""


def messages(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in ("Finding", "ConfigWarning"):
            for keyword in node.keywords:
                if keyword.arg in ("problem", "reason"):
                    yield node.lineno, text_of(keyword.value)
        elif ERRORS.search(name) and node.args:
            yield node.lineno, text_of(node.args[0])


def first_sentence(message: str) -> str:
    return re.split(r"(?<=[.!?])\s|(?<=\.)(?=x{12})|:?\n", message)[0]


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda f: f.name)
def test_the_first_sentence_of_a_message_is_short(file: Path) -> None:
    firsts = {line: first_sentence(text) for line, text in messages(file)}
    # A phrase after the value of a key, which begins the message.
    sentences = {line: first for line, first in firsts.items() if not first.startswith("must ")}
    assert [(line, text) for line, text in sentences.items() if len(text) > LONGEST] == []


def test_a_long_sentence_is_found() -> None:
    assert first_sentence("It is wrong. So it fails.") == "It is wrong."
    assert first_sentence("It is wrong:\n  a\n") == "It is wrong"
    assert len(first_sentence(f"It is {'very ' * 30}wrong.")) > LONGEST
