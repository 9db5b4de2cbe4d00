"""Faults of a Kubernetes API that do not happen on demand: a proxy before the sandbox's."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Fault:
    """What happens to requests of a verb.

    Attributes:
        status: The answer's status; None: the connection is dropped without an answer.
        carried_out: Whether the cluster does what was asked, before the answer goes wrong.
        message: What the answer says.
    """

    status: int | None
    carried_out: bool = False
    message: str = "the server says no"


class FaultyApi:
    """Passes requests on to a Kubernetes API, except those that are to go wrong.

    Args:
        url: Where that API is.
        faults: What goes wrong, by verb or by verb and beginning of the path.
        seen: Called with each verb before its request is passed on.
        tls: With which to listen, if at all.
        seen_path: Called with each verb and path.
    """

    def __init__(
        self,
        url: str,
        faults: dict[str, Fault],
        seen: Callable[[str], None] = lambda _: None,
        tls: ssl.SSLContext | None = None,
        seen_path: Callable[[str], None] = lambda _: None,
    ) -> None:
        target = urlsplit(url).netloc

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                seen(self.command)
                seen_path(f"{self.command} {self.path}")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = f"{self.command} {self.path}"
                fault = next((f for start, f in faults.items() if request.startswith(start)), None)
                status, answer = 0, b""
                if fault is None or fault.carried_out:
                    status, answer = self.forward(body)
                if fault is not None:
                    if fault.status is None:
                        self.close_connection = True
                        return
                    status, answer = fault.status, _status(fault.status, fault.message)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def forward(self, body: bytes) -> tuple[int, bytes]:
                connection = http.client.HTTPConnection(target)
                headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                answer = response.status, response.read()
                connection.close()
                return answer

            do_GET = do_POST = do_DELETE = do_PATCH = handle_any  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> FaultyApi:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


def _status(code: int, message: str) -> bytes:
    return json.dumps({"kind": "Status", "code": code, "message": message}).encode()
