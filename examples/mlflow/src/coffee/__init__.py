"""Predicts how much coffee is sold, and logs to MLflow."""

__version__ = "1.0"
