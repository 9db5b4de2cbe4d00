"""The check that DAG and image were made by versions of the plugin that understand each other."""

from __future__ import annotations

from collections.abc import Mapping

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.pod.environment import CONTRACT, CONTRACT_VARIABLE


def check_contract(environment: Mapping[str, str]) -> None:
    """Refuse to run for a DAG with another contract than this version of the plugin has.

    Args:
        environment: The environment variables of the pod.

    Raises:
        SystemExit: With a message that says which of the two to renew, before anything has run.
    """
    found = environment.get(CONTRACT_VARIABLE, "")
    if found == CONTRACT:
        return
    if not found.isdecimal() or int(found) < int(CONTRACT):
        problem = "is too new for this DAG"
        fix = "Compile and upload the DAG again with the version of the plugin in the image."
    else:
        problem = "is too old for this DAG"
        fix = "Build and push the image again with the version that compiled the DAG."
    raise SystemExit(
        f"The kedro-airflow-k8s in the image, {__version__}, {problem}. Nothing was run. {fix}"
        f" (Contract of the DAG: {found or 'none'}, of the image: {CONTRACT}.)"
    )
