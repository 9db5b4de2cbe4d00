"""A volume or a store in the way of intermediate data: what the message says, and what not."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from kedro.io import DatasetError

from kedro_airflow_k8s.pod.intermediate_data import IntermediateDataset
from tests.kedro.pod.object_stores import s3_access, use
from tests.support.storage_servers import faulty

AS_NOBODY = """
import os, sys
from kedro.io import DatasetError
from kedro_airflow_k8s.pod.intermediate_data import IntermediateDataset
os.setgid(65534), os.setuid(65534)
try:
    IntermediateDataset("x", sys.argv[1]).save(1)
except DatasetError as error:
    print(error)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become someone else")
def test_a_volume_of_another_user_names_the_setting(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    # Relative: that user need not be able to come here from the root of all folders.
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Dataset 'x' cannot be written" in done.stdout, done.stderr
    assert "Permission denied" in done.stdout
    assert "user 65534, group 65534" in done.stdout
    assert "`run_config.volume.owner`" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_full_volume_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = os.open

    def on_a_full_disk(path: str, flags: int, mode: int) -> int:
        os.close(really_open(path, flags, mode))
        return really_open("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(os, "open", on_a_full_disk)
    with pytest.raises(DatasetError, match=r"No space left.*`run_config\.volume\.size`"):
        IntermediateDataset("x", str(tmp_path)).save(1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("protocol", "package", "extra"),
    [("s3a", "s3fs", "aws"), ("gs", "gcsfs", "gcp"), ("abfss", "adlfs", "azure")],
)
def test_a_client_that_the_image_lacks_is_named_with_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch, protocol: str, package: str, extra: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    registry = import_module("fsspec.registry")  # fsspec itself has another thing of that name
    for name in ("s3", "gs", "abfs"):
        monkeypatch.delitem(registry._registry, name, raising=False)

    with pytest.raises(DatasetError) as caught:
        IntermediateDataset("x", f"{protocol}://bucket/run").save(1)
    assert f"Add kedro-airflow-k8s[{extra}] to the requirements" in str(caught.value)


@pytest.mark.parametrize(
    "root", ["nowhere://bucket/run", "s3://bucket/a*/run", "s3://bucket/../run", "s3://b/[x]"]
)
def test_an_address_of_no_use_names_the_setting(root: str) -> None:
    with pytest.raises(DatasetError, match=r"Correct `run_config\.intermediate_data`"):
        IntermediateDataset("x", root).save(1)


def test_a_store_that_refuses_is_reported_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "<Error><Code>AccessDenied</Code><Message>not with secret-of-someone</Message></Error>"
    with faulty(403, answer) as server:
        use(s3_access(server.url), monkeypatch)
        with pytest.raises(DatasetError) as caught:
            IntermediateDataset("x", "s3://bucket/run").save([1])

    message = str(caught.value)
    assert message.startswith("Dataset 'x' cannot be written: s3://bucket/run/x.pickle: ")
    assert "PermissionError" in message
    assert "may read, write and delete there" in message
    assert "secret-of-someone" not in message
