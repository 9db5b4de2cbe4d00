"""A project that has a resolver `kedro_config` of its own: it is the one that counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf

from kedro_airflow_k8s.dynamic_config import explanations, interpolations, resolver
from kedro_airflow_k8s.dynamic_config.usage import used_names
from tests.kedro.dynamic_config.kedros import KEDROS, KedroEnvironment
from tests.support.kedro_projects import make_project

AS_ARGUMENT = """
    CONFIG_LOADER_ARGS = {
        "base_env": "base",
        "default_run_env": "local",
        "custom_resolvers": {"kedro_config": lambda name: f"own {name}"},
    }
"""
BY_SETTINGS = """
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("kedro_config", lambda name: f"own {name}")
"""
AT_EVERY_IMPORT = """
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("kedro_config", lambda name: f"own {name}", replace=True)
"""
NODES = """
    from kedro.pipeline import Pipeline, node

    def show(parameters):
        print("seen:", parameters)

    def register_pipelines():
        return {"__default__": Pipeline([node(show, "parameters", None, name="show")])}
"""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    OmegaConf.clear_resolver(resolver.NAME)
    resolver.register()


@pytest.mark.parametrize("settings", [AS_ARGUMENT, BY_SETTINGS, AT_EVERY_IMPORT])
@pytest.mark.parametrize("kedro", KEDROS)
def test_a_run_and_a_compile_have_the_projects_own(
    settings: str, kedro: KedroEnvironment, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    project.registry(NODES)
    project.settings(settings)
    project.write("conf/base/globals.yml", "stage: ${kedro_config:stage}")
    name = "${stage_of_env|none}" if kedro.has_names else "none"
    project.write(
        "conf/base/parameters.yml",
        f"x: ${{kedro_config:region}}\ny: ${{globals:stage}}\nz: '{name}'\n",
    )
    project.config(
        """
        run_config:
            image: registry.example.com/shop:1
            description: ${kedro_config:told} at ${globals:stage}
        """
    )
    variables = {"KEDRO_CONFIG_STAGE_OF_ENV": "test"}
    run = kedro.call(project.path, "-m", "kedro", "run", **variables)
    assert run.returncode == 0, run.stdout + run.stderr
    z = "test" if kedro.has_names else "none"
    assert f"seen: {{'x': 'own region', 'y': 'own stage', 'z': '{z}'}}" in run.stdout
    compiled = kedro.call(project.path, "-m", "kedro", "airflow-k8s", "compile", **variables)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    (dag,) = project.dags().values()
    assert 'description="own told at own stage"' in dag
    # Nothing is to be missed in pods: the project's own is no variable.
    assert "KEDRO_CONFIG_REGION" not in compiled.stderr


def read(conf: Path, **options: Any) -> Any:
    """What a loader finds, as in a session."""
    explanations.explain()
    made = OmegaConfigLoader(str(conf), base_env="base", default_run_env="base", **options)
    interpolations.support_names(made)
    return made["parameters"], {use.name for use in used_names(made)}


def test_loaders_of_one_process_have_each_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_STAGE", "test")
    (tmp_path / "base").mkdir()
    (tmp_path / "base/parameters.yml").write_text("x: ${kedro_config:stage}\n")
    own: dict[str, Any] = {"custom_resolvers": {"kedro_config": lambda name: f"own {name}"}}
    for _ in range(2):
        assert read(tmp_path) == ({"x": "test"}, {"stage"})
        assert read(tmp_path, **own) == ({"x": "own stage"}, set())
