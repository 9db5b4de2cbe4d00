"""The three kinds of PATCH: strategic merge, JSON merge (RFC 7386) and JSON patch (RFC 6902)."""

from __future__ import annotations

import copy
from typing import Any

from kedro_airflow_k8s.sandbox.cluster.status import Object, StatusError, bad_request

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"

_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
    "hostAliases": "ip",
    "ownerReferences": "uid",
    "conditions": "type",
}
"""Lists that a strategic patch merges by item (`x-kubernetes-patch-merge-key` of the API)."""
_SETS = ("finalizers",)


def apply_patch(document: Object, patch: Any, content_type: str) -> Object:
    """The patched copy of a document.

    Raises:
        StatusError: 415, no such kind of patch; 400, the patch is malformed; 422, a JSON patch
            does not fit the document.
    """
    result: Any = copy.deepcopy(document)
    if content_type == JSON:
        if not isinstance(patch, list):
            raise bad_request("a JSON patch is a list of operations")
        for operation in patch:
            result = _apply_operation(result, operation)
    elif content_type in (MERGE, STRATEGIC):
        if not isinstance(patch, dict):
            raise bad_request("a merge patch is an object")
        result = _merge(result, patch, strategic=content_type == STRATEGIC)
    else:
        message = f"the body of a PATCH must be one of {STRATEGIC}, {MERGE}, {JSON}"
        raise StatusError(415, "UnsupportedMediaType", message)
    if not isinstance(result, dict):
        raise bad_request("the patch leaves no object")
    return result


def _merge(target: Any, patch: Any, *, strategic: bool) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    if strategic and "$patch" in patch:
        kept = {key: value for key, value in patch.items() if key != "$patch"}
        return {} if patch["$patch"] == "delete" else kept
    for key, value in patch.items():
        if strategic and key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [item for item in result.get(name) or [] if item not in value]
        elif strategic and key.startswith("$"):
            continue  # $setElementOrder and $retainKeys only say what order and keys remain
        elif value is None:
            result.pop(key, None)
        elif strategic and isinstance(value, list):
            result[key] = _merge_list(key, result.get(key) or [], value)
        else:
            result[key] = _merge(result.get(key), value, strategic=strategic)
    return result


def _merge_list(key: str, target: list[Any], patch: list[Any]) -> list[Any]:
    if key in _SETS:
        return target + [item for item in patch if item not in target]
    merge_key = _MERGE_KEYS.get(key)
    if merge_key is None:
        return patch
    result = list(target)
    for item in patch:
        if not isinstance(item, dict) or merge_key not in item:
            raise bad_request(f"an item of {key} in a strategic patch must have {merge_key}")
        places = [i for i, old in enumerate(result) if old.get(merge_key) == item[merge_key]]
        if item.get("$patch") == "delete":
            result = [old for i, old in enumerate(result) if i not in places]
        elif places:
            result[places[0]] = _merge(result[places[0]], item, strategic=True)
        else:
            result.append(_merge({}, item, strategic=True))
    return result


def _apply_operation(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        raise bad_request("an operation of a JSON patch needs op and path")
    kind, path = operation.get("op"), _pointer(operation["path"])
    try:
        if kind in ("add", "replace", "test"):
            value = operation["value"]
        elif kind in ("move", "copy"):
            value = copy.deepcopy(_look_up(document, _pointer(operation["from"])))
        elif kind != "remove":
            raise bad_request(f"JSON patch has no operation {kind!r}")
        if kind == "test":
            if _look_up(document, path) != value:
                raise _does_not_fit(operation["path"])
            return document
        if kind == "move":
            document = _remove(document, _pointer(operation["from"]))
        if kind in ("remove", "replace"):
            document = _remove(document, path)
        return document if kind == "remove" else _add(document, path, value)
    except (KeyError, IndexError, ValueError, TypeError):
        raise _does_not_fit(operation["path"]) from None


def _does_not_fit(path: str) -> StatusError:
    message = f"the JSON patch does not fit the object at {path!r}"
    return StatusError(422, "Invalid", message)


def _pointer(text: str) -> list[str]:
    """The steps of a JSON pointer (RFC 6901)."""
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _look_up(document: Any, path: list[str]) -> Any:
    for step in path:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        return None
    parent = _look_up(document, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _look_up(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        parent[last] = value
    return document
