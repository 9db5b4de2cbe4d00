"""Airflow and a small Kubernetes API on this machine, for trying a pipeline without a cluster."""
