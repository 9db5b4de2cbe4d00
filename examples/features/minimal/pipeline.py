"""A pipeline of one node."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline


def total(orders: list[dict[str, Any]]) -> dict[str, float]:
    """Add up what all customers have spent."""
    return {"total": sum(order["price"] for order in orders)}


def create_pipeline() -> Pipeline:
    """Add up the orders."""
    return Pipeline([Node(total, "orders", "totals", name="total")])
