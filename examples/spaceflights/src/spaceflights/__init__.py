"""Predicts the price of a flight from companies, shuttles and reviews."""

__version__ = "1.0"
