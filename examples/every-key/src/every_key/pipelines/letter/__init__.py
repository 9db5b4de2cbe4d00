"""Counts the words of a letter."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
