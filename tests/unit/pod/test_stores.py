"""Which addresses lead to which object store."""

from __future__ import annotations

import sys

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from kedro_airflow_k8s.pod.stores import AZURE, GCS, S3, Store, open_filesystem, store_of


@pytest.mark.parametrize(
    ("address", "store"),
    [
        *((f"{protocol}://bucket/x", S3) for protocol in ("s3", "s3a", "S3")),
        *((f"{protocol}://bucket/x", GCS) for protocol in ("gs", "gcs")),
        *((f"{protocol}://container/x", AZURE) for protocol in ("abfs", "abfss", "az")),
        *((address, None) for address in ("/s3/x", "s3:/x", "s3", "c://x", "sftp://host/x")),
    ],
)
def test_a_store_has_several_protocols(address: str, store: Store | None) -> None:
    assert store_of(address) == store


@pytest.mark.parametrize("protocol", ["abfs", "abfss", "az", "ABFSS"])
def test_each_protocol_of_a_store_opens_it(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package need not be installed for fsspec to know the first protocol of a store."""

    class Azure(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
        protocol = "abfs"

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return path.removeprefix("abfs://")

    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "abfs", Azure)
    filesystem, path = open_filesystem(f"{protocol}://container/x", skip_instance_cache=True)
    assert isinstance(filesystem, Azure)
    assert path == "container/x"
