"""Remote places of DAG files, and how to get access to the object stores among them."""

from __future__ import annotations

from dataclasses import dataclass

from kedro_airflow_k8s.pod.stores import AZURE, GCS, S3, STORES, Store

KNOWN = "a local folder, gs://, gcs://, s3:// or abfs://"


@dataclass(frozen=True)
class Target:
    """The place of a remote file.

    Attributes:
        protocol: The protocol of its URL.
        authority: The bucket, or the server with the user and the password.
        url: Its URL for fsspec.
        shown: The same without credentials.
    """

    protocol: str
    authority: str
    url: str
    shown: str

    @property
    def store(self) -> Store | None:
        """The object store that it is in, if any."""
        return STORES.get(self.protocol)


@dataclass(frozen=True)
class Access:
    """What gives access to an object store, in words.

    Attributes:
        login: How to give credentials.
        identity: The account of the credentials.
        writing: What the identity must be allowed to do for an upload.
        deleting: What it must be allowed to do to delete a DAG.
    """

    login: str
    identity: str
    writing: str
    deleting: str


ACCESS = {
    GCS: Access(
        "log in with `gcloud auth application-default login` or set GOOGLE_APPLICATION_CREDENTIALS",
        "that account",
        "create and overwrite objects",
        "delete objects",
    ),
    S3: Access(
        "log in with `aws configure` or `aws sso login`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID "
        "and AWS_SECRET_ACCESS_KEY",
        "that identity",
        "call s3:PutObject",
        "call s3:DeleteObject",
    ),
    AZURE: Access(
        "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and either "
        "AZURE_STORAGE_ACCOUNT_KEY or `az login`",
        "that identity",
        "write blobs",
        "delete blobs",
    ),
}
