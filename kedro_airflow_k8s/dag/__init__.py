"""The text of a DAG file, from a plan."""
