"""The requests of the Kubernetes API that the sandbox answers, without the HTTP around them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from kedro_airflow_k8s.sandbox.cluster import pod_rules, rules
from kedro_airflow_k8s.sandbox.cluster.discovery import DISCOVERY, KINDS
from kedro_airflow_k8s.sandbox.cluster.logs import LogQuery
from kedro_airflow_k8s.sandbox.cluster.node import Node
from kedro_airflow_k8s.sandbox.cluster.patches import apply_patch
from kedro_airflow_k8s.sandbox.cluster.selectors import Matcher, field_selector, label_selector
from kedro_airflow_k8s.sandbox.cluster.status import (
    Cause,
    Object,
    StatusError,
    bad_request,
    conflict,
    invalid,
    not_found,
)
from kedro_airflow_k8s.sandbox.cluster.store import Store, timestamp
from kedro_airflow_k8s.sandbox.cluster.volumes import CLAIMS, Volumes
from kedro_airflow_k8s.sandbox.cluster.watches import Watch
from kedro_airflow_k8s.sandbox.cluster.worker import Machine

_RANDOM = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_GENERATED = 58
_SERVER_METADATA = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
_IDENTITY = ("name", "namespace", "uid")
_PATH = re.compile(
    r"/api/v1(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[a-z]+)"
    r"(?:/(?P<name>[^/]+)(?:/(?P<sub>[a-z]+))?)?"
)


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        method: The HTTP verb.
        path: The path, unquoted.
        query: The query parameters; of several of one name the last.
        body: The JSON body, or None.
        content_type: Of the body; says what kind of PATCH it is.
        gone: Tells whether the client has hung up.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    gone: Callable[[], bool] = lambda: False

    def flag(self, name: str) -> bool:
        """A query parameter that is true or false (clients write True, true or 1)."""
        return self.query.get(name, "").lower() in ("true", "1", "t")

    def number(self, name: str) -> int | None:
        """A query parameter that is a whole number, not negative."""
        text = self.query.get(name, "")
        if text and not re.fullmatch(r"\d{1,18}", text):
            raise bad_request(f"{name} must be a whole number, found {text!r}")
        return int(text) if text else None


@dataclass(frozen=True)
class Response:
    """A JSON answer."""

    code: int
    body: Object


@dataclass(frozen=True)
class Stream:
    """An answer that goes on for a while, in pieces."""

    content_type: str
    pieces: Iterator[bytes]


class Api:
    """Answers requests.

    Args:
        machine: What pods run on.
        node: Runs them.
        service_accounts: The (namespace, name) of those that exist; None: all that are asked for.
    """

    def __init__(
        self,
        machine: Machine,
        node: Node,
        service_accounts: Collection[tuple[str, str]] | None,
    ) -> None:
        self._image = machine.image
        self._store: Store = machine.store
        self._volumes: Volumes = machine.volumes
        self._node = node
        self._service_accounts = service_accounts

    def answer(self, request: Request) -> Response | Stream:
        """What a request gets.

        Raises:
            StatusError: It cannot be fulfilled.
        """
        path = request.path.rstrip("/") or "/"
        if path in DISCOVERY:
            _allow(request, "GET")
            return Response(200, DISCOVERY[path])
        found = re.fullmatch(r"/api/v1/namespaces(?:/(?P<name>[^/]+))?", path)
        if found:
            _allow(request, "GET")
            return Response(200, self._namespaces(found["name"], request))
        found = _PATH.fullmatch(path)
        if not found or found["plural"] not in KINDS or (found["name"] and not found["namespace"]):
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        namespace, plural, name, sub = found.group("namespace", "plural", "name", "sub")
        if request.query.get("dryRun"):
            raise bad_request("the sandbox has no dry run")
        if sub is not None:
            return self._subresource(request, plural, namespace, name, sub)
        if name is not None:
            return self._one(request, plural, namespace, name)
        return self._collection(request, plural, namespace)

    # --- collections

    def _collection(
        self, request: Request, plural: str, namespace: str | None
    ) -> Response | Stream:
        if namespace is None or plural not in ("pods", CLAIMS):
            _allow(request, "GET")
        _allow(request, "GET", "POST", "DELETE")
        if request.method == "POST":
            return Response(201, self._create(plural, str(namespace), request.body))
        matches = _matcher(request, plural)
        if request.method == "GET" and request.flag("watch"):
            watch = Watch(self._store, plural, namespace, matches)
            version = request.number("resourceVersion") or 0
            seconds = request.number("timeoutSeconds")
            return Stream("application/json", watch.events(version, seconds, request.gone))
        with self._store.changed:
            items = [item for item in self._store.all(plural, namespace) if matches(item)]
            version = self._store.version
        if request.method == "DELETE":
            for item in items:
                self._delete(plural, str(namespace), item["metadata"]["name"], request)
        return Response(200, _list(KINDS[plural], items, version))

    def _create(self, plural: str, namespace: str, body: Any) -> Object:
        body = _object(body, KINDS[plural])
        metadata = body["metadata"]
        if metadata.setdefault("namespace", namespace) != namespace:
            raise bad_request(
                f"the namespace of the object ({metadata['namespace']}) is not the namespace of"
                f" the request ({namespace})"
            )
        prefix = rules.value_of(metadata, "metadata", "generateName", str)
        if prefix and not metadata.get("name"):
            suffix = "".join(secrets.choice(_RANDOM) for _ in range(5))
            metadata["name"] = prefix[:_LONGEST_GENERATED] + suffix
        for key in ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"):
            metadata.pop(key, None)
        self._check(plural, body)
        if plural == CLAIMS:
            return self._volumes.create(body)
        self._check_service_account(body)
        return self._node.run(body)

    def _check(self, plural: str, body: Object) -> None:
        causes = rules.claim(body) if plural == CLAIMS else pod_rules.pod(body, self._image.home)
        found = list(causes)
        if found:
            raise invalid(KINDS[plural], str(body["metadata"].get("name") or ""), found)

    def _check_service_account(self, pod: Object) -> None:
        metadata, name = pod["metadata"], pod["spec"].get("serviceAccountName") or "default"
        pod["spec"]["serviceAccountName"] = name
        known = self._service_accounts
        place = (metadata["namespace"], name)
        if known is not None and name != "default" and place not in known:
            message = (
                f'pods "{metadata["name"]}" is forbidden: error looking up service account'
                f' {place[0]}/{name}: serviceaccount "{name}" not found'
            )
            raise StatusError(403, "Forbidden", message, {"name": metadata["name"], "kind": "pods"})

    # --- one object

    def _one(self, request: Request, plural: str, namespace: str, name: str) -> Response:
        if plural == "serviceaccounts" and request.method == "GET":
            return Response(200, self._service_account(namespace, name))
        if plural not in ("pods", CLAIMS):
            _allow(request, "GET")
        _allow(request, "GET", "PATCH", "DELETE")
        if request.method == "GET":
            return Response(200, self._store.get(plural, namespace, name))
        if request.method == "PATCH":
            return Response(200, self._patch(plural, namespace, name, request))
        return Response(200, self._delete(plural, namespace, name, request))

    def _patch(self, plural: str, namespace: str, name: str, request: Request) -> Object:
        def edit(item: Object) -> Object:
            patched = apply_patch(item, request.body, request.content_type)
            old, new = item["metadata"], patched.get("metadata")
            if not isinstance(new, dict):
                raise bad_request("the patch takes the metadata away")
            if new.get("resourceVersion") != old["resourceVersion"]:
                raise conflict(plural, name, "the object has been modified")
            # As an API server does: what is not the client's to set stays as it is.
            patched["status"] = item["status"]
            for key in _SERVER_METADATA:
                new.pop(key, None)
                if key in old:
                    new[key] = old[key]
            self._check(plural, patched)
            changed = [key for key in _IDENTITY if new.get(key) != old.get(key)]
            fields = [f"metadata.{key}" for key in changed]
            fields += ["spec"] if patched.get("spec") != item["spec"] else []
            if fields:
                text = "Forbidden: the sandbox changes only labels, annotations and finalizers"
                causes = [Cause(path, text, "FieldValueForbidden") for path in fields]
                raise invalid(KINDS[plural], name, causes)
            return patched

        patched = self._store.update(plural, namespace, name, edit)
        self._volumes.release()
        return patched

    def _delete(self, plural: str, namespace: str, name: str, request: Request) -> Object:
        options = request.body if request.body is not None else {}
        if not isinstance(options, dict):
            raise bad_request("the body of a DELETE must be DeleteOptions")
        grace = rules.value_of(options, "", "gracePeriodSeconds", int)
        grace = request.number("gracePeriodSeconds") if grace is None else grace
        with self._store.changed:
            metadata = self._store.get(plural, namespace, name)["metadata"]
            for key, wanted in (rules.value_of(options, "", "preconditions", dict) or {}).items():
                if wanted is not None and metadata.get(key) != wanted:
                    raise conflict(plural, name, f"the precondition {key} {wanted} does not hold")
            if plural == CLAIMS:
                return self._volumes.delete(namespace, name)
        return self._node.delete(namespace, name, grace)

    def _subresource(
        self, request: Request, plural: str, namespace: str, name: str, sub: str
    ) -> Response | Stream:
        _allow(request, "GET")
        item = self._store.get(plural, namespace, name)
        if sub == "status" and plural in ("pods", CLAIMS):
            return Response(200, item)
        if sub == "log" and plural == "pods":
            return self._log(request, item)
        message = f"the sandbox has no {plural}/{sub}"
        raise StatusError(404, "NotFound", message)

    def _log(self, request: Request, pod: Object) -> Stream:
        spec, pod_name = pod["spec"], pod["metadata"]["name"]
        names = [c["name"] for c in (spec.get("initContainers") or []) + spec["containers"]]
        name = request.query.get("container") or spec["containers"][0]["name"]
        if name not in names:
            raise bad_request(f"container {name} is not valid for pod {pod_name}")
        if request.query.get("limitBytes"):
            raise bad_request("the sandbox does not cut logs by bytes (limitBytes)")
        if request.flag("previous"):
            text = f'previous terminated container "{name}" in pod "{pod_name}" not found'
            raise bad_request(text)
        statuses = [
            *(pod["status"].get("initContainerStatuses") or []),
            *(pod["status"].get("containerStatuses") or []),
        ]
        states = {status["name"]: status["state"] for status in statuses}
        log = self._node.log_of(pod, name)
        if log is None or "waiting" in states.get(name, {"waiting": {}}):
            reason = states.get(name, {}).get("waiting", {}).get("reason", "the pod is pending")
            raise bad_request(
                f'container "{name}" in pod "{pod_name}" is waiting to start: {reason}'
            )
        query = LogQuery(
            follow=request.flag("follow"),
            timestamps=request.flag("timestamps"),
            since=_since(request),
            tail=request.number("tailLines"),
        )
        return Stream("text/plain", log.read(query, request.gone))

    # --- what is there without having been created

    def _service_account(self, namespace: str, name: str) -> Object:
        known = self._service_accounts
        if known is not None and name != "default" and (namespace, name) not in known:
            raise not_found("serviceaccounts", name)
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}

    def _namespaces(self, name: str | None, request: Request) -> Object:
        if name is not None:
            if any(rules.dns_label("metadata.name", name)):
                raise not_found("namespaces", name)
            return _namespace(name)
        matches = _matcher(request, "namespaces")
        with self._store.changed:
            used = {item["metadata"]["namespace"] for p in KINDS for item in self._store.all(p)}
            items = [_namespace(name) for name in sorted(used | {"default"})]
            return _list("Namespace", [n for n in items if matches(n)], self._store.version)


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        message = f"the sandbox does not allow {request.method} on {request.path}"
        raise StatusError(405, "MethodNotAllowed", message)


def _matcher(request: Request, plural: str) -> Matcher:
    by_label = label_selector(request.query.get("labelSelector", ""))
    by_field = field_selector(request.query.get("fieldSelector", ""), plural)
    return lambda item: by_label(item) and by_field(item)


def _object(body: Any, kind: str) -> Object:
    if not isinstance(body, dict):
        raise bad_request(f"the body must be a {kind}")
    found = (body.get("apiVersion", "v1"), body.get("kind", kind))
    if found != ("v1", kind):
        raise bad_request(f"the body is a {found[0]} {found[1]}, expected a v1 {kind}")
    result = {**body, "apiVersion": "v1", "kind": kind}
    result["metadata"] = dict(rules.value_of(body, "", "metadata", dict) or {})
    return result


def _list(kind: str, items: list[Object], version: int) -> Object:
    metadata = {"resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": f"{kind}List", "metadata": metadata, "items": items}


def _namespace(name: str) -> Object:
    labels = {"kubernetes.io/metadata.name": name}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels, "creationTimestamp": timestamp()},
        "status": {"phase": "Active"},
    }


def _since(request: Request) -> datetime | None:
    seconds = request.number("sinceSeconds")
    if seconds is not None:
        return datetime.now(timezone.utc) - timedelta(seconds=seconds)
    text = request.query.get("sinceTime")
    if not text:
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    except ValueError:
        raise bad_request(f"sinceTime must be an RFC 3339 time, found {text!r}") from None
