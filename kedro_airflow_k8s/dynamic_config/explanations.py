"""What every loader of Kedro's does from the first file that it reads, which is globals.yml.

Kedro reads that while it makes its loader, so only the loader's class can be taught this: whose
`kedro_config` counts, and the way out where `${name}` or `${name|default}` fails.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf.errors import (
    GrammarParseError,
    InterpolationKeyError,
    InterpolationResolutionError,
)

from kedro_airflow_k8s.dynamic_config import resolver, variables

_EXPLAINS = "_kedro_airflow_k8s_explains"


def explain() -> None:
    """Let Kedro's loader say more of interpolations that fail; again does no harm."""
    read = OmegaConfigLoader.__getitem__
    if hasattr(read, _EXPLAINS):
        return

    @wraps(read)
    def explained(self: OmegaConfigLoader, key: str) -> dict[str, Any]:
        resolver.serve(self)
        if key == "globals":
            # A loader begins with it: a new session in a notebook may have a new commit.
            variables.look_again()
        try:
            return read(self, key)
        except (InterpolationKeyError, InterpolationResolutionError, GrammarParseError) as error:
            # Errors are rare, and every start of Kedro imports this file.
            from kedro_airflow_k8s.dynamic_config.wording import explanation

            text = explanation(error, self, key)
            if text is not None:
                # The same error, with all that OmegaConf has attached to it.
                error.args = (text,)
            raise

    setattr(explained, _EXPLAINS, True)
    OmegaConfigLoader.__getitem__ = explained  # type: ignore[method-assign]
