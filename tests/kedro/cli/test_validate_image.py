"""`validate` sees the project as the image will hold it, before it is built."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.kedro_projects import (
    CONFIG,
    STORED,
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
)
from tests.support.kedro_projects import findings as every_finding

GLOBAL = """
orders: {type: json.JSONDataset, filepath: "s3://${globals:bucket}/orders.json"}
goods: {type: json.JSONDataset, filepath: s3://bucket/goods.json}
"""
IGNORE = "conf/local/*\n!conf/local/.gitkeep\n**/*credentials*\ndata\n!data/01_raw\n"
LINE = "the line 'conf/local/*' of .dockerignore leaves it out"
DOCKERFILE = "FROM python:3.11-slim\nWORKDIR /home/kedro_docker\nCOPY --chown=999:0 . .\n"
PARAMETERS = """
from kedro.pipeline import Pipeline, node

def total(model, day):
    return model

def create_pipeline():
    return Pipeline([node(total, ["params:model.depth", "params:day"], "totals", name="total")])
"""


@pytest.fixture(name="shop")
def shop_fixture(project: ProjectFolder) -> ProjectFolder:
    """A project whose pods have all that they need."""
    project.write("conf/base/catalog.yml", STORED)
    project.write(".dockerignore", IGNORE)
    return project


def findings(project: ProjectFolder, *arguments: str) -> list[dict[str, Any]]:
    """What `validate` finds, without `not-kept` and the packages that this machine lacks."""
    without = ("not-kept", "missing-extra", "outside-volume")
    return every_finding(project, *arguments, without=without)


def only(project: ProjectFolder, *arguments: str) -> dict[str, Any]:
    (found,) = findings(project, *arguments)
    return found


def shown(project: ProjectFolder) -> list[tuple[str, str, str]]:
    return [(f["severity"], f["code"], f["where"]) for f in findings(project)]


# --- datasets ---------------------------------------------------------------------------------


def test_a_project_whose_image_holds_all_has_no_findings(shop: ProjectFolder) -> None:
    assert findings(shop) == []
    shop.write("Dockerfile", DOCKERFILE)
    assert findings(shop) == []


def test_an_input_that_only_a_file_left_out_declares_is_an_error(shop: ProjectFolder) -> None:
    shop.write("conf/base/catalog.yml", STORED.partition("\ngoods")[0])
    shop.write("conf/local/catalog.yml", "goods: {type: json.JSONDataset, filepath: s3://b/g}\n")
    found = only(shop)
    assert (found["severity"], found["code"]) == ("error", "not-in-image")
    assert found["where"] == "dataset 'goods'"
    assert "Only conf/local/catalog.yml has it" in found["problem"]
    assert LINE in found["problem"]
    # Where nothing leaves it out, and where another environment is used, nothing is wrong with it.
    shop.write(".dockerignore", "data\n")
    assert findings(shop) == []


def test_intermediate_data_that_only_a_file_left_out_declares_is_a_warning(
    shop: ProjectFolder,
) -> None:
    shop.write(
        "conf/local/catalog_debug.yml", "clean_orders: {type: json.JSONDataset, filepath: s3://b/c}"
    )
    assert shown(shop) == [("warning", "not-in-image", "dataset 'clean_orders'")]


def test_a_result_that_only_a_file_left_out_declares_is_an_error(shop: ProjectFolder) -> None:
    shop.write("conf/local/catalog.yml", "totals: {type: json.JSONDataset, filepath: s3://b/t}")
    found = only(shop)
    assert (found["severity"], found["where"]) == ("error", "dataset 'totals'")
    assert "a result is lost" in found["consequence"]


def test_a_dataset_of_a_pattern_that_is_left_out_is_found(shop: ProjectFolder) -> None:
    shop.write("conf/base/catalog.yml", "")
    shop.write("conf/local/catalog.yml", '"{x}s": {type: json.JSONDataset, filepath: "s3://b/{x}"}')
    error, warning = findings(shop)
    assert "conf/local/catalog.yml" in error["problem"]
    assert (error["severity"], warning["severity"]) == ("error", "warning")
    assert "'goods'" in error["where"]
    assert warning["where"] == "dataset 'clean_orders'"


def test_an_overridden_dataset_is_a_warning_with_both_files(shop: ProjectFolder) -> None:
    shop.write("conf/local/catalog.yml", "orders: {type: json.JSONDataset, filepath: s3://b/mine}")
    found = only(shop)
    assert (found["severity"], found["code"]) == ("warning", "differs-in-image")
    assert "conf/local/catalog.yml sets it" in found["problem"]
    assert "conf/base/catalog.yml" in found["consequence"]
    # The same value twice is not a difference.
    shop.write("conf/local/catalog.yml", STORED)
    assert findings(shop) == []


def test_globals_that_are_left_out_change_the_catalog(shop: ProjectFolder) -> None:
    shop.write("conf/base/catalog.yml", GLOBAL)
    shop.write("conf/local/globals.yml", "bucket: mine\n")
    found = only(shop)
    assert (found["severity"], found["code"]) == ("error", "not-in-image")
    assert found["where"] == "conf/local/globals.yml"
    assert "bucket" in found["problem"]
    assert "/tmp" not in found["problem"]
    shop.write("conf/base/globals.yml", "bucket: common\n")
    found = only(shop)
    assert (found["severity"], found["code"]) == ("warning", "differs-in-image")
    assert "conf/local/globals.yml" in found["problem"]


def test_the_environment_that_pods_use_counts(shop: ProjectFolder) -> None:
    shop.write("conf/prod/catalog.yml", "orders: {type: json.JSONDataset, filepath: s3://b/o}")
    shop.write("conf/local/catalog.yml", "orders: {type: json.JSONDataset, filepath: s3://b/mine}")
    assert findings(shop, "-e", "prod") == []
    shop.write(".dockerignore", "conf/prod/*.yml\n")
    found = only(shop, "-e", "prod")
    assert (found["code"], found["where"]) == ("differs-in-image", "dataset 'orders'")


# --- parameters -------------------------------------------------------------------------------


def test_parameters_that_only_a_file_left_out_has(shop: ProjectFolder) -> None:
    shop.pipeline("sales", PARAMETERS)
    shop.write("conf/base/parameters.yml", "model: {depth: 3}\n")
    shop.write("conf/local/parameters.yml", "day: 1\nunread: 2\n")
    assert shown(shop) == [("error", "not-in-image", "parameter 'day'")]
    # Airflow gives it.
    shop.config(f"{CONFIG}    variables_params: [day]\n")
    assert findings(shop) == []


def test_parameters_with_another_value_in_the_image(shop: ProjectFolder) -> None:
    shop.pipeline("sales", PARAMETERS)
    shop.write("conf/base/parameters.yml", "model: {depth: 3}\nday: 1\n")
    shop.write("conf/local/parameters_mine.yml", "model: {depth: 9}\n")
    found = only(shop)
    assert (found["severity"], found["code"]) == ("warning", "differs-in-image")
    assert found["where"] == "parameter 'model.depth'"
    assert "conf/local/parameters_mine.yml" in found["problem"]
    assert "conf/base/parameters.yml" in found["consequence"]


# --- credentials ------------------------------------------------------------------------------

SECURE = STORED.replace("s3://bucket/orders.json", "s3://bucket/orders.json, credentials: store")
MOUNT = f"""{CONFIG}    secrets:
    - {{secret: s, KEY deploy_type: volume, deploy_target: /home/kedro_docker/conf/local}}
"""


def test_credentials_that_only_this_machine_has_are_an_error(shop: ProjectFolder) -> None:
    shop.write("conf/base/catalog.yml", SECURE)
    shop.write("conf/local/credentials.yml", "store: {key: never-shown}\n")
    found = only(shop)
    assert (found["severity"], found["code"]) == ("error", "not-in-image")
    assert found["where"] == "credentials 'store'"
    assert "conf/local/credentials.yml" in found["problem"]
    assert "never-shown" not in json.dumps(found)


@pytest.mark.parametrize("key", ["", "key: credentials.yml,"])
def test_credentials_that_a_secret_brings_are_there(shop: ProjectFolder, key: str) -> None:
    shop.write("conf/base/catalog.yml", SECURE)
    shop.write("conf/local/credentials.yml", "store: {key: x}\n")
    shop.config(MOUNT.replace("KEY", key))
    assert findings(shop) == []
    # Where the Dockerfile puts the project elsewhere, the Secret is mounted beside it.
    shop.write("Dockerfile", DOCKERFILE.replace("/home/kedro_docker", "/app"))
    assert "credentials 'store'" in [f["where"] for f in findings(shop)]


def test_a_secret_hides_what_the_image_has_in_its_folder(shop: ProjectFolder) -> None:
    shop.write("conf/base/parameters.yml", "model: {depth: 3}\nday: 1\n")
    shop.pipeline("sales", PARAMETERS)
    mount = MOUNT.replace("KEY", "key: credentials.yml,").replace("conf/local", "conf/base")
    shop.config(mount)
    found = findings(shop)
    assert ("error", "not-in-image") in [(f["severity"], f["code"]) for f in found]
    assert any("the Secret 's', mounted at conf/base, hides it" in f["problem"] for f in found)


def test_credentials_that_another_file_of_the_image_has_are_a_warning(shop: ProjectFolder) -> None:
    shop.write(".dockerignore", "conf/local/credentials.yml\n")
    shop.write("conf/base/catalog.yml", SECURE)
    shop.write("conf/base/credentials.yml", "store: {key: a}\n")
    shop.write("conf/local/credentials.yml", "store: {key: b}\n")
    found = only(shop)
    assert (found["severity"], found["code"]) == ("warning", "differs-in-image")
    assert found["where"] == "credentials 'store'"


def test_a_hook_that_may_give_credentials_makes_it_a_warning(shop: ProjectFolder) -> None:
    shop.write("conf/base/catalog.yml", SECURE)
    shop.write("conf/local/credentials.yml", "store: {key: x}\n")
    shop.settings(
        """
        from kedro.framework.hooks import hook_impl

        class Vault:
            @hook_impl
            def after_context_created(self, context):
                pass

        HOOKS = (Vault(),)
        """
    )
    assert shown(shop) == [("warning", "not-in-image", "credentials 'store'")]


# --- other files ------------------------------------------------------------------------------


def test_a_file_that_only_hooks_read_is_a_warning(shop: ProjectFolder) -> None:
    shop.settings(
        """
        CONFIG_LOADER_ARGS = {
            "base_env": "base",
            "default_run_env": "local",
            "config_patterns": {"spark": ["spark*"]},
        }
        """
    )
    shop.write("conf/local/spark.yml", "a: 1\n")
    assert shown(shop) == [("warning", "not-in-image", "conf/local/spark.yml")]
    shop.write("conf/base/spark.yml", "a: 2\n")
    assert shown(shop) == [("warning", "differs-in-image", "conf/local/spark.yml")]


def test_pyproject_toml_is_needed(shop: ProjectFolder) -> None:
    shop.write(".dockerignore", "*.toml\n")
    assert shown(shop) == [("error", "not-in-image", "pyproject.toml")]
    shop.write(".dockerignore", "*.toml\n!pyproject.toml\n")
    assert findings(shop) == []
    lines = DOCKERFILE.replace("COPY --chown=999:0 . .", "COPY src src\nCOPY conf conf")
    shop.write("Dockerfile", lines)
    found = only(shop)
    assert found["where"] == "pyproject.toml"
    assert "no COPY of the Dockerfile brings it to /home/kedro_docker" in found["problem"]
    shop.write("Dockerfile", f"{lines}COPY pyproject.toml .\n")
    assert findings(shop) == []


def test_packages_from_another_stage_do_not_hide_what_no_copy_brings(shop: ProjectFolder) -> None:
    stages = (
        "FROM python AS b\nWORKDIR /app\nCOPY pyproject.toml .\nRUN uv sync\n"
        "FROM python\nWORKDIR /home/kedro_docker\nCOPY --from=b /app/.venv .venv\n"
        "COPY src src\nCOPY conf conf\n"
    )
    shop.write("Dockerfile", stages)
    assert shown(shop) == [("error", "not-in-image", "pyproject.toml")]
    shop.write("Dockerfile", f"{stages}COPY pyproject.toml .\n")
    assert findings(shop) == []
    shop.write("Dockerfile", f"{stages}COPY --from=b /app/pyproject.toml .\n")
    assert findings(shop) == []


@pytest.mark.parametrize("dockerfile", [True, False])
def test_a_folder_of_conf_that_is_left_out_whole(shop: ProjectFolder, *, dockerfile: bool) -> None:
    shop.write(".dockerignore", "conf/local\n")
    if dockerfile:
        shop.write("Dockerfile", DOCKERFILE)
    severity = "error" if dockerfile else "warning"
    assert shown(shop) == [(severity, "not-in-image", "the folder conf/local")]
    shop.write("Dockerfile", f"{DOCKERFILE}RUN mkdir -p conf/local\n")
    assert findings(shop) == []


def test_a_folder_of_conf_that_no_copy_brings(shop: ProjectFolder) -> None:
    lines = DOCKERFILE.replace("--chown=999:0 . .", "pyproject.toml .\nCOPY src src")
    shop.write("Dockerfile", f"{lines}COPY conf/base conf/base\n")
    found = only(shop)
    assert (found["severity"], found["where"]) == ("error", "the folder conf/local")
    assert "RUN mkdir -p conf/local" in found["fix"]
    assert ".dockerignore" not in found["fix"]
    shop.write("Dockerfile", f"{lines}COPY conf/base conf/base\nRUN mkdir -p conf/local\n")
    assert findings(shop) == []


def test_without_a_dockerfile_only_an_empty_folder_can_come_from_elsewhere(
    shop: ProjectFolder,
) -> None:
    shop.write(".dockerignore", "conf\n")
    found = {each["where"]: each for each in findings(shop)}
    for folder in ("conf/base", "conf/local"):
        assert found[f"the folder {folder}"]["severity"] == "warning"
        assert "Unless the image gets it otherwise" in found[f"the folder {folder}"]["consequence"]
    (lost,) = [each for where, each in found.items() if "'orders'" in where]
    assert (lost["severity"], lost["code"]) == ("error", "not-in-image")


def test_code_that_is_left_out(shop: ProjectFolder) -> None:
    shop.write(".dockerignore", "**/stock\n")
    found = only(shop)
    assert (found["severity"], found["code"]) == ("error", "not-in-image")
    assert "src/shop/pipelines/stock/__init__.py" in found["where"]
    # A folder of that name elsewhere, and files that nothing imports.
    shop.write(".dockerignore", "stock\n**/*.md\n**/test_*.py\n")
    shop.write("src/shop/test_x.py", "")
    assert findings(shop) == []


# --- data -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("data/raw/orders.json", True),
        ("data/01_raw/orders.json", False),
        ("data/parts", True),
        ("data/01_raw/parts", False),
        ("data/raw/*.json", True),
        ("/home/kedro_docker/data/raw/orders.json", True),
        ("input/orders.json", False),
        ("s3://bucket/data/raw/orders.json", False),
    ],
)
def test_inputs_that_the_image_lacks(shop: ProjectFolder, path: str, *, missing: bool) -> None:
    shop.write("conf/base/catalog.yml", STORED.replace("s3://bucket/orders.json", path))
    expected = [("error", "not-in-image", "dataset 'orders'")] if missing else []
    assert shown(shop) == expected


def test_a_folder_of_which_the_image_has_a_part_is_there(shop: ProjectFolder) -> None:
    shop.write("conf/base/catalog.yml", STORED.replace("s3://bucket/orders.json", "data/parts"))
    shop.write("data/parts/2026/a.json", "{}")
    shop.write(".dockerignore", "data\n!data/parts/2026\n")
    assert findings(shop) == []


def test_an_input_that_a_command_of_the_dockerfile_may_bring(shop: ProjectFolder) -> None:
    shop.write("conf/base/catalog.yml", STORED.replace("s3://bucket/orders.json", "data/raw/o"))
    shop.write("Dockerfile", f"{DOCKERFILE}RUN aws s3 cp s3://b/raw/ data/raw --recursive\n")
    assert findings(shop) == []


def test_the_dockerignore_of_a_dockerfile_goes_first(shop: ProjectFolder) -> None:
    shop.write("conf/base/catalog.yml", STORED.replace("s3://bucket/orders.json", "data/raw/o"))
    shop.write("Dockerfile.dockerignore", "logs\n")
    assert findings(shop) == []


# --- logs -------------------------------------------------------------------------------------

LOGGING = """
version: 1
handlers:
  console: {class: logging.StreamHandler}
  file: {class: logging.FileHandler, filename: logs/info.log}
"""


def test_the_folder_for_logs_has_to_be_in_the_image(shop: ProjectFolder) -> None:
    shop.write("conf/logging.yml", LOGGING)
    shop.write("logs/.gitkeep", "")
    assert findings(shop) == []
    shop.write("Dockerfile", DOCKERFILE)
    shop.write(".dockerignore", "logs\n")
    found = only(shop)
    assert (found["severity"], found["where"]) == ("error", "the folder logs")
    assert "conf/logging.yml" in found["problem"]
    shop.write("Dockerfile", f"{DOCKERFILE}RUN mkdir -p logs\n")
    assert findings(shop) == []
    shop.write("Dockerfile", DOCKERFILE)
    shop.write(".dockerignore", "logs/*\n!logs/.gitkeep\n")
    assert findings(shop) == []
    shop.write(".dockerignore", "logs\nconf/logging.yml\n")
    assert findings(shop) == []


def test_the_logging_configuration_of_the_pods_counts(shop: ProjectFolder) -> None:
    shop.write("conf/logging.yml", LOGGING)
    shop.write("conf/pods.yml", LOGGING.replace("logs/info.log", "/tmp/info.log"))
    shop.write("Dockerfile", DOCKERFILE)
    shop.write(".dockerignore", "logs\n")
    shop.config(f"{CONFIG}    env_vars: {{KEDRO_LOGGING_CONFIG: conf/pods.yml}}\n")
    assert findings(shop) == []


def test_a_user_that_cannot_write_logs(shop: ProjectFolder) -> None:
    shop.write("conf/logging.yml", LOGGING)
    shop.write("logs/.gitkeep", "")
    lines = DOCKERFILE.replace("--chown=999:0 ", "")
    shop.write("Dockerfile", f"{lines}USER 1000\n")
    assert shown(shop) == [("warning", "dockerfile", "USER in the Dockerfile")]
    for fine in (lines, f"{DOCKERFILE}USER 999\n", f"{lines}RUN chown -R 1000 .\nUSER 1000\n"):
        shop.write("Dockerfile", fine)
        assert findings(shop) == []


# --- the Dockerfile ---------------------------------------------------------------------------


def test_a_volume_beside_the_project(shop: ProjectFolder) -> None:
    shop.write("Dockerfile", DOCKERFILE.replace("/home/kedro_docker", "/app"))
    assert findings(shop) == []
    local = "clean_orders: {type: json.JSONDataset, filepath: data/02/clean.json}\n"
    shop.write("conf/base/catalog.yml", STORED + local)
    found = only(shop)
    assert (found["severity"], found["code"]) == ("error", "dockerfile")
    assert "/app/data" in found["fix"]
    shop.config(f"{CONFIG}    volume: {{mount_path: /app/data}}\n")
    assert findings(shop) == []


@pytest.mark.parametrize(
    ("entrypoint", "wrong"),
    [
        ('["kedro", "run"]', True),
        ('["/usr/local/bin/python"]', True),
        ('["python3.11", "-m", "kedro"]', True),
        ('["python", "-m", "shop"]', True),
        ('["python", "-m", "debugpy"]', False),
        ('["bash"]', True),
        ('["/bin/bash", "-l"]', True),
        ('["/bin/sh", "-c"]', True),
        ('["bash", "-lc", "kedro run"]', True),
        ("kedro run", True),
        ("./entrypoint.sh", True),
        ("[]", False),
        ('["tini", "--"]', False),
        ('["./entrypoint.sh"]', False),
        ('["sh", "entrypoint.sh"]', False),
        ('["python", "entrypoint.py"]', False),
        ('["uv", "run"]', False),
        ('["bash", "-c", "exec \\"$@\\"", "--"]', False),
    ],
)
def test_an_entrypoint_has_to_run_the_command_behind_it(
    shop: ProjectFolder, entrypoint: str, *, wrong: bool
) -> None:
    shop.write("Dockerfile", f"{DOCKERFILE}ENTRYPOINT {entrypoint}\n")
    expected = [("error", "dockerfile", "ENTRYPOINT in the Dockerfile")] if wrong else []
    assert shown(shop) == expected


def test_a_dockerfile_of_something_else_says_nothing(shop: ProjectFolder) -> None:
    shop.write("Dockerfile", "FROM astronomer/runtime:12\nRUN git clone x\nCOPY dags /dags\n")
    assert findings(shop) == []


def test_the_kedro_of_this_process_reads_on_after_a_look_at_the_image(shop: ProjectFolder) -> None:
    shop.write("conf/base/catalog.yml", GLOBAL)
    shop.write("conf/base/globals.yml", "bucket: common\n")
    shop.write("conf/local/globals.yml", "bucket: mine\n")
    assert "differs-in-image" in [f["code"] for f in findings(shop, "--all")]
    result = shop.compile("--all")
    assert result.exit_code == 0, result.output


def test_an_image_without_kedro_datasets_though_the_catalog_uses_it(shop: ProjectFolder) -> None:
    shop.write("requirements.txt", "ipython>=8.10\nkedro~=1.0\nnotebook\n")
    # With the existing configuration.
    assert shop.kedro("airflow-k8s", "init", "--dockerfile").exit_code == 0
    found = only(shop)
    assert (found["code"], found["severity"]) == ("not-in-image", "warning")
    assert found["where"] == "package 'kedro-datasets'"
    assert found["problem"].endswith(
        "does not install it, and the catalog uses 'json.JSONDataset'."
    )
    assert found["fix"].startswith("Add kedro-datasets[json-jsondataset] to the requirements")
    shop.write("requirements.txt", "kedro~=1.0\nkedro-datasets[json]\nkedro-airflow-k8s>=1.0\n")
    assert findings(shop) == []


# --- clusters ---------------------------------------------------------------------------------

WITH_PACKAGES = f"{DOCKERFILE}COPY requirements.txt .\nRUN pip install -r requirements.txt\n"


@pytest.mark.parametrize(
    ("kind", "lacking", "fix"),
    [
        ("spark-connect", "'pyspark', 'grpcio'", "pyspark[connect]"),
        ("ray", "'ray', 'grpcio'", "ray[default]"),
        ("dask", "'distributed'", "distributed"),
    ],
)
def test_an_image_without_the_package_of_a_cluster_is_named(
    shop: ProjectFolder, kind: str, lacking: str, fix: str
) -> None:
    shop.write("Dockerfile", WITH_PACKAGES)
    shop.write("requirements.txt", "kedro\nkedro-airflow-k8s\n")
    shop.config(f"{CONFIG}    clusters: {{engine: {{type: {kind}}}}}\n")
    shop.pipeline(
        "sales", PARAMETERS.replace('name="total"', 'name="total", tags="cluster.engine"')
    )

    (found, *_) = [f for f in findings(shop) if f["code"] == "cluster-package"]

    assert found["where"] == "run_config.clusters.engine"
    assert lacking in found["problem"]
    assert fix in found["fix"]
