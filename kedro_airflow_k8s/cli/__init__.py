"""The commands of `kedro airflow-k8s`: they parse options, call the rest, and print.

Nothing heavy is imported before a command runs: Kedro loads this package for every `kedro` call.
"""

from kedro_airflow_k8s.cli import (
    airflow_commands,
    dag_commands,
    diff_command,
    init_command,
    sandbox_commands,
    validate_command,
)
from kedro_airflow_k8s.cli.group import airflow_k8s, commands
from kedro_airflow_k8s.dynamic_config import explanations, resolver

__all__ = [
    "airflow_commands",
    "airflow_k8s",
    "commands",
    "dag_commands",
    "diff_command",
    "init_command",
    "sandbox_commands",
    "validate_command",
]

# Some commands of Kedro's own read the configuration without a session, so without hooks.
resolver.register()
explanations.explain()
