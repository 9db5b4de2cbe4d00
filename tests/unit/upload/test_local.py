"""Uploads to a local folder, and which output locations are understood or refused."""

from __future__ import annotations

import contextlib
import errno
import getpass
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from kedro_airflow_k8s.errors import UploadError
from kedro_airflow_k8s.upload import StoredFile, read_dag, upload_dag, was_replaced

OLD = "old = 1\n" * 1000
NEW = "new = 'zażółć'\n" * 2000
UNPRIVILEGED = 65534


def text(path: Path) -> str:
    return path.read_bytes().decode()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_is_made_when_missing_and_the_place_is_given_back(tmp_path: Path) -> None:
    where = upload_dag(NEW, "d.py", str(tmp_path / "airflow" / "dags"))

    assert where == str(tmp_path / "airflow" / "dags" / "d.py")
    assert text(Path(where)) == NEW
    assert names(tmp_path / "airflow" / "dags") == ["d.py"]


def test_one_can_ask_whether_a_file_is_still_the_one_that_was_uploaded(tmp_path: Path) -> None:
    assert was_replaced(NEW, "d.py", str(tmp_path))
    upload_dag(NEW, "d.py", str(tmp_path))
    assert not was_replaced(NEW, "d.py", str(tmp_path))
    upload_dag(OLD, "d.py", str(tmp_path))
    assert was_replaced(NEW, "d.py", str(tmp_path))


@pytest.mark.parametrize("output", ["dags", "./dags/", "~/dags", "file:dags", "a/../dags"])
def test_relative_and_home_paths(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    where = Path(upload_dag(NEW, "d.py", output))

    assert where.is_absolute()
    assert where.samefile(tmp_path / "dags" / "d.py")


@pytest.mark.parametrize("protocol", ["file://", "FILE://", "local://", "file:"])
def test_file_urls(protocol: str, tmp_path: Path) -> None:
    assert upload_dag(NEW, "d.py", f"{protocol}{tmp_path}/dags/") == f"{tmp_path}/dags/d.py"
    assert text(tmp_path / "dags" / "d.py") == NEW


def test_a_path_with_characters_of_a_url_is_a_path(tmp_path: Path) -> None:
    output = f"{tmp_path}/why? because #1 @home %20"
    assert text(Path(upload_dag(NEW, "d.py", output))) == NEW
    assert names(tmp_path) == ["why? because #1 @home %20"]


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert upload_dag(NEW, "d.py", str(tmp_path / "link")) == str(tmp_path / "link" / "d.py")
    assert text(tmp_path / "real" / "d.py") == NEW
    assert (tmp_path / "link").is_symlink()


def test_a_second_upload_replaces_the_file(tmp_path: Path) -> None:
    for source in (OLD, NEW, NEW, OLD):
        upload_dag(source, "d.py", str(tmp_path))
        assert text(tmp_path / "d.py") == source
    assert names(tmp_path) == ["d.py"]


def test_python_loads_each_of_several_versions_of_one_second_and_one_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Airflow does."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    loaded = []
    for version in "abcdefghij":
        where = upload_dag(f"VERSION = {version!r}\n", "x.py", str(tmp_path))
        module = ModuleType("loaded")
        SourceFileLoader("loaded", where).exec_module(module)
        loaded.append(module.VERSION)

    assert loaded == list("abcdefghij")
    assert list((tmp_path / "__pycache__").iterdir()), "byte code is kept"


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "d.py").write_text(OLD)
    (tmp_path / "d.py").chmod(0o664)

    where = Path(upload_dag(NEW, "d.py", str(tmp_path)))

    assert stat.S_IMODE(where.stat().st_mode) == 0o664


# --- never half a file ----------------------------------------------------------------------


def test_a_reader_sees_the_old_file_or_the_new_one_at_every_moment(tmp_path: Path) -> None:
    sources = {"a = 1\n" * 50_000, "b = 2\n" * 70_000}
    upload_dag(min(sources), "d.py", str(tmp_path))
    finished = threading.Event()

    def replace_many_times() -> None:
        try:
            for _ in range(100):
                for source in sources:
                    upload_dag(source, "d.py", str(tmp_path))
        finally:
            finished.set()

    writer = threading.Thread(target=replace_many_times)
    writer.start()
    seen: set[str] = set()
    dags: set[str] = set()
    while not finished.is_set() or not seen:
        seen.add(text(tmp_path / "d.py"))
        dags.update(path.name for path in tmp_path.glob("*.py"))
    writer.join()

    assert seen <= sources
    assert dags == {"d.py"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "Input/output error")])
