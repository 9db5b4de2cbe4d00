"""Environment variables `KEDRO_CONFIG_<NAME>` in the configuration files of a Kedro project.

`${kedro_config:name}` and `${kedro_config:name,default}` work in every file: they are a resolver of
OmegaConf, registered in every process that runs Kedro. The shorter `${name}` and `${name|default}`
work in airflow-k8s.yaml, and in the other files of a project that sets `DynamicConfigLoader`.

Every start of Kedro imports this package, in pods too: it imports only what Kedro has loaded.
"""

from kedro_airflow_k8s.dynamic_config.loader import DynamicConfigLoader

__all__ = ["DynamicConfigLoader"]
