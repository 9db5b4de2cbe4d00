"""Runs `kedro run` in the pod."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence

from kedro_airflow_k8s.pod.environment import (
    ATTEMPT_VARIABLE,
    INTERMEDIATE_DATA_VARIABLE,
    PARAMS_VARIABLE,
    passed_on,
    passes_data_on,
)


def run(arguments: Sequence[str]) -> None:
    """Run Kedro's command line with the parameters of the DAG run.

    Args:
        arguments: Options of `kedro run`, and `--max-workers`. `--runner` is one of ours.

    Raises:
        SystemExit: With the exit code of Kedro, or with a message.
    """
    from kedro_airflow_k8s.pod.params import params_option

    # When it is imported, Kedro logs which logging configuration it uses. That configuration resets
    # the levels of Kedro's loggers, but not their filters.
    logging.getLogger("kedro.framework.project").addFilter(
        lambda record: record.levelno >= logging.WARNING
    )
    # Kedro 1.7 itself calls what OmegaConf 2.4 deprecates; the user can do nothing about it.
    warnings.filterwarnings("ignore", r"(?s).*register_new_resolver", UserWarning)
    options = [option for argument in arguments if (option := _option(argument))]
    if int(os.environ.get(ATTEMPT_VARIABLE) or 1) > 1:
        from kedro_airflow_k8s.pod.kept_data import forget

        forget(os.environ[INTERMEDIATE_DATA_VARIABLE])
    params = params_option(os.environ.get(PARAMS_VARIABLE, ""))
    sys.argv = ["kedro", "run", *options, *([f"--params={params}"] if params else [])]
    # Click takes the name of the program from there, and would show ours in Kedro's messages.
    sys.modules["__main__"].__package__ = None
    from kedro.framework.cli import main as kedro

    try:
        kedro()
    except SystemExit as end:
        if not end.code:
            _check_that_hooks_ran()
        raise
    except Exception:
        from kedro_airflow_k8s.pod.failures import shorten_tracebacks
        from kedro_airflow_k8s.pod.spark import give_up_server

        shorten_tracebacks()
        give_up_server()
        raise
    _check_that_hooks_ran()


def _option(argument: str) -> str:
    """Spell an option as the image's Kedro does: before 1.2, `--pipelines` was `--pipeline`.

    Only the newest Kedro can give the number of workers to its runners, so ours get it here.
    """
    name, equals, value = argument.partition("=")
    if name == "--runner":
        value = f"kedro_airflow_k8s.pod.runners.{value}"
    if name == "--max-workers":
        from kedro_airflow_k8s.pod import runners

        runners.max_workers = int(value)
        return ""
    if name == "--pipelines":
        from kedro import __version__

        major, minor = (int(part) for part in __version__.split(".")[:2])
        if (major, minor) < (1, 2):
            name = "--pipeline"
    return f"{name}{equals}{value}"


def _check_that_hooks_ran() -> None:
    """Fail where Kedro ran without our hooks: what others read would be lost without a word.

    Where the settings disable them, the hooks themselves have said so before anything ran.

    Raises:
        SystemExit: If it did.
    """
    hooks = getattr(sys.modules.get("kedro_airflow_k8s.pod.hooks"), "hooks", None)
    if passes_data_on() and not (hooks and hooks.ran):
        names = passed_on()
        sys.exit(
            "Kedro ran without the hooks of kedro-airflow-k8s, which store what other tasks read"
            f" ({', '.join(sorted(names)) if names else 'the outputs of this task'}): of these"
            " datasets, those in memory are lost. Take kedro-airflow-k8s out of"
            " DISABLE_HOOKS_FOR_PLUGINS in settings.py. A `run` command in the project's cli.py"
            " has to use KedroSession."
        )
