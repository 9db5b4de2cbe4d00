"""What the API says of itself, for clients such as kubectl that ask first."""

from __future__ import annotations

from kedro_airflow_k8s.sandbox.cluster.status import Object

KINDS = {
    "pods": "Pod",
    "persistentvolumeclaims": "PersistentVolumeClaim",
    "events": "Event",
    "secrets": "Secret",
    "configmaps": "ConfigMap",
    "serviceaccounts": "ServiceAccount",
}
"""The kinds in a namespace, by the name they have in paths."""

_READ = ["get", "list", "watch"]
_WRITE = [*_READ, "create", "delete", "deletecollection", "patch"]


def _resource(name: str, kind: str, verbs: list[str], *, namespaced: bool = True) -> Object:
    singular = "" if "/" in name else kind.lower()
    return {
        "name": name,
        "singularName": singular,
        "namespaced": namespaced,
        "kind": kind,
        "verbs": verbs,
    }


DISCOVERY: dict[str, Object] = {
    "/version": {
        "major": "1",
        "minor": "34",
        "gitVersion": "v1.34.0+sandbox",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "",
    },
    "/api": {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [],
    },
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            *(
                _resource(
                    name, kind, _WRITE if name in ("pods", "persistentvolumeclaims") else _READ
                )
                for name, kind in KINDS.items()
            ),
            _resource("pods/log", "Pod", ["get"]),
            _resource("pods/status", "Pod", ["get"]),
            _resource("namespaces", "Namespace", ["get", "list"], namespaced=False),
        ],
    },
}
