"""The clients of object stores in this process, pointed at servers on loopback."""

from __future__ import annotations

import gcsfs.core
import pytest
import s3fs

from tests.support.storage_servers import S3, Gcs


def access(server: S3 | Gcs) -> dict[str, str]:
    """The variables with which a pod reaches a server."""
    if isinstance(server, Gcs):
        return {"STORAGE_EMULATOR_HOST": server.url}
    return s3_access(server.url)


def s3_access(url: str) -> dict[str, str]:
    """The variables with which a pod reaches an S3 of another address."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "secret-of-someone",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def use(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Set variables, and forget the clients that were made with others."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for client in (s3fs.S3FileSystem, gcsfs.core.GCSFileSystem):
        client.clear_instance_cache()
