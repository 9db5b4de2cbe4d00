"""Whatever the conf of a run holds comes through `kedro run --params` as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from kedro.config import OmegaConfigLoader
from kedro.framework.cli.utils import _split_params

from kedro_airflow_k8s.deploy.params import conf_of, parse_params
from kedro_airflow_k8s.errors import ParameterError
from kedro_airflow_k8s.pod.params import kedro_literal, params_option

# What means something to Kedro, OmegaConf, YAML, Jinja, Kubernetes, Python or a shell.
TOKENS = [
    *("${", "}", "\\", "\\${", "\\\\${", "$", "{", "[", "]", ",", "=", ":", ": ", "#", " #", "'"),
    *('"', "- ", "? ", "|", ">", "&a", "*a", "!!int ", "%", "@", "`", "~", "null", "true", "1"),
    *("0123", "1e3", "0o7", "1_000", ".inf", "2026-01-01", "???", "{{", "}}", "{%", "$(HOME)"),
    *("${oc.env:HOME}", "${globals:a}", "${b}", " ", "\t", "\n", "\r\n", "\0", "\x7f", "\x85"),
    *("\u2028", "\ufeff", "\uffff", "ł", "名", "😀", "---", "..."),
]
NAMES = st.from_regex(r"[a-z]\w{0,3}", fullmatch=True)
NUMBERS = st.integers() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False)
TEXTS = st.lists(st.sampled_from(TOKENS) | st.text(max_size=4), max_size=8).map("".join)
HOSTILE = [*TOKENS, "", " a ", "\\${a\\\\${b}\\", "a,b=c,d.e=f", "x" * 5000, "${" * 30]
# To OmegaConf, `???` is not a value.
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS.filter(lambda text: text != "???"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
IMPOSSIBLE = ["???", "\ud800", "a\udcffb"]


@pytest.fixture(scope="module", name="conf")
def _conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conf")
    for name in ("base", "local"):
        (folder / name).mkdir()
    (folder / "base" / "parameters.yml").write_text("value: of the project\nb: 1\n")
    return folder


def option(conf: dict[str, Any] | None, form: list[str]) -> str:
    """What a pod gives to Kedro of the conf of a run, as the DAG's template takes it apart."""
    conf = conf or {}
    return params_option(
        json.dumps(
            {
                "form": {name: conf.get(name) for name in form},
                "conf": conf.get("kedro_params"),
            }
        )
    )


def _through_kedro(params: str, conf: Path) -> dict[str, Any]:
    """What a project has as parameters, by the ways of Kedro's own command."""
    context = click.Context(click.Command("run"))
    given_params = _split_params(context, click.Option(["--params"]), params)
    loader = OmegaConfigLoader(
        str(conf), env="local", base_env="base", default_run_env="local",
        runtime_params=given_params,
    )  # fmt: skip
    found: dict[str, Any] = loader["parameters"]
    return found


@given(first=TEXTS, second=TEXTS)
@example("${oc.env:HOME}", "\\${b}")
@example("\\\\\\", "${")
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_through_kedro_as_it_is(conf: Path, first: str, second: str) -> None:
    assume("???" not in (first, second))
    literals = [kedro_literal(text) for text in (first, second)]

    found = _through_kedro(f"value={literals[0]},other.part={literals[1]}", conf)

    assert found == {"value": first, "b": 1, "other": {"part": second}}


