"""A pipeline of three short nodes."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline


def clean(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the orders that were cancelled."""
    return [order for order in orders if not order["cancelled"]]


def prices(orders: list[dict[str, Any]]) -> list[float]:
    """Take the price of each order."""
    return [order["price"] for order in orders]


def total(prices: list[float]) -> dict[str, float]:
    """Add up the prices."""
    return {"total": sum(prices)}


def create_pipeline() -> Pipeline:
    """Clean the orders, take their prices, add them up."""
    return Pipeline(
        [
            Node(clean, "orders", "clean_orders", name="clean"),
            Node(prices, "clean_orders", "prices", name="prices"),
            Node(total, "prices", "totals", name="total"),
        ]
    )
