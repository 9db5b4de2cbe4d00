"""Clients for tests, whose warnings can be looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from kedro_airflow_k8s.airflow_api import AirflowClient, connect
from kedro_airflow_k8s.config.model import AirflowAuth, AirflowTls
from tests.airflow.airflow_api.small_airflow import PASSWORD, USER

LOG_IN = {"AIRFLOW_API_USERNAME": USER, "AIRFLOW_API_PASSWORD": PASSWORD}


@dataclass
class Connector:
    """Connects as the plugin does.

    Attributes:
        environ: The environment variables.
        warnings: The warnings for the user.
        read: How many seconds to wait for a piece of an answer.
    """

    environ: dict[str, str] = field(default_factory=lambda: dict(LOG_IN))
    auth: AirflowAuth | None = None
    tls: AirflowTls = field(default_factory=AirflowTls)
    warnings: list[str] = field(default_factory=list)
    read: float = 30.0

    def connect(self, host: str) -> AirflowClient:
        return connect(
            host,
            self.auth,
            self.tls,
            environ=self.environ,
            warn=self.warnings.append,
            timeout=(10, self.read),
        )
