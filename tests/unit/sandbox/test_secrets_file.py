"""The file of Secrets for the sandbox's pods."""

from __future__ import annotations

from pathlib import Path

import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.secrets_file import read_objects


def test_secrets_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text(
        "kind: Secret\nmetadata: {name: a}\nstringData: {k: v}\n---\n"
        "kind: Secret\nmetadata: {name: b, namespace: other}\ndata: {k: /v8=}\n---\n"
    )
    assert read_objects(file, "team").secrets == {
        ("team", "a"): {"k": "v"},
        ("other", "b"): {"k": b"\xfe\xff"},
    }


def test_config_maps_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text(
        "kind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\nbinaryData: {b: /v8=}\n---\n"
        "kind: Secret\nmetadata: {name: a}\nstringData: {k: hunter2}\n"
    )

    found = read_objects(file, "team")

    assert found.config_maps == {("team", "a"): {"k": "v", "b": b"\xfe\xff"}}
    assert found.secrets == {("team", "a"): {"k": "hunter2"}}
    assert "hunter2" not in repr(found)


def test_two_secrets_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text("---\nkind: Secret\nmetadata: {name: a}\n" * 2)
    with pytest.raises(SandboxError, match="two Secrets with the same name"):
        read_objects(file, "team")


@pytest.mark.parametrize(
    "text",
    [
        "kind: Service\nmetadata: {name: a}\ndata: {k: hunter2}",
        "kind: Secret\nmetadata: {name: a}\ndata: {k: hunter2!}",
        "kind: Secret\nmetadata: {name: a}\nstringData: {k: [hunter2]}",
        "kind: Secret\nmetadata: {name: a}\nstringData: {1: hunter2}",
        "kind: Secret\nstringData: {k: hunter2}",
        "kind: ConfigMap\nmetadata: {name: a}\ndata: {k: 2, hunter2: v}",
        "hunter2",
        "- hunter2",
        "a: [hunter2",
    ],
)
def test_what_is_not_a_secret_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text(text)
    with pytest.raises(SandboxError, match="is not a file of Kubernetes Secrets") as refused:
        read_objects(file, "team")
    assert "hunter2" not in str(refused.value)
