"""Cleans the raw tables and joins them into one."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
