"""What the cluster says of its objects, while the tests go on: their states, the last one too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from kubernetes.client.exceptions import ApiException
from kubernetes.watch import Watch
from typing_extensions import Self
from urllib3.exceptions import HTTPError

Found = TypeVar("Found")

WAIT_SECONDS = 300.0
_WATCH_SECONDS = 20
_REST_SECONDS = 0.2
_CHECK_SECONDS = 1.0


class Records:
    """All objects of a kind in a namespace, those that are gone as they were seen last.

    Args:
        listing: The client's method that lists the kind, such as `list_namespaced_pod`.
        namespace: Where.
        notice: Called with each object whenever it is seen, in another thread.
    """

    def __init__(
        self,
        listing: Callable[..., Any],
        namespace: str,
        notice: Callable[[Any], None] = lambda _: None,
    ) -> None:
        self._listing = listing
        self._notice = notice
        self._namespace = namespace
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._seen: dict[str, Any] = {}
        self._there: set[str] = set()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def all(self, **labels: str) -> list[Any]:
        """The objects with these labels, in the order of their creation, whether there or gone."""
        with self._changed:
            return [
                item
                for item in self._seen.values()
                if labels.items() <= (item.metadata.labels or {}).items()
            ]

    def there(self) -> list[str]:
        """The names of those that have not gone."""
        with self._changed:
            return sorted(self._there)

    def has_seen(self, name: str) -> bool:
        """Whether an object is or was there. The cluster tells a little later than it acts."""
        with self._changed:
            return name in self._seen

    def last(self, name: str) -> Any:
        """An object as it was seen last."""
        with self._changed:
            return self._seen[name]

    def wait_for(
        self,
        find: Callable[[], Found | None],
        what: str,
        check: Callable[[], None] = lambda: None,
    ) -> Found:
        """The first answer that is not empty; asked again whenever an object changes.

        Args:
            find: What is asked.
            what: What is waited for, in words.
            check: Called now and then; raises where waiting is of no use.

        Raises:
            TimeoutError: There is none in time.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        with self._changed:
            while not (found := find()):
                self._changed.wait(timeout=_CHECK_SECONDS)
                check()
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not within {WAIT_SECONDS:.0f} seconds: {what}")
        return found

    def wait_until_gone(self, what: str) -> None:
        """Wait until nothing is there."""
        self.wait_for(lambda: not self._there, what)

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                listed = self._listing(self._namespace, _request_timeout=10)
                self._note_all(listed.items)
                events = Watch().stream(
                    self._listing,
                    self._namespace,
                    resource_version=listed.metadata.resource_version,
                    timeout_seconds=_WATCH_SECONDS,
                )
                for event in events:
                    if event["type"] == "ERROR":  # The version is too old: list again.
                        break
                    self._note(event["object"], gone=event["type"] == "DELETED")
                    if self._ended.is_set():
                        break
            except (ApiException, HTTPError, OSError):
                # The tests restart the API server: the next list tells what was missed.
                self._ended.wait(_REST_SECONDS)

    def _note_all(self, items: list[Any]) -> None:
        with self._changed:
            self._there &= {item.metadata.name for item in items}
            for item in items:
                self._note(item, gone=False)
            self._changed.notify_all()

    def _note(self, item: Any, *, gone: bool) -> None:
        self._notice(item)
        with self._changed:
            name = item.metadata.name
            self._seen[name] = item
            (self._there.discard if gone else self._there.add)(name)
            self._changed.notify_all()
