"""The cause of a failure in one line, as the pod leaves it for Kubernetes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kedro_airflow_k8s.pod import last_words
from kedro_airflow_k8s.pod.cause import leave_cause


@pytest.fixture(name="left")
def _left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file for the cause; the project's folder is the current one."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "termination-log"
    monkeypatch.setenv("KEDRO_AIRFLOW_K8S_REASON", str(file))
    return file


def caught(code: str, module: str = "shop.nodes", **names: Any) -> BaseException:
    """What code of the project's file nodes.py raises."""
    source = compile(code, str(Path.cwd() / "nodes.py"), "exec")
    with pytest.raises(BaseException) as found:  # noqa: PT011 - any
        exec(source, {"__name__": module, **names})
    return found.value


def test_an_exception_has_its_type_its_message_and_its_place_in_the_project(left: Path) -> None:
    leave_cause(caught("\n\nraise ValueError('no price:\\n  row 7')"))
    assert left.read_text() == "ValueError: no price: row 7 (nodes.py:3)"


def test_the_node_is_the_one_that_kedro_ran(left: Path) -> None:
    task = "def run(node):\n    node.run()\nrun(rank)"

    def fail() -> None:
        raise KeyError("tee")

    rank = SimpleNamespace(name="sales.rank", run=fail)
    leave_cause(caught(task, "kedro.runner.task", rank=rank))
    assert left.read_text().startswith("KeyError: 'tee' (node sales.rank, ")


def test_the_place_may_be_in_the_exception_that_a_library_has_wrapped(left: Path) -> None:
    outer: dict[str, Any] = {}
    exec(
        compile(
            "def call(f):\n    try:\n        f()\n    except Exception as error:\n"
            "        raise RuntimeError('wrapped') from error",
            "/usr/lib/python3/site-packages/lib/core.py",
            "exec",
        ),
        outer,
    )
    error = caught("def f():\n    1 / 0\ntry:\n    call(f)\nfinally:\n    pass", call=outer["call"])
    leave_cause(error)
    assert left.read_text() == "RuntimeError: wrapped (nodes.py:4)"


def test_the_module_of_the_exception_is_left_out(left: Path) -> None:
    leave_cause(caught("class Late(Exception): ...\nraise Late('too late')"))
    assert left.read_text() == "Late: too late (nodes.py:2)"


def test_there_are_no_secrets_in_it(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2hunter2")
    leave_cause(ValueError("hunter2hunter2 at https://me:secret@example.com/x?sig=abc"))
    assert left.read_text() == "ValueError: *** at https://***@example.com/x?***"


def test_it_fits_into_what_kubernetes_reads(left: Path) -> None:
    leave_cause(caught(f"raise ValueError({'ü' * 10_000!r})"))
    assert left.read_text().endswith("ü… (nodes.py:1)")
    assert len(left.read_bytes()) <= 4096


@pytest.mark.parametrize("kind", ["DataValidationError", "ParameterValidationError"])
def test_what_a_retry_cannot_fix_says_so(left: Path, kind: str) -> None:
    leave_cause(caught(f"class {kind}(Exception): ...\nclass Own({kind}): ...\nraise Own('bad')"))
    assert left.read_text() == "Own: bad (nodes.py:3) A retry cannot fix this."


def test_a_message_of_the_plugin_is_the_cause(left: Path) -> None:
    leave_cause(SystemExit("The image is too old. Nothing was run."))
    assert left.read_text() == "The image is too old. Nothing was run. A retry cannot fix this."
    leave_cause(SystemExit("Cannot write to the volume."))
    assert left.read_text() == "Cannot write to the volume."


@pytest.mark.parametrize("code", [0, 1, 2, None])
def test_an_exit_code_says_nothing(left: Path, code: int | None) -> None:
    leave_cause(SystemExit(code))
    assert not left.exists()


def test_the_file_is_that_of_kubernetes_if_there_is_one(
    left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEDRO_AIRFLOW_K8S_REASON")
    monkeypatch.setattr(last_words, "TERMINATION_LOG", str(left))
    leave_cause(ValueError("not in a container"))
    assert not left.exists()
    left.touch()
    leave_cause(ValueError("in a container"))
    assert left.read_text() == "ValueError: in a container"


def test_a_file_that_cannot_be_written_is_reported(
    left: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEDRO_AIRFLOW_K8S_REASON", str(left / "missing" / "file"))
    leave_cause(ValueError("no"))
    assert "This was not written to" in capsys.readouterr().err
