"""The types of the keys of airflow-k8s.yaml in words, from their JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter

from kedro_airflow_k8s.config import checks as config_checks
from kedro_airflow_k8s.config import dag as config_dag
from kedro_airflow_k8s.config import mlflow as config_mlflow
from kedro_airflow_k8s.config import notify as config_notify
from kedro_airflow_k8s.config import pods as config_pods
from kedro_airflow_k8s.config import sources as config_sources
from kedro_airflow_k8s.config import tasks as config_tasks
from kedro_airflow_k8s.config import values as config_values
from kedro_airflow_k8s.config.kubernetes_yaml import kubernetes_fields
from kedro_airflow_k8s.pod.stores import STORES

KINDS = {
    "Text": "a string that is not empty",
    "RunName": "a string that is not empty",
    "Code": "the code of a finding, such as `not-kept`; [all codes](checks.md)",
    "Host": "an address with `http://` or `https://` in front, without user, password, `?` and `#`",
    "Image": "an image as `docker pull` takes it",
    "Cron": "a cron expression of five fields (minute, hour, day of month, month, day of week), or"
    f" a preset: {', '.join(f'`{preset}`' for preset in config_values.CRON_PRESETS)}",
    "Day": "a date, as `20210721` or `2021-07-21`",
    "Duration": "a whole number of seconds, or text such as `90s`, `5m`, `2h`, `3d` or `1h30m`",
    "Delay": "0, a whole number of seconds, or text such as `90s`, `5m`, `2h` or `1h30m`",
    "Tag": "a string of at most 100 characters",
    "Link": "an address with `https://`, `http://` or `mailto:` in front",
    "Permissions": "a list of `can_read`, `can_edit`, `can_delete`, `can_create` and `menu_access`,"
    " or such lists below the keys `DAGs` and `DAG Runs`",
    "Channel": "one of `slack`, `teams`, `webhook`, `pagerduty`, `smtp`, or a dotted path",
    "Recipient": "an e-mail address",
    "Arguments": "names, each with any value",
    "DnsLabel": "lower case letters, digits and `-`, at most 63 characters",
    "DnsName": "lower case letters, digits, `-` and `.`, at most 253 characters",
    "SecretKey": "letters, digits, `-`, `_` and `.`",
    "EnvName": "letters, digits, `-`, `_` and `.`, not with a digit in front",
    "MountPath": "an absolute path without `:`",
    "FieldPath": "the path of a field of the pod, such as `status.podIP`",
    "ResourceAmount": "`limits` or `requests`, a dot and a resource, such as `limits.memory`",
    "VolumeName": "lower case letters, digits and `-`, at most 63 characters",
    "Deferrable": "`true`, `false` or `default`",
    "Factor": "`x` and a number above 1, such as `x2` or `x1.5`",
    "Quantity": "a Kubernetes quantity, such as `500m` or `1Gi`",
    "DateFormat": "directives of strftime, with letters, digits and `-`, `_`, `.`, `:`, `/`, `+`"
    " between them",
    "Macro": "the name of a macro, with dots if it is nested",
    "Variable": "a name without spaces, `,`, `=`, `$`, `[` and `]`",
    "TimeZone": "the IANA name of a time zone",
    "AirflowId": "letters, digits, `_`, `-` and `.`, at most 250 characters",
    "ConnectionId": "the id of an Airflow connection",
    "Names": "a list of names, or one string with commas between them",
    "Server": "an address with `http://` or `https://` in front, without user and password",
    "IntermediateData": "a place on object storage, with a bucket: "
    + ", ".join(f"`{store}://`" for store in STORES)
    + "; without keys, passwords, spaces and the signs `?`, `*`, `#`, `$`, brackets and braces",
}
"""The descriptions of strings that have a pattern."""


def words_of(schema: Mapping[str, Any]) -> str:
    """A type in words."""
    bare = {k: v for k, v in schema.items() if k not in ("description", "default")}
    either = bare.get("anyOf") or bare.get("oneOf") or [bare]
    options = [option for option in either if option != {"type": "null"}]
    known = _kinds().get(_canonical({"anyOf": options} if len(options) > 1 else options[0]))
    if known:
        return known
    if len(options) > 1:
        return ", or ".join(words_of(option) for option in options)
    (option,) = options
    for mark, words in _WORDS.items():
        if mark in option or option.get("type") == mark:
            return words(option)
    raise SystemExit(f"KINDS needs words for {option}")


def _number(schema: Mapping[str, Any]) -> str:
    bounds = []
    if "exclusiveMinimum" in schema:
        bounds.append(f"above {schema['exclusiveMinimum']}")
    if schema.get("minimum", -(2**63)) > -(2**63):
        bounds.append(f"at least {schema['minimum']}")
    if schema.get("maximum", 2**63 - 1) < 2**63 - 1:
        bounds.append(f"at most {schema['maximum']}")
    return "a whole number" + (", " if bounds else "") + ", ".join(bounds)


def _reference(schema: Mapping[str, Any]) -> str:
    name = schema["$ref"].rpartition("/")[2]
    if name in kubernetes_fields():
        return f"Kubernetes' own YAML, type `{name.removeprefix('V1')}`"
    return "a section, whose keys are below"


def _mapping(schema: Mapping[str, Any]) -> str:
    if "additionalProperties" not in schema and "patternProperties" not in schema:
        return "Kubernetes' own YAML of a pod: `metadata` and `spec`"
    patterns = schema.get("patternProperties")
    if patterns:
        ((pattern, entry),) = patterns.items()
        names = words_of({"type": "string", "pattern": pattern})
        return f"names ({names}), each with {words_of(entry)}"
    return f"names, each with {words_of(schema['additionalProperties'])}"


def _list(schema: Mapping[str, Any]) -> str:
    once = ", each there once" if schema.get("uniqueItems") else ""
    return f"a list, of which each entry is {words_of(schema['items'])}{once}"


def _text(schema: Mapping[str, Any]) -> str:
    if schema.keys() - {"type"}:
        raise SystemExit(f"KINDS needs words for {dict(schema)}")
    return "a string"


_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "$ref": _reference,
    "enum": lambda schema: "one of " + ", ".join(f"`{word}`" for word in schema["enum"]),
    "const": lambda schema: f"`{schema['const']}`",
    "boolean": lambda _: "`true` or `false`",
    "integer": _number,
    "array": _list,
    "object": _mapping,
    "string": _text,
}


def _kinds() -> dict[str, str]:
    homes = {
        **vars(config_sources),
        **vars(config_pods),
        **vars(config_checks),
        **vars(config_dag),
        **vars(config_mlflow),
        **vars(config_notify),
        **vars(config_tasks),
        **vars(config_values),
    }
    return {_canonical(TypeAdapter(homes[name]).json_schema()): KINDS[name] for name in KINDS}


def _canonical(schema: Any) -> str:
    return json.dumps(schema, sort_keys=True)
