"""Rights on Kubernetes as the RBAC manifest gives them, and requests as RBAC sees them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

MANIFEST = Path(__file__).resolve().parents[2] / "examples/kubernetes/airflow-rbac.yaml"

_PATH = re.compile(
    r"/api/v1/namespaces/(?P<namespace>[^/]+)/(?P<plural>\w+)(?:/(?P<name>[^/]+)(?P<sub>/\w+)?)?"
)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


class Right(NamedTuple):
    """Something that a rule allows: in the core API group, in one namespace."""

    verb: str
    resource: str


@dataclass(frozen=True)
class Manifest:
    """The parts of the manifest.

    Attributes:
        documents: All of them, in their order.
    """

    documents: tuple[dict[str, Any], ...]

    def of_kind(self, kind: str) -> dict[str, Any]:
        """The one document of a kind."""
        (found,) = (document for document in self.documents if document["kind"] == kind)
        return found

    @property
    def rights(self) -> set[Right]:
        """What its role allows."""
        rules = self.of_kind("Role")["rules"]
        assert all(rule["apiGroups"] == [""] and len(rule) == 3 for rule in rules)
        return {Right(v, r) for rule in rules for r in rule["resources"] for v in rule["verbs"]}


def read_manifest() -> Manifest:
    """The manifest of the repository."""
    return Manifest(tuple(yaml.safe_load_all(MANIFEST.read_text("utf-8"))))


def is_discovery(method: str, path: str) -> bool:
    """Whether a request asks which kinds there are, which every account may.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#discovery-roles
    """
    return method == "GET" and path in ("/version", "/api", "/apis", "/api/v1")


def right_for(method: str, path: str, query: Mapping[str, str]) -> Right | None:
    """The right that a request needs; None if it is for no object of a namespace.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb
    """
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    one = found["name"] is not None
    if method == "GET":
        watches = query.get("watch", "").lower() in ("true", "1", "t")
        verb = "watch" if watches else "get" if one else "list"
    elif method == "DELETE":
        verb = "delete" if one else "deletecollection"
    else:
        verb = _VERBS[method]
    return Right(verb, found["plural"] + (found["sub"] or ""))
