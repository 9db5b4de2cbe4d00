"""The Kedro project of these tests: examples/spaceflights with pipelines of faults beside it."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.support.kedro_projects import ProjectFolder

EXAMPLE = Path(__file__).parents[2] / "examples/spaceflights"

STOCK = {"apples": 3, "pears": 4}
GATE = "data/gate-open"
"""The node that is held at the gate goes on when this file of its pod is there."""
AT_THE_GATE = "AT THE GATE WITH "
SHOP = {"TRY_CURRENCY": "EUR", "notes.txt": "as a file alone"}
PASSWORD = {"password": "s3cret"}
OBJECTS: tuple[dict[str, Any], ...] = (
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"}, "data": SHOP},
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "shop-secret"},
        "stringData": PASSWORD,
    },
)
"""What pods get from the cluster."""
OWNER = 2000
"""The group of the volumes: not one that the image's user is in."""

REGISTRY = '''
"""The pipelines of the example, and those of the tests, which `__default__` leaves out."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline


def register_pipelines() -> dict[str, Pipeline]:
    pipelines = find_pipelines(raise_errors=True)
    example = [p for name, p in pipelines.items() if not name.startswith("try_")]
    return {**pipelines, "__default__": sum(example, start=Pipeline([]))}
'''
_HOOKS = '''
import json
from kedro.framework.hooks import hook_impl


class Witness:
    """Tells the log of the metrics and of the end of a run that fails."""

    @hook_impl
    def after_dataset_saved(self, dataset_name, data):
        if dataset_name == "metrics":
            print("METRICS", json.dumps(data, sort_keys=True), flush=True)

    @hook_impl
    def on_pipeline_error(self, error):
        print(f"on_pipeline_error: {type(error).__name__}", flush=True)
'''
_SETTINGS = """
from spaceflights.witness import Witness

HOOKS = (Witness(),)
"""
HOLD = f'''
import json
import time
from pathlib import Path


def hold(value):
    """Wait until the test opens the gate."""
    print("{AT_THE_GATE}" + json.dumps(value, sort_keys=True), flush=True)
    # KubernetesPodOperator shows a line when the next one comes.
    print("WAITING", flush=True)
    while not Path("{GATE}").exists():
        time.sleep(0.05)
    return value
'''
_TRY_VOLUME = """
from kedro.pipeline import Pipeline, node
from spaceflights.gate import hold


def count(stock, factor):
    return {"kinds": len(stock), "pieces": factor * sum(stock.values())}


def report(held):
    print("REPORTED", held, flush=True)


def create_pipeline():
    return Pipeline([
        node(count, ["stock", "params:factor"], "counted", name="count"),
        node(hold, "counted", "held", name="hold"),
        node(report, "held", None, name="report"),
    ])
"""
_TRY_MEMORY = """
from kedro.pipeline import Pipeline, node


def take_all_memory(stock):
    taken = []
    while True:
        taken.append(b"x" * 2**24)


def create_pipeline():
    return Pipeline([node(take_all_memory, "stock", None, name="hungry", tags="resources.tiny")])
"""
_TRY_FAILURE = """
from kedro.pipeline import Pipeline, node


def fail(stock):
    raise ValueError(f"there are no [bold] plums among {sorted(stock)}")


def pack(basket):
    return basket


def create_pipeline():
    return Pipeline([
        node(fail, "stock", "basket", name="fail"),
        node(pack, "basket", "packed", name="pack"),
    ])
"""
_TRY_RESUME = """
import os
from kedro.pipeline import Pipeline, node


def begin():
    return [0]


def append(numbers):
    return [*numbers, len(numbers)]


def sum_up(numbers):
    if "FIXED" not in os.environ:
        raise ValueError("not today")
    print("THE SUM IS", sum(numbers), flush=True)


def create_pipeline():
    return Pipeline([
        node(begin, None, "numbers_0", name="begin"),
        *(node(append, f"numbers_{i}", f"numbers_{i + 1}", name=f"append_{i}") for i in range(8)),
        node(sum_up, "numbers_8", None, name="sum_up"),
    ])
"""
_TRY_HANDING_ON = """
from kedro.pipeline import Pipeline, node
from spaceflights.gate import hold


def count(stock):
    return {"kinds": len(stock), "pieces": sum(stock.values())}


def report(passed_on):
    print("REPORTED", passed_on, flush=True)


def create_pipeline():
    return Pipeline([
        node(count, "stock", "undeclared", name="count"),
        node(hold, "undeclared", "passed_on", name="hold"),
        node(report, "passed_on", None, name="report"),
    ])
"""
_TRY_TALKING = """
from kedro.pipeline import Pipeline, node
from spaceflights.gate import hold


def talk(stock):
    for number in range(1_200):
        print(number, "x" * 10_000)
    return sorted(stock)


def fail(held):
    raise ValueError("no more words")


def create_pipeline():
    return Pipeline([
        node(talk, "stock", "talked", name="talk"),
        node(hold, "talked", "talked_on", name="hold"),
        node(fail, "talked_on", None, name="fail"),
    ])
"""
_TRY_PODS = """
import json
import os
import socket
from pathlib import Path

from kedro.pipeline import Pipeline, node

PREFIX = "TRY_"


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(Path(folder).rglob("*"))
        # A ConfigMap lies in folders that begin with dots, with links to its files.
        if path.is_file() and not path.relative_to(folder).parts[0].startswith("..")
    }


def look(stock):
    shared = os.statvfs("/dev/shm")
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    wanted = ("NoNewPrivs", "CapEff", "CapBnd", "Seccomp")
    Path("/scratch/mine.txt").write_text("mine")
    Path("/models/model.txt").write_text("trained")
    Path("/ephemeral/file.txt").write_text("for a while")
    seen = {
        "env": {name: text for name, text in os.environ.items() if name.startswith(PREFIX)},
        "links": [name for name in os.environ if name.endswith("_SERVICE_HOST")],
        "config": files_of("/etc/shop"),
        "secret": files_of("/etc/shop-secret"),
        "scratch": files_of("/scratch"),
        "shared_memory": shared.f_blocks * shared.f_frsize,
        "status": {name: status[name].strip() for name in wanted},
        "user": [os.getuid(), os.getgid(), *sorted(os.getgroups())],
        "address": socket.gethostbyname("warehouse.example.com"),
        "resolver": Path("/etc/resolv.conf").read_text(),
        "token": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"),
    }
    print("SEEN", json.dumps(seen), flush=True)
    return "looked"


def read(looked):
    try:
        Path("/models/mine.txt").write_text("mine")
    except OSError as error:
        refusal = str(error)
    print("SEEN", json.dumps({"models": files_of("/models"), "refusal": refusal}), flush=True)


def create_pipeline():
    return Pipeline([
        node(look, "stock", "looked", name="look", tags="resources.looking"),
        node(read, "looked", None, name="read", tags="resources.reading"),
    ])
"""
_CATALOG = """
stock: {type: json.JSONDataset, filepath: data/01_raw/stock.json}
counted: {type: json.JSONDataset, filepath: data/02_intermediate/counted.json}
held: {type: json.JSONDataset, filepath: data/02_intermediate/held.json}
basket: {type: json.JSONDataset, filepath: data/02_intermediate/basket.json}
packed: {type: json.JSONDataset, filepath: data/02_intermediate/packed.json}
"""


