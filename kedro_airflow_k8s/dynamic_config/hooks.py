"""The entry point by which every session of Kedro learns of `KEDRO_CONFIG_<NAME>`.

Kedro imports it when a session begins, before the loader of the configuration is made, which reads
globals.yml at once: so the resolver is registered by the import itself. The settings of the project
are known by then, and a resolver of that name that they have registered stays.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kedro.framework.hooks import hook_impl

from kedro_airflow_k8s.dynamic_config import explanations, interpolations, resolver, variables

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext


class DynamicConfigHooks:
    """Lets the session's loader resolve `${name}` and `${name|default}`."""

    # First, as kedro-mlflow reads its file in the same hook.
    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Teach the loader the names that are not keys of its files."""
        variables.work_on(Path(context.project_path))
        interpolations.support_names(context.config_loader)


hooks = DynamicConfigHooks()
resolver.register()
explanations.explain()
