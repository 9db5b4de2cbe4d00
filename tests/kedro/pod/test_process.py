"""A pod that is asked to stop stops at once, whatever it is at."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kedro.pod.kedro_processes import Running, kedro_arguments, running

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as in a container")

# Where WAIT stands the code says that it is there, and then waits until someone opens a pipe.
WAIT = """
    print("IT RUNS", flush=True)
    Path("go").read_text()
"""
REGISTRY = """
import os, threading, time
from pathlib import Path
from kedro.pipeline import node, pipeline

def wait():
    WAIT
    return 1

def after(value):
    Path("after").touch()

def register_pipelines():
    nodes = [node(wait, None, "value", name="wait"), node(after, "value", None, name="after")]
    return {"__default__": pipeline(nodes)}
"""
SETTINGS = """
import os, signal, threading
from pathlib import Path
from kedro.framework.hooks import hook_impl

class Hooks:
    @hook_impl
    def on_pipeline_error(self, error):
        Path("error").write_text(f"{type(error).__name__}: {error}")

HOOKS = (Hooks(),)
"""
STOPPED = "TaskTerminated: The pod was asked to stop (SIGTERM)."


class Project:
    """A Kedro project whose first node waits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("conf/base", "conf/local", "src/tiny"):
            (folder / name).mkdir(parents=True)
        (folder / "pyproject.toml").write_text(
            '[tool.kedro]\npackage_name = "tiny"\nproject_name = "tiny"\n'
            'kedro_init_version = "1.0.0"\n'
        )
        (folder / "conf" / "base" / "catalog.yml").touch()
        (folder / "conf" / "base" / "parameters.yml").touch()
        (folder / "src" / "tiny" / "__init__.py").touch()
        self.write("settings", SETTINGS)
        self.write("pipeline_registry", REGISTRY)
        os.mkfifo(folder / "go")

    def write(self, module: str, text: str) -> None:
        """Write a module; WAIT in it becomes code that waits."""
        lines = []
        for line in text.splitlines():
            indent = line[: len(line) - len(line.lstrip())]
            wait = WAIT.strip().splitlines()
            lines += [indent + w.strip() for w in wait] if line.strip() == "WAIT" else [line]
        path = self.folder / "src" / "tiny" / f"{module}.py"
        path.write_text("\n".join(lines) + "\n")

    def replace(self, module: str, old: str, new: str) -> None:
        """Change a module that exists."""
        path = self.folder / "src" / "tiny" / f"{module}.py"
        text = path.read_text()
        assert old in text
        self.write(module, text.replace(old, new))

    def stop(self, *arguments: str, prefix: tuple[str, ...] = ()) -> Running:
        """Run it, ask it to stop when it waits, and see it fail."""
        with running(self.folder, *kedro_arguments("run", *arguments), prefix=prefix) as run:
            run.ask_to_stop()
            assert run.exit_code() == 1
        return run


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("runner", ["SequentialRunner", "ParallelRunner", "ThreadRunner"])
def test_a_run_stops_at_once_as_an_error_that_hooks_hear_of(project: Project, runner: str) -> None:
    run = project.stop(f"--runner={runner}")

    assert run.note("error") == STOPPED
    assert run.note("after") is None
    assert STOPPED in run.output


def test_a_run_that_loads_in_threads_stops_at_once(project: Project) -> None:
    project.write("slow", "from kedro.io import AbstractDataset\nfrom pathlib import Path\n")
    project.replace("slow", "import Path\n", SLOW_DATASET)
    catalog = project.folder / "conf" / "base" / "catalog.yml"
    catalog.write_text("source:\n    type: tiny.slow.Slow\n")
    project.replace("pipeline_registry", "def wait():", "def wait(source):")
    project.replace("pipeline_registry", "wait, None,", 'wait, "source",')

    run = project.stop("--async")

    assert run.note("error") == STOPPED


SLOW_DATASET = """import Path

class Slow(AbstractDataset):
    def load(self):
        WAIT
        return 1
    def save(self, data):
        pass
    def _describe(self):
        return {}
"""


@pytest.mark.parametrize("module", ["settings", "pipeline_registry", "cli"])
def test_a_pod_stops_while_the_project_is_imported(project: Project, module: str) -> None:
    before = (
        (project.folder / "src" / "tiny" / f"{module}.py").read_text() if module != "cli" else ""
    )
    project.write(module, f"from pathlib import Path\nWAIT\n{before}")

    assert STOPPED in project.stop().output


def test_a_pod_stops_while_kedro_is_imported(project: Project) -> None:
    folder = project.folder / "kedro"
    folder.mkdir()
    (folder / "__init__.py").write_text(f"from pathlib import Path\n{WAIT.replace('    ', '')}")
    environment = {"PYTHONPATH": str(project.folder)}
    with running(project.folder, *kedro_arguments("run"), environment=environment) as run:
        run.ask_to_stop()

        assert run.exit_code() == 1
    assert STOPPED in run.output


def test_a_pod_stops_while_a_hook_waits(project: Project) -> None:
    project.replace("settings", "class Hooks:", WAITING_HOOK)

    assert STOPPED in project.stop().output


