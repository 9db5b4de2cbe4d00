"""The JSON objects of an answer, read with their types checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from kedro_airflow_k8s.errors import AirflowApiError

_T = TypeVar("_T")


class Record:
    """A JSON object.

    Every method raises an AirflowApiError where the object is not as Airflow's documents say.

    Args:
        data: The object, or what came in its place.
        source: What it is the answer to, for messages.
    """

    def __init__(self, data: object, source: str) -> None:
        if not isinstance(data, Mapping):
            raise AirflowApiError(f"The answer to {source} is not what Airflow gives: no object.")
        self._data: Mapping[str, Any] = data
        self._source = source

    def __contains__(self, key: str) -> bool:
        return self._data.get(key) is not None

    def plain(self, key: str) -> Any:
        """Whatever is there, or None."""
        return self._data.get(key)

    def text(self, key: str) -> str:
        """A text that must be there."""
        return self._value(key, str)

    def optional_text(self, key: str) -> str | None:
        """A text, or None if there is none."""
        return self.text(key) if key in self else None

    def number(self, key: str) -> int:
        """A whole number that must be there."""
        return self._value(key, int)

    def flag(self, key: str) -> bool:
        """Whether something holds; not if nothing is said of it."""
        return key in self and self._value(key, bool)

    def time(self, key: str) -> datetime | None:
        """A moment with its zone, or None if there is none."""
        if key not in self:
            return None
        # Python 3.10 reads neither the Z nor fractions of other than three or six digits.
        text = self.text(key).replace("Z", "+00:00")
        whole, dot, rest = text.partition(".")
        if dot:
            digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
            text = f"{whole}.{digits[:6]:0<6}{rest[len(digits) :]}"
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise AirflowApiError(
                f"The answer to {self._source} is not what Airflow gives: `{key}` is no time."
            )
        return moment

    def records(self, key: str) -> Iterator[Record]:
        """The objects of a list that must be there."""
        for item in self._value(key, list):
            yield Record(item, self._source)

    def texts(self, key: str) -> list[str]:
        """The texts of a list that must be there."""
        return [text for text in self._value(key, list) if isinstance(text, str)]

    def _value(self, key: str, kind: type[_T]) -> _T:
        value = self._data.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            problem = "is missing" if value is None else f"is no {kind.__name__}"
            raise AirflowApiError(
                f"The answer to {self._source} is not what Airflow gives: `{key}` {problem}."
            )
        return value
