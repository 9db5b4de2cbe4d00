"""The objects of the cluster, with versions, and the history that watches follow."""

from __future__ import annotations

import copy
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from kedro_airflow_k8s.sandbox.cluster.status import (
    Object,
    StatusError,
    already_exists,
    not_found,
)

_HISTORY = 10_000


def timestamp(moment: datetime | None = None) -> str:
    """A moment (default: now) as Kubernetes writes it, in whole seconds of UTC."""
    return (moment or datetime.now(timezone.utc)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Change:
    """One step in the life of an object; `before` is None at its birth, `after` at its end."""

    version: int
    plural: str
    before: Object | None
    after: Object | None


class Store:
    """Holds every object. Objects it hands out are shared: only `update` may change them.

    Attributes:
        changed: Guards everything here, and is notified at every change.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._history: deque[Change] = deque(maxlen=_HISTORY)
        self._version = 1

    @property
    def version(self) -> int:
        """The `resourceVersion` of the last change."""
        return self._version

    def create(self, plural: str, body: Object) -> Object:
        """Keep a new object, with the metadata that an API server adds.

        Raises:
            StatusError: 409, there is one of that name in the namespace.
        """
        item = copy.deepcopy(body)
        metadata = item["metadata"]
        key = (plural, metadata["namespace"], metadata["name"])
        with self.changed:
            if key in self._objects:
                raise already_exists(plural, metadata["name"])
            metadata["uid"] = str(uuid.uuid4())
            metadata["creationTimestamp"] = timestamp()
            return self._record(key, None, item)

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        """The object, or None."""
        with self.changed:
            return self._objects.get((plural, namespace, name))

    def get(self, plural: str, namespace: str, name: str) -> Object:
        """The object.

        Raises:
            StatusError: 404, there is none.
        """
        item = self.find(plural, namespace, name)
        if item is None:
            raise not_found(plural, name)
        return item

    def all(self, plural: str, namespace: str | None = None) -> list[Object]:
        """The objects of a kind, in one namespace or (None) in all, ordered by name."""
        with self.changed:
            keys = sorted(k for k in self._objects if k[0] == plural and namespace in (None, k[1]))
            return [self._objects[key] for key in keys]

    def update(
        self, plural: str, namespace: str, name: str, edit: Callable[[Object], Object | None]
    ) -> Object:
        """Let `edit` change a copy of the object (or return another) and keep the result.

        Raises:
            StatusError: 404, there is none; or whatever `edit` raises.
        """
        with self.changed:
            before = self.get(plural, namespace, name)
            after = copy.deepcopy(before)
            after = edit(after) or after
            if after == before:
                return before
            return self._record((plural, namespace, name), before, after)

    def remove(self, plural: str, namespace: str, name: str) -> Object:
        """Forget the object.

        Raises:
            StatusError: 404, there is none.
        """
        with self.changed:
            before = self.get(plural, namespace, name)
            self._record((plural, namespace, name), before, None)
            return before

    def since(self, version: int) -> list[Change]:
        """The changes after a version, oldest first.

        Raises:
            StatusError: 410, the version is too old to tell.
        """
        with self.changed:
            if self._history and version < self._history[0].version - 1 and self._is_full():
                raise StatusError(410, "Expired", f"too old resource version: {version}")
            newer = []
            for change in reversed(self._history):
                if change.version <= version:
                    break
                newer.append(change)
            return newer[::-1]

    def _is_full(self) -> bool:
        return len(self._history) == self._history.maxlen

    def _record(
        self, key: tuple[str, str, str], before: Object | None, after: Object | None
    ) -> Object:
        self._version += 1
        if after is None:
            del self._objects[key]
        else:
            after["metadata"]["resourceVersion"] = str(self._version)
            self._objects[key] = after
        self._history.append(Change(self._version, key[0], before, after))
        self.changed.notify_all()
        return after or before or {}
