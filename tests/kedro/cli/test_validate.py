"""`kedro airflow-k8s validate`: what it prints and how it ends, in projects of all kinds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from kedro.framework.startup import bootstrap_project

from kedro_airflow_k8s.checks.validate import plan_pipelines
from kedro_airflow_k8s.plan.build import Overrides
from kedro_airflow_k8s.project.reader import KedroProject
from tests.support.airflow_environments import EXAMPLES
from tests.support.kedro_projects import (
    CONFIG,
    IMAGE,
    STOCK,
    ProjectFolder,
    as_in_a_new_process,
    project_fixture,  # noqa: F401 - fixture
    refused,
)

CATALOG = """
"{name}":
    type: pickle.PickleDataset
    filepath: s3://bucket/{name}
"""
MEMORY = """
orders: {type: pickle.PickleDataset, filepath: s3://bucket/orders}
goods: {type: pickle.PickleDataset, filepath: s3://bucket/goods}
"""


@pytest.fixture(name="sound")
def sound_fixture(project: ProjectFolder) -> ProjectFolder:
    """A project in which nothing is wrong."""
    project.write("conf/base/catalog.yml", CATALOG)
    return project


def validate(project: ProjectFolder, *arguments: str) -> Result:
    return project.kedro("airflow-k8s", "validate", *arguments)


def findings(result: Result) -> list[dict[str, Any]]:
    """What `--format json` has on the last line of standard output."""
    found: list[dict[str, Any]] = json.loads(result.stdout.splitlines()[-1])
    return found


def codes(project: ProjectFolder, *arguments: str) -> list[tuple[str, str, str]]:
    """Severity, code and pipeline of each finding."""
    found = findings(validate(project, "--format", "json", *arguments))
    return [(entry["severity"], entry["code"], entry["pipeline"]) for entry in found]


# --- how it ends ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--all"], ["--strict"], ["-p", "stock"], ["-e", "base"]])
def test_a_sound_project_passes(sound: ProjectFolder, options: list[str]) -> None:
    result = validate(sound, *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "0 errors, 0 warnings"
    assert not sound.dags()


def test_errors_come_first_and_the_command_fails(sound: ProjectFolder) -> None:
    sound.config("run_config: {image: shop, volume: {disabled: true}}\n")
    sound.write("conf/base/catalog.yml", MEMORY)
    result = validate(sound)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.partition(" dataset")[0].partition(" run_config")[0] for line in lines[-3:]] == [
        "error [lost-data]",
        "warning [image-tag]",
        "1 error, 1 warning",
    ]
    assert "Traceback" not in result.output


def test_warnings_fail_only_if_strict(sound: ProjectFolder) -> None:
    sound.config("run_config: {image: shop}\n")
    assert validate(sound).exit_code == 0
    assert validate(sound, "--strict").exit_code == 1
    assert validate(sound, "--strict", "--image", IMAGE).exit_code == 0


def test_json_is_the_last_line_also_where_nothing_is_found(sound: ProjectFolder) -> None:
    result = validate(sound, "--format", "json")
    assert (result.exit_code, findings(result)) == (0, [])
    sound.write("conf/base/catalog.yml", MEMORY)
    sound.config("run_config: {image: 'shop:1', volume: {disabled: true}}\n")
    result = validate(sound, "--format", "json")
    assert result.exit_code == 1
    (found,) = findings(result)
    assert found["where"] == "dataset 'clean_orders'"
    assert list(found) == [
        "code",
        "severity",
        "where",
        "problem",
        "consequence",
        "fix",
        "pipeline",
        "names",
    ]


def test_a_wrong_configuration_is_one_message(sound: ProjectFolder) -> None:
    sound.config("run_config: {imagee: x}\n")
    refused(validate(sound), "run_config.imagee", "Did you mean 'image'?")
    as_json = validate(sound, "--format", "json")
    refused(as_json, "run_config.imagee")
    assert "[" not in as_json.stdout
    sound.config(CONFIG)
    refused(validate(sound, "-p", "sale"), "no pipeline 'sale'", "Did you mean 'sales'?")
    refused(validate(sound, "-e", "nowhere"), "nowhere")
    refused(validate(sound, "--all", "-p", "sales"), "not both", code=2)


def test_a_project_that_does_not_import_is_one_message(sound: ProjectFolder) -> None:
    sound.pipeline("stock", "import not_installed_here\n")
    refused(validate(sound), "not_installed_here")


# --- what is found, in whole projects ---------------------------------------------------------


def test_findings_of_all_pipelines_name_theirs(sound: ProjectFolder) -> None:
    sound.config("run_config: {image: 'shop:1', volume: {disabled: true}}\n")
    sound.write("conf/base/catalog.yml", MEMORY)
    assert codes(sound, "--all") == [
        ("error", "lost-data", "__default__"),
        ("error", "lost-data", "sales"),
    ]
    text = validate(sound, "--all").stdout
    assert text.count("[lost-data]") == 1
    assert "(pipelines __default__, sales)" in text
    assert codes(sound, "-p", "stock") == []


def test_a_dataset_of_another_pipeline_is_reported_with_that(sound: ProjectFolder) -> None:
    sound.pipeline("stock", STOCK.replace('"goods"', '"totals"'))
    sound.write("conf/base/catalog.yml", MEMORY)
    assert codes(sound) == []
    (found,) = findings(validate(sound, "-p", "stock", "--format", "json"))
    assert found["code"] == "unknown-dataset"
    assert "Pipelines that make it: 'sales', '__default__'." in found["problem"]
    assert "on storage that outlives the run" in found["fix"]
    # Declared on the volume it is found, but on that of another run.
    sound.write("conf/base/catalog.yml", CATALOG.replace("s3://bucket", "data"))
    assert ("warning", "other-run", "stock") in codes(sound, "-p", "stock")
    assert "other-run" not in [code for _, code, _ in codes(sound)]


def test_all_tags_without_an_entry_and_all_else_are_found_at_once(sound: ProjectFolder) -> None:
    sound.pipeline(
        "stock",
        STOCK.replace('name="count"', 'name="count", tags=["resources.bigg"]'),
    )
    sound.config("run_config: {image: shop, resources: {big: {requests: {cpu: 2}}}}\n")
    assert codes(sound) == [
        ("error", "unknown-resources", "__default__"),
        ("warning", "image-tag", ""),
    ]
    found = findings(validate(sound, "--format", "json"))
    assert "Did you mean 'big'?" in found[0]["problem"]


def test_without_an_image_all_else_is_checked(sound: ProjectFolder) -> None:
    sound.config("run_config: {volume: {disabled: true}}\n")
    sound.write("conf/base/catalog.yml", MEMORY)
    assert [code for _, code, _ in codes(sound)] == ["lost-data", "no-image"]


def test_what_stops_the_plan_is_a_finding(sound: ProjectFolder) -> None:
    sound.config(CONFIG + "    trigger_params: [nowhere]\n")
    (found,) = findings(validate(sound, "--format", "json"))
    assert found["code"] == "plan"
    assert "nowhere" in found["problem"]
    assert found["pipeline"] == "__default__"


def test_resources_that_contradict_each_other_have_their_code(sound: ProjectFolder) -> None:
    sales = (sound.path / "src/shop/pipelines/sales/__init__.py").read_text()
    for name in ("clean", "total"):
        sales = sales.replace(f'name="{name}"', f'name="{name}", tags=["resources.{name}"]')
    sound.pipeline("sales", sales)
    sound.config(
        CONFIG
        + "    grouping: pipeline\n"
        + "    resources:\n"
        + "        clean: {node_selectors: {pool: a}}\n"
        + "        total: {node_selectors: {pool: b}}\n"
    )
    assert codes(sound, "-p", "sales") == [("error", "resources-contradict", "sales")]


def test_groups_that_wait_for_each_other_have_their_code(sound: ProjectFolder) -> None:
    sound.pipeline(
        "sales",
        """
        from kedro.pipeline import Pipeline, node

        def same(x):
            return x

        def create_pipeline():
            tag = ["airflow-k8s.group.ends"]
            return Pipeline([
                node(same, "a", "b", name="first", tags=tag),
                node(same, "b", "c", name="second", tags=["airflow-k8s.group.middle"]),
                node(same, "c", "d", name="third", tags=tag),
            ])
        """,
    )
    assert codes(sound, "-p", "sales") == [("error", "group-cycle", "sales")]


def test_doubts_about_the_configuration_are_findings(sound: ProjectFolder) -> None:
    sound.config(CONFIG + "    volume: {disabled: true, size: 3Gi}\n")
    found = findings(validate(sound, "--format", "json"))
    doubt = next(entry for entry in found if entry["code"] == "config")
    assert doubt["where"] == "run_config.volume.size"
    assert doubt["problem"] == "The volume is disabled."
    assert doubt["consequence"] == "This setting has no effect."


def test_a_grouping_for_a_pipeline_that_does_not_exist_is_a_finding(sound: ProjectFolder) -> None:
    sound.config(CONFIG + "    grouping: {sale: memory, stock: memory}\n")
    (found,) = findings(validate(sound, "--format", "json"))
    assert (found["code"], found["where"]) == ("unknown-pipeline", "run_config.grouping.sale")
    assert "Did you mean 'sales'?" in found["problem"]


def test_a_catalog_that_needs_a_run_is_checked_with_a_stand_in(sound: ProjectFolder) -> None:
    sound.write(
        "conf/base/catalog.yml",
        "orders: {type: '${runtime_params:run_id}', filepath: '${runtime_params:where}/x'}\n"
        "goods: {type: pickle.PickleDataset, filepath: 's3://b/goods'}\n",
    )
    left_out = ("warning", "not-checked", "__default__")
    assert codes(sound) == [
        left_out,
        ("warning", "unknown-parameter", "__default__"),
        ("warning", "unknown-parameter", "__default__"),
    ]
    sound.config(CONFIG + "    macro_params: [run_id]\n    variables_params: [where]\n")
    assert codes(sound) == [left_out]
    sound.config(CONFIG + "    cron_expression: '@daily'\n    macro_params: [run_id]\n")
    assert codes(sound) == [("error", "unknown-parameter", "__default__"), left_out]
    assert "'where'" in validate(sound).stdout


@pytest.mark.parametrize(
    ("file", "text", "severity"),
    [
        ("catalog.yml", "orders:\n  type: a.B\n filepath: x\n", "error"),
        ("catalog.yml", "orders: {type: a.B}\norders: {type: a.B}\n", "error"),
        ("catalog.yml", "- orders\n", "error"),
        ("catalog.yml", "orders:\n", "error"),
        ("catalog.yml", "orders: {type: a.B, filepath: '${missing}'}\n", "error"),
        ("catalog.yml", "orders: {type: a.B, filepath: '${globals:missing}'}\n", "error"),
        ("catalog.yml", "orders: {type: a.B, filepath: '${of_a_hook:x}'}\n", "warning"),
        ("catalog.yml", "orders: {type: a.B, filepath: '${kedro_config:x}'}\n", "warning"),
        ("parameters.yml", "a: [1\n", "error"),
        ("parameters.yml", "a: ${of_a_hook:x}\n", "warning"),
        ("credentials.yml", "a: {b: secret-text\n", "error"),
        ("credentials.yml", "- secret-text\n", "error"),
    ],
)
def test_a_file_that_no_kedro_reads_is_an_error_and_one_that_a_resolver_needs_a_warning(
    sound: ProjectFolder, file: str, text: str, severity: str
) -> None:
    sound.write(f"conf/base/{file}", text)
    found = [
        entry
        for entry in findings(validate(sound, "--format", "json"))
        if entry["code"] == "not-checked"
    ]
    assert [entry["severity"] for entry in found] == [severity]
    assert "secret-text" not in str(found)
    if severity == "error":
        assert f"conf/base/{file}" in found[0]["problem"] or "orders" in found[0]["problem"]
    assert "full_key" not in str(found)
    assert validate(sound).stdout.splitlines()[-1] != "0 errors, 0 warnings"


def test_where_the_grouping_needs_the_catalog_there_is_no_plan_without(
    sound: ProjectFolder,
) -> None:
    sound.write("conf/base/catalog.yml", "orders: {type: '${runtime_params:kind}'}\n")
    sound.config(CONFIG + "    grouping: memory\n")
    assert codes(sound) == [("error", "plan", "__default__")]


def test_without_a_catalog_file_kedro_runs_nothing(sound: ProjectFolder) -> None:
    source = STOCK.replace('"goods"', "None").replace("goods", "").replace('"count', '"sale')
    sound.pipeline("sales", source)
    (sound.path / "conf/base/catalog.yml").unlink()
    assert codes(sound, "-p", "sales") == [("error", "no-catalog", "")]
    run = sound.start_kedro("run", "--pipelines=sales")
    assert run.returncode != 0
    assert "MissingConfigException" in run.stdout + run.stderr
    sound.write("conf/base/catalog.yml", "")
    assert codes(sound, "-p", "sales") == []


def test_parameters_and_credentials_that_cannot_be_read_are_a_warning_each(
    sound: ProjectFolder,
) -> None:
    sound.write("conf/base/parameters.yml", "a: ${globals:nowhere}\n")
    sound.write("conf/local/credentials.yml", "a: [\n")
    result = validate(sound, "--format", "json")
    assert [entry["where"] for entry in findings(result)] == [
        "the project's credentials",
        "the project's parameters",
    ]
    assert "trigger_params" not in result.stdout


def test_parameters_and_credentials_of_the_environment_count(sound: ProjectFolder) -> None:
    sound.pipeline("stock", STOCK.replace('"goods"', '"params:shelf.depth"'))
    sound.write("conf/prod/parameters.yml", "shelf: {depth: 3}\n")
    sound.write("conf/prod/credentials.yml", "store: {key: s3cr3t}\n")
    sound.write("conf/base/catalog.yml", f"{CATALOG}    credentials: store\n")
    assert codes(sound, "-e", "prod") == []
    assert [code for _, code, _ in codes(sound)] == ["unknown-credentials", "unknown-parameter"]
    assert "s3cr3t" not in validate(sound, "-e", "prod", "--format", "json").output


def test_pipelines_that_would_be_one_dag_collide(sound: ProjectFolder) -> None:
    with as_in_a_new_process():
        project = KedroProject(bootstrap_project(sound.path))
        overrides = Overrides(dag_name="shop")
        _, (found,) = plan_pipelines(project, project.config(), ["sales", "stock"], overrides)
    assert (found.code, found.severity, found.where) == ("id-collision", "error", "DAG 'shop'")
    assert "'sales' and 'stock'" in found.problem


def test_a_project_without_nodes_is_an_error(sound: ProjectFolder) -> None:
    sound.registry(
        "from kedro.pipeline import Pipeline\n"
        "def register_pipelines(): return {'__default__': Pipeline([]), 'x': Pipeline([])}"
    )
    assert codes(sound, "--all") == [("error", "plan", "")]
    assert codes(sound) == [("error", "plan", "__default__")]


# --- the examples -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        ("spaceflights", ["not-kept"]),
        (
            "every-key",
            ["image-tag", "not-kept", "scheduled-twice", "split-claim", "unknown-macro"],
        ),
    ],
)
def test_the_examples_raise_no_false_alarm(
    example: str, expected: list[str], tmp_path: Path, project: ProjectFolder
) -> None:
    copy = tmp_path / example
    shutil.copytree(EXAMPLES / example, copy, ignore=shutil.ignore_patterns("__pycache__", ".git"))
    run = ProjectFolder(copy).start_kedro("airflow-k8s", "validate", "--format", "json")
    assert run.returncode == 0, run.stdout + run.stderr
    assert [entry["code"] for entry in json.loads(run.stdout.splitlines()[-1])] == expected


@pytest.mark.parametrize(
    ("hook", "is_doubt"),
    [
        ("after_catalog_created", True),
        ("before_pipeline_run", True),
        ("before_node_run", True),
        ("before_dataset_loaded", True),
        ("after_node_run", False),
    ],
)
def test_what_hooks_of_the_project_may_declare_in_a_run_is_only_a_doubt(
    hook: str, is_doubt: bool, project: ProjectFolder
) -> None:
    project.write("conf/base/catalog.yml", "")
    project.config(f"run_config: {{image: {IMAGE}, volume: {{disabled: true}}}}")
    kinds = ("lost-data", "unknown-dataset", "unknown-dataset")
    assert [code[:2] for code in codes(project)] == [("error", kind) for kind in kinds]

    project.settings(
        f"""
        from kedro.framework.hooks import hook_impl

        class Datasets:
            @hook_impl
            def {hook}(self):
                pass

        HOOKS = (Datasets(),)
        """
    )

    severity = "warning" if is_doubt else "error"
    assert [code[:2] for code in codes(project)] == [(severity, kind) for kind in kinds]
    said = "of the project may declare it in a run" in validate(project).stdout
    assert said == is_doubt


def test_a_project_that_disables_the_hooks_of_the_plugin_cannot_hand_data_on(
    sound: ProjectFolder,
) -> None:
    sound.settings("DISABLE_HOOKS_FOR_PLUGINS = ('kedro-mlflow', 'kedro-airflow-k8s')")
    (found,) = findings(validate(sound, "-p", "sales", "--format", "json"))
    assert (found["code"], found["severity"]) == ("hooks-disabled", "error")
    assert "'clean_orders'" in found["problem"]
    # Nothing crosses from pod to pod: the hooks have nothing to do.
    sound.config(CONFIG + "    grouping: pipeline\n")
    assert codes(sound, "-p", "sales") == []
    sound.config(CONFIG)
    sound.settings(
        "DISABLE_HOOKS_FOR_PLUGINS = ('kedro-mlflow', 'kedro-airflow', 'kedro_airflow_k8s')"
    )
    assert codes(sound) == []


# --- accepted findings ------------------------------------------------------------------------

DISABLED = CONFIG + "    volume: {disabled: true, size: 3Gi}\n"
ACCEPT = "checks: {accept: [{code: CODE, name: run_config.volume.size, reason: It stays.}]}\n"


def test_an_accepted_finding_is_only_counted(sound: ProjectFolder) -> None:
    sound.config(DISABLED + ACCEPT.replace("CODE", "config"))
    result = validate(sound, "--strict")
    assert "run_config.volume.size" not in result.stdout
    assert result.stdout.splitlines()[-1].endswith(", 1 accepted")
    assert ("warning", "config", "") not in codes(sound)


def test_an_unknown_code_in_accept_is_refused_with_the_nearest(sound: ProjectFolder) -> None:
    sound.config(CONFIG + ACCEPT.replace("CODE", "confg"))
    refused(sound.compile(), "checks.accept[0].code", "Did you mean 'config'?")


def test_an_accept_that_matches_nothing_is_a_warning(sound: ProjectFolder) -> None:
    sound.config(CONFIG + ACCEPT.replace("CODE", "config"))
    assert ("warning", "unused-accept", "") in codes(sound)


def test_commands_that_deploy_count_the_warnings_in_one_line(
    sound: ProjectFolder, tmp_path: Path
) -> None:
    sound.config(DISABLED)
    whole = validate(sound).stdout
    result = sound.kedro("airflow-k8s", "upload-pipeline", "--no-checks", "-o", str(tmp_path / "x"))
    assert result.exit_code == 0
    assert result.stderr == "1 warning: `kedro airflow-k8s validate` shows it.\n"
    assert "run_config.volume.size" in whole
    assert "run_config.volume.size" in sound.compile("--no-checks").stderr
