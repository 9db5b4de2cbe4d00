"""Pages of the tutorial and how-to guides: all are read by a test, and what they list is true."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from kedro_airflow.plugin import create as kedro_airflow_create  # type: ignore[import-untyped]

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.errors import ConfigError
from tests.docs import test_how_to, test_tutorial
from tests.docs.manifests import ManifestError, check_manifest
from tests.docs.pages import DOCS, ROOT, Block, PageError, Reader, read_blocks, shows
from tests.docs.terminal import CommandError, Terminal

PAGES = sorted(
    page
    for folder in ("tutorial", "how-to")
    for page in (DOCS / folder).glob("*.md")
    if page.name != "index.md"
)

# kedro-airflow-k8s 0.8.2, with every key that it read, and `execution_engine` of its last commits,
# which no release has had.
OLD = yaml.safe_load(
    """
host: https://airflow.example.com
output: gs://airflow-bucket-example-com
run_config:
  image: shop
  image_pull_policy: IfNotPresent
  startup_time: 600
  startup_timeout: 600
  namespace: airflow
  experiment_name: Shop
  run_name: shop
  cron_expression: "@daily"
  start_date: "20210721"
  description: Very important
  image_pull_secrets: my-registry-credentials
  service_account_name: airflow
  volume:
    storageclass: standard
    size: 1Gi
    access_modes: [ReadWriteMany]
    skip_init: False
    owner: 0
    disabled: False
  secrets:
    - deploy_type: env
      deploy_target: SQL_CONN
      secret: airflow-secrets
      key: sql_alchemy_conn
  macro_params: [ds, prev_ds]
  variables_params: [env]
  resources:
    <name>:
      node_selectors: {big_node_pool: huge.10x}
      labels: {running: airflow}
      annotations: {iam.amazonaws.com/role: airflow}
      tolerations: [{key: group, value: data-processing, effect: NoExecute}]
      requests: {cpu: "1", memory: 1Gi}
      limits: {cpu: "1", memory: 1Gi}
  external_dependencies:
    - dag_id: upstream-dag
      task_id: with-precise-task
      timeout: 2
      check_existence: False
      execution_delta: 10
  env_vars: [ENVIRONMENT]
  authentication: {type: Vars, params: [MLFLOW_TRACKING_USERNAME]}
  failure_handlers: [{type: slack, connection_id: slack, message_template: failed}]
  kubernetes_pod_templates:
    <name>: {template: {spec: {hostname: trainer}}, image: other}
  group_spark_nodes: True
  spark:
    type: dataproc
    operator_factory: my_project.factories.OperatorFactory
    region: europe-west1
    project_id: target-project
    cluster_name: ephemeral
    artifacts_path: gs://dataproc/packages
    user_init_path: init_script.sh
    user_post_init_path: post_init_script.sh
    cluster_config: {master_config: {}}
