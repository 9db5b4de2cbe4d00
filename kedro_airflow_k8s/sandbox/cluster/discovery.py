"""The kinds of the API, and the answers by which clients such as DynamicClient discover them."""

from __future__ import annotations

from kedro_airflow_k8s.sandbox.cluster.status import Object

PODS = "pods"
CLAIMS = "persistentvolumeclaims"
CONFIG_MAPS = "configmaps"
SERVICES = "services"
EVENTS = "events"

KINDS = {
    PODS: "Pod",
    CLAIMS: "PersistentVolumeClaim",
    CONFIG_MAPS: "ConfigMap",
    SERVICES: "Service",
    EVENTS: "Event",
}
"""The kinds that clients can read, by their names in paths; all are in namespaces."""

CREATED = (PODS, CLAIMS, CONFIG_MAPS, SERVICES)
"""The kinds that clients can also create, change and delete."""


def _resource(name: str, kind: str, verbs: list[str]) -> Object:
    return {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": verbs}


_READ = ["get", "list", "watch"]
_VERBS = {plural: [*_READ, "create", "delete", "patch"] for plural in CREATED} | {EVENTS: _READ}

DISCOVERY: dict[str, Object] = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0+sandbox"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            *(_resource(plural, kind, _VERBS[plural]) for plural, kind in KINDS.items()),
            _resource("pods/log", "Pod", ["get"]),
            {
                **_resource("pods/eviction", "Eviction", ["create"]),
                "group": "policy",
                "version": "v1",
            },
        ],
    },
}
"""The answers by path."""
