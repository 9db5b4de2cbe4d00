"""What the pods and tasks of a pipeline need of their cluster and their Airflow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kedro_airflow_k8s.config.model import RunConfig

Wanted = tuple[tuple[str, str], ...]
"""Names of objects, each with the key that is needed; the key is empty for all keys."""


@dataclass(frozen=True)
class Needs:
    """What pods and tasks need.

    Attributes:
        secrets: The Secrets.
        config_maps: The ConfigMaps.
        triggerer: Whether a task is deferrable, so that Airflow's triggerer waits for its pod.
    """

    secrets: Wanted = ()
    config_maps: Wanted = ()
    triggerer: bool = False

    @classmethod
    def of(cls, runs: Iterable[RunConfig]) -> Needs:
        """Return what the pipelines of these configurations need."""
        settings = [each for run in runs for each in run.all_settings]
        secrets = ((s.secret, s.key or "") for each in settings for s in each.secrets)
        maps = ((m.config_map, m.key or "") for each in settings for m in each.config_maps)
        return cls(
            secrets=tuple(dict.fromkeys(secrets)),
            config_maps=tuple(dict.fromkeys(maps)),
            # With `default`, Airflow's own setting decides, which is off in the sandbox.
            triggerer=any(each.deferrable is True for each in settings),
        )
