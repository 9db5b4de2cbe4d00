"""Nodes that train, judge and choose models."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.base import RegressorMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.metrics import max_error, mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline as Model
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

Metrics = dict[str, float]


def split_data(
    table: pd.DataFrame, options: dict[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series, pd.Series]:
    """Split the shuttles into training and test data.

    Args:
        table: One line a shuttle.
        options: The columns to learn from (`features`), the share of lines to set aside
            (`test_size`, from 0 to 1) and the seed of the draw (`random_state`).

    Returns:
        Features to train on, features to test on, prices to train on, prices to test on.
    """
    x_train, x_test, y_train, y_test = train_test_split(
        table[options["features"]],
        table["price"],
        test_size=options["test_size"],
        random_state=options["random_state"],
    )
    return x_train, x_test, y_train, y_test


def _model(regressor: RegressorMixin) -> Model:
    """Create a pipeline that fills gaps, scales numbers and encodes categories."""
    prepare = make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            OneHotEncoder(handle_unknown="ignore"),
            make_column_selector(dtype_exclude="number"),
        ),
    )
    return make_pipeline(prepare, regressor)


def train_linear(x_train: pd.DataFrame, y_train: pd.Series, options: dict[str, Any]) -> Model:
    """Train a linear model of the prices; `options` are for scikit-learn's `Ridge`."""
    return _model(Ridge(**options)).fit(x_train, y_train)


def train_forest(x_train: pd.DataFrame, y_train: pd.Series, options: dict[str, Any]) -> Model:
    """Train a random forest; `options` are for scikit-learn's `RandomForestRegressor`."""
    return _model(RandomForestRegressor(**options)).fit(x_train, y_train)


def evaluate(model: Model, x_test: pd.DataFrame, y_test: pd.Series) -> Metrics:
    """Compare predicted and real prices, in the currency of the prices."""
    predicted = model.predict(x_test)
    return {
        "r2": float(r2_score(y_test, predicted)),
        "mean_absolute_error": float(mean_absolute_error(y_test, predicted)),
        "max_error": float(max_error(y_test, predicted)),
    }


def choose_model(
    linear: Model, linear_metrics: Metrics, forest: Model, forest_metrics: Metrics
) -> tuple[Model, dict[str, Any]]:
    """Keep the model with the smallest mean absolute error.

    Returns:
        The model, and the metrics of both with the name of the one that was chosen.
    """
    models = {"linear": linear, "forest": forest}
    metrics = {"linear": linear_metrics, "forest": forest_metrics}
    chosen = min(metrics, key=lambda name: metrics[name]["mean_absolute_error"])
    return models[chosen], {"chosen": chosen, "candidates": metrics}
