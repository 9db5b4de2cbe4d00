"""The settings of pods as Kubernetes manifests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.own_names import (
    BASE_CONTAINER,
    CONFIG_MAP_VOLUME,
    DATA_VOLUME,
    RUN_LABEL,
    SECRET_VOLUME,
    SHARED_MEMORY_PATH,
    SHARED_MEMORY_VOLUME,
    TASK_ANNOTATION,
)
from kedro_airflow_k8s.config.pods import DnsConfig, ResourcesConfig
from kedro_airflow_k8s.config.sources import ConfigMapConfig, SecretConfig
from kedro_airflow_k8s.config.volumes import PodVolume
from kedro_airflow_k8s.plan.pods import TASK_ID, sourced_variables, untemplated

_MERGE_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("containers", "initContainers", "env", "volumes", "imagePullSecrets"), "name"),
    "volumeMounts": "mountPath",
    "ports": "containerPort",
}
"""Lists of parts that are merged one by one, by the field that distinguishes the parts.

Source: the patch merge keys of Kubernetes' API, which kubectl uses.
"""


class _Template(str):
    """A text that Airflow renders. All others reach Kubernetes as they are."""

    __slots__ = ()


def pod_manifest(
    settings: ResourcesConfig, run: RunConfig, owned: str, labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return the Pod of a task, without its command and the variables that Airflow knows.

    The volume of the run is in it. Each task says where that is mounted.

    Args:
        settings: The settings of the pod.
        run: The configuration.
        owned: The name of the run resources, as an Airflow template.
        labels: Labels of all pods, as templates; those of the settings take precedence.
    """
    found: dict[str, Any] = _rendered(plain_manifest(settings, run, owned, labels))
    return found


