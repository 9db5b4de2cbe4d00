"""Nodes that make small tables for people."""

from __future__ import annotations

from typing import Any

import pandas as pd


def price_by_type(table: pd.DataFrame) -> pd.DataFrame:
    """Say for each type of shuttle how many there are and what they cost."""
    prices = table.groupby("type")["price"]
    return prices.agg(shuttles="count", median="median", highest="max").round(2).reset_index()


def error_by_type(model: Any, x_test: pd.DataFrame, y_test: pd.Series) -> pd.DataFrame:
    """Say for each type of shuttle by how much the model is wrong on average."""
    errors = pd.Series(model.predict(x_test), index=x_test.index).sub(y_test).abs()
    table = errors.groupby(x_test["type"]).mean().round(2)
    return table.rename("mean_absolute_error").reset_index()


def summarise(
    metrics: dict[str, Any], prices: pd.DataFrame, errors: pd.DataFrame, ds: str
) -> dict[str, Any]:
    """Put the whole result on one page.

    Args:
        metrics: The metrics of the candidates and the name of the chosen one.
        prices: What each type of shuttle costs.
        errors: By how much the model is wrong on each type of shuttle.
        ds: The day this run stands for, which Airflow hands in.
    """
    by_type = prices.merge(errors, on="type", validate="one_to_one")
    return {"day": ds, **metrics, "by_type": by_type.to_dict(orient="records")}
