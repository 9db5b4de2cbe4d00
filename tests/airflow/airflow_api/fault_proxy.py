"""A proxy between a client and a server that fails on request."""

from __future__ import annotations

import http.client
import re
import select
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Literal
from urllib.parse import urlsplit

from tests.airflow.airflow_api.web_server import Reply, Request, WebServer
from tests.support.waiting import WAIT_SECONDS


@dataclass
class Fault:
    """Something that goes wrong with a request.

    Attributes:
        act: `answer` with a reply of the proxy's own; `reset` the connection; send `half` of the
            server's body and hang up; `hold` the server's answer back.
        only: A regular expression for the requests it happens to, as in `POST /api/v2/dags`.
        times: How often it happens.
        served: Whether the server gets the request all the same, before the proxy answers.
        reply: The answer, for `answer`.
        seconds: How long to hold; None until the client hangs up.
    """

    act: Literal["answer", "reset", "half", "hold"]
    only: str = ""
    times: int = 1
    served: bool = False
    reply: Reply = field(default_factory=Reply)
    seconds: float | None = None

    def concerns(self, request: Request) -> bool:
        return self.times > 0 and re.search(self.only, str(request)) is not None


class FaultProxy(WebServer):
    """Passes requests on to a server, except where a fault is programmed.

    Attributes:
        faults: What is to go wrong; for each request the first that concerns it counts.
        statuses: How each request was answered, None where it was not.
    """

    def __init__(self, target: str, faults: Iterable[Fault] = ()) -> None:
        super().__init__(self._pass_on)
        self.faults = list(faults)
        self.statuses: list[int | None] = []
        self._target = urlsplit(target)

    def __enter__(self) -> FaultProxy:
        super().__enter__()
        return self

    def seen(self, only: str) -> int:
        """How many requests fit a regular expression."""
        return sum(re.search(only, str(request)) is not None for request in self.requests)

    def handle(self, request: Request, handler: BaseHTTPRequestHandler) -> None:
        fault = next((fault for fault in self.faults if fault.concerns(request)), None)
        if fault is None:
            self._reply(self._pass_on(request), handler)
            return
        fault.times -= 1
        if fault.act in ("answer", "reset"):
            if fault.served:
                self._pass_on(request)
            if fault.act == "answer":
                self._reply(fault.reply, handler)
            else:
                self._reset(handler)
            return
        reply = self._pass_on(request)
        if fault.act == "half":
            self.statuses.append(None)
            self.write(reply, handler, 0.5)
            return
        # Readable means that the client is gone: it has nothing more to say.
        gone, _, _ = select.select([handler.connection], [], [], fault.seconds)
        if gone:
            self.statuses.append(None)
        else:
            self._reply(reply, handler)

    def _reset(self, handler: BaseHTTPRequestHandler) -> None:
        self.statuses.append(None)
        # Without time to linger, TCP sends a reset when the connection is closed.
        option = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        handler.connection.close()

    def _reply(self, reply: Reply, handler: BaseHTTPRequestHandler) -> None:
        self.statuses.append(reply.status)
        self.write(reply, handler)

    def _pass_on(self, request: Request) -> Reply:
        name, port = self._target.hostname or "", self._target.port
        connection = http.client.HTTPConnection(name, port, timeout=WAIT_SECONDS)
        try:
            headers = {
                key: value
                for key, value in request.headers.items()
                # The answer must come as it is: not packed, for half of it to be half a text.
                if key.lower() not in ("host", "connection", "accept-encoding")
            }
            connection.request(request.method, request.target, request.body, headers)
            answer = connection.getresponse()
            skipped = ("transfer-encoding", "content-length", "connection")
            kept = {key: value for key, value in answer.getheaders() if key.lower() not in skipped}
            return Reply(answer.status, answer.read(), kept)
        finally:
            connection.close()
