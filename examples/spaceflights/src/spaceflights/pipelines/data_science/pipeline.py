"""The pipeline that trains two candidates and keeps the better one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kedro.pipeline import Node, Pipeline

from .nodes import choose_model, evaluate, split_data, train_forest, train_linear


def _candidate(name: str, train: Callable[..., Any], tags: Iterable[str] = ()) -> Pipeline:
    """Train and judge one model. Its options are the parameters of its own namespace."""
    return Pipeline(
        [
            Node(train, ["x_train", "y_train", "params:options"], "model", name="train", tags=tags),
            Node(evaluate, ["model", "x_test", "y_test"], "metrics", name="evaluate"),
        ],
        namespace=name,
        inputs={"x_train", "y_train", "x_test", "y_test"},
        outputs={"model": f"{name}_model", "metrics": f"{name}_metrics"},
    )


def create_pipeline() -> Pipeline:
    """Split the data, train and judge two candidates in parallel, and choose one.

    The tag selects the entry of `resources` in conf/base/airflow-k8s.yaml. It has a dot, because
    Kedro does not allow a colon in a tag.
    """
    return Pipeline(
        [
            Node(
                split_data,
                ["model_input_table", "params:split"],
                ["x_train", "x_test", "y_train", "y_test"],
                name="split_data",
            ),
            _candidate("linear", train_linear),
            _candidate("forest", train_forest, tags=["resources.huge"]),
            Node(
                choose_model,
                ["linear_model", "linear_metrics", "forest_model", "forest_metrics"],
                ["best_model", "metrics"],
                name="choose_model",
            ),
        ],
        namespace="data_science",
        inputs={"model_input_table"},
        outputs={"x_test", "y_test", "best_model", "metrics"},
    )
