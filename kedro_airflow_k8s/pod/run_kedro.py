"""Runs Kedro in the pod, by way of the plugin in the image.

The DAG holds this file's text and runs it with the image's Python, so it must be valid on any
Python from 3.6 on. Usage: run_kedro.py run [OPTION...]
"""

import sys


def run_kedro() -> None:
    """Run Kedro's command line with the arguments of this process."""
    # As the `kedro` script does: a file of the project's folder must not pass for a package.
    if sys.path[0] == "":
        del sys.path[0]
    try:
        from kedro_airflow_k8s.pod.process import main
    except (ImportError, SyntaxError) as error:
        name = getattr(error, "name", None) or ""
        if name == "kedro_airflow_k8s":
            problem = "kedro-airflow-k8s is not installed there"
        elif name.startswith("kedro_airflow_k8s."):
            problem = "its kedro-airflow-k8s is older than the one that compiled this DAG"
        else:
            problem = f"its kedro-airflow-k8s does not work ({type(error).__name__}: {error})"
        sys.exit(
            f"The image cannot run this task: {problem}. Nothing was run. Add kedro-airflow-k8s, "
            "in the version that compiles the DAG, to the requirements that the image is built "
            "from, and build it anew."
        )
    main()


if __name__ == "__main__":
    run_kedro()
