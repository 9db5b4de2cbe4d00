"""What the tests of several files use."""

from tests.support.mlflow_servers import mlflow_server_fixture

__all__ = ["mlflow_server_fixture"]
