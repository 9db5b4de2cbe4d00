"""Tells people what the data and the model say."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
