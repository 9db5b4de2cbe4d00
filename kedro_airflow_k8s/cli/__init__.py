"""The commands of `kedro airflow-k8s`: they parse options, call the rest, and print.

Nothing heavy is imported before a command runs: Kedro loads this package for every `kedro` call.
"""

from kedro_airflow_k8s.cli._options import airflow_k8s, commands
from kedro_airflow_k8s.cli.compile import compile_command
from kedro_airflow_k8s.cli.diff import diff_command
from kedro_airflow_k8s.cli.init import init_command
from kedro_airflow_k8s.cli.list_pipelines import list_pipelines_command
from kedro_airflow_k8s.cli.run_once import run_once_command
from kedro_airflow_k8s.cli.sandbox import sandbox_group
from kedro_airflow_k8s.cli.schedule import schedule_command
from kedro_airflow_k8s.cli.trigger import trigger_command
from kedro_airflow_k8s.cli.ui import ui_command
from kedro_airflow_k8s.cli.upload_pipeline import upload_pipeline_command
from kedro_airflow_k8s.cli.validate import validate_command
from kedro_airflow_k8s.dynamic_config import resolver

__all__ = [
    "airflow_k8s",
    "commands",
    "compile_command",
    "diff_command",
    "init_command",
    "list_pipelines_command",
    "run_once_command",
    "sandbox_group",
    "schedule_command",
    "trigger_command",
    "ui_command",
    "upload_pipeline_command",
    "validate_command",
]

# Some of Kedro's commands read the configuration without a session, and so without hooks.
resolver.register()
