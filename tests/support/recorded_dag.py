"""A DAG file run with stand-ins for Airflow and Kubernetes, which only write down what they get.

The file sees no other module than those named here, and none of the builtins that reach outside: a
DAG that would do more than describe itself fails.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from types import CodeType
from typing import Any


def operator_trees() -> list[ast.Module]:
    """The modules that DAG files hold."""
    folder = files("kedro_airflow_k8s.dag.operators")
    texts = [file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".py")]
    return [ast.parse(text) for text in texts]


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)


IMPORTS = frozenset().union(
    ["airflow.providers.cncf.kubernetes.operators.pod", "kubernetes.client", "typing", "datetime"],
    ["pendulum"],
    *(_imported(tree) for tree in operator_trees()),
)
"""The modules that a DAG file may import."""

OUTSIDE = frozenset(["open", "exec", "eval", "compile", "input", "breakpoint", "__import__"])
"""The builtins that act, or let text act, outside the file."""


@dataclass(frozen=True)
class Model:
    """A Kubernetes model, or another object without behaviour, that the file made."""

    name: str
    keywords: dict[str, Any]
    positional: tuple[Any, ...] = ()


@dataclass
class RecordedDag:
    """What the DAG file said when it was run."""

    keywords: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    group_ids: list[str] = field(default_factory=list)
    edges: set[tuple[str, str]] = field(default_factory=set)
    variables: dict[str, Any] = field(default_factory=dict)
    open_groups: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """All that have to be different in one DAG. Airflow gives each group two ids more."""
        joins = [
            f"{group}.{end}"
            for group in self.group_ids
            for end in ("upstream_join_id", "downstream_join_id")
        ]
        return [*self.tasks, *self.group_ids, *joins]


class Task:
    """Replaces any operator: keeps the keyword arguments it has, by itself or by default."""

    dag: RecordedDag

    def __new__(cls, **keywords: Any) -> Task:
        task = super().__new__(cls)
        task.keywords = {**cls.dag.keywords.get("default_args", {}), **keywords}
        task.role = ""
        task.task_id = ".".join((*cls.dag.open_groups, keywords["task_id"]))
        if task.task_id in cls.dag.tasks:
            raise ValueError(f"Two tasks {task.task_id!r}.")
        cls.dag.tasks[task.task_id] = task
        return task

    keywords: dict[str, Any]
    role: str
    task_id: str
    setups: Task | None = None

    def __init__(self, **keywords: Any) -> None:
        pass

    @property
    def is_setup(self) -> bool:
        return self.role == "setup"

    @property
    def is_teardown(self) -> bool:
        return self.role == "teardown"

    def as_setup(self) -> Task:
        self.role = "setup"
        return self

    def as_teardown(self, setups: Task | None = None) -> Task:
        self.role, self.setups = "teardown", setups
        return self

    def __rshift__(self, later: Task | Sequence[Task]) -> object:
        for task in [later] if isinstance(later, Task) else later:
            self.dag.edges.add((self.task_id, task.task_id))
        return later

    def __rrshift__(self, earlier: Sequence[Task]) -> object:
        for task in earlier:
            self.dag.edges.add((task.task_id, self.task_id))
        return self


class _Models:
    def __getattr__(self, name: str) -> Any:
        return lambda **keywords: Model(name, keywords)


def _recorder(name: str) -> Any:
    return lambda *positional, **keywords: Model(name, keywords, positional)


class _Module:
    def __init__(self, **members: Any) -> None:
        self.__dict__.update(members)

    def __getattr__(self, name: str) -> Any:
        return type(name, (Exception,), {})


def _import(standin: _Module, name: str, *others: Any) -> Any:
    """Import what a DAG file may import; the stand-in for all except the standard library."""
    root = name.partition(".")[0]
    if name in IMPORTS and root in sys.stdlib_module_names:
        wanted = importlib.import_module(name)
        # `import a.b` gives a, `from a.b import c` gives a.b.
        return wanted if others[2] else importlib.import_module(root)
    if name in IMPORTS:
        return standin
    raise ImportError(f"A DAG file has no use for {name}.")


def run_dag_file(source: str | CodeType) -> RecordedDag:
    """What a DAG file says.

    Raises:
        ImportError: If it imports what no DAG file of ours needs.
        NameError: If it reaches for a builtin that acts outside the file.
    """
    dag = RecordedDag()

    class DAG:
        def __init__(self, **keywords: Any) -> None:
            dag.keywords = keywords

        def __enter__(self) -> DAG:
            return self

        @property
        def tasks(self) -> list[Task]:
            return list(dag.tasks.values())

        def __exit__(self, *error: object) -> None:
            pass

    class TaskGroup:
        def __init__(self, group_id: str) -> None:
            self.group_id = group_id

        def __enter__(self) -> None:
            dag.open_groups.append(self.group_id)
            dag.group_ids.append(".".join(dag.open_groups))

        def __exit__(self, *error: object) -> None:
            dag.open_groups.pop()

    operator = type("Operator", (Task,), {"dag": dag})
    standin = _Module(
        BaseOperator=operator,
        DAG=DAG,
        ExternalTaskSensor=type("ExternalTaskSensor", (operator,), {}),
        KubernetesPodOperator=type("KubernetesPodOperator", (operator,), {}),
        Param=_recorder("Param"),
        TaskGroup=TaskGroup,
        datetime=_recorder("pendulum.datetime"),
        models=_Models(),
    )

    allowed = {name: value for name, value in vars(builtins).items() if name not in OUTSIDE}
    dag.variables = {
        "__builtins__": {**allowed, "__import__": partial(_import, standin)},
        "__name__": "dag_file",
    }
    exec(source, dag.variables)
    return dag
