"""`kedro airflow-k8s` as a person meets it: help, options, files written, messages, exit codes."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import Result

from kedro_airflow_k8s.upload import upload_dag
from tests.support.kedro_projects import (
    CONFIG,
    IMAGE,
    SALES,
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
    refused,
)
from tests.support.recorded_dag import run_dag_file

NO_NODES = """
from kedro.pipeline import Pipeline

def create_pipeline():
    return Pipeline([])
"""
COMMANDS = (
    ["init"],
    ["validate"],
    ["compile"],
    ["diff"],
    ["upload-pipeline"],
    ["run-once"],
    ["schedule"],
    ["list-pipelines"],
    ["ui"],
    ["sandbox", "run"],
    ["sandbox", "up"],
    ["sandbox", "status"],
    ["sandbox", "down"],
)
SAMPLE = Path(__file__).parents[2] / "support/data" / "document_sample.yaml"


def done(result: Result) -> str:
    """What a command that succeeded printed."""
    assert result.exit_code == 0, result.output
    return result.stdout


def constant(source: str, name: str) -> object:
    """The value of a constant in the text of a DAG."""
    (value,) = (
        statement.value
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name
    )
    return ast.literal_eval(value)


def kedro_run(source: str) -> list[str]:
    """The command of the pods of the first Kedro task: `kedro` and its arguments."""
    tasks = run_dag_file(source).tasks.values()
    (arguments, *_) = (
        task.keywords["arguments"] for task in tasks if "run" in task.keywords.get("arguments", ())
    )
    return ["kedro", *arguments[arguments.index("run") :]]


def pipeline_of(source: str) -> str:
    """The registered pipeline that a DAG is of, as its documentation says."""
    return source.partition("pipeline `")[2].partition("`")[0]


# --- the command is there ---------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_lists_the_commands(project: ProjectFolder, option: str) -> None:
    text = done(project.kedro("airflow-k8s", option))
    for command, *_ in COMMANDS:
        assert command in text


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_each_command_has_an_example(
    project: ProjectFolder, command: list[str]
) -> None:
    text = done(project.kedro("airflow-k8s", *command, "--help"))
    assert re.search(rf"Examples?:\n      kedro airflow-k8s {' '.join(command)} ", text)
    assert done(project.kedro("airflow-k8s", *command, "-h")) == text


def test_kedro_finds_the_command_by_itself_from_a_folder_below_the_project(
    project: ProjectFolder,
) -> None:
    run = project.start_kedro("airflow-k8s", "compile", cwd=project.path / "conf" / "base")
    assert run.returncode == 0, run.stderr
    assert list(project.dags()) == ["shop.py"]
    assert f"{project.path / 'dags' / 'shop.py'}: DAG shop with 6 tasks" in run.stdout


def test_outside_a_project_the_commands_say_so(project: ProjectFolder, tmp_path: Path) -> None:
    run = project.start_kedro("airflow-k8s", "compile", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.count("Error: ") == 1
    assert f"There is no Kedro project in {tmp_path} or a folder above it" in run.stderr
    assert "kedro new" in run.stderr
    helped = project.start_kedro("airflow-k8s", "--help", cwd=tmp_path)
    assert helped.returncode == 0
    assert "sandbox" in helped.stdout


def test_outside_a_project_kedros_own_commands_are_as_without_the_plugin(
    project: ProjectFolder, tmp_path: Path
) -> None:
    run = project.start_kedro("run", cwd=tmp_path)
    assert run.returncode == 2
    assert "No such command 'run'" in run.stderr


def test_the_help_of_kedro_loads_no_command_of_the_plugin(project: ProjectFolder) -> None:
    # Other plugins load what they like, so only what is new with ours counts.
    script = """
import json, sys
from kedro.framework.cli.cli import main
sys.argv = ["kedro", "--help"]
import importlib
before = set()
class Watch:
    def find_spec(self, name, path=None, target=None):
        frame = sys._getframe()
        while frame:
            if frame.f_globals.get("__name__", "").startswith("kedro_airflow_k8s"):
                before.add(name)
            frame = frame.f_back
sys.meta_path.insert(0, Watch())
try:
    main()
