"""What code of the project may add to a run that none of its files has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# The hooks that run before a node's inputs are loaded, and can reach the catalog.
_WITH_CATALOG = (
    "after_catalog_created",
    "before_pipeline_run",
    "before_node_run",
    "before_dataset_loaded",
)
# The hook that can reach the config loader before Kedro reads parameters.
_WITH_CONTEXT = "after_context_created"
# Classes that make the catalog, or read the parameters.
_CLASSES = ("CONTEXT_CLASS", "DATA_CATALOG_CLASS")


def declares_datasets(settings: Any) -> bool:
    """Return whether the project's hooks or classes may declare datasets in a run.

    Args:
        settings: Kedro's settings of the project.
    """
    return _has_hook(settings, _WITH_CATALOG) or any(
        not str(getattr(settings, name).__module__).startswith("kedro.") for name in _CLASSES
    )


def sets_parameters(settings: Any) -> bool:
    """Return whether they may give nodes parameters in a run.

    Args:
        settings: Kedro's settings of the project.
    """
    return declares_datasets(settings) or _has_hook(settings, [_WITH_CONTEXT])


def _has_hook(settings: Any, names: Iterable[str]) -> bool:
    return any(hasattr(hook, name) for hook in settings.HOOKS for name in names)
