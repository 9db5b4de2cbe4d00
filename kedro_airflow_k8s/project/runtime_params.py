"""Values that only a run has, `${runtime_params:name}`: read here with stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kedro.config import AbstractConfigLoader, OmegaConfigLoader

from kedro_airflow_k8s.project.parameters import stand_in

# The method that Kedro registers as resolver whenever it reads files, since 1.0. It is replaced on
# our own instance only. Kedro 1.0 to 1.7 have no public way: they register this method over a
# resolver `runtime_params` of `custom_resolvers`, and merge the argument `runtime_params` into the
# parameters, where its names would hide parameters that are missing.
_RESOLVER = "_get_runtime_value"


@contextmanager
def stand_ins(loader: AbstractConfigLoader, *, with_defaults: bool = True) -> Iterator[set[str]]:
    """Resolve runtime parameters that have no default to stand-ins, and collect their names.

    Args:
        loader: The project's config loader. One that is not Kedro's reads as it always does.
        with_defaults: Whether those that have a default resolve to it.
    """
    names: set[str] = set()

    def resolve(variable: str, *default: Any) -> Any:
        if default and with_defaults:
            return default[0]
        names.add(str(variable))
        return stand_in(str(variable))

    if not isinstance(loader, OmegaConfigLoader) or not hasattr(loader, _RESOLVER):
        yield names
        return
    vars(loader)[_RESOLVER] = resolve
    try:
        yield names
    finally:
        del vars(loader)[_RESOLVER]