def test_an_interrupted_upload_cleans_up(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_dag(OLD, "d.py", str(tmp_path))

    def interrupted(fd: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises((KeyboardInterrupt, UploadError)):
        upload_dag(NEW, "d.py", str(tmp_path))

    assert names(tmp_path) == ["d.py"]
    assert text(tmp_path / "d.py") == OLD


# --- refusals of the system -----------------------------------------------------------------


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may write anywhere, so root becomes another user for the length of the block."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(UNPRIVILEGED)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("below", ["", "team/dags"])
def test_a_read_only_folder_gives_one_message_and_keeps_the_old_file(below: str) -> None:
    # tmp_path lies in a folder only its owner may enter, which would refuse for another reason.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        upload_dag(OLD, "d.py", name)
        folder.chmod(0o555)
        try:
            with ordinary_user(), pytest.raises(UploadError) as caught:
                upload_dag(NEW, "d.py", str(folder / below))
        finally:
            folder.chmod(0o755)

        assert text(folder / "d.py") == OLD
        assert names(folder) == ["d.py"]
    message = str(caught.value)
    assert message.startswith(f"Cannot write to {folder / below / 'd.py'}: Permission denied.")
    assert "read-only" in message
    assert "An existing file was not changed" in message


def test_a_full_disk_gives_one_message_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_dag(OLD, "d.py", str(tmp_path))

    really_open = os.open

    def on_a_full_disk(path: str, flags: int, mode: int) -> int:
        os.close(really_open(path, flags, mode))
        return really_open("/dev/full", os.O_WRONLY)  # the kernel refuses every write

    monkeypatch.setattr(os, "open", on_a_full_disk)
    with pytest.raises(UploadError, match=r"No space left on device\. The disk is full"):
        upload_dag(NEW, "d.py", str(tmp_path))
    monkeypatch.undo()

    assert names(tmp_path) == ["d.py"]
    assert text(tmp_path / "d.py") == OLD


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("$AIRFLOW_HOME/dags", r"\$AIRFLOW_HOME, which is not replaced"),
        ("${oc.env:AIRFLOW_HOME}/dags", r"\$\{oc\.env:AIRFLOW_HOME\}"),
        ("dags/${USER}", r"\$\{USER\}"),
        ("gs://bucket/dags/shop.py", "`output` is a folder"),
        ("dags/shop.py", "`output` is a folder"),
        (r"C:\airflow\dags", "Windows path"),
        ("D:/dags", "Windows path"),
    ],
)
def test_an_output_that_would_become_a_strange_folder_is_refused(
    output: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    with pytest.raises(UploadError, match=words):
        upload_dag(NEW, "d.py", output)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["costs$", "a$1", "dags.python", "shop.py"])
def test_a_folder_of_an_unusual_name_is_fine(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    upload_dag(NEW, "d.py", str(tmp_path / folder))
    assert text(tmp_path / folder / "d.py") == NEW


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "d.py").write_text(OLD)

    with pytest.raises(UploadError, match="it is a file"):
        upload_dag(NEW, "d.py", str(tmp_path / "d.py"))
    with pytest.raises(UploadError, match="A part of the path is not a folder"):
        upload_dag(NEW, "d.py", str(tmp_path / "d.py" / "dags"))

    assert text(tmp_path / "d.py") == OLD


def test_a_folder_with_the_name_of_the_dag_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.py").mkdir()
    with pytest.raises(UploadError, match="a folder has this name"):
        upload_dag(NEW, "d.py", str(tmp_path))
    assert names(tmp_path) == ["d.py"]


# --- locations ------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["", "  ", "dags\0"])
def test_an_empty_location_says_where_to_set_it(output: str) -> None:
    # What `-o $AIRFLOW_DAG_HOME` gives when the variable is not set.
    with pytest.raises(UploadError, match=r"Set `output` in airflow-k8s\.yaml or pass --output"):
        upload_dag(NEW, "d.py", output)


@pytest.mark.parametrize("output", ["gs://", "gcs:///dags", "s3://", "s3:///", "abfs:///dags"])
def test_a_location_without_a_bucket_is_refused(output: str) -> None:
    with pytest.raises(UploadError, match=r"has no (bucket|container)"):
        upload_dag(NEW, "d.py", output)


@pytest.mark.parametrize("output", ["gs:/bucket", "S3:bucket/dags", "abfs:/container"])
def test_a_bucket_is_not_taken_for_a_folder_by_a_typing_error(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UploadError, match=r"Write \w+://, then the bucket"):
        upload_dag(NEW, "d.py", output)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("output", "hint"),
    [("gcss://bucket", "gcs://"), ("s33://bucket", "s3://"), ("sft://host/dags", "sftp://")],
)
def test_an_unknown_protocol_names_the_known_ones(output: str, hint: str) -> None:
    with pytest.raises(UploadError) as caught:
        upload_dag(NEW, "d.py", output)
    assert f"Did you mean {hint!r}?" in str(caught.value)
    assert "a local folder, gs://, gcs://, s3:// or abfs://" in str(caught.value)


def test_a_home_of_an_unknown_user_is_refused() -> None:
    with pytest.raises(UploadError, match="no such user"):
        upload_dag(NEW, "d.py", f"~{getpass.getuser()}-no-such-user/dags")


