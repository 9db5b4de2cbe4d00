"""The pipeline that compares two models of how much coffee is sold."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from .nodes import choose, fit_average, fit_line, judge, observe


def create_pipeline() -> Pipeline:
    """Generate data, fit and judge two models in parallel, and choose one."""
    return Pipeline(
        [
            Node(observe, ["params:days", "params:seed"], ["known", "unknown"], name="observe"),
            Node(fit_line, ["known", "params:line"], "line_model", name="fit_line"),
            Node(fit_average, ["known", "params:average"], "average_model", name="fit_average"),
            Node(judge, ["line_model", "unknown"], "line_error", name="judge_line"),
            Node(judge, ["average_model", "unknown"], "average_error", name="judge_average"),
            Node(
                choose,
                ["line_model", "line_error", "average_model", "average_error"],
                "chosen",
                name="choose",
            ),
        ]
    )