def _typed(value: Any) -> Any:
    """The value with the types of all that is in it: to Python, 1, 1.0 and True are equal."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    return [_typed(item) for item in value] if isinstance(value, list) else (type(value), value)


@given(first=VALUES, second=VALUES, third=VALUES)
@example({"x" * 5000: {"y" * 5000: [[{"<<": "*a", "???": 1, "${b}": "${b}"}]]}}, [[]], {"": {}})
@example(1e-5, 10**30, [1e22, -0.0, "0123", "1e-5", "", [], [[], [[]]], {}, None, True])
@example([-1, ["- 1", {"? a": {": b": "c"}}]], "null", {"a=b, c": {"d.e": {"f[0]": 0}}})
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_in_the_conf_of_a_run_is_what_the_project_has(
    conf: Path, first: Any, second: Any, third: Any
) -> None:
    run = {"field.x": first, "kedro_params": {"new": second, "other.part": third}, "theirs": 1}
    params = option(run, ["field.x", "field.y"])

    found = _through_kedro(params, conf)

    # A field that is empty means the project's own value.
    fields = {"field": {"x": first}} if first is not None else {}
    expected = {"value": "of the project", "b": 1, "new": second, "other": {"part": third}}
    assert _typed(found) == _typed(expected | fields)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_lacks_come_through_too(conf: Path, value: float) -> None:
    params = option({"kedro_params": {"value": [value]}}, [])

    assert repr(_through_kedro(params, conf)["value"]) == repr([value])


def test_the_conf_of_a_run_changes_the_parameters_it_names_and_leaves_the_rest(
    tmp_path: Path,
) -> None:
    for name in ("base", "local"):
        (tmp_path / name).mkdir()
    (tmp_path / "base" / "parameters.yml").write_text(
        "model: {depth: 3, options: {seed: 1, name: a}, list: [1, 2]}\nkept: {x: 1}\n"
    )
    run = {
        "model.options": {"seed": 2},
        "model.list": [],
        "unknown": 1,
        "kedro_params": {"model": {"depth": None, "options": {"more": True}}},
    }
    params = option(run, ["model.options", "model.list", "kept"])

    assert _through_kedro(params, tmp_path) == {
        "model": {"depth": None, "options": {"seed": 2, "name": "a", "more": True}, "list": []},
        "kept": {"x": 1},
    }


@pytest.mark.parametrize("conf", [None, {}, {"kedro_params": None}, {"depth": 1, "a": None}])
def test_a_run_whose_conf_says_nothing_to_kedro_has_no_parameters(conf: Any) -> None:
    assert option(conf, ["a", "b.c"]) == ""


@pytest.mark.parametrize(
    "name",
    ["", "a,b", "a=b", "a[0]", "[a]", "a..b", ".a", "a.", " a", "a ", "a\n", "$(HOME)", "a\ud800"],
)
def test_a_name_that_kedro_would_read_otherwise_fails_the_task_and_is_shown(name: str) -> None:
    with pytest.raises(SystemExit) as caught:
        option({"kedro_params": {"fine": 1, name: 2}}, [])

    assert str(caught.value) == (
        f"The conf of this run has {name!r}, which is not the name of a Kedro parameter. Nothing"
        " was run."
    )


@pytest.mark.parametrize("given_", ["model.depth=5", [1], 7, True])
def test_something_else_than_names_and_values_fails_the_task(given_: Any) -> None:
    with pytest.raises(SystemExit, match="must have names and values under kedro_params"):
        option({"kedro_params": given_}, [])


@pytest.mark.parametrize("text", IMPOSSIBLE)
@pytest.mark.parametrize("nested", [False, True])
def test_a_value_that_kedro_cannot_take_is_named_wherever_it_stands(
    text: str, nested: bool
) -> None:
    value = [{"deep": [text]}] if nested else text
    with pytest.raises(SystemExit, match="Kedro cannot take the value of 'secret'") as caught:
        option({"kedro_params": {"secret": value}}, [])

    assert repr(text) not in str(caught.value)


@given(value=VALUES)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_is_anything_to_kubernetes_or_splits_the_parameters(value: Any) -> None:
    literal = kedro_literal(value)

    assert literal.isascii()
    assert literal.replace("\n", "").isprintable()
    assert not set("$(),%#'") & set(literal)


@given(text=TEXTS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_text_of_a_value_is_nothing_to_jinja_kubernetes_or_the_system(text: str) -> None:
    assume(text != "???")
    literal = kedro_literal(text)

    assert literal.isascii()
    assert literal.isprintable()
    assert not set("$(){}%#,'") & set(literal)


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_what_kedro_cannot_take_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="Kedro cannot take the value of 'secret'") as caught:
        kedro_literal(text, "secret")

    assert repr(text) not in str(caught.value)


PIECES = [
    *("a", "1", "0x1", "1e5", "1_0", "'", '"', "[", "]", "{", "}", ":", ": ", " ", "=", "-", "- "),
    *("#", " #", "\\", "\\n", "\n", "~", "null", "yes", "!!str ", "&a", "*a", "|", ">", "%", "@"),
    *(
        "é",
        "😀",
        "\t",
        "\u2028",
        "\\${",
        "}",
        "..",
        "1:30",
        "2026-01-01",
        "<<",
        "?",
        "`",
        ".5",
        "$(",
    ),
]
OPTIONS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
OPTION_NAMES = st.sampled_from(["a", "b", "a.b", "a.c", "c.d.e", "my param", "ż"])


@given(
    given_=st.lists(st.tuples(OPTION_NAMES, OPTIONS), max_size=4),
    shown=st.lists(st.sampled_from(["a.b", "b", "c.d", "c.d.e"]), unique=True),
)
@example([("a", "1"), ("a.b", "'x: y'")], ["b"])
@example([("b", "\\${x} \\\\n"), ("b", "")], ["b"])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_run_has_what_kedro_run_has_of_the_same_params(
    conf: Path, given_: list[tuple[str, str]], shown: list[str]
) -> None:
    options = [f"{name}={value}" for name, value in given_]
    try:
        params = parse_params(options)
        run = json.loads(json.dumps(conf_of(params, shown)))
    except ParameterError:
        assume(False)
        raise
    expected = _through_kedro(",".join(options), conf)

    macro = option(run, shown)

    assert _typed(_through_kedro(macro, conf)) == _typed(expected)


@pytest.mark.parametrize("value", [None, "None", ""])
def test_a_macro_without_a_value_is_left_out_with_a_warning(
    value: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    found = params_option(json.dumps({"macros": {"ds": value, "run_id": "r"}}))

    assert found == 'run_id="r"'
    assert "Airflow macro 'ds' has no value in this run: Kedro takes its own" in caplog.text


def test_a_variable_that_airflow_does_not_have_ends_the_task_with_its_name() -> None:
    with pytest.raises(SystemExit) as caught:
        params_option(json.dumps({"variables": {"env": "prod", "missing": None}}))

    assert str(caught.value) == (
        "Airflow variable 'missing' does not exist. Create it in Airflow, or remove it from"
        " run_config.variables_params in airflow-k8s.yaml. Nothing was run."
    )


def test_the_conf_of_a_run_wins_over_form_variables_and_macros() -> None:
    given_ = {"macros": {"a": "m"}, "variables": {"a": "v"}, "form": {"a": 1}, "conf": {"a": 2}}

    assert params_option(json.dumps(given_)).split(",")[-1] == "a=2"


def test_a_run_without_parameters_gives_kedro_none() -> None:
    assert params_option("") == params_option("{}") == params_option('{"conf": null}') == ""
