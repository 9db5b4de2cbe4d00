"""Generated Kedro projects of any number of nodes, light to import and plain in their names.

A project is an imaginary retailer's: chains of five nodes (load, clean, derive features, train,
report), one chain for each table. A quarter of the chains stands in each namespace of `NAMESPACES`.
Functions serve a stage and a kind of table, as in projects that grow by repetition: 50 functions,
each with a docstring of two sentences.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.errors import BenchmarkError

PACKAGE = "retail_forecasting"
IMAGE = "registry.example.com/retail-forecasting:1.0"
NAMESPACES = (None, "europe", "asia", "americas.north")
TABLES = (
    "customers",
    "orders",
    "products",
    "suppliers",
    "shipments",
    "returns",
    "payments",
    "stores",
    "campaigns",
    "visits",
)

# Stage, its verb, what it calls its output, and what its functions say they do.
STAGES = (
    ("ingestion", "load", "loaded", "Reads the {table} of one region from the warehouse."),
    ("cleaning", "clean", "cleaned", "Drops {table} without a key and corrects their types."),
    ("features", "derive", "features", "Aggregates {table} by week and adds lags."),
    ("training", "train", "model", "Fits a gradient boosted model of {table}."),
    ("reporting", "report", "report", "Compares the forecast of {table} with last year."),
)
SECOND_SENTENCE = "Rows outside the reporting period are left alone."


@dataclass(frozen=True)
class Node:
    """A node of a generated project; its datasets have the names that Kedro gives them."""

    stage: str
    short_name: str
    namespace: str | None
    function: str
    doc: str
    inputs: tuple[str, ...]
    output: str
    heavy: bool
    upstream: tuple[Node, ...] = field(compare=False)

    @property
    def name(self) -> str:
        return f"{self.namespace}.{self.short_name}" if self.namespace else self.short_name


def nodes(count: int) -> list[Node]:
    """The nodes of a project, in an order in which they can run; `count` is a multiple of five."""
    made: list[Node] = []
    for chain in range(count // len(STAGES)):
        table = TABLES[chain % len(TABLES)]
        namespace = NAMESPACES[chain % len(NAMESPACES)]
        prefix = f"{namespace}." if namespace else ""
        mine: list[Node] = []
        for position, (stage, verb, result, says) in enumerate(STAGES):
            # A report needs the model and the cleaned table; all others need what came before.
            upstream = (mine[1], mine[3]) if position == 4 else tuple(mine[-1:])
            node = Node(
                stage=stage,
                short_name=f"{verb}_{table}_{chain:03}",
                namespace=namespace,
                function=f"{verb}_{table}",
                doc=f"{says.format(table=table)}\n\n{SECOND_SENTENCE}",
                inputs=(
                    *(parent.output for parent in upstream),
                    f"params:{prefix}{stage}",
                ),
                output=f"{prefix}{table}_{chain:03}_{result}",
                heavy=stage == "training",
                upstream=upstream,
            )
            mine.append(node)
        made += mine
    return made


def write_project(folder: Path, count: int) -> Path:
    """Write a project of `count` nodes to `folder/nodes-<count>`, a git repository of one commit.

    Returns:
        The project's folder.
    """
    project = folder / f"nodes-{count}"
    package = Path("src", PACKAGE)
    files = {
        Path("pyproject.toml"): (
            f'[tool.kedro]\npackage_name = "{PACKAGE}"\nproject_name = "Retail forecasting"\n'
            'kedro_init_version = "1.0.0"\n'
        ),
        Path(".gitignore"): "/dags/\n/airflow_dags/\n__pycache__/\n",
        Path("conf/base/airflow-k8s.yaml"): CONFIG,
        Path("conf/base/catalog.yml"): CATALOG,
        Path("conf/base/parameters.yml"): _parameters(),
        Path("conf/local/.gitkeep"): "",
        package / "__init__.py": "",
        package / "settings.py": "",
        package / "pipeline_registry.py": REGISTRY,
        package / "pipelines/__init__.py": "",
    }
    made = nodes(count)
    for stage, *_ in STAGES:
        own = [node for node in made if node.stage == stage]
        module = package / "pipelines" / stage
        files[module / "__init__.py"] = "from .pipeline import create_pipeline as create_pipeline\n"
        files[module / "nodes.py"] = "\n\n".join(_functions(own))
        files[module / "pipeline.py"] = "".join(_pipeline(own))
    for path, text in files.items():
        target = project / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    _commit(project)
    return project


def _functions(own: list[Node]) -> Iterator[str]:
    for name, node in {node.function: node for node in own}.items():
        arguments = ", ".join(f"argument_{index}" for index in range(len(node.inputs)))
        doc = node.doc.replace("\n\n", "\n\n    ")
        yield f'def {name}({arguments}):\n    """{doc}\n    """\n    return {{"rows": 0}}\n'


def _pipeline(own: list[Node]) -> Iterator[str]:
    yield "from kedro.pipeline import Node, Pipeline\n\nfrom . import nodes\n\n\n"
    yield "def create_pipeline(**kwargs) -> Pipeline:\n    return (\n"
    for index, namespace in enumerate(NAMESPACES):
        prefix = f"{namespace}." if namespace else ""
        yield f"        {'+ ' if index else ''}Pipeline(\n            [\n"
        for node in (node for node in own if node.namespace == namespace):
            inputs = [name.replace(prefix, "", 1) for name in node.inputs]
            yield (
                f"                Node(\n                    nodes.{node.function},\n"
                f"                    {inputs!r},\n"
                f"                    {node.output.removeprefix(prefix)!r},\n"
                f"                    name={node.short_name!r},\n"
                + ("                    tags=['resources.heavy'],\n" if node.heavy else "")
                + "                ),\n"
            )
        yield f"            ],\n            namespace={namespace!r},\n        )\n"
    yield "    )\n"


def _parameters() -> str:
    stages = {stage: {"period": "2024", "threshold": 0.5} for stage, *_ in STAGES}
    tree: dict[str, object] = dict(stages)
    for namespace in NAMESPACES:
        level = tree
        for part in namespace.split(".") if namespace else ():
            inner: dict[str, object] = {}
            level[part] = inner
            level = inner
        level.update(stages)
    return _yaml(tree)


def _yaml(tree: dict[str, object], depth: int = 0) -> str:
    text = ""
    for key, value in tree.items():
        if isinstance(value, dict):
            text += f"{'  ' * depth}{key}:\n{_yaml(value, depth + 1)}"
        else:
            text += f"{'  ' * depth}{key}: {value}\n"
    return text


def _commit(project: Path) -> None:
    if shutil.which("git") is None:
        raise BenchmarkError("The projects are git repositories: install git.")
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Bench"), ("EMAIL", "bench@example.com"))
        },
    }
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["commit", "--quiet", "--message=Generated"],
    ):
        done = subprocess.run(
            ["git", *arguments],
            cwd=project,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise BenchmarkError(f"git {arguments[0]}: {done.stderr}")


REGISTRY = """\
from kedro.framework.project import find_pipelines


