"""Which functions of a module count as changed."""

from __future__ import annotations

import pytest

from kedro_airflow_k8s.project.changed_functions import has_changed

MODULE = """
import math

RATE = 2

def helper(x):
    return x * RATE

def clean(x):
    return helper(x)

def rank(x):
    # The first ones.
    return sorted(x)
"""


def changed(name: str, old: str, new: str) -> bool:
    """Whether a function counts as changed after a text was replaced."""
    assert old in MODULE
    return has_changed(name, MODULE, MODULE.replace(old, new))


def test_a_function_has_changed_by_its_own_code_and_another_one_has_not() -> None:
    assert changed("rank", "sorted(x)", "sorted(x)[:3]")
    assert not changed("clean", "sorted(x)", "sorted(x)[:3]")


def test_a_function_has_changed_if_one_that_it_calls_has() -> None:
    assert changed("clean", "x * RATE", "x + RATE")
    assert not changed("rank", "x * RATE", "x + RATE")


@pytest.mark.parametrize("name", ["clean", "rank"])
@pytest.mark.parametrize("new", ["RATE = 3", "RATE = 2\nLIMIT = 3"])
def test_what_is_outside_of_functions_counts_for_all(name: str, new: str) -> None:
    assert changed(name, "RATE = 2", new)


def test_so_does_a_function_that_is_called_there() -> None:
    before = MODULE + "LIMIT = helper(1)\n"

    assert has_changed("rank", before, before.replace("x * RATE", "x + RATE"))
    assert not has_changed("rank", before, before.replace("return helper(x)", "return 1"))


def test_comments_and_other_functions_do_not_count() -> None:
    assert not changed("rank", "# The first ones.", "# All.")
    assert not changed("rank", "def rank", "def new():\n    pass\n\n\ndef rank")


@pytest.mark.parametrize("name", ["<lambda>", "outer.<locals>.inner", "Model.fit", ""])
def test_what_is_not_a_function_of_the_module_counts_as_changed(name: str) -> None:
    assert has_changed(name, MODULE, MODULE + "# More.\n")


def test_what_is_not_python_counts_as_changed() -> None:
    assert has_changed("rank", "def rank(", MODULE)
