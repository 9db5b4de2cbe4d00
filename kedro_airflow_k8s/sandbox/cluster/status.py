"""The errors of the Kubernetes API: a request that fails is answered with a `Status` object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object, or a part of one, as it is in JSON."""


@dataclass(frozen=True)
class Cause:
    """One thing wrong with an object: the path of the field and what is wrong with it."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


class StatusError(Exception):
    """A request that cannot be fulfilled, with the HTTP code and reason a real API server gives."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details or {}

    def body(self) -> Object:
        """The `Status` object that clients read."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }


def bad_request(message: str) -> StatusError:
    """The request itself makes no sense, for instance a number where a text belongs."""
    return StatusError(400, "BadRequest", message)


def not_found(plural: str, name: str) -> StatusError:
    """No such object."""
    return StatusError(
        404, "NotFound", f'{plural} "{name}" not found', {"name": name, "kind": plural}
    )


def already_exists(plural: str, name: str) -> StatusError:
    """An object of that name is there already."""
    details = {"name": name, "kind": plural}
    return StatusError(409, "AlreadyExists", f'{plural} "{name}" already exists', details)


def conflict(plural: str, name: str, why: str) -> StatusError:
    """The object is not in the state that the request supposes."""
    details = {"name": name, "kind": plural}
    message = f'Operation cannot be fulfilled on {plural} "{name}": {why}'
    return StatusError(409, "Conflict", message, details)


def invalid(kind: str, name: str, causes: Sequence[Cause]) -> StatusError:
    """The object breaks rules of the API; all of them are named."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {
        "name": name,
        "kind": kind,
        "causes": [
            {"reason": cause.reason, "message": cause.message, "field": cause.field}
            for cause in causes
        ],
    }
    return StatusError(422, "Invalid", f'{kind} "{name}" is invalid: {listed}', details)
