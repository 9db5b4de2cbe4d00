"""The plan: the content of a DAG as data. Pure functions: they read and write nothing."""
