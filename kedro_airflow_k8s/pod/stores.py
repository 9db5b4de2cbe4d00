"""Object stores: the protocols of their URLs, the packages for them, and how fsspec opens them."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, NamedTuple

_PROTOCOL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


class Store(NamedTuple):
    """An object store.

    Attributes:
        title: Its name.
        bucket: What it calls a bucket.
        protocols: The protocols of its URLs. fsspec knows the first even if the package is missing.
        package: The package that fsspec needs for it.
        extra: The extra of this plugin that installs the package.
    """

    title: str
    bucket: str
    protocols: tuple[str, ...]
    package: str
    extra: str


S3 = Store("S3", "bucket", ("s3", "s3a"), "s3fs", "aws")
GCS = Store("Google Cloud Storage", "bucket", ("gs", "gcs"), "gcsfs", "gcp")
AZURE = Store("Azure Blob Storage", "container", ("abfs", "abfss", "az"), "adlfs", "azure")

STORES = {protocol: store for store in (S3, GCS, AZURE) for protocol in store.protocols}
"""The stores by the protocols of their URLs."""


def protocol_of(address: str) -> str:
    """Return the protocol of a URL in lower case, or an empty text for a path.

    One letter before `://` is a Windows drive.
    """
    found = _PROTOCOL.match(address)
    return found[1].lower() if found else ""


def store_of(address: str) -> Store | None:
    """Return the object store that a URL leads to; None for a path and for other protocols."""
    return STORES.get(protocol_of(address))


def open_filesystem(url: str, **options: Any) -> tuple[Any, str]:
    """Return the file system of fsspec for a URL, and the path in it.

    Args:
        url: The URL.
        options: Arguments of the file system.

    Raises:
        ImportError: If the package for it is not installed.
        ValueError: If fsspec does not know the protocol.
    """
    store, path = store_of(url), url.partition("://")[2]
    if store is GCS:
        # The class registered for gs:// asks by gRPC for the kind of bucket before it writes, which
        # emulators do not answer, and writes zonal buckets piece by piece. It leaves all other
        # buckets to the core class.
        return import_module("gcsfs.core").GCSFileSystem(**options), path
    if store:
        url = f"{store.protocols[0]}://{path}"
    filesystem, path = import_module("fsspec.core").url_to_fs(url, **options)
    return filesystem, path