except SystemExit:
    ours = sorted(name for name in sys.modules if name.startswith("kedro_airflow_k8s"))
    pydantic = sorted(name for name in sys.modules if name.startswith("pydantic"))
    print("LOADED " + json.dumps([ours, sorted(before - set(ours)), pydantic]))
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=project.path, capture_output=True, text=True, check=True
    )
    assert "Airflow-K8s" in run.stdout
    ours, by_us, pydantic = json.loads(run.stdout.rpartition("LOADED ")[2])
    assert ours == [
        "kedro_airflow_k8s",
        "kedro_airflow_k8s.cli",
        "kedro_airflow_k8s.cli._group",
        "kedro_airflow_k8s.cli._options",
        # OmegaConf's resolver, which any command that reads the configuration may need.
        "kedro_airflow_k8s.dynamic_config",
        "kedro_airflow_k8s.dynamic_config.resolver",
        "kedro_airflow_k8s.dynamic_config.variables",
        "kedro_airflow_k8s.pod",
        "kedro_airflow_k8s.pod.spared_pydantic",
    ]
    # Kedro imports these itself, and with them pydantic if we did not.
    assert [name for name in by_us if not name.startswith("kedro.validation")] == []
    assert pydantic == []


# --- -e and -p --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        (["compile"], "", "local"),
        (["compile"], "prod", "prod"),
        (["-e", "test", "compile"], "prod", "test"),
        (["--env=test", "compile"], "", "test"),
        (["compile", "-e", "test"], "prod", "test"),
        (["-e", "prod", "compile", "--env", "test"], "", "test"),
        (["-e", "test", "compile", "-e", "prod"], "", "prod"),
        (["compile", "-e", ""], "prod", "prod"),
    ],
)
def test_the_environment_is_the_last_one_named_else_kedro_env_else_kedros_default(
    project: ProjectFolder,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str,
    expected: str,
) -> None:
    for env in ("test", "prod"):
        project.config("", env)
    if variable:
        monkeypatch.setenv("KEDRO_ENV", variable)
    done(project.kedro("airflow-k8s", *arguments))
    assert f"--env={expected}" in kedro_run(project.dag())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["compile"], "__default__"),
        (["-p", "sales", "compile"], "sales"),
        (["compile", "--pipeline", "sales"], "sales"),
        (["-p", "sales", "compile", "-p", "stock"], "stock"),
        (["-p", "sales", "-p", "stock", "compile"], "stock"),
    ],
)
def test_the_pipeline_is_the_last_one_named_else_the_default(
    project: ProjectFolder, arguments: list[str], expected: str
) -> None:
    done(project.kedro("airflow-k8s", *arguments))
    assert pipeline_of(project.dag()) == expected


def test_environment_and_pipeline_reach_the_commands_of_a_group_in_the_group(
    project: ProjectFolder,
) -> None:
    refused(
        project.kedro("airflow-k8s", "-e", "nowhere", "sandbox", "run"),
        "no configuration environment 'nowhere'",
    )


# --- compile ----------------------------------------------------------------------------------


def test_compile_says_where_the_dag_is_and_how_many_tasks_it_has(project: ProjectFolder) -> None:
    file = project.path / "dags" / "shop.py"
    assert done(project.compile()) == f"{file}: DAG shop with 6 tasks\n"
    compile(file.read_text(), str(file), "exec")


