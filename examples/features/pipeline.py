"""The pipeline of those examples that have no `pipeline.py` of their own."""

from __future__ import annotations

from collections import Counter
from typing import Any

from kedro.pipeline import Node, Pipeline


def clean(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the orders that were cancelled."""
    return [order for order in orders if not order["cancelled"]]


def total(orders: list[dict[str, Any]]) -> dict[str, float]:
    """Add up what each customer has spent."""
    spent: Counter[str] = Counter()
    for order in orders:
        spent[order["customer"]] += order["price"]
    return dict(spent)


def create_pipeline() -> Pipeline:
    """Clean the orders, then add them up."""
    return Pipeline(
        [
            Node(clean, "orders", "clean_orders", name="clean"),
            Node(total, "clean_orders", "totals", name="total"),
        ]
    )
