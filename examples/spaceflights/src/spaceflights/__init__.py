"""From companies, shuttles and reviews to a model of what a flight costs."""

__version__ = "1.0"
