"""The way out where `${name}` or `${name|default}` fails, added to OmegaConf's own words.

Kedro reads globals.yml while it makes its loader, so only the loader's class can be taught this.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf.errors import GrammarParseError, InterpolationKeyError

_EXPLAINS = "_kedro_airflow_k8s_explains"


def explain() -> None:
    """Let Kedro's loader say more of interpolations that fail; again does no harm."""
    read = OmegaConfigLoader.__getitem__
    if hasattr(read, _EXPLAINS):
        return

    @wraps(read)
    def explained(self: OmegaConfigLoader, key: str) -> dict[str, Any]:
        try:
            return read(self, key)
        except (InterpolationKeyError, GrammarParseError) as error:
            # Errors are rare, and every start of Kedro imports this file.
            from kedro_airflow_k8s.dynamic_config.wording import explanation

            text = explanation(error, self, key)
            if text is None:
                raise
            raise type(error)(text) from None

    setattr(explained, _EXPLAINS, True)
    OmegaConfigLoader.__getitem__ = explained  # type: ignore[method-assign]
