"""What is read of a Kedro project: its nodes, catalog, configuration and commit."""
