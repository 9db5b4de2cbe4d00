"""What pages call example.com: an Airflow with a cluster, buckets, and the log-ins of two clouds.

The Airflow is the one of a sandbox, whose pods replace those of a cluster. What is uploaded to a
bucket reaches its DAG folder as Composer and MWAA do it, by a copy that comes a moment later.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kedro_airflow_k8s.sandbox.up import Sandbox, find_sandbox
from tests.airflow.airflow_api.web_server import Reply, Request, WebServer, html
from tests.support.waiting import WAIT_SECONDS

GOOGLE_TOKEN = "ya29.token-of-the-test"
MWAA_SESSION = "session-of-the-test"
_WEB_TOKEN = "web-token-of-the-test"
_MWAA_LOG_IN = "/pluginsv2/aws_mwaa/login"
_COPY_SECONDS = 0.3


class Bucket(Protocol):
    """An object store that can be looked into."""

    def names(self, bucket: str) -> list[str]:
        """The names of the objects in a bucket."""

    def read(self, bucket: str, name: str) -> str:
        """What is in an object."""


@dataclass(frozen=True)
class Airflow:
    """A running Airflow of a project.

    Attributes:
        sandbox: What `sandbox up` has started.
    """

    sandbox: Sandbox = field(repr=False)

    @property
    def token(self) -> str:
        """A token of Airflow's own."""
        answer = requests.post(
            f"{self.sandbox.host}/auth/token",
            json={"username": self.sandbox.username, "password": self.sandbox.password},
            timeout=WAIT_SECONDS,
        )
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    @property
    def user(self) -> dict[str, str]:
        """What pages call a user and a password, to those of this Airflow."""
        return {"your-user": self.sandbox.username, "your-password": self.sandbox.password}

    @contextlib.contextmanager
    def reading(self, store: Bucket, bucket: str, folder: str) -> Iterator[None]:
        """Let Airflow have the DAG files of a folder in a bucket while the block runs."""
        ended = threading.Event()

        def copy() -> None:
            while not ended.wait(_COPY_SECONDS):
                for name in store.names(bucket):
                    if name.startswith(f"{folder}/") and name.endswith(".py"):
                        _replace(self.sandbox.output / Path(name).name, store.read(bucket, name))

        thread = threading.Thread(target=copy, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    @contextlib.contextmanager
    def elsewhere(self) -> Iterator[str]:
        """An address by which the plugin does not know that it is the project's own sandbox."""
        with WebServer(lambda request: self._ask(request, request.headers)) as server:
            yield server.url

    @contextlib.contextmanager
    def behind_google(self) -> Iterator[str]:
        """The address of a Composer: Airflow for anyone who shows a token of Google."""

        def known(request: Request) -> bool:
            return request.headers.get("Authorization") == f"Bearer {GOOGLE_TOKEN}"

        with WebServer(self._proxy(known)) as server:
            yield server.url

    @contextlib.contextmanager
    def behind_mwaa(self) -> Iterator[str]:
        """The address of an MWAA: Airflow for anyone who has begun a session with AWS's token."""

        def known(request: Request) -> bool:
            return request.headers.get("Authorization") == f"Bearer {MWAA_SESSION}"

        ask = self._proxy(known)

        def answer(request: Request) -> Reply:
            if request.path != _MWAA_LOG_IN:
                return ask(request)
            if request.body.decode() != f"token={_WEB_TOKEN}":
                return html("no", 403)
            return html("ok", 200, **{"Set-Cookie": f"_token={MWAA_SESSION}; Path=/"})

        with WebServer(answer) as server:
            yield server.url

    def _proxy(self, known: Callable[[Request], bool]) -> Callable[[Request], Reply]:
        token = self.token

        def answer(request: Request) -> Reply:
            if not known(request):
                return Reply(401, {"detail": "Unauthorized"})
            return self._ask(request, {**request.headers, "Authorization": f"Bearer {token}"})

        return answer

    def _ask(self, request: Request, headers: Mapping[str, str]) -> Reply:
        """Airflow's answer to a request that someone has made of us."""
        kept = ("content-type", "authorization")
        got = requests.request(
            request.method,
            f"{self.sandbox.host}{request.target}",
            headers={name: value for name, value in headers.items() if name.lower() in kept},
            data=request.body,
            timeout=WAIT_SECONDS,
            allow_redirects=False,
        )
        kind = {"Content-Type": got.headers.get("Content-Type", "text/plain")}
        return Reply(got.status_code, got.content, kind)


def _replace(file: Path, text: str) -> None:
    if file.exists() and file.read_text("utf-8") == text:
        return
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def start_airflow(python: str, project: Path, secrets: Path) -> Airflow:
    """Start the sandbox of a project as its owner would, with the owner's Python.

    Args:
        python: The Python that has Kedro.
        project: The project.
        secrets: The Secrets of the cluster.
    """
    command = [python, "-m", "kedro", "airflow-k8s", "sandbox", "up", "--secrets", str(secrets)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    found = find_sandbox(project)
    if done.returncode or found is None:
        raise RuntimeError(done.stdout + done.stderr)
    return Airflow(found)


@contextlib.contextmanager
def google_credentials(folder: Path) -> Iterator[dict[str, str]]:
    """What `gcloud auth application-default login` leaves: the environment that leads to it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    reply = Reply(body={"access_token": GOOGLE_TOKEN, "expires_in": 3600})
    with WebServer(lambda request: reply) as tokens:
        account = {
            "type": "service_account",
            "project_id": "shop",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": "shop@example.com",
            "token_uri": f"{tokens.url}/token",
        }
        file = folder / "account.json"
        file.write_text(json.dumps(account))
        yield {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}


@contextlib.contextmanager
def aws_credentials(folder: Path, s3: str) -> Iterator[dict[str, str]]:
    """AWS keys: the environment with which AWS's library asks servers of the test."""
    reply = Reply(body={"WebToken": _WEB_TOKEN, "WebServerHostname": "x.example.com"})
    with WebServer(lambda request: reply) as mwaa:
        file = folder / "aws-config"
        file.write_text("[default]\nregion = eu-central-1\n")
        yield {
            "AWS_CONFIG_FILE": str(file),
            "AWS_ACCESS_KEY_ID": "AKIA-TEST",
            "AWS_SECRET_ACCESS_KEY": "of-the-test",
            "AWS_ENDPOINT_URL_S3": s3,
            "AWS_ENDPOINT_URL_MWAA": mwaa.url,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        }
