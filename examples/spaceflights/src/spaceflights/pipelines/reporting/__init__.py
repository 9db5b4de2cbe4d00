"""Reports on the data and the model."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