def test_the_default_folder_is_that_of_the_project_and_a_target_that_of_the_caller(
    project: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done(project.compile())
    done(project.compile("-t", "here/and there"))
    assert (tmp_path / "here/and there/shop.py").read_text() == project.dag()


def test_the_option_for_the_image_wins(project: ProjectFolder) -> None:
    done(project.compile("-i", "example.com/other:2"))
    assert "example.com/other:2" in project.dag()
    assert IMAGE not in project.dag()


@pytest.mark.parametrize("image", ["", "a b", "https://example.com/x"])
def test_an_impossible_image_is_refused_as_one_in_the_file_would_be(
    project: ProjectFolder, image: str
) -> None:
    refused(project.compile("--image", image), "--image", "run_config.image", repr(image))
    assert project.dags() == {}


def test_all_compiles_each_registered_pipeline_under_an_id_of_its_own(
    project: ProjectFolder,
) -> None:
    text = done(project.compile("--all"))
    assert list(project.dags()) == ["shop.py", "shop.sales.py", "shop.stock.py"]
    assert text.count("\n") == 3
    assert [pipeline_of(dag) for dag in project.dags().values()] == [
        "__default__",
        "sales",
        "stock",
    ]


def test_all_says_which_pipelines_are_empty_and_goes_on(project: ProjectFolder) -> None:
    project.pipeline(
        "idle", "from kedro.pipeline import Pipeline\n\ndef create_pipeline(): return Pipeline([])"
    )
    result = project.compile("--all")
    done(result)
    assert result.stderr == "Warning: Pipeline 'idle' has no nodes, so it has no DAG.\n"
    assert list(project.dags()) == ["shop.py", "shop.sales.py", "shop.stock.py"]


def test_all_of_nothing_is_an_error(project: ProjectFolder) -> None:
    project.registry("def register_pipelines(): return {}")
    refused(project.compile("--all"), "nothing to compile")


def test_all_writes_nothing_if_one_pipeline_fails(project: ProjectFolder) -> None:
    project.pipeline("zoo", SALES.replace('name="clean"', 'name="clean", tags="resources.huge"'))
    refused(project.compile("--all"), "resources.huge", "'clean'")
    assert project.dags() == {}


def test_all_errors_of_the_plans_are_shown_at_once_whatever_is_checked(
    project: ProjectFolder,
) -> None:
    project.config("run_config: {volume: {disabled: true}}\n")
    project.pipeline("zoo", SALES.replace('name="clean"', 'name="clean", tags="resources.huge"'))
    for options in ([], ["--no-checks"]):
        result = project.compile("--all", *options)
        refused(result, "[no-image] run_config.image", "[unknown-resources]", "'clean'")
        assert "[lost-data]" not in result.stderr
    assert project.dags() == {}


def test_all_and_a_pipeline_exclude_each_other(project: ProjectFolder) -> None:
    refused(project.compile("--all", "-p", "sales"), "--all or --pipeline", code=2)
    assert project.dags() == {}


def test_an_older_file_is_replaced_whole_and_others_are_left_alone(project: ProjectFolder) -> None:
    done(project.compile())
    fresh = project.dag()
    project.write("dags/shop.py", "# longer than the DAG\n" * 10_000)
    project.write("dags/mine.py", "mine = 1\n")
    done(project.compile())
    assert project.dags() == {"shop.py": fresh, "mine.py": "mine = 1\n"}


def test_compiled_again_in_another_process_the_bytes_are_the_same(project: ProjectFolder) -> None:
    done(project.compile("--all"))
    before = project.dags()
    run = project.start_kedro("airflow-k8s", "compile", "--all", PYTHONHASHSEED="4711")
    assert run.returncode == 0, run.stderr
    assert project.dags() == before


def test_two_compiles_at_once_leave_a_whole_file_and_nothing_else(project: ProjectFolder) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: project.start_kedro("airflow-k8s", "compile"), range(2)))
    assert [run.returncode for run in runs] == [0, 0], runs
    both = project.dags()
    done(project.compile())
    assert project.dags() == both


