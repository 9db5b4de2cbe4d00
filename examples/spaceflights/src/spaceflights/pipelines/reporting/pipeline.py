"""The pipeline that reports on the data and the model."""

from kedro.pipeline import Node, Pipeline

from .nodes import error_by_type, price_by_type, summarise


def create_pipeline() -> Pipeline:
    """Create two tables and one page with a summary. Small tasks get small pods."""
    return Pipeline(
        [
            Node(price_by_type, "model_input_table", "price_by_type", name="price_by_type"),
            Node(
                error_by_type,
                ["best_model", "x_test", "y_test"],
                "error_by_type",
                name="error_by_type",
            ),
            Node(
                summarise,
                ["metrics", "price_by_type", "error_by_type", "params:ds"],
                "summary",
                name="summarise",
            ),
        ],
        namespace="reporting",
        inputs={"model_input_table", "best_model", "metrics", "x_test", "y_test"},
        outputs={"summary"},
        parameters={"params:ds"},
        tags=["resources.small"],
    )
