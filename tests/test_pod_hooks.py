"""A pod that is asked to stop stops, and outside of pods nothing changes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from kedro_airflow_k8s.pod.hooks import POD_VARIABLE, hooks
from kedro_airflow_k8s.pod_spec import TASK_VARIABLE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as in a container")

# The first node says that it runs, and then waits until somebody opens a pipe.
REGISTRY = """
from pathlib import Path
from kedro.pipeline import node, pipeline

def wait():
    print("IT RUNS", flush=True)
    Path("go").read_text()
    return 1

def after(value):
    Path("after").touch()

def register_pipelines():
    nodes = [node(wait, None, "value", name="wait"), node(after, "value", None, name="after")]
    return {"__default__": pipeline(nodes)}
"""
SETTINGS = """
import signal
from pathlib import Path
from kedro.framework.hooks import hook_impl

class Hooks:
    @hook_impl
    def before_pipeline_run(self):
        is_default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        Path("default").write_text(str(is_default))

    @hook_impl
    def on_pipeline_error(self, error):
        Path("error").write_text(f"{type(error).__name__}: {error}")

HOOKS = (Hooks(),)
"""


# The deadline is there to end a failing test only.
SECONDS = 60


@dataclass
class KedroRun:
    """A `kedro run` whose first node has begun."""

    process: subprocess.Popen[str]
    folder: Path

    def ask_to_stop(self) -> None:
        """Do what Kubernetes does to the first process of a container."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        inside = self.process.args[0] == "unshare"  # type: ignore[index]
        os.kill(int(children.read_text()) if inside else self.process.pid, signal.SIGTERM)

    def let_the_node_end(self) -> None:
        """Open the pipe that the node waits for."""
        with (self.folder / "go").open("w"):
            pass

    def exit_code(self) -> int:
        """Wait for the end."""
        self.process.communicate(timeout=SECONDS)
        return self.process.returncode

    def note(self, name: str) -> str | None:
        """What a node or a hook has written down."""
        path = self.folder / name
        return path.read_text() if path.exists() else None


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    for folder in ("conf/base", "conf/local", "src/tiny"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.kedro]\npackage_name = "tiny"\nproject_name = "tiny"\nkedro_init_version = "1.0.0"\n'
    )
    (tmp_path / "conf" / "base" / "catalog.yml").touch()
    (tmp_path / "conf" / "base" / "parameters.yml").touch()
    (tmp_path / "src" / "tiny" / "__init__.py").touch()
    (tmp_path / "src" / "tiny" / "settings.py").write_text(SETTINGS)
    (tmp_path / "src" / "tiny" / "pipeline_registry.py").write_text(REGISTRY)
    os.mkfifo(tmp_path / "go")
    return tmp_path


@contextmanager
def kedro_run(
    folder: Path, *arguments: str, pod: bool = True, prefix: tuple[str, ...] = ()
) -> Iterator[KedroRun]:
    """Start `kedro run`, and wait until its node runs."""
    environment = {k: v for k, v in os.environ.items() if k != TASK_VARIABLE}
    environment |= {"DO_NOT_TRACK": "1", "PYTHONWARNINGS": "ignore", "COLUMNS": "300"}
    if pod:
        environment[TASK_VARIABLE] = "wait"
    with subprocess.Popen(
        [*prefix, sys.executable, "-m", "kedro", "run", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if line == "IT RUNS\n":
                    break
            else:
                raise AssertionError("".join(said))
            yield KedroRun(process, folder)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("runner", ["SequentialRunner", "ParallelRunner"])
def test_a_run_stops_at_once_as_an_error_that_hooks_hear_of(project: Path, runner: str) -> None:
    with kedro_run(project, f"--runner={runner}") as run:
        run.ask_to_stop()

        assert run.exit_code() == 1
    assert run.note("error") == "TaskTerminated: The pod was asked to stop (SIGTERM)."
    assert run.note("after") is None


def test_with_threads_a_run_stops_as_soon_as_the_running_nodes_end(project: Path) -> None:
    with kedro_run(project, "--runner=ThreadRunner") as run:
        run.ask_to_stop()
        run.let_the_node_end()

        assert run.exit_code() == 1
    assert run.note("error") == "TaskTerminated: The pod was asked to stop (SIGTERM)."
    assert run.note("after") is None


def test_asking_again_does_not_cut_hooks_off(project: Path) -> None:
    settings = project / "src" / "tiny" / "settings.py"
    once_more = 'import os; os.kill(os.getpid(), signal.SIGTERM)\n        Path("error")'
    settings.write_text(settings.read_text().replace('Path("error")', once_more))
    with kedro_run(project) as run:
        run.ask_to_stop()

        assert run.exit_code() == 1
    assert run.note("error") == "TaskTerminated: The pod was asked to stop (SIGTERM)."


CONTAINER = ("unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.fixture(name="container")
def _container() -> tuple[str, ...]:
    if not shutil.which("unshare") or subprocess.run([*CONTAINER, "true"], check=False).returncode:
        pytest.skip("this machine does not let unshare make process 1")
    return CONTAINER


def test_process_1_of_a_container_stops_at_once(project: Path, container: tuple[str, ...]) -> None:
    with kedro_run(project, prefix=container) as run:
        run.ask_to_stop()

        assert run.exit_code() == 1
    assert run.note("error") == "TaskTerminated: The pod was asked to stop (SIGTERM)."


def test_without_the_hook_process_1_would_go_on(project: Path, container: tuple[str, ...]) -> None:
    with kedro_run(project, prefix=container, pod=False) as run:
        run.ask_to_stop()
        run.let_the_node_end()

        assert run.exit_code() == 0
    assert run.note("after") == ""


def test_outside_of_a_pod_the_signal_is_left_as_it_was(project: Path) -> None:
    with kedro_run(project, pod=False) as run:
        assert run.note("default") == "True"
        run.ask_to_stop()

        assert run.exit_code() == -signal.SIGTERM
    assert run.note("error") is None


def test_in_a_pod_a_session_in_a_thread_runs_as_everywhere() -> None:
    code = (
        "import signal, threading\n"
        "from kedro_airflow_k8s.pod.hooks import hooks\n"
        "thread = threading.Thread(target=hooks.after_context_created)\n"
        "thread.start(); thread.join()\n"
        "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, TASK_VARIABLE: "task"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_the_hooks_cost_no_import_but_kedros_hook_marker() -> None:
    code = (
        "import json, sys\n"
        "import kedro.framework.hooks\n"
        "before = set(sys.modules)\n"
        "import kedro_airflow_k8s.pod.hooks\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    modules = json.loads(done.stdout)
    ours = {name for name in modules if name.startswith("kedro_airflow_k8s")}
    assert ours == {"kedro_airflow_k8s", "kedro_airflow_k8s.pod", "kedro_airflow_k8s.pod.hooks"}
    others = {name.partition(".")[0] for name in modules} - {"kedro_airflow_k8s"}
    assert others <= sys.stdlib_module_names


def test_kedro_loads_the_hooks_without_a_word_in_settings() -> None:
    (found,) = entry_points(group="kedro.hooks", name="airflow-k8s")
    assert found.load() is hooks
    assert POD_VARIABLE == TASK_VARIABLE
