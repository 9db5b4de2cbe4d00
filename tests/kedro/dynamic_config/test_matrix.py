"""Each kind of file, each way to write it, each version of Kedro: in real processes of Kedro."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kedro.dynamic_config.kedros import KEDROS, KEDROS_WITH_MLFLOW, KedroEnvironment
from tests.kedro.dynamic_config.test_git import commit_all
from tests.support.kedro_projects import ProjectFolder, make_project

VARIABLES = {
    "KEDRO_CONFIG_BUCKET": "0123456",
    "KEDRO_CONFIG_NUMBER": "1e5",
    "KEDRO_CONFIG_TRUTH": "true",
    "KEDRO_CONFIG_NOTHING": "null",
    "KEDRO_CONFIG_EMPTY": "",
    "KEDRO_CONFIG_OWN": "never taken",
}

NODES = """
    import json
    import os
    from pathlib import Path

    from kedro.pipeline import Pipeline, node

    def show(parameters, told):
        seen = {"parameters": parameters, "told": told, "extra": os.environ.get("SEEN_EXTRA")}
        try:
            import mlflow
        except ImportError:
            pass
        else:
            run = mlflow.active_run()
            seen["uri"] = mlflow.get_tracking_uri()
            seen["experiment"] = mlflow.get_experiment(run.info.experiment_id).name
        Path("seen.json").write_text(json.dumps(seen))

    def register_pipelines():
        return {"__default__": Pipeline([node(show, ["parameters", "told"], None, name="show")])}
"""

DATASET = """
    from kedro.io import AbstractDataset

    class Told(AbstractDataset):
        def __init__(self, text, credentials):
            self.all = {"text": text, **credentials}

        def load(self):
            return self.all

        def save(self, data):
            raise NotImplementedError

        def _describe(self):
            return {}
"""

OPT_IN = """
    from kedro_airflow_k8s.dynamic_config import DynamicConfigLoader as CONFIG_LOADER_CLASS
"""

# Subclass, patterns, resolvers, merge strategy and a hook that reads a file of its own.
CUSTOM_LOADER = """
    import json
    import os

    from kedro.framework.hooks import hook_impl
    from kedro_airflow_k8s.dynamic_config import DynamicConfigLoader

    class Loader(DynamicConfigLoader):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.config_patterns["extra"] = ["extra*"]

    class ReadsExtra:
        @hook_impl
        def after_context_created(self, context):
            os.environ["SEEN_EXTRA"] = json.dumps(context.config_loader["extra"])

    HOOKS = (ReadsExtra(),)
    CONFIG_LOADER_CLASS = Loader
    CONFIG_LOADER_ARGS = {
        "base_env": "base",
        "default_run_env": "local",
        "custom_resolvers": {"twice": lambda text: f"{text}{text}"},
        "merge_strategy": {"parameters": "soft"},
    }
"""

GLOBALS = """
    bucket: ${kedro_config:bucket}
    commit: ${kedro_config:commit_id,dirty}
"""

# The form that every file may have, and interpolations that mean something else.
PARAMETERS = """
    own: mine
    _hidden: hidden
    deep: {below: {text: "a ${kedro_config:bucket} b", list: ["${kedro_config:number}"]}}
    truth: ${kedro_config:truth}
    nothing: ${kedro_config:nothing}
    empty: ${kedro_config:empty}
    default: ${kedro_config:unset,31}
    quoted: ${kedro_config:unset,'1.0, a:b'}
    missing: ${kedro_config:unset,null}
    other: ${kedro_config:unset,${own}}
    commit: ${kedro_config:commit_id}
    branch: ${kedro_config:branch_name,none}
    from_globals: ${globals:bucket}-${globals:commit}
    of_own: ${own}
    of_hidden: ${_hidden}
    of_deep: ${deep.below.list}
    escaped: \\${bucket}
    pod: $(POD) {{ ds }} $HOME
    of_run: ${runtime_params:speed,slow}
