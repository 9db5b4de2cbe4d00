"""Logs are served as a kubelet serves them."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

from tests.airflow.sandbox.cluster.cluster_client import (
    NAMESPACE,
    Client,
    pod_of,
    refused,
    wait_for,
)


def test_a_follower_gets_lines_as_they_come_and_an_end_when_the_pod_has_ended(
    client: Client, tmp_path: Path
) -> None:
    client.run(pod_of("sh", "-c", "mkfifo go; echo first; cat go; echo last >&2"))
    client.printed(1)
    stream = client.api.read_namespaced_pod_log(
        "task", NAMESPACE, follow=True, _preload_content=False
    ).stream(amt=None)

    assert next(stream) == b"first\n"
    (tmp_path / "cluster" / "pods" / NAMESPACE / "task" / "base" / "root" / "go").write_text("")
    assert b"".join(stream) == b"last\n"
    # Airflow takes the end of the log for the end of the pod.
    assert client.pod().status.phase == "Succeeded"


def test_timestamps_are_rfc_3339_with_nanoseconds(client: Client) -> None:
    client.output("printf", "one\\n\\nno newline at the end")

    lines = client.log(timestamps=True).splitlines()

    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (.*)"
    matches = [re.fullmatch(form, line) for line in lines]
    assert [match and match[1] for match in matches] == ["one", "", "no newline at the end"]
    written = datetime.fromisoformat(lines[0][:19]).replace(tzinfo=timezone.utc)
    assert abs((datetime.now(timezone.utc) - written).total_seconds()) < 600


def test_the_last_lines_and_those_since_a_time_can_be_chosen(client: Client) -> None:
    client.output("printf", "1\\n2\\n3\\n")

    assert client.log(tail_lines=2) == "2\n3\n"
    assert client.log(tail_lines=0) == ""
    assert client.log(since_seconds=600) == "1\n2\n3\n"
    path = client.cluster.pods()[0].logs["base"].path
    path.write_bytes(b"2020-01-01T00:00:00.000000000Z old\n" + path.read_bytes())
    assert client.log() == "old\n1\n2\n3\n"
    assert client.log(since_seconds=600) == "1\n2\n3\n"


def test_bytes_that_are_not_text_and_long_lines_come_through(client: Client) -> None:
    client.run(pod_of("sh", "-c", r"printf '\377\n'; head -c 3000000 /dev/zero | tr '\0' x"))
    client.ended()

    answer = client.api.read_namespaced_pod_log("task", NAMESPACE, _preload_content=False).data

    assert answer.startswith(b"\xff\nxxx")
    assert answer.count(b"x") == 3_000_000
    assert client.cluster.pods()[0].log().startswith("\ufffd\nxxx")


def test_a_log_that_is_not_there_is_refused(client: Client) -> None:
    read = client.api.read_namespaced_pod_log
    client.run(pod_of("true"))
    client.ended()

    refused(400, read, "task", NAMESPACE, container="no")
    assert "previous" in refused(400, read, "task", NAMESPACE, previous=True)["message"]
    assert refused(404, read, "other", NAMESPACE)["details"] == {"name": "other", "kind": "pods"}
    refused(400, read, "task", NAMESPACE, tail_lines=-1)


def test_many_followers_of_many_pods_each_get_everything(client: Client) -> None:
    for number in range(4):
        client.run(pod_of("sh", "-c", f"seq {number} 2000", name=f"pod-{number}"))

    for number in range(4):
        expected = [str(i) for i in range(number, 2001)]
        assert client.log(f"pod-{number}").splitlines() == expected
        wait_for(lambda: client.pod(f"pod-{number}").status.phase == "Succeeded")  # noqa: B023