@pytest.mark.skipif(os.geteuid() == 0 and sys.platform != "linux", reason="root writes anywhere")
def test_a_target_that_cannot_be_written_is_named(project: ProjectFolder, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/dags")  # read-only even for root
    else:
        target = tmp_path / "locked"
        target.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    message = refused(project.compile("-t", str(target)), f"Cannot write to {target}/shop.py")
    assert "An existing file was not changed" in message
    assert "--target-path" in message
    assert "output" not in message


@pytest.mark.parametrize("target", ["$HOME/x", "C:\\\\x", "~no-such-user/x", "gs:b", "new.py"])
def test_messages_about_a_target_name_its_option(project: ProjectFolder, target: str) -> None:
    message = refused(project.compile("-t", target), "--target-path")
    assert "output" not in message


def test_a_target_that_is_a_file_is_refused(project: ProjectFolder) -> None:
    refused(project.compile("-t", str(project.path / "pyproject.toml")), "is a file", code=2)


def test_a_target_in_a_bucket_is_sent_to_the_command_for_it(project: ProjectFolder) -> None:
    refused(
        project.compile("-t", "gs://bucket/dags"),
        "upload-pipeline --output gs://bucket/dags",
        code=2,
    )
    assert not (project.path / "gs:").exists()


def test_ctrl_c_ends_a_compile_without_a_file(project: ProjectFolder) -> None:
    project.registry("raise KeyboardInterrupt")
    result = project.compile()
    assert result.exit_code == 130
    assert "Aborted!" in result.stderr
    assert project.dags() == {}


def test_the_pipeline_names_that_kedro_takes_give_dags_of_their_own(project: ProjectFolder) -> None:
    names = ["a.b", "a-b", "a_b", "A-b", "ą", "日本", "..", "a/b", "-x", "{{ ds }}", 'a"b', "a\nb"]
    project.registry(
        f"""
        from kedro.pipeline import Pipeline, node
        def same(x): return x
        def register_pipelines():
            return dict.fromkeys({names!r}, Pipeline([node(same, "orders", "b", name="same")]))
        """
    )
    done(project.compile("--all"))
    dags = project.dags()
    assert len(dags) == len(names)
    assert len({name.lower() for name in dags}) == len(names) - 1  # a-b and A-b
    for name in names:
        alone = project.compile(f"--pipeline={name}", "-t", str(project.path / "alone"))
        done(alone)
    assert project.dags("alone") == dags


@pytest.mark.parametrize("name", ["a,b", " a", "a ", ""])
def test_a_pipeline_that_kedro_run_would_not_find_again_is_refused(
    project: ProjectFolder, name: str
) -> None:
    project.registry(
        f"""
        from kedro.pipeline import Pipeline, node
        def same(x): return x
        def register_pipelines():
            return {{{name!r}: Pipeline([node(same, "orders", "b", name="same")])}}
        """
    )
    refused(project.compile("--all"), f"Pipeline {name!r} has a name that")
    assert project.dags() == {}


# --- configuration, as far as the commands show it ---------------------------------------------


def test_all_mistakes_of_the_configuration_are_one_message(project: ProjectFolder) -> None:
    project.config("run_config:\n    imagee: x\n    volume: {szie: 1Gi}\nhots: x\n")
    message = refused(
        project.compile(),
        "base/airflow-k8s.yaml",
        "run_config.imagee",
        "run_config.volume.szie",
        "hots",
    )
    assert message.count("Error:") == 1
    assert project.dags() == {}


def test_a_doubt_about_the_configuration_is_shown_and_stops_nothing(project: ProjectFolder) -> None:
    project.config(SAMPLE.read_text())
    # The document's pipelines have nodes for these; the tiny project's have not.
    result = project.compile()
    done(result)
    assert "Warning: [config] run_config.resources.___default___.node_selectors" in result.stderr
    assert "node_pool_label/k8s.io" in result.stderr
    assert list(project.dags()) == ["airflow-k8s-plugin-demo.py"]


def test_an_environment_of_its_own_gives_a_dag_of_its_own(project: ProjectFolder) -> None:
    for env in ("prod", "prod-eu", "prod_eu", "prod.eu", "cloud/prod", "próba", "a b"):
        project.config("", env)
        done(project.compile("-e", env))
        assert any(f"--env={env}" in kedro_run(dag) for dag in project.dags().values())
    assert len(project.dags()) == 7
    assert "shop--prod.py" in project.dags()


# --- upload-pipeline --------------------------------------------------------------------------


def test_upload_writes_what_compile_writes_and_says_where(
    project: ProjectFolder, tmp_path: Path
) -> None:
    done(project.compile("-p", "sales"))
    target = tmp_path / "airflow"
    text = done(project.kedro("airflow-k8s", "upload-pipeline", "-p", "sales", "-o", str(target)))
    assert text == f"Uploaded DAG shop.sales to {target / 'shop.sales.py'}\n"
    assert (target / "shop.sales.py").read_text() == project.dag()
    assert [file.name for file in target.iterdir()] == ["shop.sales.py"]


def test_upload_takes_the_output_of_the_configuration_unless_one_is_given(
    project: ProjectFolder, tmp_path: Path
) -> None:
    project.config(f"output: {tmp_path}/configured\n{CONFIG}")
    done(project.kedro("airflow-k8s", "upload-pipeline", "--image", "example.com/x:2"))
    done(project.kedro("airflow-k8s", "upload-pipeline", "--output", f"{tmp_path}/given"))
    assert "example.com/x:2" in (tmp_path / "configured/shop.py").read_text()
    assert IMAGE in (tmp_path / "given/shop.py").read_text()


def test_upload_without_an_output_asks_for_one(project: ProjectFolder) -> None:
    refused(project.kedro("airflow-k8s", "upload-pipeline"), "Where should the DAG go?", "--output")


def test_an_upload_that_fails_says_so_and_leaves_the_old_file(
    project: ProjectFolder, tmp_path: Path
) -> None:
    upload_dag("old = 1\n", "shop.py", str(tmp_path / "airflow"))
    project.config("run_config: {}\n")
    command = ("airflow-k8s", "upload-pipeline", "-o")
    refused(project.kedro(*command, str(tmp_path / "airflow")), "No image")
    refused(project.kedro(*command, "nowhere://x", "-i", IMAGE), "Cannot upload", "nowhere://")
    refused(project.kedro(*command, str(project.path / "pyproject.toml"), "-i", IMAGE), "a file")
    assert (tmp_path / "airflow/shop.py").read_text() == "old = 1\n"


# --- quiet and offline ------------------------------------------------------------------------


def test_compile_needs_no_hooks_no_credentials_and_no_network(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    project.settings(
        """
        import socket
        from kedro.framework.hooks import hook_impl

        class TrackingHooks:
            @hook_impl
            def after_context_created(self, context):
                socket.create_connection(("tracking.example.com", 443))

            @hook_impl
            def after_catalog_created(self, catalog):
                raise RuntimeError("no catalog without credentials")

        class Refuses:
            def __init__(self, *_, **__):
                raise RuntimeError("a session was made")

        from kedro.framework.session import KedroSession

        class Session(KedroSession):
            def __init__(self, *_, **__):
                raise RuntimeError("a session was made")

        HOOKS = (TrackingHooks(),)
        SESSION_CLASS = Session
        """
    )
    project.write(
        "conf/base/catalog.yml",
        """
        orders:
            type: a.dataset.that.is.not.Installed
            filepath: s3://bucket/orders.csv
            credentials: only_on_the_cluster
        goods:
            type: another.that.is.not.Installed
        """,
    )
    done(project.compile())
    assert "only_on_the_cluster" not in project.dag()


@pytest.mark.parametrize(
    "command",
    [
        ["sandbox", "run"],
        ["compile", "--image", "shop:1"],
        ["compile", "--all", "--image", "shop:1"],
        ["upload-pipeline", "--image", "shop:1", "--output", "out"],
        ["upload-pipeline", "--all", "--image", "shop:1", "--output", "out"],
        ["schedule", "--cron-expression", "@daily", "--image", "shop:1", "--output", "out"],
        ["run-once", "--no-schedule", "--image", "shop:1", "--output", "out"],
        ["diff", "--image", "shop:1", "--output", "out"],
    ],
    ids=lambda words: " ".join(words).partition(" --image")[0],
)
def test_errors_of_a_project_without_the_file_end_with_how_to_create_it(
    project: ProjectFolder, command: list[str]
) -> None:
    (project.path / "conf/base/airflow-k8s.yaml").unlink()
    project.write("src/shop/pipelines/sales/__init__.py", TAGGED)

    ran = project.kedro("airflow-k8s", *command)

    assert ran.exit_code == (2 if command[0] == "diff" else 1)
    small, large, hint = ran.stderr.removeprefix("Error: ").strip().split("\n\n")
    assert small.startswith("[unknown-resources] tag 'resources.small' ")
    assert large.startswith("[unknown-resources] tag 'resources.large' ")
    assert hint == (
        f"There is no airflow-k8s.yaml in {project.path / 'conf/base'}: only defaults apply."
        " Create the file with `kedro airflow-k8s init`."
    )


def test_errors_of_a_project_with_the_file_do_not_ask_for_it(project: ProjectFolder) -> None:
    project.write("src/shop/pipelines/sales/__init__.py", TAGGED)

    ran = project.kedro("airflow-k8s", "sandbox", "run")

    assert ran.exit_code == 1
    assert "unknown-resources" in ran.output
    assert "There is no airflow-k8s.yaml" not in ran.output


TAGGED = """
from kedro.pipeline import Pipeline, node

def clean(orders):
    return orders

def create_pipeline():
    return Pipeline([
        node(clean, "orders", "clean_orders", name="clean", tags=["resources.small"]),
        node(clean, "clean_orders", "totals", name="total", tags=["resources.large"]),
    ])
"""
