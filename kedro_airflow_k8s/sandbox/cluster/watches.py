"""Watches: the changes of the objects in a list, as they happen."""

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
    """The objects to watch: those of a kind in a namespace that match."""

    store: Store
    plural: str
    namespace: str
    matches: Matcher

    def events(
        self, version: int, seconds: int | None, gone: Callable[[], bool]
    ) -> Iterator[bytes]:
        """Yield the events, one per line; some pieces are empty.

        Args:
            version: Begin after this version; 0 begins with the objects that exist.
            seconds: How long to watch (default: half an hour).
            gone: Tells whether the client has disconnected, which ends the watch.
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
                    changes = self.store.since(version)
                    if not changes:
                        self.store.changed.wait(min(left, _CHECK_SECONDS))
            except StatusError as error:
                yield _event("ERROR", error.body())
                return
            for change in changes:
                version = change.version
                yield self._seen(change)

    def _seen(self, change: Change) -> bytes:
        """Return the event of a change; an object comes and goes with its match."""
        if change.plural != self.plural:
            return b""
        before, after = self._watched(change.before), self._watched(change.after)
        if after is not None:
            return _event("ADDED" if before is None else "MODIFIED", after)
        # As in an API server, the last state is the one that does not match any more.
        return b"" if before is None else _event("DELETED", change.after or before)

    def _watched(self, item: Object | None) -> Object | None:
        if item and item["metadata"]["namespace"] == self.namespace and self.matches(item):
            return item
        return None


def _event(kind: str, item: Object) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"
