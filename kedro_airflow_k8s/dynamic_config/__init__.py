"""Environment variables `KEDRO_CONFIG_<NAME>` in the configuration files of a Kedro project.

`${kedro_config:name}` and `${kedro_config:name,default}` work in every file: they are a resolver of
OmegaConf, registered in every process that runs Kedro. The shorter `${name}` and `${name|default}`
work in airflow-k8s.yaml, and in the other files of a project that sets `DynamicConfigLoader`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kedro_airflow_k8s.dynamic_config.loader import DynamicConfigLoader

__all__ = ["DynamicConfigLoader"]


def __getattr__(name: str) -> Any:
    # Every start of Kedro imports this package, in pods too, and few projects need the loader.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kedro_airflow_k8s.dynamic_config.loader import DynamicConfigLoader

    return DynamicConfigLoader
