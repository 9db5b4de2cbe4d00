"""Watches: lists that go on telling what changes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kedro_airflow_k8s.sandbox.cluster.selectors import Matcher
from kedro_airflow_k8s.sandbox.cluster.status import Object, StatusError
from kedro_airflow_k8s.sandbox.cluster.store import Change, Store

_SECONDS = 1800
_CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class Watch:
    """What is watched: the objects of a kind, of one namespace or (None) all, that match."""

    store: Store
    plural: str
    namespace: str | None
    matches: Matcher

    def events(
        self, version: int, seconds: int | None, gone: Callable[[], bool]
    ) -> Iterator[bytes]:
        """The events, each on a line, in pieces; an empty piece means nothing.

        Args:
            version: Tell what came after this version; 0: begin with what is there.
            seconds: For how long (default: half an hour).
            gone: Asked now and then while waiting; true ends the watch.
        """
        end = time.monotonic() + (_SECONDS if seconds is None else seconds)
        if not version:
            with self.store.changed:
                version = self.store.version
                present = self.store.all(self.plural, self.namespace)
            yield b"".join(_event("ADDED", item) for item in present if self.matches(item))
        while (left := end - time.monotonic()) > 0 and not gone():
            try:
                with self.store.changed:
                    news = self.store.since(version)
                    if not news:
                        self.store.changed.wait(min(left, _CHECK_SECONDS))
            except StatusError as error:
                yield _event("ERROR", error.body())
                return
            for change in news:
                version = change.version
                if change.plural == self.plural:
                    yield self._seen(change)

    def _seen(self, change: Change) -> bytes:
        """A change as the watcher sees it, to whom objects appear and vanish with the selector."""
        before, after = self._watched(change.before), self._watched(change.after)
        if after is not None:
            return _event("ADDED" if before is None else "MODIFIED", after)
        # The last state is the one that does not match any more, as an API server has it.
        return b"" if before is None else _event("DELETED", change.after or before)

    def _watched(self, item: Object | None) -> Object | None:
        if item is None or self.namespace not in (None, item["metadata"]["namespace"]):
            return None
        return item if self.matches(item) else None


def _event(kind: str, item: Object) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"
