"""The name of what a run of a DAG owns."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kedro_airflow_k8s.dag.operators.run_slug import run_slug

# A run id may be any text for Airflow 2; a DAG id has ASCII letters, digits, `-`, `_` and `.`.
IDS = st.text(max_size=300).filter(lambda text: text.isprintable()) | st.from_regex(
    r"[A-Za-z0-9_.~:+-]{1,250}", fullmatch=True
)


@given(first=st.tuples(IDS, IDS), second=st.tuples(IDS, IDS))
@example(("a/b", "c"), ("a", "b/c"))
@example(("a", "B"), ("a", "b"))
@example(("a_b", "r"), ("a-b", "r"))
@example(("", ""), ("-", ""))
@example(("x" * 250, "1"), ("x" * 250, "2"))
@settings(deadline=None)
def test_every_run_has_a_name_of_its_own_that_kubernetes_accepts(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    names = [run_slug(*run) for run in (first, second)]

    for name in names:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    assert (names[0] == names[1]) == (first == second)