@pytest.mark.parametrize("file_name", ["", "..", "../d.py", "a/d.py", "a\\d.py"])
def test_only_a_plain_file_name_is_written(file_name: str, tmp_path: Path) -> None:
    with pytest.raises(UploadError, match="is not a file name"):
        upload_dag(NEW, file_name, str(tmp_path))
    assert names(tmp_path) == []


# --- other protocols of fsspec --------------------------------------------------------------


class FakeAzure(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Stands in for adlfs, whose emulator needs Node.js; remembers what it was asked.

    Like adlfs it takes the account out of the URL and knows a file by container/path.
    """

    protocol = "abfs"
    cachable = False
    asked: list[str] = []  # noqa: RUF012 - cleared by the fixture
    fails: Exception | None = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        if not path.startswith("abfs://"):
            return path
        container, _, rest = path.removeprefix("abfs://").partition("/")
        return f"/{container.partition('@')[0]}/{rest}"

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        FakeAzure.asked.append(path)
        return {}

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: object) -> None:
        if FakeAzure.fails:
            raise FakeAzure.fails
        FakeAzure.asked.append(path)
        super().pipe_file(path, value)


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> type[FakeAzure]:
    registry = sys.modules["fsspec.registry"]
    monkeypatch.setitem(registry._registry, "abfs", FakeAzure)
    monkeypatch.setattr(FakeAzure, "asked", [])
    monkeypatch.setattr(FakeAzure, "fails", None)
    monkeypatch.setattr(FakeAzure, "store", {})
    return FakeAzure


@pytest.mark.parametrize(
    ("output", "where"),
    [
        ("abfs://dags", "abfs://dags/d.py"),
        ("abfs://dags//team/", "abfs://dags/team/d.py"),
        (
            "abfs://dags@account.dfs.core.windows.net/team/",
            "abfs://dags@account.dfs.core.windows.net/team/d.py",
        ),
    ],
)
def test_azure_gets_the_account_the_container_and_the_path(
    azure: type[FakeAzure], output: str, where: str
) -> None:
    assert upload_dag(NEW, "d.py", output) == where

    path = "/dags/team/d.py" if "team" in output else "/dags/d.py"
    assert azure.asked == [where, path], "one put, and nothing asked before"
    assert azure().cat_file(path).decode() == NEW


class AzureError(Exception):
    """The shape of azure.core's HttpResponseError: a status, and words over several lines."""

    def __init__(self, status_code: int, words: str) -> None:
        super().__init__(f"{words}\nRequestId:0a1b\nErrorCode:Something")
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (AzureError(404, "The specified container does not exist."), "the container 'dags' does"),
        (AzureError(403, "Not authorized."), r"denied access \(Not authorized\)\. .*az login"),
        (AzureError(503, "Busy."), r"status 503 \(Busy\)"),
        (ValueError("unable to connect to account for ..."), "AZURE_STORAGE_ACCOUNT_NAME"),
    ],
)
def test_azure_says_what_is_wrong(
    azure: type[FakeAzure], error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure, "fails", error)
    with pytest.raises(UploadError, match=message) as caught:
        upload_dag(NEW, "d.py", "abfs://dags@account.dfs.core.windows.net")
    assert caught.value.__cause__ is error
    assert "RequestId" not in str(caught.value)


def test_what_azure_holds_is_read_back(azure: type[FakeAzure]) -> None:
    output = "abfs://dags@account.dfs.core.windows.net/team"
    with pytest.raises(UploadError, match=r"Cannot read .*: the container 'dags' does not exist"):
        read_dag("d.py", output)
    upload_dag(NEW, "d.py", output)
    assert read_dag("d.py", output).data == NEW.encode()
    assert read_dag("e.py", output) == StoredFile(f"{output}/e.py")


def test_secrets_of_the_environment_are_cut_out_of_what_a_server_says(
    azure: type[FakeAzure], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0LWtleQ==")
    said = "bad key c2VjcmV0LWtleQ== in https://me:pw@example.com/?sig=abc, token=xyz"
    monkeypatch.setattr(azure, "fails", AzureError(400, said))

    with pytest.raises(UploadError) as caught:
        upload_dag(NEW, "d.py", "abfs://dags")

    assert "bad key *** in https://***@example.com/?***" in str(caught.value)
    for secret in ("c2Vj", "me:pw", "abc", "xyz"):
        assert secret not in str(caught.value)


def test_any_protocol_that_fsspec_can_write_will_do() -> None:
    assert upload_dag(NEW, "d.py", "memory://upload-test/dags/") == "memory://upload-test/dags/d.py"
    assert fsspec.filesystem("memory").cat_file("/upload-test/dags/d.py").decode() == NEW


def test_a_protocol_that_cannot_write_says_so() -> None:
    with pytest.raises(UploadError, match=r"cannot be written to.*a local folder"):
        upload_dag(NEW, "d.py", "data://dags")
