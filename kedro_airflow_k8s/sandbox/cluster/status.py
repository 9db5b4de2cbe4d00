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


def invalid(kind: str, name: str, problems: Sequence[str]) -> StatusError:
    """Return the error of an object that breaks rules; each problem begins with a field."""
    listed = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
    details = {"name": name, "kind": kind}
    return StatusError(422, "Invalid", f'{kind} "{name}" is invalid: {listed}', details)
