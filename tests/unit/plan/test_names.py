"""Names for Airflow and Python, made of names that Kedro takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kedro_airflow_k8s.config.own_names import digest
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan import names
from tests.support.strategies import filled_texts, node_names, texts

ID = re.compile(r"[A-Za-z0-9_.-]+")
LABEL = re.compile(r"[A-Za-z0-9_-]+")


@pytest.mark.parametrize("name", ["clean", "Clean_2", "train-model", "_x", "2021", "a" * 60])
def test_a_name_that_is_legal_already_stays_as_it_is(name: str) -> None:
    assert names.identifier(name) == name
    assert names.identifier(f"{name}.{name}", 250, dots=True) == f"{name}.{name}"


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("czyść dane", "czysc-dane"),
        ("名前", "Ming-Qian"),
        ("<lambda>__0a1b", "lambda-__0a1b"),
        ("partial(add)", "partial-add"),
        ("a.b", "a-b"),
        ("-x-", "x"),
        ("😀", "x"),
        ("x" * 300, "x" * 53),
    ],
)
def test_any_other_is_spelled_in_ascii_with_a_hash_of_the_original(
    name: str, readable: str
) -> None:
    assert names.identifier(name) == f"{readable}-{digest(name)}"


@given(texts(surrogates=True), st.integers(20, 250), st.booleans())
@example("&#99999999999999999999;", 60, False)
@example("a.", 60, True)
@example("." * 70, 60, True)
def test_every_text_has_an_identifier(text: str, limit: int, dots: bool) -> None:
    found = names.identifier(text, limit, dots)
    assert len(found) <= limit
    assert (ID if dots else LABEL).fullmatch(found)
    assert "--" not in found
    assert not found.startswith((".", "-"))
    assert not found.endswith((".", "-"))
    assert ".." not in found
    assert names.identifier(text, limit, dots) == found


@given(st.sets(texts(surrogates=True) | node_names(), min_size=2, max_size=6))
@example({"Same-Name", "same_name", "same.name", "same name", "Same.Name"})
@example({"x" * 300, "x" * 301, "x" * 60, "x" * 61})
def test_different_texts_have_different_identifiers(found: set[str]) -> None:
    assert len({names.identifier(text) for text in found}) == len(found)


@given(st.lists(st.sampled_from(["a", "b", "a-0", "x" * 250]), max_size=8))
def test_a_taken_name_gets_ever_more_of_a_hash(wanted: list[str]) -> None:
    taken: set[str] = set()
    found = [names.unique(name, name, taken) for name in wanted]
    assert len(set(found)) == len(found)
    assert all(len(name) <= names.TASK_ID_LENGTH for name in found)
    assert taken == set(found)


@given(st.lists(node_names() | texts(surrogates=True), max_size=8))
@example(["<lambda>", "lambda", "é", "", "x" * 99, "x" * 98])
def test_each_shared_text_has_a_constant_of_its_own(functions: list[str]) -> None:
    taken: set[str] = set()
    found = [names.constant(f"doc_{function}", taken) for function in functions]
    assert len(set(found)) == len(found)
    for name in found:
        assert name.isascii()
        assert name.isidentifier()
        assert name == name.upper()
        assert name.startswith("DOC")


@pytest.mark.parametrize(
    ("env", "pipeline", "dag_id"),
    [
        (None, None, "flights"),
        ("prod", None, "flights--prod"),
        (None, "train", "flights.train"),
        ("prod", "train", "flights--prod.train"),
        ("a.b--c", None, f"flights--a-b-c-{digest('a.b--c')}"),
        (None, "x.y", f"flights.x-y-{digest('x.y')}"),
    ],
)
def test_a_dag_id_is_readable(env: str | None, pipeline: str | None, dag_id: str) -> None:
    assert names.dag_id("flights", env, pipeline) == dag_id


PARTS = st.none() | filled_texts() | st.sampled_from(["a", "b", "a.b", "a--b", "--", ".", "A"])


@given(
    filled_texts().filter(lambda text: "--" not in text) | st.sampled_from(["a", "a.b"]),
    st.sets(st.tuples(PARTS, PARTS), min_size=2, max_size=6),
)
@example("a", {("b", None), (None, "b"), (None, None), ("b", "c"), ("b.c", None), (None, "b--c")})
def test_no_two_pairs_of_environment_and_pipeline_share_a_dag_id(
    run_name: str, pairs: set[tuple[str | None, str | None]]
) -> None:
    found = {names.dag_id(run_name, env, pipeline) for env, pipeline in pairs}
    assert len(found) == len(pairs)
    assert all(ID.fullmatch(dag_id) and len(dag_id) <= 250 for dag_id in found)


@given(st.lists(st.tuples(filled_texts(), filled_texts()), min_size=2, max_size=5, unique=True))
def test_environments_do_not_share_a_dag_id_even_if_each_has_a_run_name_of_its_own(
    runs: list[tuple[str, str]],
) -> None:
    by_env = {env: run_name.replace("--", "-") for run_name, env in runs if "--" not in run_name}
    found = {names.dag_id(run_name, env, None) for env, run_name in by_env.items()}
    assert len(found) == len(by_env)


def test_a_run_name_with_the_separator_of_environments_is_refused() -> None:
    with pytest.raises(PlanError, match=r"run_config\.run_name: 'a--b' has two dashes"):
        names.dag_id("a--b", None, None)


def test_a_tag_is_what_airflow_can_store() -> None:
    assert names.tag("commit_sha", "0a1b2c") == "commit_sha:0a1b2c"
    long = [names.tag("experiment_name", "x" * size) for size in (200, 201)]
    assert [len(tag) for tag in long] == [100, 100]
    assert long[0] != long[1]
