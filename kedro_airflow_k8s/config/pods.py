"""Settings of pods, for all pods of a pipeline or for those of some nodes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from kedro_airflow_k8s.config import kubernetes as k8s
from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.errors import Steps, problems_error, shown_path
from kedro_airflow_k8s.config.kubernetes_yaml import OfKind
from kedro_airflow_k8s.config.own_names import (
    BASE_CONTAINER,
    DATA_VOLUME,
    OWN_VOLUMES,
    SHARED_MEMORY_PATH,
    SHARED_MEMORY_VOLUME,
    own_volume_reason,
)
from kedro_airflow_k8s.config.raw_pod import raw_pod_problems
from kedro_airflow_k8s.config.section import Section
from kedro_airflow_k8s.config.security import (
    SecurityContext,
    unrestricted_containers,
    unrestricted_spec,
)
from kedro_airflow_k8s.config.sources import ConfigMapConfig, DataSource, EnvVars, SecretConfig
from kedro_airflow_k8s.config.tasks import TaskConfig
from kedro_airflow_k8s.config.volumes import PodVolume, VolumeConfig

_NOT_RESTRICTED = ("nfs", "host_path")
_VOLUME = "must be a volume"


class Toleration(Section):
    """A taint that pods tolerate, as in Kubernetes."""

    also_named: ClassVar[Mapping[str, str]] = {"tolerationSeconds": "toleration_seconds"}

    key: str | None = Field(default=None, description="Key of the taint.")
    operator: Literal["Equal", "Exists"] | None = Field(
        default=None,
        description="`Equal` (the default): the taint has this value. `Exists`: any value; without "
        "a key, any taint.",
    )
    value: str | None = Field(default=None, description="Value of the taint, for `Equal`.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Default: all effects."
    )
    toleration_seconds: StrictInt | None = Field(
        default=None,
        ge=-(2**63),
        le=2**63 - 1,
        validation_alias=AliasChoices("toleration_seconds", "tolerationSeconds"),
        description="With `NoExecute`: seconds until the pod is evicted. Default: never.",
    )

    @field_validator("key", "operator", "effect", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: Any) -> Any:
        return None if value == "" else value

    @model_validator(mode="after")
    def _as_kubernetes_checks_it(self) -> Self:
        problems = k8s.toleration_problems(
            self.key, self.operator, self.value, self.effect, self.toleration_seconds
        )
        if problems:
            raise problems_error({(field,): reason for field, reason in problems.items()})
        return self


class DnsConfig(Section):
    """The resolver of pods: name servers and domains."""

    policy: Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"] | None = Field(
        default=None,
        description="`ClusterFirst`: by the cluster. `Default`: as the machine does. `None`: only"
        " by the keys below. Default: `ClusterFirst`.",
    )
    nameservers: tuple[str, ...] = Field(default=(), description="Addresses of name servers.")
    searches: tuple[str, ...] = Field(default=(), description="Domains to search for short names.")
    options: dict[str, str] = Field(
        default={}, description="Options of the resolver, such as `ndots`, with their values."
    )

    @model_validator(mode="after")
    def _servers_without_policy(self) -> Self:
        if self.policy == "None" and not self.nameservers:
            reason = "is missing: `policy: None` needs the address of a name server"
            raise problems_error({("nameservers",): reason})
        return self


def _volume_name(name: str) -> str:
    reason = k8s.dns_label_reason(name) or own_volume_reason(name)
    if reason:
        raise ValueError(reason)
    return name


def _raw_pod(value: dict[str, Any]) -> dict[str, Any]:
    problems = dict(raw_pod_problems(value))
    if problems:
        raise problems_error(problems)
    return value


VolumeName = Annotated[
    str,
    AfterValidator(_volume_name),
    WithJsonSchema({"type": "string", "pattern": f"^({k8s.LABEL_PATTERN})$"}),
]
RawPod = Annotated[dict[str, Any], AfterValidator(_raw_pod), WithJsonSchema({"type": "object"})]


class PodConfig(Section):
    """Settings of pods."""

    image: values.Image | None = Field(
        default=None,
        description="Image of the pods. `--image` takes precedence.",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent",
        description="When the cluster pulls the image: Always suits a tag that is pushed "
        "repeatedly, Never an image that is only on the machine itself.",
    )
    image_pull_secrets: values.Names = Field(
        default=(),
        description="Secrets used to pull the image: a list of names, or a string with commas.",
    )
    service_account_name: values.DnsName | None = Field(
        default=None,
        description="Service account of the pods. Default: the default of the namespace.",
    )
    automount_service_account_token: StrictBool | None = Field(
        default=None,
        description="Whether pods get the token of their service account, which they need only to"
        " call Kubernetes. Default: the service account decides, usually yes.",
    )
    env_vars: EnvVars = Field(
        default={},
        description="Environment variables of the pods: a text, or a section with a source. The"
        " DAG contains texts in plain: passwords belong under `secrets`.",
    )
    secrets: tuple[SecretConfig, ...] = Field(
        default=(), description="Kubernetes Secrets for the pods."
    )
    config_maps: tuple[ConfigMapConfig, ...] = Field(
        default=(), description="Kubernetes ConfigMaps for the pods."
    )
    volumes: dict[VolumeName, PodVolume] = Field(
        default={},
        description="Volumes of the pods, by name, besides the one that the run owns.",
    )
    shared_memory: values.Size | None = Field(
        default=None,
        description="Size of /dev/shm in bytes, such as 2Gi, which PyTorch's data loaders need. It"
        " counts as memory of the pod. Default: 64Mi, that of the container runtime.",
    )
    node_selectors: dict[str, str] = Field(
        default={}, description="Labels of the machines that may run the pods."
    )
    labels: dict[str, str] = Field(default={}, description="Labels of the pods.")
    annotations: dict[str, str] = Field(default={}, description="Annotations of the pods.")
    tolerations: tuple[Toleration, ...] = Field(
        default=(), description="Taints that the pods tolerate."
    )
    requests: dict[str, values.Quantity] = Field(
        default={},
        description="Amounts that are reserved for a pod: resource to quantity, such as "
        "cpu: 500m (half a core) or memory: 1Gi (bytes).",
    )
    limits: dict[str, values.Quantity] = Field(
        default={}, description="Amounts that a pod may use at most: resource to quantity."
    )
    affinity: Annotated[dict[str, Any], OfKind("V1Affinity")] = Field(
        default={},
        description="Machines and other pods to be near to or far from, in Kubernetes' own YAML.",
    )
    topology_spread: Annotated[
        tuple[dict[str, Any], ...], OfKind("list[V1TopologySpreadConstraint]")
    ] = Field(
        default=(),
        description="How pods spread over machines and zones: Kubernetes'"
        " topologySpreadConstraints, in its own YAML.",
    )
    priority_class_name: values.DnsName | None = Field(
        default=None,
        description="Priority class of the pods. Default: that of the cluster.",
    )
    scheduler_name: values.DnsName | None = Field(
        default=None, description="Scheduler of the pods. Default: that of the cluster."
    )
    runtime_class_name: values.DnsName | None = Field(
        default=None,
        description="Runtime class of the pods, such as nvidia. Default: that of the machine.",
    )
    host_aliases: Annotated[tuple[dict[str, Any], ...], OfKind("list[V1HostAlias]")] = Field(
        default=(),
        description="Entries for /etc/hosts: Kubernetes' hostAliases, with `ip` and `hostnames`.",
    )
    dns: DnsConfig = Field(
        default=DnsConfig.model_construct(), description="How pods resolve names."
    )
    security_context: SecurityContext = Field(
        default=SecurityContext.model_construct(),
        description="Rights of the pods: the word `restricted`, or a section.",
    )
    init_containers: Annotated[tuple[dict[str, Any], ...], OfKind("list[V1Container]")] = Field(
        default=(),
        description="Containers that run before the nodes, one after the other, in Kubernetes' own"
        " YAML. Their image is that of the pods unless they name one.",
    )
    sidecars: Annotated[tuple[dict[str, Any], ...], OfKind("list[V1Container]")] = Field(
        default=(),
        description="Containers that run beside the nodes and are stopped after them, in"
        " Kubernetes' own YAML. They need Kubernetes 1.29 or later.",
    )
    termination_grace_period: values.Delay | None = Field(
        default=None,
        description="Time for a pod to end before it is killed. Default: 30 seconds.",
    )
    active_deadline: values.Duration | None = Field(
        default=None,
        description="Longest time of a pod, after which Kubernetes ends it. Default: no limit.",
    )
    pod: RawPod = Field(
        default={},
        description="Any other field of the pod in Kubernetes' own YAML, with `metadata` and"
        " `spec`. It is merged over all else; lists of named parts by their names.",
    )

    @field_validator("requests", "limits")
    @classmethod
    def _amounts(cls, amounts: dict[str, str]) -> dict[str, str]:
        reasons = {(name,): k8s.resource_reason(name, text) for name, text in amounts.items()}
        problems = {path: reason for path, reason in reasons.items() if reason}
        if problems:
            raise problems_error(problems)
        return amounts

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        problems = {
            **dict(self._target_problems()),
            **dict(_container_problems("init_containers", self.init_containers)),
            **dict(_container_problems("sidecars", self.sidecars, self.init_containers)),
            **dict(self._mount_problems()),
            **dict(self._unrestricted()),
        }
        if problems:
            raise problems_error(problems)
        return self

    @property
    def data_sources(self) -> Iterator[tuple[str, int, DataSource]]:
        """The Secrets and ConfigMaps: the key of the list, the position, and the entry."""
        lists: tuple[tuple[str, Sequence[DataSource]], ...] = (
            ("secrets", self.secrets),
            ("config_maps", self.config_maps),
        )
        for key, entries in lists:
            for index, entry in enumerate(entries):
                yield key, index, entry

    def targets(self) -> Iterator[tuple[Steps, str]]:
        """Yield each variable and mount path of the pods, after the key that makes it."""
        for name in self.env_vars:
            yield ("env_vars", name), name
        if self.shared_memory is not None:
            yield ("shared_memory",), SHARED_MEMORY_PATH
        for name, volume in self.volumes.items():
            if volume.mount_path is not None:
                yield ("volumes", name, "mount_path"), volume.mount_path
        for key, index, entry in self.data_sources:
            if entry.deploy_target is not None:
                yield (key, index, "deploy_target"), entry.deploy_target
        yield from self._raw_targets()

    def _raw_targets(self) -> Iterator[tuple[Steps, str]]:
        """Yield the variables and mount paths that `pod` adds to the container of the nodes."""
        for index, container in enumerate(self.pod.get("spec", {}).get("containers", ())):
            path: Steps = ("pod", "spec", "containers", index)
            for number, variable in enumerate(container.get("env", ())):
                yield (*path, "env", number, "name"), variable["name"]
            for number, mount in enumerate(container.get("volumeMounts", ())):
                known = self.volumes.get(mount["name"])
                # Another field of a mount that is here already.
                if known is None or known.mount_path != mount["mountPath"]:
                    yield (*path, "volumeMounts", number, "mountPath"), mount["mountPath"]

    def _target_problems(self) -> Iterator[tuple[Steps, str]]:
        taken: dict[str, Steps] = {}
        for path, target in self.targets():
            if target in taken:
                yield path, differ_from(taken[target])
            taken.setdefault(target, path)

    def _mount_problems(self) -> Iterator[tuple[Steps, str]]:
        spec = self.pod.get("spec", {})
        known = {DATA_VOLUME, *self.volumes, *(each["name"] for each in spec.get("volumes", ()))}
        if self.shared_memory is not None:
            known.add(SHARED_MEMORY_VOLUME)
        lists: Mapping[Steps, Sequence[Mapping[str, Any]]] = {
            ("init_containers",): self.init_containers,
            ("sidecars",): self.sidecars,
            ("pod", "spec", "containers"): spec.get("containers", ()),
            ("pod", "spec", "initContainers"): spec.get("initContainers", ()),
        }
        for path, containers in lists.items():
            for index, container in enumerate(containers):
                for mount, entry in enumerate(container.get("volumeMounts", ())):
                    if entry["name"] not in known:
                        # The DAG mounts its own volumes in the container of the nodes.
                        own = OWN_VOLUMES if path[-1] == "containers" else ()
                        names = ", ".join(sorted(known.difference(own))) or "define it in `volumes`"
                        yield (*path, index, "volumeMounts", mount, "name"), f"{_VOLUME}: {names}"

    def _unrestricted(self) -> Iterator[tuple[Steps, str]]:
        if not self.security_context.profile:
            return
        for name, volume in self.volumes.items():
            if volume.source in _NOT_RESTRICTED:
                reason = "`security_context: restricted` does not allow such a volume"
                yield ("volumes", name, volume.source), reason
        for path, reason in unrestricted_spec(self.pod.get("spec", {})):
            yield ("pod", "spec", *path), reason
        for path, reason in unrestricted_containers(self.init_containers):
            yield ("init_containers", *path), reason
        for path, reason in unrestricted_containers(self.sidecars):
            yield ("sidecars", *path), reason


def differ_from(path: Steps) -> str:
    """Return the reason of a variable or mount path that another key has."""
    return f"must differ from {shown_path(path)}"


def hidden_data(settings: PodConfig, volume: VolumeConfig) -> Iterator[tuple[Steps, str]]:
    """Yield the mounts at, in or above the data folder, where the volume of the run is mounted.

    Args:
        settings: The settings of pods.
        volume: The volume of the run.
    """
    data = volume.mount_path
    for path, target in settings.targets() if not volume.disabled else ():
        if target == data:
            yield path, differ_from(("run_config", "volume", "mount_path"))
        elif target.startswith("/") and data.startswith(f"{target}/"):
            yield path, f"must not be above {data}: it would hide the project in the image"
        elif path[0] == "volumes" and target.startswith(f"{data}/") and not volume.skip_init:
            reason = (
                f"must not be in {data}, which data_volume_init copies to the volume of the run"
            )
            yield path, f"{reason}. Choose another path, or set run_config.volume.skip_init"


def _container_problems(
    key: str, containers: Sequence[Mapping[str, Any]], earlier: Sequence[Mapping[str, Any]] = ()
) -> Iterator[tuple[Steps, str]]:
    taken = {BASE_CONTAINER, *(str(container.get("name")) for container in earlier)}
    for index, container in enumerate(containers):
        name = str(container["name"])
        reason = k8s.dns_label_reason(name)
        if name in taken:
            reason = "must differ from the names of the other containers"
        if reason:
            yield (key, index, "name"), reason
        taken.add(name)
        if "restartPolicy" in container:
            reason = "must be omitted: containers that keep running belong under `sidecars`"
            yield (key, index, "restartPolicy"), reason


class ResourcesConfig(PodConfig, TaskConfig):
    """Settings of the pods and tasks of some nodes, over those of `run_config`."""

    @classmethod
    def own_fields(cls) -> dict[str, Any]:
        """Return no fields: `run_config` documents them."""
        return {}
