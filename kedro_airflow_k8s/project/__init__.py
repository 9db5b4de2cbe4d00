"""The Kedro project: its nodes, catalog and configuration."""