def register_pipelines():
    pipelines = find_pipelines(raise_errors=True)
    pipelines["__default__"] = sum(pipelines.values())
    return pipelines
"""

CATALOG = """\
"{table}_cleaned":
  type: pandas.ParquetDataset
  filepath: data/02_intermediate/{table}.parquet

"{table}_features":
  type: pandas.ParquetDataset
  filepath: data/04_feature/{table}.parquet

"{table}_model":
  type: pickle.PickleDataset
  filepath: data/06_models/{table}.pickle
  versioned: true
"""

CONFIG = f"""\
host: https://airflow.example.com
output: dags

run_config:
  image: {IMAGE}
  image_pull_policy: IfNotPresent
  namespace: forecasting
  experiment_name: retail-forecasting
  run_name: retail-forecasting
  description: Weekly forecast of sales by region
  cron_expression: "@weekly"
  start_date: "2024-01-01"
  service_account_name: forecasting
  image_pull_secrets:
    - registry-login
  volume:
    storageclass: standard
    size: 10Gi
    access_modes: [ReadWriteOnce]
  secrets:
    - secret: warehouse
      deploy_type: env
      deploy_target: WAREHOUSE_PASSWORD
      key: password
  resources:
    __default__:
      requests: {{cpu: 500m, memory: 1Gi}}
      limits: {{memory: 2Gi}}
    heavy:
      node_selectors: {{pool: highmem}}
      tolerations:
        - key: dedicated
          operator: Equal
          value: highmem
          effect: NoSchedule
      requests: {{cpu: "4", memory: 16Gi}}
      limits: {{memory: 32Gi}}
"""