WAITING_HOOK = """class Hooks:
    @hook_impl
    def after_context_created(self):
        WAIT
"""


@pytest.mark.parametrize("caught", ["Exception", "BaseException"])
def test_code_that_catches_the_error_and_goes_on_is_stopped_again(
    project: Project, caught: str
) -> None:
    project.replace("pipeline_registry", "    return 1\n", "    return 1\n" + RETRYING)
    project.replace("pipeline_registry", "node(wait, None", "node(retry, None")
    project.replace("pipeline_registry", "CAUGHT", caught)

    run = project.stop()

    assert run.note("error") == STOPPED
    assert run.note("after") is None


RETRYING = """
def retry():
    for _ in range(3):
        try:
            wait()
        except CAUGHT:
            Path("caught").touch()
    Path("go").read_text()
"""


def test_a_node_that_cleans_up_without_end_does_not_hold_the_pod_up(project: Project) -> None:
    project.replace("pipeline_registry", "    return 1\n", CLEANING)

    run = project.stop()

    assert run.note("error") == STOPPED


CLEANING = """    return 1

def clean_up():
    try:
        wait()
    finally:
        Path("go").read_text()
wait, wait_ = clean_up, wait
wait_.__globals__["wait"] = wait_
def wait_node():
    return clean_up()
"""


def test_a_node_in_code_that_python_cannot_interrupt_is_ended(project: Project) -> None:
    project.replace("pipeline_registry", "    return 1\n", IN_C)

    run = project.stop()

    assert "A node is in code that Python cannot interrupt" in run.output
    assert run.note("error") is None


# The C library's system() goes on waiting for the shell whatever signal comes.
IN_C = """    return 1

def wait():
    import ctypes
    ctypes.CDLL(None).system(b"echo IT RUNS; exec > /dev/null 2>&1; read line < go")
"""


def test_hooks_that_clean_up_are_let_finish_though_asked_again(project: Project) -> None:
    project.replace("settings", '        Path("error")', ASKED_AGAIN + '        Path("error")')

    assert project.stop().note("error") == STOPPED


ASKED_AGAIN = """
        os.kill(os.getpid(), signal.SIGTERM)
        # A hook may wait for threads of its own: not those are what is in the way.
        done = threading.Event()
        thread = threading.Thread(target=lambda: done.wait(1))
        thread.start()
        thread.join()
"""


def test_a_pod_whose_command_turns_the_error_into_success_fails_all_the_same(
    project: Project,
) -> None:
    project.write("cli", QUIET_CLI)

    assert project.stop().note("error") == STOPPED


QUIET_CLI = """
import sys
import click
from kedro.framework.session import KedroSession

@click.group(name="tiny")
def cli():
    pass

@cli.command()
def run():
    try:
        with KedroSession.create() as session:
            session.run()
    except Exception:
        sys.exit(0)
"""


def test_what_a_run_has_printed_is_not_lost(project: Project) -> None:
    project.replace(
        "settings",
        '        Path("error")',
        '        print("x" * 5000 + "end")\n        Path("error")',
    )

    assert "xend\n" in project.stop().output


def test_functions_registered_for_the_exit_run(project: Project) -> None:
    project.replace(
        "settings",
        "class Hooks:",
        "import atexit\natexit.register(Path('left').touch)\nclass Hooks:",
    )

    assert project.stop("--runner=ThreadRunner").note("left") == ""


def test_processes_of_a_node_end_as_their_maker_wants(project: Project) -> None:
    project.replace("pipeline_registry", "def after(value):", POOL)
    with running(project.folder, *kedro_arguments("run")) as run:
        with (project.folder / "go").open("w"):
            pass

        assert run.exit_code() == 0
    assert run.note("ended") == f"[-{signal.SIGTERM.value}]"
    assert "TaskTerminated" not in run.output


POOL = """def after(value):
    from multiprocessing import get_context
    child = get_context("fork").Process(target=time.sleep, args=(3600,))
    child.start()
    child.terminate()
    child.join()
    Path("ended").write_text(str([child.exitcode]))
"""


CONTAINER = ("unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.fixture(name="container")
def _container() -> tuple[str, ...]:
    if not shutil.which("unshare") or subprocess.run([*CONTAINER, "true"], check=False).returncode:
        pytest.skip("this machine does not let unshare make process 1")
    return CONTAINER


@pytest.mark.parametrize("runner", ["SequentialRunner", "ParallelRunner", "ThreadRunner"])
def test_process_1_of_a_container_stops_at_once(
    project: Project, container: tuple[str, ...], runner: str
) -> None:
    run = project.stop(f"--runner={runner}", prefix=container)

    assert run.note("error") == STOPPED


def test_kedro_alone_as_process_1_would_go_on(project: Project, container: tuple[str, ...]) -> None:
    with running(project.folder, "-m", "kedro", "run", prefix=container) as run:
        run.ask_to_stop()
        with (project.folder / "go").open("w"):
            pass

        assert run.exit_code() == 0
    assert run.note("after") == ""
