"""A pipeline that is used twice, each time in a namespace of its own."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline


def clean(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the orders that were cancelled."""
    return [order for order in orders if not order["cancelled"]]


def total(orders: list[dict[str, Any]]) -> dict[str, float]:
    """Add up the prices of the orders."""
    return {"total": sum(order["price"] for order in orders)}


def create_pipeline() -> Pipeline:
    """Clean the orders of two countries and add them up, side by side."""
    country = Pipeline(
        [
            Node(clean, "orders", "clean_orders", name="clean"),
            Node(total, "clean_orders", "totals", name="total"),
        ]
    )
    return Pipeline(country, namespace="france") + Pipeline(country, namespace="poland")
