"""A failure in the pod is shown by the lines of the project."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest

from kedro_airflow_k8s.pod.failures import folded, shorten_tracebacks

SITE = "/usr/lib/python3.11/site-packages"
PROJECT = "/home/kedro"


def frame(path: str, line: int = 7, name: str = "f", code: str = "do(it)") -> str:
    return f'  File "{path}", line {line}, in {name}\n    {code}\n'


def shown(*parts: str, package: str | None = None) -> list[str]:
    text = "".join(("Traceback (most recent call last):\n", *parts))
    return folded(text, PROJECT, package).splitlines()


def test_the_lines_of_the_project_stay_and_those_of_libraries_are_counted() -> None:
    assert shown(
        frame("<frozen runpy>"),
        frame(f"{SITE}/kedro/framework/cli/cli.py"),
        frame(f"{SITE}/click/core.py"),
        frame(f"{SITE}/kedro/pipeline/node.py"),
        frame(f"{PROJECT}/src/shop/nodes.py", 37, "train_model", "regressor.fit(X)"),
        frame(f"{SITE}/sklearn/base.py", code="fit(\n        ^^^^"),
        "ValueError: Input X contains NaN.\nSee the documentation.\n",
    ) == [
        "Traceback (most recent call last):",
        "  (4 frames of kedro)",
        '  File "src/shop/nodes.py", line 37, in train_model',
        "    regressor.fit(X)",
        "  (1 frame of sklearn)",
        "ValueError: Input X contains NaN.",
        "See the documentation.",
    ]


def test_a_recursion_in_a_library_is_counted_and_one_in_the_project_is_shown() -> None:
    repeated = "  [Previous line repeated 990 more times]\n"
    assert shown(frame(f"{PROJECT}/nodes.py"), repeated, "E: deep\n")[-2:] == [
        "  [Previous line repeated 990 more times]",
        "E: deep",
    ]
    assert shown(frame(f"{SITE}/yaml.py"), repeated, "E: deep\n")[1:] == [
        "  (991 frames of yaml)",
        "E: deep",
    ]


def test_compiled_code_of_a_library_is_not_taken_for_the_projects() -> None:
    assert shown(frame("pandas/_libs/index.pyx"), "KeyError: 'tee'\n")[1:] == [
        "  (1 frame of pandas)",
        "KeyError: 'tee'",
    ]


def test_an_installed_project_is_still_the_project() -> None:
    path = f"{SITE}/shop/nodes.py"
    assert shown(frame(path), "E\n")[1] == "  (1 frame of shop)"
    assert shown(frame(path), "E\n", package="shop")[1] == f'  File "{path}", line 7, in f'


def test_a_virtual_environment_in_the_projects_folder_is_not_the_project() -> None:
    path = f"{PROJECT}/.venv/lib/python3.11/site-packages/pandas/core.py"
    assert shown(frame(path), "E\n")[1] == "  (1 frame of pandas)"


def test_a_line_that_python_cannot_parse_is_shown_with_its_place() -> None:
    error = f'  File "{PROJECT}/src/nodes.py", line 1\n    def f(:\n          ^\n'
    assert shown(frame("<frozen importlib>"), error, "SyntaxError: invalid syntax\n")[1:] == [
        "  (1 frame of Python)",
        '  File "src/nodes.py", line 1',
        "    def f(:",
        "          ^",
        "SyntaxError: invalid syntax",
    ]


CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"


def test_a_message_that_a_library_raised_twice_is_shown_once() -> None:
    head = "Traceback (most recent call last):\n"
    inner, outer = frame(f"{SITE}/pandas/index.py"), frame(f"{PROJECT}/src/nodes.py")
    assert shown(inner, "KeyError: 'tee'\n", CAUSE, head, outer, "KeyError: 'tee'\n") == shown(
        outer, "KeyError: 'tee'\n"
    )
    other = shown(inner, "OSError: disk\n", CAUSE, head, outer, "RuntimeError: no data\n")
    assert other[1:3] == ["  (1 frame of pandas)", "OSError: disk"]
    assert other[-1] == "RuntimeError: no data"


def test_what_another_process_hands_over_is_shortened_as_well() -> None:
    remote = (
        'concurrent.futures.process._RemoteTraceback: \n"""\nTraceback (most recent call last):\n'
        f'{frame(f"{SITE}/kedro/task.py")}{frame(f"{PROJECT}/src/nodes.py")}E: no\n"""\n'
    )
    text = folded(
        f"{remote}{CAUSE}Traceback (most recent call last):\n{frame(f'{SITE}/kedro/x.py')}E: no\n",
        PROJECT,
    )
    assert '(1 frame of kedro)\n  File "src/nodes.py", line 7, in f' in text
    assert SITE not in text


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no groups of exceptions")
def test_each_exception_of_a_group_is_shortened(tmp_path: Path) -> None:
    code = compile(
        "try:\n    int('x')\nexcept ValueError as error:\n"
        "    raise BaseExceptionGroup('two', [error, KeyError('b')])",
        str(tmp_path / "nodes.py"),
        "exec",
    )
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - the name is of Python 3.11
        exec(code, {})
    text = folded("".join(traceback.format_exception(caught.value)), str(tmp_path))
    assert '  |   File "nodes.py", line 4, in <module>' in text
    assert '    |   File "nodes.py", line 2, in <module>' in text


def test_a_hook_of_the_projects_own_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def report(*_: object) -> None:
        """Send it somewhere."""

    monkeypatch.setattr(sys, "excepthook", report)
    shorten_tracebacks()
    assert sys.excepthook is report


def test_all_frames_are_shown_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setenv("KEDRO_AIRFLOW_K8S_RAW", "1")
    shorten_tracebacks()
    assert sys.excepthook is sys.__excepthook__
    monkeypatch.delenv("KEDRO_AIRFLOW_K8S_RAW")
    shorten_tracebacks()
    assert sys.excepthook is not sys.__excepthook__