class ClusterProject(ProjectFolder):
    """A copy of the example, with settings for a cluster in conf/local, which images leave out."""

    def configure(self, *settings: dict[str, Any]) -> None:
        """Write conf/local/airflow-k8s.yaml: later settings win over earlier ones, deeply."""
        merged: dict[str, Any] = {}
        for one in settings:
            _merge(merged, one)
        text = yaml.safe_dump(merged)
        # Another command may be reading it.
        file = self.path / "conf/local/airflow-k8s.yaml"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            self.config(text, env="local")


def make_cluster_project(path: Path) -> ClusterProject:
    """Make the project in a new folder."""
    project = copy_of_example(EXAMPLE, path)
    source = "src/spaceflights"
    project.write(f"{source}/pipeline_registry.py", REGISTRY)
    project.write(f"{source}/settings.py", _SETTINGS)
    project.write(f"{source}/witness.py", _HOOKS)
    project.write(f"{source}/gate.py", HOLD)
    for name, text in (
        ("try_volume", _TRY_VOLUME),
        ("try_memory", _TRY_MEMORY),
        ("try_failure", _TRY_FAILURE),
        ("try_handing_on", _TRY_HANDING_ON),
        ("try_talking", _TRY_TALKING),
        ("try_pods", _TRY_PODS),
        ("try_resume", _TRY_RESUME),
    ):
        project.write(f"{source}/pipelines/{name}/__init__.py", text)
    project.write("conf/base/catalog_try.yml", _CATALOG)
    project.write("conf/base/parameters_try.yml", "factor: 1\n")
    project.write("data/01_raw/stock.json", json.dumps(STOCK))
    return project


def copy_of_example(example: Path, path: Path) -> ClusterProject:
    """An example in a new folder, without what runs have left in it."""
    shutil.copytree(example, path, ignore=partial(_left_out, example))
    return ClusterProject(path)


def _left_out(example: Path, folder: str, names: list[str]) -> set[str]:
    here = Path(folder).relative_to(example)
    kept_data = {"01_raw"} if here == Path("data") else set(names)
    other = {"dags", "logs", ".airflow-sandbox", "__pycache__"} | {
        name for name in names if name.startswith(".venv")
    }
    return (set(names) - kept_data) | (set(names) & other)


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
