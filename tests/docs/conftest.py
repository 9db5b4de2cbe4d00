"""Fixtures of the tests of the documentation."""

from tests.support.mlflow_servers import mlflow_server_fixture
from tests.support.storage_servers import gcs_server, s3_server

__all__ = ["gcs_server", "mlflow_server_fixture", "s3_server"]
