"""The commands of `kedro airflow-k8s`: they parse options, call the rest, and print.

Kedro loads this package for every `kedro` call, so nothing heavy is imported before a command runs.
"""

from kedro_airflow_k8s.cli._options import airflow_k8s, commands
from kedro_airflow_k8s.dynamic_config import resolver

__all__ = ["airflow_k8s", "commands"]

# Some of Kedro's commands read the configuration without a session, and so without hooks.
resolver.register()
