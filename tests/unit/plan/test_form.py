"""The form of Airflow's page: which field a Kedro parameter gets, and which cannot have one."""

from __future__ import annotations

from datetime import date
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from kedro_airflow_k8s.config.dag import TriggerParam
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.form import FormField, form_fields
from tests.support.strategies import JSON


def field(value: Any) -> FormField:
    (found,) = form_fields([TriggerParam(name="x")], {"x": value})
    return found


def refusal(name: str, parameters: dict[str, Any]) -> str:
    with pytest.raises(PlanError) as refused:
        form_fields([TriggerParam(name=name)], parameters)
    return str(refused.value)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (True, {"type": "boolean"}),
        (0, {"type": "integer"}),
        (1.0, {"type": "number"}),
        ("a", {"type": "string"}),
        (" a", {"type": "string", "format": "multiline"}),
        ("a\nb", {"type": "string", "format": "multiline"}),
        ("", {"type": ["null", "string"]}),
        (None, {"type": ["null", "string"]}),
        ({}, {"type": "object"}),
        ({"a": [None]}, {"type": "object"}),
        (["a", "b c"], {"type": "array", "items": {"type": "string"}}),
        ([1, 2.5], {"type": "array", "items": {"type": "number"}}),
        ([True], {"type": "array", "items": {"type": "boolean"}}),
        ([{"a": 1}, {}], {"type": "array", "items": {"type": "object"}}),
        ([[1], []], {"type": "array", "items": {"type": "array"}}),
    ],
)
def test_a_value_gets_the_field_of_its_type(value: Any, schema: dict[str, Any]) -> None:
    assert field(value) == FormField("x", value, schema)


@pytest.mark.parametrize("value", [[], [1, "a"], [None], ["a", ""], [" a"], ["a\nb"], [True, 1]])
def test_a_list_that_lines_of_text_would_change_is_edited_as_json_on_both_airflows(
    value: list[Any],
) -> None:
    schema = field(value).schema
    # Airflow 3 takes the first type; Airflow 2 looks for the kind of the items.
    assert schema["type"] == ["object", "array"]
    assert schema["items"]
    assert "type" not in schema["items"]


@given(JSON)
def test_the_projects_own_value_is_always_one_that_airflow_accepts(value: Any) -> None:
    found = field(value)
    jsonschema.Draft202012Validator.check_schema(found.schema)
    jsonschema.validate(found.default, found.schema)
    assert found.default == value


def test_a_parameter_that_does_not_exist_is_refused_with_the_nearest() -> None:
    parameters = {"model_options": {"test_size": 0.2}, "seed": 1}
    assert "no parameter 'sede'. Did you mean 'seed'?" in refusal("sede", parameters)
    text = refusal("model_options.tset_size", parameters)
    assert "Did you mean 'model_options.test_size'?" in text
    assert "Did you mean 'model_options.test_size'?" in refusal("test_size", parameters)
    assert "Did you mean" not in refusal("other", parameters)
    assert "no parameter 'seed.x'" in refusal("seed.x", parameters)
    assert "no parameter 'x'" in refusal("x", {})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "nan, which JSON"),
        (float("inf"), "inf, which JSON"),
        (date(2026, 7, 21), "a date, which JSON"),
        (b"x", "a bytes, which JSON"),
        ({1: 2}, "a key that is not a string"),
        (2**53, "an integer so large"),
        (-(2**60), "an integer so large"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_value_that_would_not_come_back_as_it_is_is_refused_by_name(
    value: Any, reason: str, nested: bool
) -> None:
    text = refusal("a.b", {"a": {"b": [1, {"c": value}] if nested else value}})
    assert "parameter 'a.b'. Its value holds" in text
    assert reason in text
