"""The errors of the Kubernetes API: a request that fails is answered with a `Status` object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object, or a part of one, as it is in JSON."""


class StatusError(Exception):
    """A request that fails, with the HTTP code and the reason that an API server gives."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details or {}

    def body(self) -> Object:
        """Return the `Status` object that clients read."""
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
    """Return the error of a malformed request."""
    return StatusError(400, "BadRequest", message)


def not_found(plural: str, name: str) -> StatusError:
    """Return the error of an object that does not exist."""
    details = {"name": name, "kind": plural}
    return StatusError(404, "NotFound", f'{plural} "{name}" not found', details)


def already_exists(plural: str, name: str) -> StatusError:
    """Return the error of a second object with the same name."""
    details = {"name": name, "kind": plural}
    return StatusError(409, "AlreadyExists", f'{plural} "{name}" already exists', details)


def conflict(plural: str, name: str, why: str) -> StatusError:
    """Return the error of an object that is not in the state that the request requires."""
    details = {"name": name, "kind": plural}
    message = f'Operation cannot be fulfilled on {plural} "{name}": {why}'
    return StatusError(409, "Conflict", message, details)


def invalid(kind: str, name: str, problems: Sequence[str]) -> StatusError:
    """Return the error of an object that breaks rules; each problem begins with a field."""
    listed = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
    details = {"name": name, "kind": kind}
    return StatusError(422, "Invalid", f'{kind} "{name}" is invalid: {listed}', details)
