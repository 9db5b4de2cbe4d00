"""A project that has a resolver `kedro_config` of its own: it is the one that counts."""

from __future__ import annotations

from pathlib import Path

import pytest

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


@pytest.mark.parametrize("kedro", KEDROS)
def test_a_run_and_a_compile_have_the_one_of_the_loaders_arguments(
    kedro: KedroEnvironment, tmp_path: Path
) -> None:
    check_own(AS_ARGUMENT, kedro, tmp_path)


@pytest.mark.parametrize("settings", [BY_SETTINGS, AT_EVERY_IMPORT])
@pytest.mark.parametrize("kedro", KEDROS[-1:])
def test_they_have_the_one_that_settings_register(
    settings: str, kedro: KedroEnvironment, tmp_path: Path
) -> None:
    check_own(settings, kedro, tmp_path)


def check_own(settings: str, kedro: KedroEnvironment, tmp_path: Path) -> None:
    """Run and compile a project with a resolver of its own."""
    project = make_project(tmp_path / "project")
    project.registry(NODES)
    project.settings(settings)
    project.write("conf/base/globals.yml", "stage: ${kedro_config:stage}")
    project.write("conf/base/parameters.yml", "x: ${kedro_config:region}\ny: ${globals:stage}\n")
    project.config(
        """
        run_config:
            image: registry.example.com/shop:1
            description: ${kedro_config:told} at ${globals:stage} in ${stage_of_env|none}
        """
    )
    variables = {"KEDRO_CONFIG_STAGE_OF_ENV": "test"}
    run = kedro.call(project.path, "-m", "kedro", "run", **variables)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "seen: {'x': 'own region', 'y': 'own stage'}" in run.stdout
    compiled = kedro.call(project.path, "-m", "kedro", "airflow-k8s", "compile", **variables)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    (dag,) = project.dags().values()
    assert 'description="own told at own stage in test"' in dag
    # Nothing is to be missed in pods: the project's own is not a variable.
    assert "KEDRO_CONFIG_REGION" not in compiled.stderr
