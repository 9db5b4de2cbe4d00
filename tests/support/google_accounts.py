"""Google as google-auth sees it: the metadata server of a machine, and where keys get tokens."""

from __future__ import annotations

import base64
import itertools
import json
import time
from pathlib import Path
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.airflow.airflow_api.web_server import Reply, Request, WebServer

EMAIL = "runner@project.iam.gserviceaccount.com"


class GoogleAccounts(WebServer):
    """Gives a new id token to anyone who asks: id tokens of no value, as no one has signed them.

    Attributes:
        tokens: Those given, in order.
    """

    def __init__(self) -> None:
        super().__init__(self._google)
        self.tokens: list[str] = []
        self._numbers = itertools.count(1)

    def __enter__(self) -> GoogleAccounts:
        super().__enter__()
        return self

    @property
    def metadata_variables(self) -> dict[str, str]:
        """With which google-auth takes this for the metadata server of the machine."""
        place = self.url.removeprefix("http://")
        # The host is read when google-auth is imported, and must not be asked by a proxy.
        return {
            "GCE_METADATA_HOST": place,
            "GCE_METADATA_IP": place,
            "GOOGLE_APPLICATION_CREDENTIALS": "",
            "NO_PROXY": "127.0.0.1",
        }

    def key_file(self, folder: Path) -> Path:
        """The key of a service account, whose tokens are available here."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        file = folder / "key.json"
        content = {"type": "service_account", "client_email": EMAIL, "private_key": text}
        file.write_text(json.dumps({**content, "token_uri": f"{self.url}/token"}))
        return file

    @property
    def audiences(self) -> list[str]:
        """Whom the tokens are for."""
        return [str(_claims(token)["aud"]) for token in self.tokens]

    def _google(self, request: Request) -> Reply:
        flavor = {"Metadata-Flavor": "Google", "Content-Type": "application/text"}
        if request.path == "/token":
            assertion = parse_qs(request.body.decode())["assertion"][0]
            return Reply(200, {"id_token": self._token(str(_claims(assertion)["target_audience"]))})
        if request.path.endswith("/identity"):
            return Reply(200, self._token(request.query["audience"][0]).encode(), flavor)
        if "service-accounts" in request.path:
            email = json.dumps({"email": EMAIL}).encode()
            return Reply(200, email, {**flavor, "Content-Type": "application/json"})
        return Reply(200, b"computeMetadata/\n", flavor)

    def _token(self, audience: str) -> str:
        claims = {"aud": audience, "exp": int(time.time()) + 3600, "jti": next(self._numbers)}
        self.tokens.append(f"{_part({'alg': 'none'})}.{_part(claims)}.{_part('signature')}")
        return self.tokens[-1]


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _claims(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found
