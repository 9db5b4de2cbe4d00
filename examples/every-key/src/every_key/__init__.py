"""Counts the words of a letter."""

__version__ = "1.0"
