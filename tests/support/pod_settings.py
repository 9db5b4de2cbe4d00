"""Any settings of pods that the configuration accepts."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from kedro_airflow_k8s.config.kubernetes_yaml import _CHOICES, _LIST, kubernetes_fields
from tests.support.strategies import texts

LABELS = string.ascii_lowercase + string.digits
names = st.text(LABELS, min_size=1, max_size=8).map(lambda text: f"a{text}z")
"""Names that every object can have."""
keys = st.builds(
    lambda prefix, name: prefix + name,
    st.sampled_from(["", "example.com/", "a.b-c.example.com/"]),
    st.text(LABELS + "-_.", max_size=20).map(lambda text: f"A{text}9"),
)
plain_keys = st.text(LABELS + "-_.", max_size=20).map(lambda text: f"K{text}")
devices = names.map(lambda name: f"example.com/{name}")
label_values = st.one_of(st.just(""), st.text(LABELS + "-_.", max_size=50).map(lambda t: f"x{t}Z"))
variables = st.text(string.ascii_letters + string.digits + "-_.", max_size=9).map(lambda t: f"V{t}")
paths = st.lists(
    st.text(LABELS + "-_ é$({'\"", min_size=1, max_size=6), min_size=1, max_size=3
).map(lambda parts: "".join(f"/p{part}" for part in parts))
sizes = st.builds(
    lambda number, unit: f"{number}{unit}",
    st.integers(1, 999),
    st.sampled_from(["", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "e3", "E2"]),
)
amounts = st.one_of(sizes, st.builds(lambda n: f"{n}m", st.integers(0, 5000)), st.just("0.5"))


def section(
    required: Mapping[str, st.SearchStrategy[Any]] | None = None,
    **optional: st.SearchStrategy[Any],
) -> st.SearchStrategy[dict[str, Any]]:
    """A section with keys that must, and others that may be there."""
    return st.fixed_dictionaries(dict(required or {}), optional=optional)


def mappings(
    to: st.SearchStrategy[Any], of: st.SearchStrategy[str] = keys
) -> st.SearchStrategy[dict[str, Any]]:
    """A few keys with values."""
    return st.dictionaries(of, to, max_size=3)


def toleration(key: str, value: str, effect: str | None, seconds: int | None) -> dict[str, Any]:
    """A toleration of one value, or of any."""
    found: dict[str, Any] = {"key": key}
    found |= {"operator": "Equal", "value": value} if value else {"operator": "Exists"}
    if effect:
        found["effect"] = effect
    if effect == "NoExecute" and seconds is not None:
        found["toleration_seconds"] = seconds
    return found


tolerations = st.builds(
    toleration,
    keys,
    label_values,
    st.sampled_from([None, "NoSchedule", "PreferNoSchedule", "NoExecute"]),
    st.none() | st.integers(-(2**63), 2**63 - 1),
)
env_vars = st.one_of(
    texts().filter(lambda text: "\x00" not in text),
    st.builds(
        lambda field: {"from_field": field},
        st.sampled_from(
            [
                *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName"),
                *("spec.serviceAccountName", "status.podIP", "status.hostIP", "status.podIPs"),
                *("metadata.labels['example.com/A9']", "metadata.annotations['A9']"),
            ]
        ),
    ),
    st.just({"from_airflow_variable": "region"}),
    st.sampled_from(
        [
            {"from_resource": "limits.cpu", "divisor": "1m"},
            {"from_resource": "requests.memory", "divisor": "1Mi"},
            {"from_resource": "limits.ephemeral-storage"},
        ]
    ),
)
sources = st.one_of(
    section({"deploy_type": st.just("env")}),
    section({"deploy_type": st.just("env"), "key": plain_keys,
             "deploy_target": variables}),
    section({"deploy_type": st.just("volume"), "deploy_target": paths},
            key=plain_keys),
)  # fmt: skip
volume_sources = st.one_of(
    st.builds(lambda name: {"claim": name}, names),
    st.builds(lambda folder: {"empty_dir": folder}, section(medium=st.just("Memory"), size=sizes)),
    st.builds(
        lambda volume: {"ephemeral": volume},
        section(
            {"size": sizes},
            storageclass=names,
            access_modes=st.sampled_from([["ReadWriteOnce"], ["ReadWriteMany", "ReadOnlyMany"]]),
        ),
    ),
    st.builds(lambda path: {"nfs": {"server": "nfs.example.com", "path": path}}, paths),
    st.builds(
        lambda volume: {"csi": volume},
        section(
            {"driver": st.just("secrets.example.com")},
            attributes=mappings(texts().filter(str.isprintable)),
            fs_type=st.just("ext4"),
            secret=names,
        ),
    ),
    st.builds(
        lambda path, kind: {"host_path": {"path": path, **({"type": kind} if kind else {})}},
        paths,
        st.sampled_from([None, "Directory", "FileOrCreate", "Socket", "BlockDevice"]),
    ),
)


@st.composite
def volumes(draw: st.DrawFn) -> dict[str, Any]:
    """A volume, mounted or not."""
    found: dict[str, Any] = draw(volume_sources)
    path = draw(st.none() | paths)
    if path is not None:
        found |= draw(section({"mount_path": st.just(path)}, read_only=st.booleans(),
                              sub_path=paths.map(lambda text: text[1:])))  # fmt: skip
    return found


@st.composite
def kubernetes_values(draw: st.DrawFn, kind: str, depth: int = 3, owner: str = "") -> Any:
    """Any value of a type of Kubernetes' API, as its fields are."""
    if (owner_choices := _CHOICES.get(tuple(owner.split(".", 1)))) is not None:  # type: ignore[arg-type]
        return draw(st.sampled_from(owner_choices))
    if kind in ("str", "datetime"):
        return draw(texts() if depth > 0 else names)
    if kind == "object":
        return draw(st.one_of(st.integers(0, 2**31 - 1), names))
    if kind == "int":
        return draw(st.integers(-(2**31), 2**31 - 1))
    if kind == "bool":
        return draw(st.booleans())
    if inner := _LIST.fullmatch(kind):
        size = draw(st.integers(1, 2))
        return [draw(kubernetes_values(inner[1], depth)) for _ in range(size)]
    if kind.startswith("dict["):
        item = kubernetes_values(kind[5:-1].partition(", ")[2], depth)
        return draw(st.dictionaries(names, item, min_size=1, max_size=2))
    fields = kubernetes_fields()[kind]
    optional = [name for name in fields if not name.endswith("!")]
    few = draw(st.lists(st.sampled_from(optional), unique=True, max_size=3)) if optional else []
    wanted = [name for name in fields if name.endswith("!") or (name in few and depth > 0)]
    return {
        name.rstrip("!"): draw(
            kubernetes_values(fields[name], depth - 1, f"{kind}.{name.rstrip('!')}")
        )
        for name in wanted
    }


