"""The fields of the objects that the sandbox knows, and what each of them holds.

Fields that say where and with which rights a pod runs are known and have no effect: the sandbox has
one machine and one user.
"""

from __future__ import annotations

from typing import Any

from kedro_airflow_k8s.sandbox.cluster.discovery import CLAIMS, CONFIG_MAPS, PODS, SERVICES

# What a field holds: a type, [what each item holds] or {name: what that field holds}. `!` marks a
# required field, `*` matches any name.
_ANYTHING = object
_REFERENCE = {"name!": str, "optional": bool}
_KEY = {"name!": str, "key!": str, "optional": bool}
_FIELD = {"fieldPath!": str, "apiVersion": str}
_RESOURCE = {"resource!": str, "containerName": str, "divisor": _ANYTHING}
_ITEMS = [{"key!": str, "path!": str, "mode": int}]
_FILES = {"items": _ITEMS, "defaultMode": int, "optional": bool}
_FIELD_FILES = {
    "items": [{"path!": str, "fieldRef": _FIELD, "resourceFieldRef": _RESOURCE, "mode": int}],
    "defaultMode": int,
}
_PROJECTED = {
    "secret": {"name!": str, **_FILES},
    "configMap": {"name!": str, **_FILES},
    "downwardAPI": _FIELD_FILES,
    "serviceAccountToken": {"path!": str, "audience": str, "expirationSeconds": int},
}
_PROBE = {
    "exec": {"command!": [str]},
    "httpGet": {
        "port!": _ANYTHING,
        **dict.fromkeys(("path", "host", "scheme"), str),
        "httpHeaders": [{"name!": str, "value!": str}],
    },
    "tcpSocket": {"port!": _ANYTHING, "host": str},
    **dict.fromkeys(("initialDelaySeconds", "periodSeconds", "timeoutSeconds"), int),
    **dict.fromkeys(("failureThreshold", "successThreshold"), int),
    "terminationGracePeriodSeconds": int,
}
_CONTAINER = {
    "name!": str,
    "image!": str,
    "command": [str],
    "args": [str],
    "workingDir": str,
    "env": [
        {
            "name!": str,
            "value": str,
            "valueFrom": {
                "secretKeyRef": _KEY,
                "configMapKeyRef": _KEY,
                "fieldRef": _FIELD,
                "resourceFieldRef": _RESOURCE,
            },
        }
    ],
    "envFrom": [{"secretRef": _REFERENCE, "configMapRef": _REFERENCE, "prefix": str}],
    "volumeMounts": [
        {
            "name!": str,
            "mountPath!": str,
            **dict.fromkeys(("subPath", "subPathExpr", "mountPropagation"), str),
            "readOnly": bool,
            "recursiveReadOnly": str,
        }
    ],
    "startupProbe": _PROBE,
    "readinessProbe": {**_PROBE, "grpc": _ANYTHING},
    **dict.fromkeys(("livenessProbe", "lifecycle"), _ANYTHING),
    **dict.fromkeys(("stdin", "tty"), bool),
    "resources": {
        "limits": {"*": _ANYTHING},
        "requests": {"*": _ANYTHING},
        "claims": _ANYTHING,
    },
    "ports": [
        {
            "containerPort!": int,
            **dict.fromkeys(("name", "protocol", "hostIP"), str),
            "hostPort": int,
        }
    ],
    **dict.fromkeys(("imagePullPolicy", "securityContext"), _ANYTHING),
    **dict.fromkeys(("terminationMessagePath", "terminationMessagePolicy"), _ANYTHING),
}
_CLAIM_SPEC = {
    "accessModes!": [str],
    "resources!": {"requests!": {"storage!": str}},
    "storageClassName": str,
    **dict.fromkeys(("volumeMode", "volumeName"), str),
}
_POD_SPEC = {
    "restartPolicy!": str,
    "containers!": [_CONTAINER],
    "initContainers": [{**_CONTAINER, "restartPolicy": str}],
    "volumes": [
        {
            "name!": str,
            "persistentVolumeClaim": {"claimName!": str, "readOnly": bool},
            "secret": {"secretName!": str, **_FILES},
            "configMap": {"name!": str, **_FILES},
            "downwardAPI": _FIELD_FILES,
            "projected": {"sources!": [_PROJECTED], "defaultMode": int},
            "emptyDir": {"medium": str, "sizeLimit": _ANYTHING},
            "ephemeral": {
                "volumeClaimTemplate!": {"metadata": _ANYTHING, "spec!": _CLAIM_SPEC},
            },
            "nfs": {"server!": str, "path!": str, "readOnly": bool},
            "hostPath": {"path!": str, "type": str},
            "csi": {
                "driver!": str,
                "readOnly": bool,
                "fsType": str,
                "volumeAttributes": {"*": str},
                "nodePublishSecretRef": _REFERENCE,
            },
        }
    ],
    "imagePullSecrets": [_REFERENCE],
    "serviceAccountName": str,
    "activeDeadlineSeconds": int,
    "terminationGracePeriodSeconds": int,
    **dict.fromkeys(("hostname", "subdomain"), str),
    **dict.fromkeys(("affinity", "nodeName", "nodeSelector", "tolerations"), _ANYTHING),
    **dict.fromkeys(("priorityClassName", "schedulerName", "runtimeClassName"), _ANYTHING),
    **dict.fromkeys(("topologySpreadConstraints", "securityContext", "hostAliases"), _ANYTHING),
    **dict.fromkeys(("serviceAccount", "automountServiceAccountToken"), _ANYTHING),
    **dict.fromkeys(("hostNetwork", "dnsConfig", "dnsPolicy", "enableServiceLinks"), _ANYTHING),
    **dict.fromkeys(("priority", "preemptionPolicy", "shareProcessNamespace", "os"), _ANYTHING),
    **dict.fromkeys(("overhead", "readinessGates", "setHostnameAsFQDN"), _ANYTHING),
}
_SERVERS = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_ANY_KIND = {
    "apiVersion!": str,
    "kind!": str,
    "metadata!": {
        "name!": str,
        "namespace!": str,
        "labels": {"*": str},
        "annotations": {"*": str},
        "finalizers": [str],
        **dict.fromkeys((*_SERVERS, "deletionGracePeriodSeconds", "managedFields"), _ANYTHING),
    },
    "status": _ANYTHING,
}
SHAPES: dict[str, Any] = {
    PODS: {**_ANY_KIND, "spec!": _POD_SPEC},
    CLAIMS: {**_ANY_KIND, "spec!": _CLAIM_SPEC},
    CONFIG_MAPS: {
        **_ANY_KIND,
        "data": {"*": str},
        "binaryData": {"*": str},
        "immutable": bool,
    },
    SERVICES: {
        **_ANY_KIND,
        "spec!": {
            "selector!": {"*": str},
            "ports!": [
                {
                    "port!": int,
                    "targetPort": _ANYTHING,
                    **dict.fromkeys(("name", "protocol", "appProtocol"), str),
                }
            ],
            **dict.fromkeys(("clusterIP", "type"), str),
            "publishNotReadyAddresses": bool,
        },
    },
}
"""What the objects of each kind hold."""
