"""Counts the words of a letter, to have something to run."""

__version__ = "1.0"
