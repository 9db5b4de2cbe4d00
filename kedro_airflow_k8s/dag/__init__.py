"""Renders a plan as the text of a DAG file."""