"""

SHORT_FORM = """
    name: ${bucket}
    nested: {number: "${number}", text: "a ${truth} b"}
    name_empty: ${empty}
    name_default: ${unset|0123}
    name_null: ${unset|null}
    name_no_text: ${unset|}
    name_commit: ${commit_id|dirty}
    name_branch: ${branch_name}
    name_run: ${from_run|none}
    own_first: ${own|default}
"""


def write_project(path: Path, settings: str) -> ProjectFolder:
    """A project with a variable in each kind of file, each in the ways that its loader knows."""
    names, custom = bool(settings), settings == CUSTOM_LOADER
    project = make_project(path)
    project.registry(NODES)
    project.write("src/shop/datasets.py", DATASET)
    project.settings(settings)
    bucket = "${bucket}" if names else "${kedro_config:bucket}"
    default = "${unset|dirty}" if names else "${kedro_config:unset,dirty}"
    twice = "${twice:${kedro_config:bucket}}" if custom else "${kedro_config:bucket}"
    project.write("conf/base/globals.yml", GLOBALS.replace("${kedro_config:bucket}", bucket))
    project.write(
        "conf/base/parameters.yml",
        "\n".join((PARAMETERS, SHORT_FORM if names else "", f"    resolver: {twice}")),
    )
    project.write("conf/local/parameters.yml", f"deep: {{local: '{default}'}}\n")
    project.write("conf/base/credentials.yml", "key: {left: '${kedro_config:bucket}'}\n")
    project.write(
        "conf/local/credentials.yml",
        f"key: {{left: '{bucket}', right: '{default}', env: '${{oc.env:KEDRO_CONFIG_NUMBER}}'}}\n",
    )
    project.write(
        "conf/base/catalog.yml",
        f"""
        told: {{type: shop.datasets.Told, text: "{bucket}/{default}", credentials: key}}
        "{{name}}_table": {{type: MemoryDataset, data: "{{name}} of {bucket}"}}
        """,
    )
    project.write(
        "conf/base/mlflow.yml",
        f"""
        server: {{mlflow_tracking_uri: "{"${uri}" if names else "${kedro_config:uri}"}"}}
        tracking: {{experiment: {{name: "of {bucket} {default}"}}}}
        """,
    )
    project.write("conf/base/extra.yml", f"seen: '{bucket}'\n")
    project.config(
        """
        run_config:
            image: registry.example.com/shop:${commit_id|dirty}
            description: ${bucket}
            run_name: ${kedro_config:run_name,by-default}
            volume: {size: "${globals:bucket}Mi"}
        """
    )
    return project


@pytest.fixture(name="tracking_uri", scope="module")
def tracking_uri_fixture(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store of MLflow for all runs: it takes seconds to make one."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.mark.parametrize("kedro", KEDROS)
def test_a_run_finds_the_values_in_every_kind_of_file(
    kedro: KedroEnvironment, tmp_path: Path, tracking_uri: str
) -> None:
    check_run(kedro, "", tmp_path, tracking_uri)


@pytest.mark.parametrize("kedro", KEDROS_WITH_MLFLOW)
def test_with_the_opt_in_loader_they_may_be_in_the_short_form(
    kedro: KedroEnvironment, tmp_path: Path, tracking_uri: str
) -> None:
    check_run(kedro, OPT_IN, tmp_path, tracking_uri)


@pytest.mark.parametrize("kedro", KEDROS[-1:])
def test_a_loader_of_the_projects_own_may_derive_from_it(
    kedro: KedroEnvironment, tmp_path: Path, tracking_uri: str
) -> None:
    check_run(kedro, CUSTOM_LOADER, tmp_path, tracking_uri)


def check_run(kedro: KedroEnvironment, settings: str, tmp_path: Path, tracking_uri: str) -> None:
    """Run a project that writes down what it has seen."""
    project = write_project(tmp_path / "project", settings)
    names, custom = bool(settings), settings == CUSTOM_LOADER
    sha = commit_all(project.path)
    run = kedro.call(
        project.path,
        *("-m", "kedro", "run", "--params=from_run=told,speed=fast"),
        **VARIABLES,
        KEDRO_CONFIG_URI=tracking_uri,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    # What Kedro 1.7 does to OmegaConf 2.4 is Kedro's own; we add no warning.
    assert "kedro_airflow_k8s" not in run.stderr
    seen = json.loads((project.path / "seen.json").read_text())
    assert seen["parameters"] == expected_parameters(sha, names=names, custom=custom)
    assert seen["told"] == {
        "text": "0123456/dirty",
        "left": "0123456",
        "right": "dirty",
        "env": "1e5",
    }
    assert json.loads(seen["extra"] or "{}") == ({"seen": "0123456"} if custom else {})
    if kedro.mlflow:
        assert (seen["uri"], seen["experiment"]) == (tracking_uri, "of 0123456 dirty")


def expected_parameters(sha: str, *, names: bool, custom: bool) -> dict[str, Any]:
    """All parameters of a run: nothing more is among them."""
    deep: dict[str, Any] = {"below": {"text": "a 0123456 b", "list": ["1e5"]}}
    values = {
        "own": "mine",
        "_hidden": "hidden",
        # Kedro puts one key in place of the other, unless the project says otherwise.
        "deep": {**(deep if custom else {}), "local": "dirty"},
        "truth": "true",
        "nothing": "null",
        "empty": "",
        "default": 31,
        "quoted": "1.0, a:b",
        "missing": None,
        "other": "mine",
        "commit": sha,
        "branch": "main",
        "from_globals": f"0123456-{sha}",
        "of_own": "mine",
        "of_hidden": "hidden",
        "of_deep": ["1e5"],
        "escaped": "${bucket}",
        "pod": "$(POD) {{ ds }} $HOME",
        "of_run": "fast",
        "from_run": "told",
        "speed": "fast",
        "resolver": "01234560123456" if custom else "0123456",
    }
    by_name = {
        "name": "0123456",
        "nested": {"number": "1e5", "text": "a true b"},
        "name_empty": "",
        "name_default": "0123",
        "name_null": "null",
        "name_no_text": "",
        "name_commit": sha,
        "name_branch": "main",
        "name_run": "told",
        "own_first": "mine",
    }
    return {**values, **(by_name if names else {})}


@pytest.mark.parametrize("kedro", KEDROS)
def test_compile_and_catalog_commands_find_them_too(
    kedro: KedroEnvironment, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "project", CUSTOM_LOADER)
    sha = commit_all(project.path)
    compiled = kedro.call(
        project.path / "conf", "-m", "kedro", "airflow-k8s", "compile", **VARIABLES
    )
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    (dag,) = project.dags().values()
    assert f'"registry.example.com/shop:{sha}"' in dag
    assert project.dags().keys() == {"by-default.py"}
    assert 'description="0123456"' in dag
    assert '"123456Mi"' in dag or '"0123456Mi"' in dag
    # The files of the pods use it, and these have no git.
    assert f'"KEDRO_CONFIG_COMMIT_ID": "{sha}"' in dag
    assert "KEDRO_CONFIG_BUCKET" not in dag
    assert "[config-variable] variable KEDRO_CONFIG_BUCKET" in compiled.stderr

    resolved = kedro.call(project.path, "-m", "kedro", "catalog", "resolve-patterns", **VARIABLES)
    assert resolved.returncode == 0, resolved.stdout + resolved.stderr
    assert "0123456/dirty" in resolved.stdout


@pytest.mark.parametrize("kedro", KEDROS)
def test_the_plugins_own_file_has_the_short_form_without_any_setting(
    kedro: KedroEnvironment, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "project", "")
    sha = commit_all(project.path)
    compiled = kedro.call(project.path, "-m", "kedro", "airflow-k8s", "compile", **VARIABLES)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    (dag,) = project.dags().values()
    assert f'"registry.example.com/shop:{sha}"' in dag
    assert 'description="0123456"' in dag
