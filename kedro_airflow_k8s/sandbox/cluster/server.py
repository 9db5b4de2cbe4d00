"""HTTP around the API: on loopback, with keep-alive, streams, and a token."""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from kedro_airflow_k8s.sandbox.cluster.api import Api, Request, Response, Stream
from kedro_airflow_k8s.sandbox.cluster.status import StatusError, bad_request

_LOG = logging.getLogger(__name__)
_LARGEST_BODY = 3 << 20  # as an API server with its default settings
_STOP_SECONDS = 10.0
_STOP_CHECK_SECONDS = 0.05


class ApiServer(ThreadingHTTPServer):
    """Serves an API on 127.0.0.1.

    Every request needs the token: pods are commands, and without it any web page in a browser on
    this machine, and any other user of it, could have them executed.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, api: Api, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api
        self.closing = False
        self._token = token
        self._guard = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._acceptor = threading.Thread(
            target=self.serve_forever, args=(_STOP_CHECK_SECONDS,), name="kubernetes api"
        )

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name, which may take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def start(self) -> None:
        """Serve in another thread."""
        self._acceptor.daemon = True
        self._acceptor.start()

    def stop(self) -> None:
        """End all connections and threads."""
        self.closing = True
        self.shutdown()
        self._acceptor.join(_STOP_SECONDS)
        self.server_close()
        with self._guard:
            open_ones = dict(self._connections)
        for connection, thread in open_ones.items():
            with contextlib.suppress(OSError):  # closed from the other side
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(_STOP_SECONDS)

    def is_allowed(self, authorization: str) -> bool:
        """Return whether an Authorization header holds the token."""
        scheme, _, token = authorization.partition(" ")
        # Kubernetes' own client writes the scheme in lower case when it runs in a cluster.
        known = hmac.compare_digest(token.encode(), self._token.encode())
        return known and scheme.lower() == "bearer"

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection (called in its thread)."""
        with self._guard:
            self._connections[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._guard:
                del self._connections[request]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log that a connection broke; clients of the sandbox end at any time."""
        _LOG.debug("A connection to the sandbox's API broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "kedro-airflow-k8s-sandbox"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: ApiServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        _LOG.debug(format, *args)

    def _serve(self) -> None:
        try:
            # The body is read in any case: the next request on the connection comes after it.
            body = self._read_body()
            answer = self._answer(body)
        except StatusError as error:
            answer = Response(error.code, error.body())
        except Exception as error:  # noqa: BLE001 - the connection goes on, as with any server
            _LOG.exception("%s %s failed", self.command, self.path)
            status = StatusError(500, "InternalError", f"{type(error).__name__}: {error}")
            answer = Response(500, status.body())
        if isinstance(answer, Response):
            self._send(answer)
        else:
            self._send_stream(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - as the base class asks

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length") or "0"
        chunked = self.headers.get("Transfer-Encoding")
        if chunked or not length.isdigit() or int(length) > _LARGEST_BODY:
            self.close_connection = True
            message = f"the body must have a Content-Length of at most {_LARGEST_BODY}"
            raise StatusError(413, "RequestEntityTooLarge", message)
        return self.rfile.read(int(length))

    def _answer(self, body: bytes) -> Response | Stream:
        if not self.server.is_allowed(self.headers.get("Authorization") or ""):
            raise StatusError(401, "Unauthorized", "Unauthorized")
        url = urlsplit(self.path)
        try:
            content = json.loads(body) if body else None
        except ValueError as error:
            raise bad_request(f"the body is not JSON: {error}") from None
        request = Request(
            method=self.command,
            path=unquote(url.path),
            query=dict(parse_qsl(url.query)),
            body=content,
            content_type=self.headers.get_content_type(),
            gone=self._is_gone,
        )
        return self.server.api.answer(request)

    def _is_gone(self) -> bool:
        if self.server.closing:
            return True
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def _send(self, answer: Response) -> None:
        body = json.dumps(answer.body).encode()
        self.send_response(answer.code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_stream(self, answer: Stream) -> None:
        self.send_response(200)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for piece in answer.pieces:
            if piece:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
