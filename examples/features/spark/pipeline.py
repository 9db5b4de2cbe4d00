"""Clean the orders with pandas, then add them up with Spark."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline


def clean(orders: Any) -> Any:
    """Leave out the orders that were cancelled."""
    return orders[~orders.cancelled]


def total(orders: Any) -> Any:
    """Add up what each customer has spent."""
    return orders.groupBy("customer").sum("price")


def create_pipeline() -> Pipeline:
    """Clean the orders, then add them up."""
    return Pipeline(
        [
            Node(clean, "orders", "clean_orders@pandas", name="clean"),
            Node(total, "clean_orders@spark", "totals", name="total", tags="cluster.spark"),
        ]
    )
