"""`python -m kedro_airflow_k8s.pod COMMAND`: what the tasks of a DAG run in their pods.

Commands:
    run [OPTION...]: `kedro run` with these options and the parameters of the DAG run.
    fill-volume SOURCE DESTINATION: Copy the data folder of the image to the volume.
    delete-intermediate-data [--keep-until=TIME --dag-id=DAG --run-id=RUN]: Delete what the run has
        stored on object storage or, if it has failed, keep it until a time.
    spark-connect: Be the server of a Spark cluster.
    spark-executor: Be one of its executors, which Spark starts.
    engine PROGRAM [ARGUMENT...]: Be a process of Ray or Dask, which can import the project.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command that the arguments of this process name.

    Raises:
        SystemExit: With a message, if the DAG was compiled by another version of the plugin.
    """
    # `python -m` looks for packages in the working folder first, unlike the `kedro` script.
    if sys.path[:1] == [os.getcwd()]:
        del sys.path[0]
    from kedro_airflow_k8s.pod.process import run_until_stopped

    run_until_stopped(_leaving_cause)


def _leaving_cause() -> None:
    """Run the command. If it fails, leave the cause for the task in Airflow."""
    try:
        _run_command()
    except (Exception, SystemExit) as error:
        from kedro_airflow_k8s.pod.cause import leave_cause

        leave_cause(error)
        raise


def _run_command() -> None:
    from kedro_airflow_k8s.pod.contract import check_contract

    check_contract(os.environ)
    command, *arguments = sys.argv[1:] or [""]
    if command == "run":
        from kedro_airflow_k8s.pod.environment import VERSIONS_VARIABLE
        from kedro_airflow_k8s.pod.run import run
        from kedro_airflow_k8s.pod.usage import measured

        if versions := os.environ.get(VERSIONS_VARIABLE):
            from kedro_airflow_k8s.pod.engine import check_versions

            check_versions(versions)
        with measured():
            run(arguments)
    elif command == "fill-volume":
        from kedro_airflow_k8s.pod.fill_volume import fill_volume

        fill_volume(*arguments)
    elif command == "delete-intermediate-data":
        from kedro_airflow_k8s.pod.delete_intermediate_data import delete_intermediate_data

        delete_intermediate_data(arguments)
    elif command in ("spark-connect", "spark-executor"):
        from kedro_airflow_k8s.pod import spark

        spark.serve() if command == "spark-connect" else spark.execute()
    elif command == "engine" and arguments:
        from kedro_airflow_k8s.pod.engine import start

        start(arguments)
    else:
        sys.exit(f"{command!r} is not a command of kedro_airflow_k8s.pod.\n{__doc__}")


if __name__ == "__main__":
    main()
