"""Requests to paths of Airflow's API."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from semver import Version

from kedro_airflow_k8s.airflow_api.records import Page
from kedro_airflow_k8s.airflow_api.transport import Answer, Transport

ItemT = TypeVar("ItemT")

PAGE = 100
"""The most items that a server returns at once by default ([api] maximum_page_limit)."""


class Requests(ABC):
    """Requests to one server.

    Attributes:
        host: Its base address, without a slash at the end.
        version: Its version.
    """

    host: str
    version: Version
    api: str
    """Where the API is, below the base address."""

    def __init__(self, transport: Transport, version: Version) -> None:
        self.host = transport.host
        self.version = version
        self._transport = transport

    def _path(self, *parts: str) -> str:
        """Return a path of the API; ids may hold any characters."""
        return "/".join([self.api, *(quote(part, safe="~") for part in parts)])

    def _get(self, *parts: str) -> Answer:
        return self._transport.get(self._path(*parts))

    def _send(self, method: str, *parts: str, json: Mapping[str, Any]) -> Answer:
        return self._transport.send(method, self._path(*parts), json=json)

    def _items(self, kind: type[ItemT], path: str, **params: Any) -> Iterator[ItemT]:
        """Yield the items of a list. If the list changes meanwhile, an item may come twice."""
        offset, before = 0, 0
        while True:
            answer = self._transport.get(path, params={**params, "limit": PAGE, "offset": offset})
            page = answer.read(Page[kind])  # type: ignore[valid-type]
            yield from page.items
            # Items removed since the last page have moved the rest forward by as many places: read
            # again from there. The server may also return fewer items than requested.
            gone = before - page.total_entries
            before = page.total_entries
            if gone > 0:
                offset = max(0, offset - gone)
                continue
            offset += len(page.items)
            if not page.items or offset >= page.total_entries:
                return