execution_engine: {type: aws-fargate}
"""
)
# Free keys and values, which are not the plugin's.
_LEAVES = {
    "node_selectors",
    "labels",
    "annotations",
    "tolerations",
    "requests",
    "limits",
    "cluster_config",
    "execution_engine",
    "template",
    "access_modes",
    "macro_params",
    "variables_params",
    "env_vars",
    "params",
}


def _paths(data: Any, prefix: str = "") -> Iterator[str]:
    name = prefix.rpartition(".")[2]
    if name in _LEAVES or not isinstance(data, dict | list):
        yield prefix
    elif isinstance(data, list):
        for entry in data:
            yield from _paths(entry, f"{prefix}[]")
    else:
        for key, value in data.items():
            yield from _paths(value, f"{prefix}.{key}" if prefix else key)


def _rows(page: str, heading: str) -> list[list[str]]:
    text = (DOCS / "how-to" / page).read_text("utf-8")
    section = re.split(r"^## ", text.split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


OLD_KEYS = [
    (row[0].strip("`"), row[1], row[2])
    for row in _rows("migrate-from-0.8.md", "The keys")
    if row[0].startswith("`")
]
# What a key is read as, where it is not the value itself at the same place.
READ_AS: dict[str, tuple[str, Any]] = {
    "run_config.startup_timeout": ("run_config.startup_time", 600),
    "run_config.start_date": ("run_config.start_date", date(2021, 7, 21)),
    "run_config.image_pull_secrets": ("run_config.image_pull_secrets", ["my-registry-credentials"]),
    "run_config.env_vars": (
        "run_config.env_vars.ENVIRONMENT",
        {"from_airflow_variable": "ENVIRONMENT"},
    ),
    "run_config.failure_handlers[].type": ("run_config.notify[].with", "slack"),
    "run_config.failure_handlers[].connection_id": ("run_config.notify[].connection", "slack"),
    "run_config.failure_handlers[].message_template": ("run_config.notify[].message", "failed"),
    "run_config.authentication.type": ("run_config.mlflow.authentication.type", "vars"),
}


def test_every_key_of_the_old_version_has_a_row_and_no_other() -> None:
    assert sorted(key for key, _, _ in OLD_KEYS) == sorted(set(_paths(OLD)))


def test_only_dataproc_and_what_never_was_have_no_key_in_this_version() -> None:
    removed = {key for key, status, _ in OLD_KEYS if status == "removed"}

    assert {key.split(".")[1] if "." in key else key for key in removed} == {
        "spark",
        "group_spark_nodes",
        "execution_engine",
    }


@pytest.mark.parametrize(
    "key", [key for key, status, _ in OLD_KEYS if status == "same"], ids=lambda key: key
)
def test_an_old_key_is_read_as_it_was(key: str) -> None:
    path, value = READ_AS.get(key, (key, _value(OLD, key)))

    config = load_config(_section(key), "airflow-k8s.yaml")

    assert _listed(_value(config.model_dump(exclude_none=True), path)) == value


@pytest.mark.parametrize(
    ("key", "row"), [(key, row) for key, status, row in OLD_KEYS if status == "moved"]
)
def test_a_key_that_has_moved_is_refused_with_the_key_that_the_table_names(
    key: str, row: str
) -> None:
    named = row.split("`")[1]
    with pytest.raises(ConfigError) as caught:
        load_config(_section(key), "airflow-k8s.yaml")

    (line,) = str(caught.value).splitlines()[1:]
    old = ".".join(key.split(".")[:2])
    hint = re.search(r"(?:Did you mean '|It belongs at )([\w.]+)", line)
    assert line.startswith(f"  {old}: unknown key. ")
    assert hint is not None
    assert f"{named}.".startswith(f"{hint[1]}.")
    # The new key takes the old value.
    path, value = READ_AS.get(key, (named, _value(OLD, key)))
    parent = _value(OLD, key.rpartition(".")[0]) if "authentication" in key else {}
    config = load_config(_at_key(named, {**parent, named.rpartition(".")[2]: _value(OLD, key)}), "")
    assert _listed(_value(config.model_dump(exclude_none=True), path)) == value


@pytest.mark.parametrize("key", [key for key, status, _ in OLD_KEYS if status == "removed"])
def test_a_key_that_is_gone_is_refused_by_its_path(key: str) -> None:
    place = ".".join(key.split(".")[:2])

    with pytest.raises(ConfigError, match=rf"\n  {re.escape(place)}: unknown key"):
        load_config(_section(key), "airflow-k8s.yaml")


def _steps(key: str) -> list[str]:
    return key.replace("[]", ".0").split(".")


def _value(data: Any, key: str) -> Any:
    for step in _steps(key):
        data = data[int(step)] if step == "0" else data[step]
    return data


def _section(key: str) -> dict[str, Any]:
    """A file with the section that a key is in: the keys of a section need each other."""
    first, *rest = key.replace("[]", "").split(".")
    if not rest:
        return {first: OLD[first], "run_config": {"image": "shop"}}
    return {"run_config": {"image": "shop", rest[0]: OLD["run_config"][rest[0]]}}


def _at_key(key: str, section: dict[str, Any]) -> dict[str, Any]:
    for step in reversed(key.split(".")[:-1]):
        section = {step: section}
    return section


def _listed(value: Any) -> Any:
    return [_listed(part) for part in value] if isinstance(value, tuple) else value


def test_the_table_of_kedro_airflow_has_its_options() -> None:
    told = set(re.findall(r"--[a-z][a-z-]*", " ".join(r[0] for r in _kedro_airflow_rows())))
    assert isinstance(kedro_airflow_create, click.Command)
    real = {o for p in kedro_airflow_create.params for o in p.opts if o.startswith("--")}

    assert told == real - {"--help"}


def _kedro_airflow_rows() -> list[list[str]]:
    return _rows("migrate-from-kedro-airflow.md", "The commands")[1:]


def _texts() -> str:
    """All texts in the code of the plugin, with `...` for what is put into them."""
    found = []
    for file in (ROOT / "kedro_airflow_k8s").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "..." for v in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_the_messages_that_are_explained_are_those_of_the_code() -> None:
    rows = _rows("diagnose-a-run.md", "Messages and what to do")
    messages = [cell for row in rows for cell in re.findall(r"^`+(.*?)`+(?: \.\.\.|$)", row[0])]
    texts = _texts()

    assert len(messages) > 15
    for message in messages:
        for part in message.split("..."):
            assert part.strip(" ':`") in texts, message


def test_every_page_is_read_by_a_test() -> None:
    read = {test_how_to.HOW_TO / name for name in test_how_to.WITHOUT_SERVERS}
    named = Path(test_how_to.__file__).read_text() + Path(test_tutorial.__file__).read_text()

    assert [page.name for page in PAGES if page not in read and page.name not in named] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_a_page_is_typed_or_put_into_a_file_or_compared(page: Path) -> None:
    before: Block | None = None
    for block in read_blocks(page):
        assert block.language, f"{block.place} has no language"
        is_output = block.language == "text" and before is not None and before.language == "bash"
        assert block.language == "bash" or block.file or is_output, block.place
        before = block


def _page(folder: Path, text: str) -> Path:
    page = ROOT / "docs" / "tutorial" / "not-there.md"
    file = folder / page.name
    file.write_text(text)
    return file


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Someone in an empty folder."""
    monkeypatch.setattr("tests.docs.pages.ROOT", tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    return Reader(Terminal(home, tmp_path / "programs"))


def test_a_terminal_remembers_folder_and_variables_from_one_block_to_the_next(
    reader: Reader, tmp_path: Path
) -> None:
    text = (
        "```bash\nmkdir shop\ncd shop\nexport NAME='a b'\n```\n\n"
        "```bash\necho $NAME in $(basename $PWD)\n```\n\n```text\na b in shop\n```\n"
    )
    assert reader.follow(_page(tmp_path, text)) == "a b in shop\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("```yaml\na: 1\n```\n", "neither a command, nor a file"),
        ("```bash\necho a\n```\n\n```text\nb\n```\n", "does not show"),
        ("```{code-block} yaml\n:caption: a.yml\na: 1\n```\n", "has any use for the file"),
        ("```{code-block} yaml\n:caption: a.yml\na: [\n```\n", "expected"),
        ("```{code-block} yaml\n:caption: a.yml, these keys\na: 1\n```\n", "there is no a"),
        ("```{code-block} yaml\n:caption: a.yml, sometimes\na: 1\n```\n", "what is to be done"),
        (
            "```{code-block} yaml\n:caption: airflow-k8s.yaml\nrun_config: {imag: x}\n```\n",
            "Did you mean 'image'",
        ),
        (
            (
                "```{code-block} yaml\n:caption: airflow-k8s.yaml, with mistakes\n"
                "run_config: {image: shop}\n```\n"
            ),
            "there is no mistake",
        ),
        ("```{mermaid}\na\n```\n", "hold code"),
    ],
)
def test_a_block_that_is_wrong_is_found(
    reader: Reader, tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(PageError, match=words):
        reader.follow(_page(tmp_path, text))


def test_a_command_that_fails_or_should_have_failed_is_found(
    reader: Reader, tmp_path: Path
) -> None:
    failing = "```{code-block} bash\n:caption: ends with exit code 1\n%s\n```\n"

    reader.follow(_page(tmp_path, failing % "false"))
    with pytest.raises(CommandError, match="exit code 1, not 0"):
        reader.follow(_page(tmp_path, "```bash\nfalse\ntrue\n```\n"))
    with pytest.raises(CommandError, match="exit code 0, not 1"):
        reader.follow(_page(tmp_path, failing % "true"))


def test_output_is_compared_line_by_line_with_dots_for_what_changes() -> None:
    said = "one\ntwo 2\nthree\nfour\n"

    assert shows(said, "one\ntwo ...\n")
    assert shows(said, "...\nthree\n")
    assert shows(said, "two 2\n...\nfour\n")
    assert not shows(said, "one\nthree\n")
    assert not shows(said, "two\n")


def test_a_manifest_with_a_key_that_kubernetes_does_not_know_is_found() -> None:
    metadata = {"name": "pods"}
    check_manifest({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})

    with pytest.raises(ManifestError, match=r"ServiceAccount\.secret"):
        check_manifest(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "secret": []}
        )
    with pytest.raises(ManifestError, match="has no Roll"):
        check_manifest({"apiVersion": "v1", "kind": "Roll", "metadata": metadata})
