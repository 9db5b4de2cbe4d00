"""A web server in the test's own process that answers whatever a test wants."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client has sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path as it was sent, without the query."""
        return urlsplit(self.target).path

    @property
    def parts(self) -> list[str]:
        """The path in its decoded parts."""
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Reply:
    """What to answer. A body that is not bytes is sent as JSON."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    @property
    def all_headers(self) -> dict[str, str]:
        kind = {} if isinstance(self.body, bytes) else {"Content-Type": "application/json"}
        return {**kind, "Content-Length": str(len(self.content)), **self.headers}


def html(text: str, status: int = 200, **headers: str) -> Reply:
    """A page for browsers."""
    return Reply(status, text.encode(), {"Content-Type": "text/html; charset=utf-8", **headers})


class WebServer:
    """Answers with what a function makes of a request, on a free port while the block runs.

    Attributes:
        url: Its base address.
        requests: What it has got, in order.
    """

    def __init__(
        self, answer: Callable[[Request], Reply], context: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[Request] = []
        self._answer = answer
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if self.raw_requestline and self.parse_request():
                    length = int(self.headers.get("Content-Length") or 0)
                    body = self.rfile.read(length)
                    request = Request(self.command, self.path, dict(self.headers.items()), body)
                    server.requests.append(request)
                    server.handle(request, self)
                self.close_connection = True

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def handle(self, request: Request, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request over its connection."""
        self.write(self._answer(request), handler)

    @staticmethod
    def write(reply: Reply, handler: BaseHTTPRequestHandler, part: float = 1.0) -> None:
        """Send an answer, or the first part of its body."""
        handler.send_response(reply.status)
        for name, value in reply.all_headers.items():
            handler.send_header(name, value)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(reply.content[: int(len(reply.content) * part)])
        handler.wfile.flush()

    def __enter__(self) -> WebServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
