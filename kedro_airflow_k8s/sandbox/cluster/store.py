"""The objects of the cluster, with versions, and the history that watches follow."""

from __future__ import annotations

import copy
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import takewhile

from kedro_airflow_k8s.sandbox.cluster.status import Object, StatusError

_HISTORY = 10_000


def timestamp() -> str:
    """Return the time now as Kubernetes writes it, in whole seconds of UTC."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Change:
    """A change of an object; `before` is None when it is created, `after` when it is deleted."""

    version: int
    plural: str
    before: Object | None
    after: Object | None


class Store:
    """Holds every object. Objects that it returns are shared: only `update` may change them.

    Attributes:
        changed: Guards the objects, and is notified at every change.
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
        """Add an object, with the metadata that an API server sets.

        Raises:
            StatusError: 409, the namespace has an object with that name.
        """
        item = copy.deepcopy(body)
        metadata = item["metadata"]
        key = (plural, metadata["namespace"], metadata["name"])
        with self.changed:
            if key in self._objects:
                text = f'{plural} "{metadata["name"]}" already exists'
                raise StatusError(409, "AlreadyExists", text, _details(plural, metadata["name"]))
            metadata["uid"] = str(uuid.uuid4())
            metadata["creationTimestamp"] = timestamp()
            metadata.pop("deletionTimestamp", None)
            return self._record(key, None, item)

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        """Return an object, or None if it does not exist."""
        with self.changed:
            return self._objects.get((plural, namespace, name))

    def get(self, plural: str, namespace: str, name: str) -> Object:
        """Return an object.

        Raises:
            StatusError: 404, it does not exist.
        """
        item = self.find(plural, namespace, name)
        if item is None:
            text = f'{plural} "{name}" not found'
            raise StatusError(404, "NotFound", text, _details(plural, name))
        return item

    def all(self, plural: str, namespace: str | None = None) -> list[Object]:
        """Return the objects of a kind, in one namespace or (None) in all, oldest first."""
        with self.changed:
            return [
                item
                for key, item in self._objects.items()
                if key[0] == plural and namespace in (None, key[1])
            ]

    def update(
        self, plural: str, namespace: str, name: str, edit: Callable[[Object], None]
    ) -> Object:
        """Let `edit` change a copy of an object, store the copy and return it.

        Raises:
            StatusError: 404, the object does not exist; or what `edit` raises.
        """
        with self.changed:
            before = self.get(plural, namespace, name)
            after = copy.deepcopy(before)
            edit(after)
            if after == before:
                return before
            return self._record((plural, namespace, name), before, after)

    def remove(self, plural: str, namespace: str, name: str) -> Object:
        """Remove an object and return it.

        Raises:
            StatusError: 404, it does not exist.
        """
        with self.changed:
            before = self.get(plural, namespace, name)
            return self._record((plural, namespace, name), before, None)

    def since(self, version: int) -> list[Change]:
        """Return the changes after a version, oldest first.

        Raises:
            StatusError: 410, the history does not reach back to the version.
        """
        with self.changed:
            if len(self._history) == _HISTORY and version < self._history[0].version - 1:
                raise StatusError(410, "Expired", f"too old resource version: {version}")
            return [*takewhile(lambda c: c.version > version, reversed(self._history))][::-1]

    def _record(
        self, key: tuple[str, str, str], before: Object | None, after: Object | None
    ) -> Object:
        self._version += 1
        if after is None:
            item = self._objects.pop(key)
        else:
            item = self._objects[key] = after
            item["metadata"]["resourceVersion"] = str(self._version)
        self._history.append(Change(self._version, key[0], before, after))
        self.changed.notify_all()
        return item


def _details(plural: str, name: str) -> Object:
    return {"name": name, "kind": plural}
