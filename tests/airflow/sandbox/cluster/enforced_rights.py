"""The rights of an RBAC role, enforced by the sandbox's API, which grants all by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kedro_airflow_k8s.sandbox.cluster.api import Api, Request, Response, Stream
from kedro_airflow_k8s.sandbox.cluster.status import StatusError
from tests.support.rbac import Right, is_discovery, right_for


class Refusals:
    """An API server that grants rights by the role, and remembers which were needed.

    Attributes:
        needed: Every right that a request has needed.
        elsewhere: Requests that no role of the namespace can allow.
    """

    def __init__(self, rights: set[Right], namespace: str) -> None:
        self.rights = rights
        self.namespace = namespace
        self.needed: set[Right] = set()
        self.elsewhere: set[str] = set()

    def check(self, request: Request) -> None:
        """Refuse a request as an API server with RBAC does.

        Raises:
            StatusError: 403, the role does not allow it.
        """
        if is_discovery(request.method, request.path):
            return
        right = right_for(request.method, request.path, request.query)
        if right is None or f"/namespaces/{self.namespace}/" not in request.path:
            self.elsewhere.add(f"{request.method} {request.path}")
            raise StatusError(403, "Forbidden", f"{request.path} is forbidden")
        self.needed.add(right)
        if right not in self.rights:
            message = f'{right.resource} is forbidden: User "airflow" cannot {right.verb} it'
            raise StatusError(403, "Forbidden", message)


@contextmanager
def enforced(rights: set[Right], namespace: str) -> Iterator[Refusals]:
    """Let the sandbox's Kubernetes API grant these rights in a namespace, and no others."""
    refusals = Refusals(rights, namespace)
    answer = Api.answer

    def checked(self: Api, request: Request) -> Response | Stream:
        refusals.check(request)
        return answer(self, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Api, "answer", checked)
        yield refusals
