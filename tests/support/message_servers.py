"""Servers on this machine that take messages: HTTP posts of JSON, and mail by SMTP."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class HttpReceiver(ThreadingHTTPServer):
    """Keeps each post with its path; answers 500 to those whose path says so."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.users: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def at(self, path: str) -> list[dict[str, Any]]:
        """The bodies that were posted to a path."""
        return [body for where, body in self.posts if where == path]


class _Post(BaseHTTPRequestHandler):
    server: HttpReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((self.path, json.loads(body)))
        self.server.users.append(self.headers.get("Authorization"))
        self.send_response(500 if "500" in self.path else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


class SmtpReceiver(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as smtplib needs (RFC 5321), and keeps the mails."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Dialogue)
        self.mails: list[Message] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Dialogue(socketserver.StreamRequestHandler):
    server: SmtpReceiver

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "DATA":
                self._say("354 go on")
                self.server.mails.append(message_from_string(self._text()))
            self._say({"EHLO": "250 here", "QUIT": "221 bye"}.get(verb, "250 ok"))
            if verb == "QUIT":
                return

    def _text(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
            lines.append(line.removeprefix(".") if line.startswith("..") else line)
        return "\n".join(lines)

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    """Let a server answer in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
