"""The traceback of a failure in the pod: the lines of the project; those of libraries are counted.

Kedro's default logging shows a frame in twelve lines or more. Most frames are those of Kedro and of
libraries, so the end of a pod's log would lack the line of the project that failed.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import traceback
from types import TracebackType

from kedro_airflow_k8s.pod.environment import RAW_VARIABLE

_FRAME = re.compile(r'(?P<indent>[ |]*)File "(?P<path>[^"]+)", line \d+')
_OWN_LINE = re.compile(r'^[ |]*File "', re.MULTILINE)
_REPEATED = re.compile(r"[ |]*\[Previous line repeated (\d+) more times?\]")
_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\](?P<package>[^/\\]+)")
NEXT = re.compile(
    r"(\n\nThe above exception was the direct cause of the following exception:\n\n"
    r"|\n\nDuring handling of the above exception, another exception occurred:\n\n)"
)
"""What is between the tracebacks of chained exceptions."""

_BEFORE_KEDRO = ("Python", "kedro_airflow_k8s", "click")
_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def shorten_tracebacks() -> None:
    """Let the exception that ends this process be shown by its frames in the project.

    A hook that the project has set itself is kept, and so is Kedro's where all frames are wanted.
    """
    of_kedro = sys.excepthook.__module__.startswith("rich.")
    if (of_kedro or sys.excepthook is sys.__excepthook__) and RAW_VARIABLE not in os.environ:
        sys.excepthook = _show


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    text = folded_traceback(kind, error, trace)
    # What the nodes have printed comes first.
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def folded_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> str:
    """Return the traceback of an exception with one line in place of frames of libraries."""
    text = "".join(traceback.format_exception(kind, error, trace))
    return folded(text, os.getcwd(), _project_package())


def folded(text: str, project: str, package: str | None = None) -> str:
    """Return the text of a traceback with one line in place of successive frames of libraries.

    Args:
        text: The traceback as Python prints it, also of chained exceptions, of groups of them and
            of those that another process has handed over.
        project: The folder of the project: paths below it are shown relative to it.
        package: The project's package, which may be installed as libraries are.
    """
    lines: list[str] = []
    hidden: list[str] = []
    indent, hides = "", False

    def library(path: str) -> str:
        found = _INSTALLED.search(path)
        name = found["package"].removesuffix(".py") if found else _outside(path)
        return "" if name == package else name

    for line in text.splitlines():
        frame, repeated = _FRAME.match(line), _REPEATED.match(line)
        if frame and ", in " in line[frame.end() :]:
            name = library(frame["path"])
            if not name:
                _count(lines, hidden, indent)
            indent, hides = frame["indent"], bool(name)
            if hides:
                hidden.append(name)
        elif repeated and hides:
            hidden += hidden[-1:] * int(repeated[1])
        elif hides and not line.startswith(f"{indent}  "):
            _count(lines, hidden, indent)
            hides = False
        if not hides:
            shown = frame and f'{frame["indent"]}File "{_relative(frame["path"], project)}"'
            lines.append(f"{shown}{line[frame.end('path') + 1 :]}" if shown and frame else line)
    _count(lines, hidden, indent)
    return _without_repetition("\n".join(lines))


def _without_repetition(text: str) -> str:
    """Leave out what libraries raised and then raised again with the same message."""
    links = NEXT.split(text)
    kept = links[-1:]
    for link, connection in zip(links[-3::-2], links[-2::-2], strict=True):
        said = link.rpartition("\n  (")[2].partition("\n")[2]
        if _OWN_LINE.search(link) or not said or not kept[0].endswith(f"\n{said}"):
            kept[:0] = [link, connection]
    return "".join(kept)


def _count(lines: list[str], hidden: list[str], indent: str) -> None:
    """Add a line for the frames that were left out, if there are any."""
    if hidden:
        frames = "1 frame" if len(hidden) == 1 else f"{len(hidden)} frames"
        lines.append(f"{indent}({frames} of {_libraries(hidden)})")
        hidden.clear()


def _libraries(hidden: list[str]) -> str:
    """Return the names of libraries, without those that call Kedro in every pod."""
    names = dict.fromkeys(hidden)
    if "kedro" in names:
        names = dict.fromkeys(name for name in names if name not in _BEFORE_KEDRO)
    return ", ".join(names)


def _outside(path: str) -> str:
    """Return the name for code that is neither installed nor the project's, or nothing."""
    if path.startswith(_OWN_FOLDER + os.sep):
        return os.path.basename(_OWN_FOLDER)
    if path.startswith(("<", sysconfig.get_path("stdlib") + os.sep)):
        return "Python"
    if not os.path.isabs(path) and not os.path.exists(path):
        # Compiled code names the file that it was made of.
        return re.split(r"[/\\]", path)[0]
    return ""


def _relative(path: str, project: str) -> str:
    return path[len(project) + 1 :] if path.startswith(project + os.sep) else path


def _project_package() -> str | None:
    project = sys.modules.get("kedro.framework.project")
    return getattr(project, "PACKAGE_NAME", None)
