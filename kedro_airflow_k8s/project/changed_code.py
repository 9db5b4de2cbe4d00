"""Which nodes of a project have other code than a run that has gone before."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from kedro_airflow_k8s.dynamic_config.git import files_since, source_at
from kedro_airflow_k8s.project.changed_functions import has_changed
from kedro_airflow_k8s.project.nodes import registered_pipelines


def changed_files(
    project_path: Path, pipeline: str, names: Collection[str], commit: str, since: datetime
) -> dict[str, list[Path]]:
    """Return the files of the project that nodes use and that have changed, by node.

    Those are the module of the node's function, and the modules that it imports, or they do. The
    function's own module counts if the function has changed, or what it uses there.

    Args:
        project_path: The project.
        pipeline: A registered pipeline.
        names: Nodes of it.
        commit: The commit that was run: its hash, with suffixes as `describe_commit` makes them.
        since: When it was run. The times of files count where the commit does not tell: there were
            uncommitted changes, or there is no repository.

    Returns:
        Paths relative to the project; nodes without changes are left out.
    """
    root = project_path.resolve()
    revision = commit.partition("-")[0]
    committed = None if "dirty" in commit else files_since(root, revision)
    found = {}
    for node in registered_pipelines(project_path)[pipeline].nodes:
        if node.name in names:
            files = set(_imported(node.func, root))
            if committed is None:
                files = {path for path in files if path.stat().st_mtime > since.timestamp()}
            else:
                files &= committed
                files = {path for path in files if not _is_same(node.func, path, revision)}
            if files:
                found[node.name] = sorted(path.relative_to(root) for path in files)
    return found


def _is_same(function: Any, path: Path, commit: str) -> bool:
    """Return whether a file is that of a function, and the function is as it was in a commit."""
    # What others call may have changed with their arguments, such as functions that they wrap.
    if not isinstance(function, FunctionType) or hasattr(function, "__wrapped__"):
        return False
    module = sys.modules.get(function.__module__)
    if Path(getattr(module, "__file__", None) or "/").resolve() != path:
        return False
    before = source_at(path, commit)
    if before is None:
        return False
    now = path.read_text("utf-8", "surrogateescape")
    return not has_changed(function.__qualname__, before, now)


def _imported(function: Any, root: Path) -> Iterator[Path]:
    """Yield the files of the project that a function is in, and that its module imports."""
    while isinstance(function, partial):
        function = function.func
    waiting, seen = [str(getattr(function, "__module__", ""))], set()
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        path = Path(getattr(module, "__file__", None) or "/").resolve()
        if name in seen or not path.is_relative_to(root) or "site-packages" in path.parts:
            continue
        seen.add(name)
        yield path
        waiting += _modules_of(list(vars(module).values()))


def _modules_of(values: Iterable[Any]) -> Iterator[str]:
    """Yield the names of modules among values, and of those in which values were defined."""
    for value in values:
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
        if isinstance(name, str):
            yield name
