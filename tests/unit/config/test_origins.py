"""Where each setting comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kedro_airflow_k8s.config.layers import with_image
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.origins import Setting, as_text, read_origins, settings

BASE = """\
run_config:
  image: ${registry}/shop:1
  startup_timeout: 60
  env_vars:
    A: a
    DB_PASSWORD: hunter2hunter2
    SOURCE: https://user:secret@example.com/x
  image_pull_secrets: [one]
  resources:
    __default__: {requests: {cpu: 1}}
    gpu: {limits: {nvidia.com/gpu: 1}}
"""
ENV = """\
run_config:
  env_vars: {A: b}
  image_pull_secrets:
  - two
pipelines:
  sales:
    startup_time: 5
    env_vars:
      B: c
  stock: {}
"""


@pytest.fixture(name="files")
def files_fixture(tmp_path: Path) -> list[tuple[Path, str]]:
    found = []
    for name, text in {"base": BASE, "prod": ENV}.items():
        (tmp_path / name).write_text(text)
        found.append((tmp_path / name, name))
    return found


def shown(
    files: list[tuple[Path, str]], pipeline: str, entry: str | None = None
) -> dict[str, Setting]:
    """The settings of a pipeline by their paths."""
    data: dict[str, Any] = yaml.safe_load(BASE.replace("${registry}", "registry.example.com"))
    more: dict[str, Any] = yaml.safe_load(ENV)
    data["run_config"]["env_vars"].update(A="b")
    data["run_config"]["image_pull_secrets"] = ["two"]
    config = load_config({**data, "pipelines": more["pipelines"]}, "x")
    found = settings(config, read_origins(files), pipeline, entry)
    return {".".join(setting.keys): setting for setting in found}


def test_each_value_has_the_file_and_line_that_decide_it(files: list[tuple[Path, str]]) -> None:
    found = shown(files, "sales")
    expected: dict[str, tuple[Any, str]] = {
        "host": (None, "default"),
        "run_config.startup_time": (5, "prod:7"),
        "run_config.env_vars.A": ("b", "prod:2"),
        "run_config.env_vars.B": ("c", "prod:9"),
        "run_config.image_pull_secrets": (["two"], "prod:3"),
        "run_config.resources.__default__.requests.cpu": (1, "base:10"),
        "run_config.resources.gpu.env_vars.A": ("b", "prod:2"),
        "run_config.volume.size": ("1Gi", "default"),
    }
    assert {path: (found[path].value, found[path].origin) for path in expected} == expected


def test_another_pipeline_has_the_settings_of_all(files: list[tuple[Path, str]]) -> None:
    for pipeline in ("stock", "__default__"):
        found = shown(files, pipeline)
        assert found["run_config.startup_time"].origin == "base:3"
        assert "run_config.env_vars.B" not in found


def test_no_secret_and_no_value_of_a_variable_is_shown(files: list[tuple[Path, str]]) -> None:
    text = "\n".join(as_text(shown(files, "sales").values()))
    assert "image: ${registry}/shop:1 " in text
    assert "hunter2" not in text
    assert "secret@" not in text
    assert "DB_PASSWORD: '***'" in text


def test_of_the_resources_only_those_of_a_node_are_shown(files: list[tuple[Path, str]]) -> None:
    paths = [path for path in shown(files, "sales", "gpu") if "resources." in path]
    assert "run_config.resources.gpu.limits.nvidia.com/gpu" in paths
    assert not any("__default__" in path for path in paths)


def test_what_is_shown_is_yaml_that_says_the_same(files: list[tuple[Path, str]]) -> None:
    found = shown(files, "sales")
    data = yaml.safe_load("\n".join(as_text(found.values())))
    assert data["run_config"]["env_vars"]["A"] == "b"
    assert data["run_config"]["resources"]["gpu"]["limits"] == {"nvidia.com/gpu": 1}
    load_config(with_image(data, "shop:1"), "airflow-k8s.yaml")


def test_a_section_without_a_value_hides_what_is_below_it(tmp_path: Path) -> None:
    (tmp_path / "base").write_text("run_config: {env_vars: {A: a}}\n")
    (tmp_path / "prod").write_text("run_config:\n  env_vars:\n")
    origins = read_origins([(tmp_path / name, name) for name in ("base", "prod")])
    assert [".".join(keys) for keys in origins] == ["run_config.env_vars"]
    (tmp_path / "prod").write_text("run_config:\n  env_vars: {}\n")
    origins = read_origins([(tmp_path / name, name) for name in ("base", "prod")])
    assert [".".join(keys) for keys in origins] == ["run_config.env_vars.A"]


def test_an_entry_shows_what_it_has_from_all_pods_and_what_is_its_own(tmp_path: Path) -> None:
    file = tmp_path / "airflow-k8s.yaml"
    file.write_text(
        "run_config:\n"
        "  image: a:1\n"
        "  retries: 2\n"
        "  labels: {team: a}\n"
        "  resources:\n"
        "    gpu:\n"
        "      image: b:1\n"
        "      labels: {kind: gpu}\n"
        "    small:\n"
    )
    origins = read_origins([(file, "f")])
    config = load_config(yaml.safe_load(file.read_text()), "f")

    lines = list(as_text(settings(config, origins, "__default__", entry="gpu")))

    at = next(i for i, line in enumerate(lines) if line.strip() == "gpu:")
    entry = [line.split("#") for line in lines[at + 1 :] if line.startswith("      ")]
    assert [[part.strip() for part in parts] for parts in entry if len(parts) == 2] == [
        ["retries: 2", "f:3"],
        ["image: b:1", "f:7"],
        ["team: a", "f:4"],
        ["kind: gpu", "f:8"],
    ]
    assert not any("small:" in line for line in lines)


def test_the_key_on_is_shown_as_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "base"
    file.write_text("run_config: {notify: [{on: failure, with: slack, connection: slack_alerts}]}")
    config = load_config(yaml.safe_load(file.read_text()), "x")
    (line,) = (
        line
        for line in as_text(settings(config, read_origins([(file, "base")]), "sales"))
        if "notify:" in line
    )
    assert "{connection: slack_alerts, 'on': failure, with: slack}" in line
