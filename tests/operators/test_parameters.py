"""Any text comes through `kedro run --params` as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from kedro.config import OmegaConfigLoader
from kedro.framework.cli.utils import _split_params

from tests.operators.airflow_process import AirflowWorker, OperatorFailed

# What means something to Kedro, OmegaConf, YAML, Jinja, Kubernetes, Python or a shell.
TOKENS = [
    *("${", "}", "\\", "\\${", "\\\\${", "$", "{", "[", "]", ",", "=", ":", ": ", "#", " #", "'"),
    *('"', "- ", "? ", "|", ">", "&a", "*a", "!!int ", "%", "@", "`", "~", "null", "true", "1"),
    *("0123", "1e3", "0o7", "1_000", ".inf", "2026-01-01", "???", "{{", "}}", "{%", "$(HOME)"),
    *("${oc.env:HOME}", "${globals:a}", "${b}", " ", "\t", "\n", "\r\n", "\0", "\x7f", "\x85"),
    *("\u2028", "\ufeff", "\uffff", "ł", "名", "😀", "---", "..."),
]
# Kedro's own use of OmegaConf.
pytestmark = pytest.mark.filterwarnings("ignore:register_new_resolver")

TEXTS = st.lists(st.sampled_from(TOKENS) | st.text(max_size=4), max_size=8).map("".join)
HOSTILE = [*TOKENS, "", " a ", "\\${a\\\\${b}\\", "a,b=c,d.e=f", "x" * 5000, "${" * 30]
IMPOSSIBLE = ["???", "\ud800", "a\udcffb"]


@pytest.fixture(scope="module", name="conf")
def _conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conf")
    for name in ("base", "local"):
        (folder / name).mkdir()
    (folder / "base" / "parameters.yml").write_text("value: of the project\nb: 1\n")
    return folder


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
def test_any_text_comes_through_kedro_as_it_is(
    airflow: AirflowWorker, conf: Path, first: str, second: str
) -> None:
    assume("???" not in (first, second))
    literals = [airflow.call("kedro_literal", text) for text in (first, second)]

    found = _through_kedro(f"value={literals[0]},other.part={literals[1]}", conf)

    assert found == {"value": first, "b": 1, "other": {"part": second}}


@given(text=TEXTS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_text_of_a_value_is_nothing_to_jinja_kubernetes_or_the_system(
    airflow: AirflowWorker, text: str
) -> None:
    assume(text != "???")
    literal = airflow.call("kedro_literal", text)

    assert literal.isascii()
    assert literal.isprintable()
    assert not set("$(){}%#,'") & set(literal)


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_what_kedro_cannot_take_is_refused_without_showing_it(
    airflow: AirflowWorker, text: str
) -> None:
    with pytest.raises(OperatorFailed, match="Kedro cannot take the value of 'secret'") as caught:
        airflow.call("kedro_literal", text, "secret")

    assert caught.value.kind == "ValueError"
    assert repr(text) not in caught.value.message


PIPELINES = """
import json
from kedro.pipeline import node, pipeline

def write(values, nested, kept):
    print("FOUND", json.dumps([values, nested, kept]))

def register_pipelines():
    inputs = ["params:values", "params:dag_run.run_id", "params:kept"]
    return {"__default__": pipeline([node(write, inputs, None, name="write")])}
"""


def test_hostile_values_reach_the_node_of_a_kedro_run(
    airflow: AirflowWorker, tmp_path: Path
) -> None:
    texts = {f"v{i}": text for i, text in enumerate(HOSTILE) if text != "???"}
    for folder in ("conf/base", "conf/local", "src/tiny"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.kedro]\npackage_name = "tiny"\nproject_name = "tiny"\nkedro_init_version = "1.0.0"\n'
    )
    (tmp_path / "conf" / "base" / "parameters.yml").write_text("kept: 1\nvalues: {v0: 1}\n")
    (tmp_path / "conf" / "base" / "catalog.yml").touch()
    (tmp_path / "src" / "tiny" / "__init__.py").touch()
    (tmp_path / "src" / "tiny" / "settings.py").touch()
    (tmp_path / "src" / "tiny" / "pipeline_registry.py").write_text(PIPELINES)
    params = {**{f"values.{k}": text for k, text in texts.items()}, "dag_run.run_id": "a+b:c"}
    argument = ",".join(f"{k}={airflow.call('kedro_literal', v)}" for k, v in params.items())

    done = subprocess.run(
        [sys.executable, "-m", "kedro", "run", "--nodes=write", f"--params={argument}"],
        cwd=tmp_path,
        env={**os.environ, "DO_NOT_TRACK": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert json.loads(line.removeprefix("FOUND ")) == [texts, "a+b:c", 1]
