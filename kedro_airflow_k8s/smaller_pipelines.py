"""Which registered pipelines a pod can run in place of a bigger one, so that Kedro imports less."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping

from kedro.framework.project import pipelines as kedro_pipelines
from kedro.pipeline import Pipeline


def smaller_pipelines(
    registered: Mapping[str, Pipeline], pipeline: str
) -> dict[str, frozenset[str]]:
    """The pipelines whose nodes are among those of a bigger one, with the names of their nodes.

    Since Kedro 1.5 `kedro run --pipelines=x` imports only the module `x` of the project's
    pipelines. Not every way to register pipelines bears that, so each is registered here as it will
    be in the pod, and counts only if the same nodes come of it.
    """
    if not hasattr(kedro_pipelines, "set_requested"):
        return {}  # All modules are imported anyway.
    whole = {node.name: node for node in registered[pipeline].nodes}
    found = {}
    for name, other in registered.items():
        nodes = {node.name: node for node in other.nodes}
        if name == pipeline or not 0 < len(nodes) < len(whole):
            continue
        if any(whole.get(key) != node for key, node in nodes.items()):
            continue
        alone = _registered_for(name)
        if alone.keys() == registered.keys():
            return {}  # The project imports everything, whatever is asked for.
        if name in alone and set(alone[name].nodes) == set(other.nodes):
            found[name] = frozenset(nodes)
    return found


def _registered_for(name: str) -> dict[str, Pipeline]:
    """What the project registers when only one pipeline is asked for; nothing if that fails."""
    kedro_pipelines.set_requested([name])
    registered: dict[str, Pipeline] = {}
    # Whatever goes wrong in the project's code: this pipeline will not be used.
    with contextlib.suppress(Exception, SystemExit), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        registered = dict(kedro_pipelines)
    kedro_pipelines.set_requested(None)
    return registered
