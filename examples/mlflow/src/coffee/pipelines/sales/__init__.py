"""Compares two models of how much coffee is sold."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
