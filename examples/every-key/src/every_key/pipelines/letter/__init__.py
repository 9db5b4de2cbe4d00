"""Reads a letter and tells how often it says what."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
