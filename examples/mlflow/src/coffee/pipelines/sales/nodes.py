"""Two models of how many cups of coffee are sold, and the error of each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import fmean, linear_regression
from typing import Any

Day = tuple[float, float]
"""The temperature in degrees Celsius, and the number of cups."""

Model = tuple[float, float]
"""Cups for each degree more, and cups at 0 degrees."""


def observe(days: int, seed: int) -> tuple[list[Day], list[Day]]:
    """Generate sales: fewer cups on warm days, with noise. The last fifth is for the evaluation."""
    chance = random.Random(seed)
    found = []
    for _ in range(days):
        temperature = chance.uniform(-5, 30)
        found.append((temperature, 120 - 2.5 * temperature + chance.gauss(0, 8)))
    return found[: days * 4 // 5], found[days * 4 // 5 :]


def fit_line(known: Sequence[Day], options: dict[str, Any]) -> Model:
    """Fit a straight line. With `proportional`, it goes through 0 cups at 0 degrees."""
    temperatures, cups = zip(*known, strict=True)
    fitted = linear_regression(temperatures, cups, proportional=options["proportional"])
    return fitted.slope, fitted.intercept


def fit_average(known: Sequence[Day], options: dict[str, Any]) -> Model:
    """Compute the average of the last `days`, regardless of the temperature."""
    return 0.0, fmean(cups for _, cups in known[-options["days"] :])


def judge(model: Model, unknown: Sequence[Day]) -> float:
    """Compute the mean absolute error of a model, in cups."""
    slope, start = model
    return fmean(abs(start + slope * temperature - cups) for temperature, cups in unknown)


def choose(
    line: Model, line_error: float, average: Model, average_error: float
) -> dict[str, float | str]:
    """Keep the model with the smaller error."""
    name, model = ("line", line) if line_error < average_error else ("average", average)
    return {"model": name, "slope": model[0], "start": model[1]}
