"""The entry point that registers `${kedro_config:...}` in every Kedro session.

Kedro imports the hooks of plugins when a session begins, after settings.py and before it creates
the config loader, which reads globals.yml at once. So the import registers the resolver.
"""

from kedro.framework.project import settings

from kedro_airflow_k8s.dynamic_config import resolver


class DynamicConfigHooks:
    """An object without hooks: the import is enough."""


hooks = DynamicConfigHooks()
resolver.register(settings.CONFIG_LOADER_ARGS)
