"""The pipeline that cleans and joins the raw tables."""

from kedro.pipeline import Node, Pipeline

from .nodes import clean_companies, clean_reviews, clean_shuttles, join_tables


def create_pipeline() -> Pipeline:
    """Clean three tables in parallel, then join them."""
    return Pipeline(
        [
            Node(clean_companies, "companies", "clean_companies", name="clean_companies"),
            Node(clean_shuttles, "shuttles", "clean_shuttles", name="clean_shuttles"),
            Node(
                clean_reviews,
                ["reviews", "params:min_scores"],
                "clean_reviews",
                name="clean_reviews",
            ),
            Node(
                join_tables,
                ["clean_shuttles", "clean_companies", "clean_reviews"],
                "model_input_table",
                name="join_tables",
            ),
        ],
        namespace="data_processing",
        inputs={"companies", "shuttles", "reviews"},
        outputs={"model_input_table"},
    )
