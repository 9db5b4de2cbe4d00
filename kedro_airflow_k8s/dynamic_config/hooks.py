"""The entry point by which every session of Kedro knows `${kedro_config:...}`.

Kedro imports the hooks of plugins when a session begins, after settings.py and before it makes the
config loader, which reads globals.yml at once. So the import registers the resolver.
"""

from kedro.framework.project import settings

from kedro_airflow_k8s.dynamic_config import resolver


class DynamicConfigHooks:
    """No hooks: the import is enough."""


hooks = DynamicConfigHooks()
resolver.register(settings.CONFIG_LOADER_ARGS)
