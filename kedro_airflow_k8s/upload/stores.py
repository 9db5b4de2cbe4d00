"""The kinds of remote place, and one such place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Store:
    """An object store: one put is whole or nothing, a bucket must exist, folders need not.

    Attributes:
        title: Its name.
        bucket: What it calls a bucket.
        extra: The extra of this package that brings its client.
        login: How to give credentials, as advice.
        identity: Whom the credentials stand for.
        writing: What that one must be allowed to do for an upload.
    """

    title: str
    bucket: str
    extra: str
    login: str
    identity: str
    writing: str


GCS = Store(
    "Google Cloud Storage",
    "bucket",
    "gcp",
    "log in with `gcloud auth application-default login` or set GOOGLE_APPLICATION_CREDENTIALS",
    "that account",
    "create and overwrite objects",
)
S3 = Store(
    "S3",
    "bucket",
    "aws",
    "log in with `aws configure` or `aws sso login`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY",
    "that identity",
    "s3:PutObject",
)
AZURE = Store(
    "Azure Blob Storage",
    "container",
    "azure",
    "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and either "
    "AZURE_STORAGE_ACCOUNT_KEY or `az login`",
    "that identity",
    "write blobs",
)
STORES = {
    "gs": GCS,
    "s3": S3,
    "s3a": S3,
    "abfs": AZURE,
    "abfss": AZURE,
    "az": AZURE,
}
KNOWN = "a local folder, gs://, gcs://, s3:// and abfs://"


@dataclass(frozen=True)
class Target:
    """Where a remote file goes: `url` is for fsspec, `shown` is the same without credentials."""

    protocol: str
    authority: str
    url: str
    shown: str

    @property
    def store(self) -> Store | None:
        """What kind of object store it is, if it is one."""
        return STORES.get(self.protocol)
