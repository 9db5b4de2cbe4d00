"""The pods' template in the words of `run_config`."""

from __future__ import annotations

from typing import Any

from kedro_airflow_k8s.deploy.diff.values import Code, Named

RUN_LABEL = "kedro-airflow-k8s/run"
"""On all pods of a run: the affinity that keeps them on one node asks for it."""

DATA_VARIABLE = "KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA"
"""Tells the pods where they find what other tasks have made."""


def pod_settings(pod: Any, settings: dict[str, Any]) -> None:
    """Add what a pod's template says to the settings, in which `volume` is a mapping already.

    What has no word in `run_config` goes under `pod`, as Kubernetes has it.
    """
    pod = _copy(pod)
    settings["pod"] = pod
    if not isinstance(pod, dict):
        return
    spec = _section(pod, "spec")
    metadata = _section(pod, "metadata")
    settings["pod annotation"] = metadata.pop("annotations", {})
    settings["pod label"] = metadata.pop("labels", {})
    settings["service account"] = spec.pop("serviceAccountName", None)
    settings["image pull secrets"] = _names(spec, "imagePullSecrets")
    containers = spec.get("containers")
    container = containers[0] if isinstance(containers, list) and containers else {}
    if isinstance(container, dict):
        variables = settings["environment variable"] = _variables(container)
        settings["intermediate data"] = variables.pop(DATA_VARIABLE, None)
        settings["secrets as environment variables"] = _names(container, "envFrom", "secretRef")
        settings["secret mounted at"] = _secret_mounts(container, spec)
    if _volume_of_run(container, spec):
        volume = settings["volume"]
        volume["group (fsGroup)"] = _section(spec, "securityContext").pop("fsGroup", None)
        if RUN_LABEL in repr(spec.get("affinity")):
            volume["all pods of a run on one node"] = Named("yes", spec.pop("affinity"))


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _section(holder: dict[str, Any], key: str) -> dict[str, Any]:
    """A part that is a mapping, or an empty one that belongs to nothing."""
    section = holder.get(key)
    return section if isinstance(section, dict) else {}


def _names(holder: dict[str, Any], key: str, inner: str | None = None) -> list[str]:
    """Take out a list of names, if that is all there is: `[{"name": "x"}]`."""
    found = []
    entries = holder.get(key)
    for entry in entries if isinstance(entries, list) else []:
        named = entry.get(inner) if inner and isinstance(entry, dict) else entry
        if not isinstance(named, dict) or set(named) != {"name"} or len(entry) != 1:
            return []
        found.append(str(named["name"]))
    if found:
        del holder[key]
    return found


def _variables(container: dict[str, Any]) -> dict[str, Any]:
    """Take out the environment: values, and in which secret they are found."""
    entries = container.get("env")
    if not isinstance(entries, list):
        return {}
    found: dict[str, Any] = {}
    rest = []
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name in found or len(entry) != 2:
            rest.append(entry)
            continue
        value = entry.get("value", entry.get("valueFrom"))
        key = _section(value, "secretKeyRef") if isinstance(value, dict) else {}
        found[name] = (
            Code(f"key {key['key']} of secret {key['name']}")
            if set(key) == {"key", "name"} and set(value) == {"secretKeyRef"}
            else value
        )
    container.pop("env")
    if rest:
        container["env"] = rest
    return found


def _secret_mounts(container: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Take out the secrets that are files: by mount path what the volume there says."""
    mounts, volumes = container.get("volumeMounts"), spec.get("volumes")
    if not isinstance(mounts, list) or not isinstance(volumes, list):
        return {}
    found: dict[str, Any] = {}
    for volume in list(volumes):
        name = volume.get("name") if isinstance(volume, dict) else None
        mount = _named(mounts, name)
        if mount is None or not isinstance(volume.get("secret"), dict):
            continue
        path = mount.get("mountPath")
        if isinstance(path, str) and path not in found:
            rest = {key: value for key, value in mount.items() if key not in ("name", "mountPath")}
            found[path] = {**volume["secret"], **rest}
            mounts.remove(mount)
            volumes.remove(volume)
    return found


def _volume_of_run(container: Any, spec: dict[str, Any]) -> bool:
    """Take out the claim of the run and its mount, whose path is the template's argument."""
    mounts = container.get("volumeMounts") if isinstance(container, dict) else None
    volumes = spec.get("volumes")
    if not isinstance(mounts, list) or not isinstance(volumes, list):
        return False
    for mount in mounts:
        if not isinstance(mount, dict) or not isinstance(mount.get("mountPath"), Code):
            continue
        volume = _named(volumes, mount.get("name"))
        if volume is not None and "persistentVolumeClaim" in volume:
            mounts.remove(mount)
            volumes.remove(volume)
            for holder, key in ((container, "volumeMounts"), (spec, "volumes")):
                if not holder[key]:
                    del holder[key]
            return True
    return False


def _named(entries: list[Any], name: Any) -> dict[str, Any] | None:
    found = [entry for entry in entries if isinstance(entry, dict) and entry.get("name") == name]
    return found[0] if len(found) == 1 else None
