"""The reference in docs/reference is what the code says."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from kedro.pipeline import node

from kedro_airflow_k8s.checks.findings import CODES
from kedro_airflow_k8s.cli import airflow_k8s
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.config.section import Section
from scripts import write_reference as reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs/reference"
CODE = ROOT / "kedro_airflow_k8s"
REGENERATE = "write the pages again: make reference"


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text("utf-8")


def test_the_pages_of_commands_and_configuration_are_what_their_script_writes() -> None:
    assert page("commands") == reference.commands_page(), REGENERATE
    assert page("configuration") == reference.configuration_page(), REGENERATE


def test_every_command_has_a_heading_and_below_it_each_of_its_options() -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page("commands"), re.M | re.S))
    for path, command in reference.commands(airflow_k8s, "kedro airflow-k8s"):
        told = sections[path]
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert all(f"{name}" in told for name in parameter.opts), (path, parameter.name)
                assert (parameter.help or "").split(".")[0][:30] in told


def keys_of(model: type[Section]) -> Iterator[str]:
    for name, field in model.own_fields().items():
        yield name
        for part in re.findall(r"config\.\w+\.(\w+)", str(field.annotation)):
            found = next((m for m in _sections() if m.__name__ == part), None)
            if found is not None:
                yield from keys_of(found)


def _sections() -> list[type[Section]]:
    found, left = [], [Section]
    while left:
        one = left.pop()
        found.append(one)
        left += one.__subclasses__()
    return found


def test_every_key_has_a_heading_an_anchor_a_type_and_a_default() -> None:
    text = page("configuration")
    entries = re.findall(r"^### `(.+?)`\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    assert [path.rpartition(".")[2] for path, _ in entries] == list(keys_of(PluginConfig))
    anchors = [reference.anchor(path) for path, _ in entries]
    assert len(set(anchors)) == len(anchors)
    for path, entry in entries:
        assert f"[`{path.rpartition('.')[2]}`](#{reference.anchor(path)})" in text
        assert "\n- Type: " in entry, path
        assert "\n- Default: " in entry, path


def test_defaults_told_are_those_of_an_empty_configuration() -> None:
    sections = {
        "date_param": {"name": "run_date"},
        "schedule": {"assets": ["orders"]},
        "partitioned": {"by": "daily"},
    }
    loaded = load_config({"run_config": sections}, "here")
    entries = re.findall(r"^### `([\w.]+)`\n(.*?)(?=^##|\Z)", page("configuration"), re.M | re.S)
    found = {path: re.search(r"^- Default: `(.+)`\.$", entry, re.M) for path, entry in entries}
    told = {path: default[1] for path, default in found.items() if default}

    assert {"run_config.startup_time", "run_config.volume.size"} <= told.keys()
    for path, default in told.items():
        value: object = loaded
        for part in path.split("."):
            value = getattr(value, part)
        value = list(value) if isinstance(value, tuple) else value
        assert value == default or yaml.safe_load(default) == value, path


def test_the_page_of_the_checks_has_each_of_them() -> None:
    assert set(re.findall(r"^### `([\w-]+)`$", page("checks"), re.M)) == set(CODES)


def environment_variables() -> set[str]:
    """The names of variables that stand in the code as texts of their own."""
    found = set()
    for file in CODE.rglob("*.py"):
        for part in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                found.add(part.value)
    return {text for text in found if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+_?", text)}


OWN = ("KEDRO_", "AIRFLOW_API_", "AIRFLOW__CLIENT_", "AIRFLOW_VAR_", "AIRFLOW_CONN_")


def test_each_environment_variable_of_the_plugin_is_on_its_page_and_no_other() -> None:
    told = set(re.findall(r"`([A-Z][A-Z0-9_]+)(?:<NAME>)?`", page("environment-variables")))
    used = {name for name in environment_variables() if name.startswith(OWN)}

    assert used - told <= {
        "KEDRO_AIRFLOW_K8S_",  # how some of them begin
        "KEDRO_RUN",  # a name in the DAG file
    }
    source = "\n".join(file.read_text("utf-8") for file in sorted(CODE.rglob("*.py")))
    of_libraries = {
        "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY",  # requests
        "GOOGLE_APPLICATION_CREDENTIALS", "AWS_PROFILE", "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_CONNECTION_STRING",
        "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY",
        "AIRFLOW",
    }  # fmt: skip
    made_of_two = {"KEDRO_CONFIG_COMMIT_ID", "KEDRO_CONFIG_BRANCH_NAME"}
    assert {n for n in told - of_libraries - made_of_two if n not in source} == set()


def test_the_versions_that_were_tested_are_those_of_the_lock_files() -> None:
    tested = page("supported-versions")
    locks = [(ROOT / f"requirements/airflow{n}.txt").read_text() for n in (2, 3)]
    airflows = [re.findall(r"^apache-airflow==([\d.]+)", lock, re.M) for lock in locks]
    provider = re.findall(r"^apache-airflow-providers-cncf-kubernetes==(\d+\.\d+)", locks[1], re.M)
    (kedro,) = re.findall(r"^kedro==(\d+\.\d+)", locks[1], re.M)

    assert f"| {airflows[0][0]} and {airflows[1][0]} |" in tested
    assert f"| {kedro} |" in tested
    # Python 3.10 has an older one.
    assert f"| {provider[-1]} |" in tested


def test_the_extras_are_those_that_there_are() -> None:
    told = set(re.findall(r"`(\w+)`", page("supported-versions").split("## Extras")[1]))
    section = (ROOT / "setup.cfg").read_text().split("[options.extras_require]\n")[1]
    extras = set(re.findall(r"^(\w+) =$", section.split("\n[")[0], re.M))
    assert told == extras


@pytest.mark.parametrize("way", re.findall(r"^\| `([^`]+)` \|", page("airflow-api"), re.M)[:6])
def test_each_way_to_log_in_is_valid(way: str) -> None:
    if way != "airflow_auth" and not way.startswith(("list-", "run-", "schedule")):
        load_config({"airflow_auth": yaml.safe_load(way), "run_config": {}}, "airflow-api.md")


def test_the_parameters_and_tags_shown_of_the_dag_are_valid() -> None:
    date, catalog, params = re.findall(r"```yaml\n(.*?)```", page("dag"), re.S)
    param = load_config(yaml.safe_load(date), "dag.md").run_config.date_param
    assert param
    assert f"${{runtime_params:{param.name}," in yaml.safe_load(catalog)["totals"]["filepath"]
    loaded = load_config(yaml.safe_load(params), "dag.md").run_config
    assert [param.name for param in loaded.trigger_params] == ["model.depth", "model.rate"]


def test_kedro_takes_the_tags_shown_of_nodes_and_refuses_the_old_ones() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", page("dag"), re.S)
    tags = re.findall(r'tags="([^"]+)"', code)
    assert [tag.partition(".")[0] for tag in tags] == ["resources", "airflow-k8s"]
    node(print, "features", "model", tags=tags)
    with pytest.raises(ValueError, match="tag"):
        node(print, "features", "model", tags="resources:huge")


def test_the_line_for_editors_leads_to_the_schema_that_the_command_makes(tmp_path: Path) -> None:
    section = page("configuration").split("## The schema for editors")[1]
    command = re.findall(r"```bash\n(.*?)```", section, re.S)[0]
    made = subprocess.run(
        ["bash", "-euc", command],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        check=False,
    )
    assert made.returncode == 0
    line = re.search(r"\$schema=(\S+)", section)
    assert line is not None
    schema = tmp_path / "conf/base" / line[1]
    assert schema.resolve().read_text() == (CODE / "config/airflow-k8s.schema.json").read_text()