@st.composite
def containers(draw: st.DrawFn, prefix: str) -> list[dict[str, Any]]:
    """Containers with names of their own, and without mounts of volumes that no one has."""
    found = draw(st.lists(kubernetes_values("V1Container"), max_size=2))
    for index, container in enumerate(found):
        container["name"] = f"{prefix}-{index}"
        container.pop("restartPolicy", None)
        container.pop("volumeMounts", None)
    return list(found)


@st.composite
def raw_pods(draw: st.DrawFn) -> dict[str, Any]:
    """The key `pod`, without what belongs to the DAG."""
    spec = draw(kubernetes_values("V1PodSpec"))
    for key in ("containers", "initContainers", "restartPolicy", "nodeName"):
        spec.pop(key, None)
    container = draw(kubernetes_values("V1Container"))
    for key in ("command", "args", "image", "imagePullPolicy", "volumeMounts"):
        container.pop(key, None)
    if draw(st.booleans()):
        spec["containers"] = [{**container, "name": "base"}]
    metadata = draw(section(labels=mappings(texts()), annotations=mappings(texts())))
    return {"metadata": metadata, "spec": spec}


_AMOUNTS = st.dictionaries(
    st.sampled_from(["cpu", "memory", "ephemeral-storage"]), amounts, max_size=3
)
_DEVICES = st.dictionaries(devices, st.integers(0, 9), max_size=1)
_PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "image_pull_policy": st.sampled_from(["Always", "IfNotPresent", "Never"]),
    "image_pull_secrets": st.lists(names, max_size=2, unique=True),
    "service_account_name": names,
    "automount_service_account_token": st.booleans(),
    "env_vars": mappings(env_vars, variables),
    "secrets": st.lists(st.builds(lambda n, s: {"secret": n, **s}, names, sources), max_size=2),
    "config_maps": st.lists(
        st.builds(lambda n, s: {"config_map": n, **s}, names, sources), max_size=2
    ),
    "volumes": st.dictionaries(names, volumes(), max_size=3),
    "shared_memory": sizes,
    "node_selectors": mappings(label_values),
    "labels": mappings(label_values),
    "annotations": mappings(texts()),
    "tolerations": st.lists(tolerations, max_size=2),
    "requests": _AMOUNTS,
    "limits": _DEVICES,
    "priority_class_name": names,
    "scheduler_name": names,
    "runtime_class_name": names,
    "dns": section(
        policy=st.sampled_from(["ClusterFirst", "Default"]),
        nameservers=st.lists(st.ip_addresses(v=4).map(str), max_size=3, unique=True),
        searches=st.lists(names.map(lambda name: f"{name}.example.com"), max_size=3, unique=True),
        options=st.dictionaries(names, st.sampled_from(["", "2"]), max_size=2),
    ),
    "termination_grace_period": st.sampled_from([0, 7, "30s", "2h"]),
    "active_deadline": st.sampled_from([1, "30s", "2h", "7d"]),
}
"""Each key whose values are not Kubernetes' own YAML."""

typed_settings = section(None, **_PLAIN)
"""Values of all keys but those that are Kubernetes' own YAML."""

any_settings = section(
    None,
    **_PLAIN,
    affinity=kubernetes_values("V1Affinity"),
    topology_spread=kubernetes_values("list[V1TopologySpreadConstraint]"),
    host_aliases=kubernetes_values("list[V1HostAlias]"),
    security_context=section(
        pod=kubernetes_values("V1PodSecurityContext"),
        container=kubernetes_values("V1SecurityContext"),
    ),
    init_containers=containers("before"),
    sidecars=containers("beside"),
    pod=raw_pods(),
)
"""Values of all keys, as Kubernetes' API has their fields."""
