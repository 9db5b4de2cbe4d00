"""What a DAG file says, in the words of a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kedro_airflow_k8s.deploy.diff.values import CallValue

VERSION, COMMIT = "plugin version", "commit"
"""The settings that tags hold and that change without anybody's decision about the DAG."""


class NotUnderstood(Exception):
    """A text is not a DAG file of this plugin, or of one too old; says which."""


@dataclass
class KedroTask:
    """A task that runs Kedro nodes.

    Attributes:
        nodes: Their names.
        inputs: What it reads.
        outputs: What it makes.
        others: All else that is said of it, by name.
    """

    nodes: list[str]
    inputs: list[str]
    outputs: list[str]
    others: dict[str, Any]


@dataclass
class DagSummary:
    """What a DAG file says.

    Attributes:
        dag_id: Its id.
        settings: All that is neither a task nor code, by labels for a person.
        tasks: The tasks of Kedro nodes by id, in their order.
        steps: The other tasks by id: what makes each of them.
        order: What runs before what, among those others and the first and last tasks of nodes.
        code: What the file has of functions, classes and programs, by name.
        rest: Statements of other kinds.
    """

    dag_id: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, KedroTask] = field(default_factory=dict)
    steps: dict[str, CallValue] = field(default_factory=dict)
    order: list[tuple[str, str]] = field(default_factory=list)
    code: dict[str, str] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    def upstream(self) -> dict[str, list[str]]:
        """The tasks that each task of nodes waits for, as they make what it reads."""
        makers = {
            output.partition("@")[0]: task_id
            for task_id, task in self.tasks.items()
            for output in task.outputs
        }
        return {
            task_id: list(
                dict.fromkeys(
                    makers[name]
                    for name in (name.partition("@")[0] for name in task.inputs)
                    if name in makers
                )
            )
            for task_id, task in self.tasks.items()
        }
