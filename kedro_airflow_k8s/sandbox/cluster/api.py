"""The requests that the sandbox's Kubernetes API answers, without the HTTP around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kedro_airflow_k8s.sandbox.cluster import manifests, pod_status
from kedro_airflow_k8s.sandbox.cluster.discovery import CLAIMS, CREATED, DISCOVERY, KINDS, PODS
from kedro_airflow_k8s.sandbox.cluster.logs import LogQuery
from kedro_airflow_k8s.sandbox.cluster.node import Node
from kedro_airflow_k8s.sandbox.cluster.runner import Machine
from kedro_airflow_k8s.sandbox.cluster.selectors import field_selector, label_selector
from kedro_airflow_k8s.sandbox.cluster.status import Object, StatusError, bad_request, invalid
from kedro_airflow_k8s.sandbox.cluster.watches import Watch

_PATH = re.compile(
    r"/api/v1/namespaces/(?P<namespace>[^/]+)/(?P<plural>[a-z]+)"
    r"(?:/(?P<name>[^/]+)(?:/(?P<sub>[a-z]+))?)?"
)
_STRATEGIC = "application/strategic-merge-patch+json"
_PATCHED = ("labels", "annotations", "finalizers")


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        method: The HTTP verb.
        path: The path, unquoted.
        query: The query parameters.
        body: The JSON body, or None.
        content_type: The type of the body.
        gone: Tells whether the client has disconnected.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    gone: Callable[[], bool] = lambda: False

    def flag(self, name: str) -> bool:
        """Return a query parameter that is true or false (clients write True, true or 1)."""
        return self.query.get(name, "").lower() in ("true", "1", "t")

    def number(self, name: str) -> int | None:
        """Return a query parameter that is a whole number, not negative."""
        text = self.query.get(name, "")
        if text and not re.fullmatch(r"\d{1,9}", text):
            raise bad_request(f"{name} must be a whole number of at most 9 digits, found {text!r}")
        return int(text) if text else None


@dataclass(frozen=True)
class Response:
    """A JSON answer."""

    code: int
    body: Object


@dataclass(frozen=True)
class Stream:
    """An answer in pieces that may take a while."""

    content_type: str
    pieces: Iterator[bytes]


class Api:
    """Answers requests about the objects of a cluster.

    Args:
        machine: The objects, and what pods run on.
        node: Runs the pods.
    """

    def __init__(self, machine: Machine, node: Node) -> None:
        self._home = machine.image.home
        self._store = machine.store
        self._volumes = machine.volumes
        self._node = node

    def answer(self, request: Request) -> Response | Stream:
        """Answer a request.

        Raises:
            StatusError: The request fails.
        """
        path = request.path.rstrip("/")
        if path in DISCOVERY and request.method == "GET":
            return Response(200, DISCOVERY[path])
        found = _PATH.fullmatch(path)
        if not found or found["plural"] not in KINDS:
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        if request.query.get("dryRun"):
            raise bad_request("the sandbox does not support dryRun")
        plural, namespace, name, sub = found.group("plural", "namespace", "name", "sub")
        writable = plural in CREATED
        match request.method, name, sub:
            case "GET", None, None:
                return self._list(request, plural, namespace)
            case "GET", str(), None:
                return Response(200, self._store.get(plural, namespace, name))
            case "GET", str(), "log" if plural == PODS:
                return self._log(request, self._store.get(plural, namespace, name))
            case ("POST", None, None) | ("POST", str(), "eviction") if writable:
                return Response(201, self._post(plural, namespace, name, request.body))
            case "PATCH", str(), None if writable:
                return Response(200, self._patch(plural, namespace, name, request))
            case "DELETE", str(), None if writable:
                return Response(200, self._delete(plural, namespace, name, request))
        message = f"the sandbox does not support {request.method} on {request.path}"
        raise StatusError(405, "MethodNotAllowed", message)

    def _list(self, request: Request, plural: str, namespace: str) -> Response | Stream:
        by_label = label_selector(request.query.get("labelSelector", ""))
        by_field = field_selector(request.query.get("fieldSelector", ""))

        def matches(item: Object) -> bool:
            return by_label(item) and by_field(item)

        if request.flag("watch"):
            watch = Watch(self._store, plural, namespace, matches)
            version = request.number("resourceVersion") or 0
            seconds = request.number("timeoutSeconds")
            return Stream("application/json", watch.events(version, seconds, request.gone))
        with self._store.changed:
            items = [item for item in self._store.all(plural, namespace) if matches(item)]
            metadata = {"resourceVersion": str(self._store.version)}
        kind = f"{KINDS[plural]}List"
        return Response(
            200, {"apiVersion": "v1", "kind": kind, "metadata": metadata, "items": items}
        )

    def _post(self, plural: str, namespace: str, evicted: str | None, body: Any) -> Object:
        if evicted is None:
            return self._create(plural, namespace, body)
        if plural != PODS:
            raise StatusError(404, "NotFound", f"{plural} have no evictions")
        self._node.evict(namespace, evicted)
        return {"apiVersion": "v1", "kind": "Status", "status": "Success"}

    def _create(self, plural: str, namespace: str, body: Any) -> Object:
        kind = KINDS[plural]
        item = _without_nulls(body)
        if not isinstance(item, dict) or not isinstance(item.setdefault("metadata", {}), dict):
            raise bad_request(f"the body must be a {kind}")
        item = {"apiVersion": "v1", "kind": kind, **item}
        if item["metadata"].setdefault("namespace", namespace) != namespace:
            raise bad_request(f"the namespace in the metadata is not {namespace}")
        manifests.check(plural, item, self._home)
        if plural == CLAIMS:
            return self._volumes.create(item)
        if plural == PODS:
            item["spec"].setdefault("serviceAccountName", "default")
            return self._node.run(item)
        return self._store.create(plural, item)

    def _patch(self, plural: str, namespace: str, name: str, request: Request) -> Object:
        if request.content_type != _STRATEGIC:
            message = f"the sandbox supports only patches of the type {_STRATEGIC}"
            raise StatusError(415, "UnsupportedMediaType", message)

        changes = request.body.get("metadata") if isinstance(request.body, dict) else None
        if not isinstance(changes, dict) or len(request.body) > 1 or changes.keys() - _PATCHED:
            message = f"the sandbox changes only {', '.join(_PATCHED)} in the metadata"
            raise invalid(KINDS[plural], name, [message])

        def edit(item: Object) -> None:
            for key, value in changes.items():
                item["metadata"][key] = _merged(item["metadata"].pop(key, None), value)
            item["metadata"] = _without_nulls(item["metadata"])
            manifests.check(plural, item, self._home)

        patched = self._store.update(plural, namespace, name, edit)
        self._volumes.release()
        return patched

    def _delete(self, plural: str, namespace: str, name: str, request: Request) -> Object:
        options = {} if request.body is None else request.body
        if not isinstance(options, dict):
            raise bad_request("the body of a DELETE must be DeleteOptions")
        grace = options.get("gracePeriodSeconds")
        if grace is None:
            grace = request.number("gracePeriodSeconds")
        elif not isinstance(grace, int):
            raise bad_request("gracePeriodSeconds must be a whole number")
        with self._store.changed:
            metadata = self._store.get(plural, namespace, name)["metadata"]
            for key, wanted in (options.get("preconditions") or {}).items():
                if wanted is not None and metadata.get(key) != wanted:
                    text = f"{key} of {plural} {name} is not {wanted}, the precondition"
                    raise StatusError(409, "Conflict", text)
            if plural == CLAIMS:
                return self._volumes.delete(namespace, name)
            if plural != PODS:
                self._store.remove(plural, namespace, name)
                return {"apiVersion": "v1", "kind": "Status", "status": "Success"}
        return self._node.delete(namespace, name, grace)

    def _log(self, request: Request, pod: Object) -> Stream:
        pod_name = pod["metadata"]["name"]
        name = request.query.get("container") or pod["spec"]["containers"][0]["name"]
        for option in ("limitBytes", "previous", "sinceTime"):
            if request.query.get(option, "False") != "False":
                raise bad_request(f"the sandbox does not support {option} of logs")
        log = self._node.logs_of(pod).get(name)
        waiting = pod_status.state_of(pod, name).get("waiting")
        if log is None or waiting:
            reason = (waiting or {}).get("reason", "it has not started")
            raise bad_request(f'container "{name}" in pod "{pod_name}" is waiting: {reason}')
        query = LogQuery(
            follow=request.flag("follow"),
            timestamps=request.flag("timestamps"),
            since_seconds=request.number("sinceSeconds"),
            tail=request.number("tailLines"),
        )
        return Stream("text/plain", log.read(query, request.gone))


def _without_nulls(value: Any) -> Any:
    """Return JSON without fields that are null, which mean the same as absent ones."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _merged(old: Any, new: Any) -> Any:
    """Apply a strategic merge patch to labels, annotations or finalizers."""
    if isinstance(new, dict):
        return {**(old if isinstance(old, dict) else {}), **new}
    if isinstance(new, list):
        old = old if isinstance(old, list) else []
        return [*old, *(item for item in new if item not in old)]
    return new
