"""Clean the orders, then add them up with Spark."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline


def clean(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the orders that were cancelled."""
    return [order for order in orders if not order["cancelled"]]


def total(orders: list[dict[str, Any]]) -> dict[str, float]:
    """Add up what each customer has spent, on the cluster."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    spent = spark.createDataFrame(orders).groupBy("customer").sum("price")
    return {row["customer"]: row["sum(price)"] for row in spent.collect()}


def create_pipeline() -> Pipeline:
    """Clean the orders, then add them up."""
    return Pipeline(
        [
            Node(clean, "orders", "clean_orders", name="clean"),
            Node(total, "clean_orders", "totals", name="total", tags="cluster.spark"),
        ]
    )
