"""Uploads to real object stores: fake-gcs-server through gcsfs and a moto server through s3fs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from uuid import uuid4

import fsspec
import pytest

from kedro_airflow_k8s import upload
from kedro_airflow_k8s.errors import UploadError
from kedro_airflow_k8s.upload import (
    StoredFile,
    delete_dag,
    read_dag,
    remote,
    upload_dag,
    was_replaced,
)
from tests.support.storage_servers import S3, Gcs, faulty, free_port, gcs_server, s3_server  # noqa: F401 - fixtures

OLD = "old = 1\n"
# Larger than the buffers in between, so that half of it is really sent and really missing.
NEW = "new = 'zażółć'\n" + "#" * 1_000_000 + "\n"

GCS_DENIED = (
    '{"error": {"code": 403, "message": "robot@example.com does not have storage.objects.create '
    'access to the Google Cloud Storage object."}}'
)
S3_FAILED = (
    "<?xml version='1.0'?><Error><Code>InternalError</Code>"
    "<Message>We encountered an internal error</Message></Error>"
)


@dataclass
class Store:
    """One object store: where it is, a fresh bucket in it, and how clients are sent elsewhere."""

    protocol: str
    server: Gcs | S3
    bucket: str
    point_clients_at: Callable[[str], None]


@pytest.fixture(params=["gs", "s3"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    bucket = f"dags-{uuid4().hex}"
    server: Gcs | S3
    if request.param == "gs":
        server = request.getfixturevalue("gcs_server")
        # What FSSPEC_GS_TOKEN=anon says to a new process: the emulator has no accounts.
        monkeypatch.setitem(fsspec.config.conf, "gs", {"token": "anon"})
        variable = "STORAGE_EMULATOR_HOST"
    else:
        server = request.getfixturevalue("s3_server")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE00")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-example-secret")
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        variable = "AWS_ENDPOINT_URL"
    server.make_bucket(bucket)
    monkeypatch.setenv(variable, server.url)
    return Store(request.param, server, bucket, lambda url: monkeypatch.setenv(variable, url))


@pytest.mark.core
def test_a_file_lands_in_the_bucket_and_the_place_is_given_back(store: Store) -> None:
    where = upload_dag(NEW, "my_dag.py", f"{store.protocol}://{store.bucket}")

    assert where == f"{store.protocol}://{store.bucket}/my_dag.py"
    assert store.server.names(store.bucket) == ["my_dag.py"]
    assert store.server.read(store.bucket, "my_dag.py") == NEW


@pytest.mark.parametrize("prefix", ["/", "/team/dags", "/team/dags/", "//team///dags//"])
def test_slashes_are_never_doubled(store: Store, prefix: str) -> None:
    folder = prefix.strip("/").replace("///", "/")

    where = upload_dag(OLD, "d.py", f"{store.protocol}://{store.bucket}{prefix}")

    key = f"{folder}/d.py" if folder else "d.py"
    assert where == f"{store.protocol}://{store.bucket}/{key}"
    assert store.server.names(store.bucket) == [key]


def test_a_second_upload_replaces_the_file(store: Store) -> None:
    output = f"{store.protocol}://{store.bucket}/dags"
    for text in (OLD, NEW, NEW, OLD):
        upload_dag(text, "d.py", output)
        assert store.server.read(store.bucket, "dags/d.py") == text
    assert store.server.names(store.bucket) == ["dags/d.py"]


def test_one_can_ask_whether_a_file_is_still_the_one_that_was_uploaded(store: Store) -> None:
    output = f"{store.protocol}://{store.bucket}/dags"
    assert was_replaced(NEW, "d.py", output)
    upload_dag(NEW, "d.py", output)
    assert not was_replaced(NEW, "d.py", output)
    upload_dag(OLD, "d.py", output)
    assert was_replaced(NEW, "d.py", output)


def test_an_uploaded_file_is_read_back_byte_by_byte(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = f"{store.protocol}://{store.bucket}/dags"
    assert read_dag("d.py", output) == StoredFile(f"{output}/d.py", None, None)
    for text in ("", NEW):
        upload_dag(text, "d.py", output)
        data = text.encode()
        assert read_dag("d.py", f"{output}/") == StoredFile(f"{output}/d.py", len(data), data)
    monkeypatch.setattr(upload, "MAX_SIZE", 1000)
    assert read_dag("d.py", output) == StoredFile(f"{output}/d.py", len(NEW.encode()), None)


def test_a_deleted_file_is_gone_and_others_stay(store: Store) -> None:
    output = f"{store.protocol}://{store.bucket}/dags"
    for name in ("d.py", "other.py"):
        upload_dag(OLD, name, output)
    for _ in range(2):  # also when it is gone already
        delete_dag("d.py", output)
        assert store.server.names(store.bucket) == ["dags/other.py"]


def test_a_server_that_is_down_deletes_nothing_and_is_named(store: Store) -> None:
    store.point_clients_at(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UploadError, match=r"Cannot delete .*cannot be reached .* try again\.$"):
        delete_dag("d.py", f"{store.protocol}://{store.bucket}")


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_without_permission_to_delete_the_message_says_how_to_get_it(store: Store) -> None:
    output = f"s3://{store.bucket}/dags"
    upload_dag(OLD, "d.py", output)
    assert isinstance(store.server, S3)
    with store.server.checking_identities(), pytest.raises(UploadError) as caught:
        delete_dag("d.py", output)
    assert "Cannot delete s3://" in str(caught.value)
    assert "allow that identity to call s3:DeleteObject there." in str(caught.value)
    assert store.server.names(store.bucket) == ["dags/d.py"]


def test_nothing_is_read_from_a_bucket_that_does_not_exist(store: Store) -> None:
    with pytest.raises(UploadError) as caught:
        read_dag("d.py", f"{store.protocol}://no-such-{store.bucket}/dags")
    text = str(caught.value)
    assert text.startswith(f"Cannot read {store.protocol}://no-such-{store.bucket}/dags/d.py: ")
    assert f"the bucket 'no-such-{store.bucket}' does not exist" in text


def test_a_server_that_is_down_cannot_be_read_from(store: Store) -> None:
    store.point_clients_at(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UploadError, match=r"Cannot read .*cannot be reached .* try again\.$"):
        read_dag("d.py", f"{store.protocol}://{store.bucket}")


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_without_permission_to_read_the_message_says_how_to_get_it(store: Store) -> None:
    output = f"s3://{store.bucket}/dags"
    upload_dag(OLD, "d.py", output)
    assert isinstance(store.server, S3)
    with store.server.checking_identities(), pytest.raises(UploadError) as caught:
        read_dag("d.py", output)
    assert "S3 denied access" in str(caught.value)
    assert "allow that identity to read objects there." in str(caught.value)


@pytest.mark.parametrize("store", ["gs"], indirect=True)
def test_gcs_is_another_name_of_gs(store: Store) -> None:
    assert upload_dag(OLD, "d.py", f"gcs://{store.bucket}/x") == f"gs://{store.bucket}/x/d.py"
    assert store.server.read(store.bucket, "x/d.py") == OLD


def test_a_missing_bucket_is_named_and_not_made(store: Store) -> None:
    with pytest.raises(UploadError) as caught:
        upload_dag(NEW, "d.py", f"{store.protocol}://no-such-{store.bucket}/dags")

    assert f"the bucket 'no-such-{store.bucket}' does not exist" in str(caught.value)
    with pytest.raises(UploadError):  # the first try did not make it
        upload_dag(NEW, "d.py", f"{store.protocol}://no-such-{store.bucket}/dags")


@pytest.mark.parametrize("status", [500, None], ids=["500", "hang-up"])
def test_an_upload_that_fails_half_way_leaves_the_old_file(
    store: Store, status: int | None
) -> None:
    output = f"{store.protocol}://{store.bucket}/dags"
    upload_dag(OLD, "d.py", output)

    body = S3_FAILED if store.protocol == "s3" else '{"error": {"message": "Backend Error"}}'
    with faulty(status, body, upstream=store.server.url) as server:
        store.point_clients_at(server.url)
        with pytest.raises(UploadError) as caught:
            upload_dag(NEW, "d.py", output)

    assert server.halves_sent > 1, "tried again after a failure that may pass"
    assert "upload again" in str(caught.value).lower()
    if status:
        assert "500" in str(caught.value)
    assert store.server.names(store.bucket) == ["dags/d.py"]
    assert store.server.read(store.bucket, "dags/d.py") == OLD


def test_a_server_that_is_down_is_reported_as_unreachable(store: Store) -> None:
    store.point_clients_at(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(UploadError, match=r"cannot be reached .*Check the network"):
        upload_dag(NEW, "d.py", f"{store.protocol}://{store.bucket}")


def test_a_server_that_never_answers_does_not_hold_the_command(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "DEADLINE_SECONDS", 0.5)
    with socket.socket() as silent:  # connections are taken by the system and never served
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store.point_clients_at(f"http://127.0.0.1:{silent.getsockname()[1]}")

        with pytest.raises(UploadError, match=r"gave no answer in 0\.5 s"):
            upload_dag(NEW, "d.py", f"{store.protocol}://{store.bucket}")


def test_a_refusal_by_google_gives_its_words_and_how_to_log_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The emulator lets everyone in, so the refusal is written here in the shape Google uses.
    monkeypatch.setitem(fsspec.config.conf, "gs", {"token": "anon"})
    with faulty(403, GCS_DENIED) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        with pytest.raises(UploadError) as caught:
            upload_dag(NEW, "d.py", "gs://closed/dags")

    # The HTTP library may send a request again by itself; what fails is tried three times.
    assert server.requests_seen < 3, "a refusal is final"
    text = str(caught.value)
    assert "gs://closed/dags/d.py" in text
    assert "does not have storage.objects.create access" in text
    assert "gcloud auth application-default login" in text
    assert "An existing file was not changed" in text


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_an_access_key_that_s3_does_not_know_is_refused(store: Store) -> None:
    output = f"s3://{store.bucket}/dags"
    upload_dag(OLD, "d.py", output)

    assert isinstance(store.server, S3)
    with store.server.checking_identities(), pytest.raises(UploadError) as caught:
        upload_dag(NEW, "d.py", output)

    text = str(caught.value)
    assert "S3 denied access" in text
    assert "AWS_ACCESS_KEY_ID" in text
    assert "An existing file was not changed" in text
    assert "AKIAEXAMPLEEXAMPLE00" not in text
    assert "an-example-secret" not in text
    assert store.server.read(store.bucket, "dags/d.py") == OLD


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_no_credentials_at_all_says_how_to_give_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(UploadError, match=r"Unable to locate credentials.*AWS_PROFILE"):
        upload_dag(NEW, "d.py", f"s3://{store.bucket}")


def test_a_failure_prints_only_its_one_message(store: Store) -> None:
    script = (
        "import sys\n"
        "from kedro_airflow_k8s.errors import UploadError\n"
        "from kedro_airflow_k8s.upload import upload_dag\n"
        "try:\n"
        "    upload_dag('x', 'd.py', sys.argv[1])\n"
        "except UploadError as error:\n"
        "    print(error)\n"
    )
    store.point_clients_at(f"http://127.0.0.1:{free_port()}")
    output = f"{store.protocol}://{store.bucket}"

    done = subprocess.run(
        # Google's libraries announce this way which Python they will drop next.
        [sys.executable, "-W", "ignore::FutureWarning", "-c", script, output],
        env={**os.environ, "FSSPEC_GS_TOKEN": "anon"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "cannot be reached" in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("protocol", "module", "extra"),
    [("gs", "gcsfs.core", "gcp"), ("s3", "s3fs", "aws"), ("abfs", "adlfs", "azure")],
)
def test_a_missing_package_names_the_pip_command(
    monkeypatch: pytest.MonkeyPatch, protocol: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # an import finds nothing
    # fsspec keeps the classes it imported; an earlier test may have imported this one.
    monkeypatch.delitem(import_module("fsspec.registry")._registry, protocol, raising=False)

    with pytest.raises(UploadError) as caught:
        upload_dag(NEW, "d.py", f"{protocol}://bucket/dags")

    assert f"pip install 'kedro-airflow-k8s[{extra}]'" in str(caught.value)
