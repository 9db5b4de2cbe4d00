"""Trains two models of the price and keeps the better one."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
