"""The pipeline that reads a letter."""

from kedro.pipeline import Node, Pipeline

from .nodes import count_words, measure_words, split_words, write_report


def create_pipeline() -> Pipeline:
    """Create four nodes. Two of them are in a namespace, and one needs a huge machine."""
    statistics = Pipeline(
        [
            Node(count_words, "words", "counts", name="count", tags=["resources.huge_machines"]),
            Node(measure_words, "words", "lengths", name="measure"),
        ],
        namespace="statistics",
        inputs={"words"},
        outputs={"counts": "word_counts", "lengths": "word_lengths"},
    )
    return Pipeline(
        [
            Node(split_words, ["letter", "params:reading"], "words", name="split_words"),
            statistics,
            Node(
                write_report,
                ["word_counts", "word_lengths", "params:env", "params:ds", "params:prev_ds"],
                "report",
                name="write_report",
            ),
        ]
    )
