"""Runs Kedro's command line with the plugin that is in the image, or says that there is none."""

import sys

try:
    from kedro_airflow_k8s.pod.process import main
except ImportError as error:
    sys.exit(
        "This image cannot run tasks of the DAG: {}. Add kedro-airflow-k8s to the requirements that"
        " the image is built from.".format(error)
    )

main()
