"""`run-once --params` reads what `kedro run --params` reads, and makes the conf of a run of it."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.deploy.params import conf_of, parse_params
from kedro_airflow_k8s.errors import ParameterError


def refusal(*options: str) -> str:
    with pytest.raises(ParameterError) as caught:
        parse_params(options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e-3", 0.001),
        ("1e5", 100000.0),
        ("0123", 83),
        ("'0123'", "0123"),
        ("true", True),
        ("yes", True),
        ("null", None),
        ("", None),
        ("a b", "a b"),
        ("'a'", "a"),
        ('"a\\n\\"b"', 'a\n"b'),
        ("it's", "it's"),
        ("2026-01-01", "2026-01-01"),
        ("[1, 2]", [1, 2]),
        ("[]", []),
        ("{a: 1, b: [x, 'y, z=1']}", {"a": 1, "b": ["x", "y, z=1"]}),
        ("a, b", "a, b"),
        ("f(x, y)", "f(x, y)"),
        ("'a, b=c'", "a, b=c"),
        ("x == y", "x == y"),
        ("http://x/?a=1&b=2", "http://x/?a=1&b=2"),
        (r"\${a}", "${a}"),
        (r'"a, \\${b}"', "a, ${b}"),
        ("$HOME", "$HOME"),
    ],
)
def test_a_value_is_read_as_yaml(text: str, value: Any) -> None:
    found = parse_params([f"name={text}"])["name"]
    assert (type(found), found) == (type(value), value)


def test_dots_make_nested_parameters_and_later_ones_win() -> None:
    options = ["model.depth=1", "model.rate=0.5", "x=1", "model.depth=2", "model={seed: 3}", "x=y"]
    assert parse_params(options) == {"model": {"depth": 2, "rate": 0.5, "seed": 3}, "x": "y"}


@pytest.mark.parametrize(
    ("option", "params"),
    [
        ("a=1,b=2", {"a": 1, "b": 2}),
        (" a = 1 , b.c = x ", {"a": 1, "b": {"c": "x"}}),
        ("a=[1,2],b=2", {"a": [1, 2], "b": 2}),
        ("a=x,y,b=2", {"a": "x,y", "b": 2}),
        ("a='x,y=1',b=2", {"a": "x,y=1", "b": 2}),
        ('a="x\\",y=1",b=2', {"a": 'x",y=1', "b": 2}),
        ("a='it''s,y=1',b=2", {"a": "it's,y=1", "b": 2}),
        ("a={x: 'y,z=1', w: [1,{v: 2}]},b=2", {"a": {"x": "y,z=1", "w": [1, {"v": 2}]}, "b": 2}),
        ("a=it's,b='2'", {"a": "it's", "b": "2"}),
        ("a=x[1,b=2", {"a": "x[1", "b": 2}),
        ("a=,b=2", {"a": None, "b": 2}),
        ("a=1,", {"a": "1,"}),
        ("", {}),
        (" ", {}),
    ],
)
def test_only_a_comma_before_another_name_begins_the_next_parameter(
    option: str, params: dict[str, Any]
) -> None:
    assert parse_params([option]) == params


@pytest.mark.parametrize("option", ["depth", "=1", " =1", "a:1", "a"])
def test_what_is_not_a_name_and_value_is_refused_with_an_example(option: str) -> None:
    assert refusal("fine=1", option) == (
        f"--params {option.strip()!r} is not name=value, such as --params model.depth=5."
    )


@pytest.mark.parametrize("name", ["a[0]", "[a]", "a..b", ".a", "a."])
def test_a_name_that_kedro_would_read_otherwise_is_refused(name: str) -> None:
    assert f"{name!r} cannot be the name of a parameter" in refusal(f"{name}=1")


@pytest.mark.parametrize(
    "value", ["[1, 2", "{a: 1", '"a', "'a", "a: b: c", "!!python/none x", "&", "{{ ds }}"]
)
def test_a_value_that_is_not_yaml_is_refused_with_what_to_write(value: str) -> None:
    text = refusal(f"name={value}")
    assert text.startswith(f"--params {f'name={value}'!r} cannot be read as YAML: ")
    assert text.endswith("""Put a text in quotes: --params 'name="..."'.""")
    assert "\n" not in text


@pytest.mark.parametrize("value", ["${a}", "x ${oc.env:HOME}", "[1, '${a}']", r"\\${a}"])
def test_what_only_the_project_could_resolve_is_refused_with_the_way_out(value: str) -> None:
    assert r"the value itself, or write \${" in refusal(f"name={value}")


def test_the_mark_of_a_missing_value_is_refused() -> None:
    assert "???" in refusal("a.b=???")
    assert "???" in refusal("a=[???]")


@pytest.mark.parametrize(
    "options", [("a=[1]", "a={x: 1}"), ("a.b=1", "a=[1]"), ("a=[1]", "a.b=2"), ("a=[1],a.b=2",)]
)
def test_a_list_and_names_in_one_place_contradict_each_other(options: tuple[str, ...]) -> None:
    assert "contradict each other" in refusal(*options)


# The conf of the run.


def test_shown_parameters_have_their_own_names_and_others_under_kedro_params() -> None:
    params = {"seed": 1, "model": {"depth": 3, "rate": 0.1}, "data": {"x": {"y": 1}}, "none": None}
    conf = conf_of(params, ["seed", "model.depth", "data.x", "none", "absent", "model.other"])
    assert conf == {
        "seed": 1,
        "model.depth": 3,
        "data.x": {"y": 1},
        # To a field of the form, null is the project's own value.
        "kedro_params": {"model": {"rate": 0.1}, "none": None},
    }


def test_a_shown_section_takes_all_that_is_below_it() -> None:
    assert conf_of({"model": {"depth": 3}}, ["model"]) == {"model": {"depth": 3}}
    assert conf_of({"model": 5}, ["model.depth"]) == {"kedro_params": {"model": 5}}
    assert conf_of({"model": {}}, ["model.depth"]) == {"kedro_params": {"model": {}}}


def test_without_parameters_the_conf_is_empty() -> None:
    assert conf_of({}, ["a"]) == {}


@pytest.mark.parametrize(
    ("params", "name", "what"),
    [
        ({"a": {"b": float("nan")}}, "a.b", "nan"),
        ({"a": [1, {"b": float("-inf")}]}, "a.b", "-inf"),
        ({"a": b"x"}, "a", "a bytes"),
        ({"a": {1: 2}}, "a.1", "keys that are not texts: 1"),
        ({"a": "x\udcff"}, "a", "not Unicode"),
    ],
)
def test_what_json_does_not_have_is_refused_by_its_name(
    params: dict[str, Any], name: str, what: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        conf_of(params, ["a"])
    assert f"The parameter {name!r} cannot" in str(caught.value)
    assert what in str(caught.value)
