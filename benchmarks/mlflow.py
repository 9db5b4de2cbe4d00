"""That `compile` asks nothing of the MLflow server: a silent one does not slow it down."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from benchmarks.commands import both
from benchmarks.environments import REPOSITORY, child_environment
from benchmarks.errors import BenchmarkError
from benchmarks.results import Section, Verdict
from benchmarks.timing import Command, interleave, ratios

EXAMPLE = REPOSITORY / "examples" / "mlflow"
ANSWERS, SILENT, REFUSES = "it answers", "it never answers", "nothing listens"
AS_LONG = 1.05
"""What two rounds of the same differ by anyway."""

NOTE = (
    "Milliseconds: best and median by the clock / median in CPU time. `kedro airflow-k8s compile`"
    " of examples/mlflow, with kedro-mlflow in the environment, so that mlflow.yml is read. The"
    " silent server lets clients connect and says nothing, as one behind a firewall or an"
    " overloaded one does. Calls are those that have reached a server in all rounds."
)


@dataclass
class Calls:
    """An address, and how often someone has called there."""

    url: str
    number: int = field(default=0)


def mlflow_section(folder: Path, rounds: int, advance: Callable[[], None]) -> Section:
    """`compile` with the MLflow server silent and gone, against one that answers.

    Raises:
        BenchmarkError: If there is no Python with kedro-mlflow, or compile reads no mlflow.yml.
    """
    python = str(mlflow_python())
    left_out = shutil.ignore_patterns("dags", "__pycache__", ".airflow-sandbox")
    project = Path(shutil.copytree(EXAMPLE, folder, ignore=left_out))
    with answering() as answers, silent() as mute, unused() as gone:
        servers = {ANSWERS: answers, SILENT: mute, REFUSES: gone}
        commands = [
            Command(
                name,
                (python, "-m", "kedro", "airflow-k8s", "compile"),
                project,
                child_environment(KEDRO_CONFIG_MLFLOW_URI=server.url),
            )
            for name, server in servers.items()
        ]
        costs = interleave(commands, rounds, advance)
    _check_that_it_was_read(project, [server.url for server in servers.values()])
    rows, verdicts = [], []
    for name, server in servers.items():
        ratio, ratio_cpu = (ratios(costs, name, ANSWERS, clock).median for clock in ("wall", "cpu"))
        compared = f"{ratio:.2f} / {ratio_cpu:.2f}"
        calls = "" if name == REFUSES else str(server.number)
        rows.append([name, both(costs, name), compared, calls, str(rounds)])
        if name != ANSWERS:
            what = f"compile, MLflow server: {name} / {ANSWERS}"
            verdicts.append(Verdict(what, ratio, AS_LONG, "of it", ratio_cpu))
    calls_made = float(answers.number + mute.number)
    verdicts.append(Verdict("compile, calls to the MLflow server", calls_made, 0, "calls"))
    header = ["MLflow server", "compile", f"of that where {ANSWERS}", "calls", "rounds"]
    return Section("`compile` and the MLflow server", [NOTE], header, rows, verdicts)


def mlflow_python() -> Path:
    """The interpreter that has kedro-mlflow and this plugin.

    Raises:
        BenchmarkError: None is configured.
    """
    if not (python := os.environ.get("MLFLOW_PYTHON")):
        raise BenchmarkError(
            "MLFLOW_PYTHON names no Python with kedro-mlflow: run `make bench`, which has it."
        )
    return Path(python)


@contextmanager
def answering() -> Iterator[Calls]:
    """A server that answers whatever it is asked, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.number += 1
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Calls(f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silent() -> Iterator[Calls]:
    """A server that takes connections while the block runs, and never says a word.

    Its calls are counted at the end of the block.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        found = Calls(f"http://127.0.0.1:{server.getsockname()[1]}")
        yield found
        server.setblocking(False)
        # Who has called waits in the backlog, or has given up.
        while True:
            try:
                connection, _ = server.accept()
            except BlockingIOError:
                return
            connection.close()
            found.number += 1


@contextmanager
def unused() -> Iterator[Calls]:
    """An address that refuses connections while the block runs, as no one else can take it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield Calls(f"http://127.0.0.1:{bound.getsockname()[1]}")


def _check_that_it_was_read(project: Path, urls: list[str]) -> None:
    """See that the DAG that was compiled last has the address of one of the servers.

    Raises:
        BenchmarkError: It has not, so that nothing of MLflow was measured.
    """
    (dag,) = (project / "dags").glob("*.py")
    if not any(url in dag.read_text(encoding="utf-8") for url in urls):
        raise BenchmarkError(f"{dag.name} was compiled without the address of the MLflow server.")
