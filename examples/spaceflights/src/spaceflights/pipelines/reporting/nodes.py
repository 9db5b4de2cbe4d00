"""Nodes that create small tables for a report."""

from __future__ import annotations

from typing import Any

import pandas as pd


def price_by_type(table: pd.DataFrame) -> pd.DataFrame:
    """Count the shuttles of each type, and compute their median and highest price."""
    prices = table.groupby("type")["price"]
    return prices.agg(shuttles="count", median="median", highest="max").round(2).reset_index()


def error_by_type(model: Any, x_test: pd.DataFrame, y_test: pd.Series) -> pd.DataFrame:
    """Compute the mean absolute error of the model for each type of shuttle."""
    errors = pd.Series(model.predict(x_test), index=x_test.index).sub(y_test).abs()
    table = errors.groupby(x_test["type"]).mean().round(2)
    return table.rename("mean_absolute_error").reset_index()


def summarise(
    metrics: dict[str, Any], prices: pd.DataFrame, errors: pd.DataFrame, ds: str
) -> dict[str, Any]:
    """Combine all results on one page.

    Args:
        metrics: The metrics of the candidates and the name of the chosen one.
        prices: The prices of each type of shuttle.
        errors: The error of the model for each type of shuttle.
        ds: The date of the run, from Airflow.
    """
    by_type = prices.merge(errors, on="type", validate="one_to_one")
    return {"day": ds, **metrics, "by_type": by_type.to_dict(orient="records")}
