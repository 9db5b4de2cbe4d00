"""A hint for a task whose input is a file that is missing on the volume of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError

from kedro_airflow_k8s.pod.names import is_parameter, stored_name
from kedro_airflow_k8s.pod.places import local_path

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline


_KINDS = ("FileNotFoundError", "VersionNotFoundError")


def explain(
    error: BaseException, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any], root: str
) -> None:
    """Begin the message of an error with the hint, if it is about such a file.

    Args:
        error: What has ended the run of the nodes; changed in place.
        pipeline: The nodes.
        catalog: What they load from.
        root: Where the DAG run keeps its intermediate data.
    """
    store = local_path(root)
    text = str(error)
    if store is None or not isinstance(error, DatasetError) or not _lacks_file(error):
        return
    volume = os.path.join(os.path.dirname(store), "")
    for name in sorted(pipeline.inputs()):
        path = "" if is_parameter(name) else str(getattr(catalog.get(name), "_filepath", ""))
        if path.startswith(volume) and path in text:
            error.args = (f"{_hint(stored_name(name), path)}\n{text}",)
            return


def _lacks_file(error: BaseException | None) -> bool:
    """Return whether an error, or its cause, is that a file or a version does not exist."""
    while error is not None:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        # The causes of errors of other processes, which ParallelRunner has, are texts.
        if kinds & {*_KINDS} or any(kind in str(error) for kind in _KINDS):
            return True
        error = error.__cause__
    return False


def _hint(name: str, path: str) -> str:
    maker = next(_makers(name), None)
    lacks = f"Dataset '{name}' is not on the volume of the run."
    if maker is None:
        project = os.path.join(os.getcwd(), "")
        return (
            f"{lacks} No node makes it, and the image has no {path.removeprefix(project)}."
            " Add the file to the image, or correct the catalog."
        )
    return (
        f"{lacks} Node '{maker}', which makes it, has not run in this DAG run, or the volume was"
        f" deleted. Run it again, too: `kedro airflow-k8s resume --from {maker}`."
        " `run_config.keep_failed` keeps the volumes of failed runs."
    )


def _makers(name: str) -> Iterator[str]:
    from kedro.framework.project import pipelines

    for pipeline in pipelines.values():
        for node in pipeline.nodes:
            if name in map(stored_name, node.outputs):
                yield node.name