def plain_manifest(
    settings: ResourcesConfig, run: RunConfig, owned: str, labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return the same with texts as Kubernetes gets them; only the given templates stay."""
    together = {RUN_LABEL: owned} if run.volume.keeps_pods_together else {}
    templates = {name: _Template(value) for name, value in {**labels, **together}.items()}
    typed = {
        "metadata": {
            "annotations": {TASK_ANNOTATION: _Template(TASK_ID), **settings.annotations},
            "labels": {**templates, **settings.labels},
        },
        "spec": _filled(_spec(settings, run, _Template(owned))),
    }
    found: dict[str, Any] = _patched(typed, settings.pod)
    return found


def _spec(settings: ResourcesConfig, run: RunConfig, owned: str) -> dict[str, Any]:
    volumes, mounts = _volumes(settings)
    group = {}
    if not run.volume.disabled:
        volumes.append({"name": DATA_VOLUME, "persistentVolumeClaim": {"claimName": owned}})
        group = {"fsGroup": run.volume.owner}
    variables = sourced_variables(settings)
    container = {
        "name": BASE_CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": [{"name": name, "valueFrom": source} for name, source in variables.items()],
        "envFrom": list(_whole_sources(settings)),
        "volumeMounts": mounts,
        "resources": _filled({"requests": settings.requests, "limits": settings.limits}),
        "securityContext": settings.security_context.of_container(),
    }
    return {
        "containers": [_filled(container)],
        "initContainers": list(_further_containers(settings)),
        "securityContext": {**group, **settings.security_context.of_pod},
        "affinity": _affinity(settings, owned if run.volume.keeps_pods_together else None),
        "volumes": volumes,
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
        "serviceAccountName": settings.service_account_name,
        "automountServiceAccountToken": settings.automount_service_account_token,
        "nodeSelector": settings.node_selectors,
        "tolerations": list(_tolerations(settings)),
        "topologySpreadConstraints": list(settings.topology_spread),
        "priorityClassName": settings.priority_class_name,
        "schedulerName": settings.scheduler_name,
        "runtimeClassName": settings.runtime_class_name,
        "hostAliases": list(settings.host_aliases),
        "dnsPolicy": settings.dns.policy,
        "dnsConfig": _dns(settings.dns),
        "terminationGracePeriodSeconds": settings.termination_grace_period,
        "activeDeadlineSeconds": settings.active_deadline,
    }


def _whole_sources(settings: ResourcesConfig) -> Iterator[dict[str, Any]]:
    """Yield the Secrets and ConfigMaps whose keys all become variables: `envFrom`."""
    for secret in settings.secrets:
        if not secret.is_file and not secret.key:
            yield {"secretRef": {"name": secret.secret}}
    for config_map in settings.config_maps:
        if not config_map.is_file and not config_map.key:
            yield {"configMapRef": {"name": config_map.config_map}}


def _volumes(settings: ResourcesConfig) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the volumes of a pod, besides that of the run, and their mounts."""
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    secrets = [secret for secret in settings.secrets if secret.is_file]
    config_maps = [config_map for config_map in settings.config_maps if config_map.is_file]
    sources: list[tuple[str, SecretConfig | ConfigMapConfig]] = [
        *((f"{SECRET_VOLUME}{index}", secret) for index, secret in enumerate(secrets)),
        *(
            (f"{CONFIG_MAP_VOLUME}{index}", config_map)
            for index, config_map in enumerate(config_maps)
        ),
    ]
    for name, source in sources:
        mounts.append({"name": name, "mountPath": str(source.deploy_target), "readOnly": True})
        volumes.append({"name": name, **_files_of(source)})
    if settings.shared_memory is not None:
        mounts.append({"name": SHARED_MEMORY_VOLUME, "mountPath": SHARED_MEMORY_PATH})
        memory = {"medium": "Memory", "sizeLimit": settings.shared_memory}
        volumes.append({"name": SHARED_MEMORY_VOLUME, "emptyDir": memory})
    for name, volume in settings.volumes.items():
        volumes.append({"name": name, **_volume_source(volume)})
        if volume.mount_path is not None:
            mount: dict[str, Any] = {"name": name, "mountPath": volume.mount_path}
            mounts.append(
                {
                    **mount,
                    **({"subPath": volume.sub_path} if volume.sub_path else {}),
                    **({"readOnly": True} if volume.read_only else {}),
                }
            )
    return volumes, mounts


def _files_of(source: SecretConfig | ConfigMapConfig) -> dict[str, Any]:
    items = {"items": [{"key": source.key, "path": source.key}]} if source.key else {}
    if isinstance(source, SecretConfig):
        return {"secret": {"secretName": source.secret, **items}}
    return {"configMap": {"name": source.config_map, **items}}


def _volume_source(volume: PodVolume) -> dict[str, Any]:
    if volume.claim is not None:
        return {"persistentVolumeClaim": {"claimName": volume.claim}}
    if volume.empty_dir is not None:
        folder = {"medium": volume.empty_dir.medium, "sizeLimit": volume.empty_dir.size}
        return {"emptyDir": _filled(folder)}
    if volume.ephemeral is not None:
        claim = {
            "accessModes": list(volume.ephemeral.access_modes),
            "resources": {"requests": {"storage": volume.ephemeral.size}},
            "storageClassName": volume.ephemeral.storageclass,
        }
        return {"ephemeral": {"volumeClaimTemplate": {"spec": _filled(claim)}}}
    if volume.nfs is not None:
        return {"nfs": {"server": volume.nfs.server, "path": volume.nfs.path}}
    if volume.csi is not None:
        secret = {"name": volume.csi.secret} if volume.csi.secret else None
        source = {
            "driver": volume.csi.driver,
            "fsType": volume.csi.fs_type,
            "volumeAttributes": volume.csi.attributes,
            "nodePublishSecretRef": secret,
        }
        return {"csi": _filled(source)}
    assert volume.host_path is not None  # noqa: S101 - one of them is set
    return {"hostPath": _filled({"path": volume.host_path.path, "type": volume.host_path.type})}


def _further_containers(settings: ResourcesConfig) -> Iterator[dict[str, Any]]:
    """Yield the init containers, then the sidecars: init containers that Kubernetes keeps running.

    Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
    """
    sidecars = [{**container, "restartPolicy": "Always"} for container in settings.sidecars]
    pull = {"image": settings.image, "imagePullPolicy": settings.image_pull_policy}
    for container in (*settings.init_containers, *sidecars):
        own = container.get("securityContext", {})
        security = settings.security_context.of_container(own)
        yield {
            **({} if "image" in container else pull),
            **container,
            **({"securityContext": security} if security else {}),
        }


def _affinity(settings: ResourcesConfig, owned: str | None) -> dict[str, Any]:
    """Return the affinity of a pod, which may have to be on the machine of the run's first pod.

    Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
    """
    found = dict(settings.affinity)
    if owned is not None:
        term = {
            "labelSelector": {"matchLabels": {RUN_LABEL: owned}},
            "topologyKey": "kubernetes.io/hostname",
        }
        key = "requiredDuringSchedulingIgnoredDuringExecution"
        near = dict(found.get("podAffinity", {}))
        found["podAffinity"] = {**near, key: [term, *near.get(key, ())]}
    return found


def _tolerations(settings: ResourcesConfig) -> Iterator[dict[str, Any]]:
    for toleration in settings.tolerations:
        found = toleration.model_dump(exclude_none=True)
        seconds = found.pop("toleration_seconds", None)
        yield {**found, **({} if seconds is None else {"tolerationSeconds": seconds})}


def _dns(dns: DnsConfig) -> dict[str, Any]:
    found = {
        "nameservers": list(dns.nameservers),
        "searches": list(dns.searches),
        "options": [_filled({"name": name, "value": v}) for name, v in dns.options.items()],
    }
    return _filled(found)


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that say something. An empty mapping or list says nothing."""
    return {key: value for key, value in values.items() if value not in (None, "", {}, [])}


def _patched(base: Any, patch: Any, key: str = "") -> Any:
    """Return a manifest with a patch over it, as kubectl merges them."""
    if isinstance(base, Mapping) and isinstance(patch, Mapping):
        found = dict(base)
        for field, value in patch.items():
            found[field] = _patched(base[field], value, field) if field in base else value
        return found
    if key in _MERGE_KEYS and isinstance(base, list):
        return _merged_by(_MERGE_KEYS[key], base, patch)
    return patch


def _merged_by(field: str, base: list[Any], patch: Sequence[Any]) -> list[Any]:
    found = {part.get(field): part for part in base}
    for part in patch:
        name = part.get(field)
        found[name] = _patched(found[name], part) if name in found else part
    return list(found.values())


def _rendered(value: Any) -> Any:
    """Return a manifest with all texts as Airflow templates of plain `str`."""
    if isinstance(value, _Template):
        return str(value)
    if isinstance(value, str):
        return untemplated(value)
    if isinstance(value, Mapping):
        return {key: _rendered(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rendered(part) for part in value]
    return value
