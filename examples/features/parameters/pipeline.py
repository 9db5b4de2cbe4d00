"""A pipeline whose node takes parameters."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline


def total(
    orders: list[dict[str, Any]], day: str, currency: str, options: dict[str, float]
) -> dict[str, Any]:
    """Add up the orders of a day in one currency."""
    found = [o["price"] for o in orders if o["day"] == day and o["currency"] == currency]
    return {"day": day, "total": sum(price for price in found if price >= options["smallest"])}


def create_pipeline() -> Pipeline:
    """Add up the orders of a day."""
    inputs = ["orders", "params:ds", "params:currency", "params:total"]
    return Pipeline([Node(total, inputs, "totals", name="total")])
