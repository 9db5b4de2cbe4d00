"""A pipeline in which one node needs a large machine."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline


def clean(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the orders that were cancelled."""
    return [order for order in orders if not order["cancelled"]]


def forecast(orders: list[dict[str, Any]]) -> dict[str, float]:
    """Forecast the price of the next order."""
    return {"price": sum(order["price"] for order in orders) / len(orders)}


def create_pipeline() -> Pipeline:
    """Clean the orders on any machine, then forecast on a large one."""
    return Pipeline(
        [
            Node(clean, "orders", "clean_orders", name="clean"),
            Node(forecast, "clean_orders", "totals", name="forecast", tags="resources.large"),
        ]
    )
