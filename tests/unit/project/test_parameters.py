"""Parameters by their dotted names."""

from __future__ import annotations

import pytest

from kedro_airflow_k8s.project.parameters import parameter, parameter_names

PARAMETERS = {"a": 1, "model": {"depth": 2, "more": {"x": None}}}


def test_every_name_leads_to_a_value() -> None:
    names = list(parameter_names(PARAMETERS))

    assert names == ["a", "model", "model.depth", "model.more", "model.more.x"]
    assert [parameter(PARAMETERS, name) for name in names] == [
        1,
        PARAMETERS["model"],
        2,
        {"x": None},
        None,
    ]


@pytest.mark.parametrize("name", ["b", "a.b", "model.b", "model.more.x.y", ""])
def test_other_names_lead_nowhere(name: str) -> None:
    with pytest.raises(KeyError):
        parameter(PARAMETERS, name)
