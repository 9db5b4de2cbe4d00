"""Settings of pods: their volume, secrets and resources."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AliasChoices,
    Field,
    StrictBool,
    StrictInt,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from kedro_airflow_k8s.config import kubernetes as k8s
from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.errors import problems_error
from kedro_airflow_k8s.config.section import Section

AccessMode = Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]


class VolumeConfig(Section):
    """The volume by which pods pass on intermediate data; each DAG run has its own."""

    storageclass: values.DnsName | None = Field(
        default=None,
        description="Storage class of the volume. Default: the default class of the cluster.",
    )
    size: values.Size = Field(
        default="1Gi", description="Size of the volume in bytes, a Kubernetes quantity."
    )
    access_modes: Annotated[tuple[AccessMode, ...], values.AccessModes] = Field(
        default=("ReadWriteOnce",),
        json_schema_extra={"minItems": 1, "uniqueItems": True},
        description="How pods may mount the volume. ReadWriteMany lets pods on several "
        "machines use it at the same time, if the storage class offers it.",
    )
    same_node: StrictBool | None = Field(
        default=None,
        description="Run the pods of a run on one machine, as a volume needs that only one machine "
        "can mount. Default: true for ReadWriteOnce without ReadWriteMany.",
    )
    skip_init: StrictBool = Field(
        default=False,
        description="Leave a new volume empty: do not copy the image's data folder to it.",
    )
    owner: StrictInt = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Id of the group that owns the files on the volume (fsGroup). 0 is root.",
    )
    disabled: StrictBool = Field(
        default=False,
        description="Run without a volume. The other keys of this section then have no effect.",
    )
    mount_path: values.MountPath = Field(
        default="/home/kedro_docker/data",
        description="Mount path of the volume: the absolute path of the project's data folder "
        "in the image.",
    )

    @property
    def keeps_pods_together(self) -> bool:
        """Whether the pods of a run have to be on the same machine."""
        if self.disabled:
            return False
        if self.same_node is not None:
            return self.same_node
        return "ReadWriteOnce" in self.access_modes and "ReadWriteMany" not in self.access_modes

    @model_validator(mode="wrap")
    @classmethod
    def _disabled_discards_the_rest(
        cls, data: Any, handler: ValidatorFunctionWrapHandler
    ) -> "VolumeConfig":
        if not isinstance(data, Mapping) or data.get("disabled") is not True:
            volume: VolumeConfig = handler(data)
            return volume
        others = cls.model_fields.keys() - {"disabled"}
        disabled: VolumeConfig = handler({key: data[key] for key in data if key not in others})
        # The given keys stay known, for the warning that they have no effect.
        disabled.model_fields_set.update(key for key in others if data.get(key) is not None)
        return disabled


class SecretConfig(Section):
    """A Kubernetes Secret for all pods of the pipeline."""

    deploy_type: Literal["env", "volume"] = Field(
        default="env",
        description="How pods get the Secret: as environment variables or as files.",
    )
    deploy_target: values.Text | None = Field(
        default=None,
        description="With `env` and a `key`: the environment variable for the value of the key. "
        "With `env` and no `key`: omit it, each key becomes a variable. "
        "With `volume`: the absolute path of the folder for the files.",
    )
    secret: values.DnsName = Field(description="Name of the Secret in the cluster.")
    key: values.SecretKey | None = Field(
        default=None,
        description="Key of the Secret. Default: all keys.",
    )

    @model_validator(mode="after")
    def _target_fits_type(self) -> Self:
        reason = self._target_reason()
        if reason:
            raise problems_error({("deploy_target",): reason})
        return self

    def _target_reason(self) -> str | None:
        target = self.deploy_target
        if self.deploy_type == "volume":
            if target is None:
                return "is missing: `deploy_type: volume` needs the absolute path of a folder"
            return values.mount_reason(target)
        if self.key is None:
            if target is None:
                return None
            return (
                "must be omitted without a `key`: each key of the Secret becomes a variable of its "
                "own name"
            )
        if target is None:
            return "is missing: with a `key`, it names the environment variable"
        return values.variable_reason(target)


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


class ResourcesConfig(Section):
    """Resources of the pods of some nodes: machines, amounts, labels and annotations."""

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

    @field_validator("requests", "limits")
    @classmethod
    def _amounts(cls, amounts: dict[str, str]) -> dict[str, str]:
        reasons = {(name,): k8s.resource_reason(name, text) for name, text in amounts.items()}
        problems = {path: reason for path, reason in reasons.items() if reason}
        if problems:
            raise problems_error(problems)
        return amounts
