"""Fixtures of the tests of the documentation."""

from tests.storage_servers import gcs_server, s3_server

__all__ = ["gcs_server", "s3_server"]
