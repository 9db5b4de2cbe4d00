"""The typed model of `airflow-k8s.yaml`, and its JSON Schema.

The descriptions below are what the documentation's reference and the editors show.
`python -m kedro_airflow_k8s.config > kedro_airflow_k8s/airflow-k8s.schema.json` writes the schema anew.
"""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from kedro_airflow_k8s import config_values as values
from kedro_airflow_k8s import kubernetes_rules as k8s
from kedro_airflow_k8s.config_errors import problems_error, refusal, shown_path
from kedro_airflow_k8s.errors import ConfigError

RESOURCES_DEFAULT = "__default__"
AccessMode = Literal[
    "ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"
]
_BYTES = ("memory", "ephemeral-storage")


class Section(BaseModel):
    """A part of the file: keys that it does not know are refused; it never changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    also_named: ClassVar[Mapping[str, str]] = {}
    """Other names of a field, to its name."""

    @model_validator(mode="before")
    @classmethod
    def _no_value_means_default(cls, data: Any) -> Any:
        """YAML says null where everything below a key is commented out."""
        if data is None:
            return {}
        if not isinstance(data, Mapping):
            return data
        known = {**cls.model_fields, **cls.also_named}
        return {
            key: value
            for key, value in data.items()
            if value is not None or key not in known
        }


class VolumeConfig(Section):
    """The volume that hands intermediate data from pod to pod: every DAG run has its own."""

    storageclass: values.DnsName | None = Field(
        default=None,
        description="Storage class of the volume. Without one, the cluster's default class.",
    )
    size: values.Size = Field(
        default="1Gi", description="Size of the volume, a Kubernetes quantity in bytes."
    )
    access_modes: Annotated[tuple[AccessMode, ...], values.AccessModes] = Field(
        default=("ReadWriteOnce",),
        description="How pods may mount the volume. ReadWriteMany lets pods on several "
        "machines work at a time, where the storage class offers it.",
    )
    skip_init: StrictBool = Field(
        default=False,
        description="Leave the fresh volume empty instead of copying the image's data folder to it.",
    )
    owner: StrictInt = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Id of the group that owns the files on the volume (fsGroup); 0 is root.",
    )
    disabled: StrictBool = Field(
        default=False,
        description="Run without a volume. The other keys of this section then have no effect.",
    )
    mount_path: values.MountPath = Field(
        default="/home/kedro_docker/data",
        description="Where the volume is mounted: the absolute path of the project's data "
        "folder in the image.",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _disabled_discards_the_rest(
        cls, data: Any, handler: ValidatorFunctionWrapHandler
    ) -> "VolumeConfig":
        if not isinstance(data, Mapping) or data.get("disabled") is not True:
            volume: VolumeConfig = handler(data)
            return volume
        given = {key for key in data if key in cls.model_fields}
        handler(
            {key: data[key] for key in data if key not in given}
        )  # refuses unknown keys
        # What was given stays known, for the warning that it has no effect.
        return cls.model_construct(_fields_set=given, disabled=True)


class SecretConfig(Section):
    """A Kubernetes Secret that every pod of the pipeline sees."""

    deploy_type: Literal["env", "volume"] = Field(
        default="env",
        description="How pods see the secret: as environment variables or as files.",
    )
    deploy_target: values.Text | None = Field(
        default=None,
        description="With `env` and a `key`: the environment variable that holds the value of "
        "the key. With `env` and no `key`: must be left out, every key becomes a variable. "
        "With `volume`: the absolute path of the folder that holds the files.",
    )
    secret: values.DnsName = Field(description="Name of the Secret in the cluster.")
    key: values.SecretKey | None = Field(
        default=None,
        description="The one key of the Secret to take. Without it, all of them.",
    )

    @model_validator(mode="after")
    def _target_fits_type(self) -> Self:
        target = self.deploy_target
        if self.deploy_type == "volume":
            reason = (
                "is missing: `deploy_type: volume` needs the absolute path of a folder"
            )
            if target:
                reason = k8s.mount_path_reason(target)
        elif self.key is None:
            reason = (
                "must be left out when there is no `key`: all keys of the secret become "
                "variables under their own names"
                if target
                else None
            )
        elif target is None:
            reason = "is missing: with a `key`, it names the environment variable"
        else:
            reason = k8s.env_name_reason(target)
        if reason:
            raise problems_error({("deploy_target",): reason})
        return self


class Toleration(Section):
    """A taint that pods put up with, as in Kubernetes."""

    also_named: ClassVar[Mapping[str, str]] = {
        "tolerationSeconds": "toleration_seconds"
    }

    key: str | None = Field(default=None, description="Key of the taint.")
    operator: Literal["Equal", "Exists"] | None = Field(
        default=None,
        description="`Equal` (also without an operator): the taint has this value. `Exists`: any "
        "value; without a key, any taint.",
    )
    value: str | None = Field(
        default=None, description="Value of the taint, for `Equal`."
    )
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Without one, all effects."
    )
    toleration_seconds: StrictInt | None = Field(
        default=None,
        ge=-(2**63),
        le=2**63 - 1,
        validation_alias=AliasChoices("toleration_seconds", "tolerationSeconds"),
        description="With `NoExecute`: seconds after which the pod has to leave. Without it, never.",
    )

    @model_validator(mode="after")
    def _as_kubernetes_checks_it(self) -> Self:
        problems = k8s.toleration_problems(
            self.key, self.operator, self.value, self.effect, self.toleration_seconds
        )
        if problems:
            raise problems_error(
                {(field,): reason for field, reason in problems.items()}
            )
        return self


class ResourcesConfig(Section):
    """What the pods of some nodes need: which machines, how much of them, and their marks."""

    node_selectors: dict[str, str] = Field(
        default={}, description="Labels that a machine must have to run the pods."
    )
    labels: dict[str, str] = Field(default={}, description="Labels of the pods.")
    annotations: dict[str, str] = Field(
        default={}, description="Annotations of the pods."
    )
    tolerations: tuple[Toleration, ...] = Field(
        default=(), description="Taints that the pods put up with."
    )
    requests: dict[str, values.Quantity] = Field(
        default={},
        description="What is set aside for a pod: resource to quantity, such as cpu: 500m "
        "(half a core) or memory: 1Gi (bytes).",
    )
    limits: dict[str, values.Quantity] = Field(
        default={}, description="The most that a pod may use: resource to quantity."
    )

    @field_validator("requests", "limits")
    @classmethod
    def _amounts(cls, amounts: dict[str, str]) -> dict[str, str]:
        reasons = {
            (name,): k8s.resource_reason(name, text) for name, text in amounts.items()
        }
        problems = {path: reason for path, reason in reasons.items() if reason}
        if problems:
            raise problems_error(problems)
        return amounts


class ExternalDependency(Section):
    """A DAG, or a task of one, that has to finish before this pipeline starts."""

    dag_id: values.AirflowId = Field(description="Id of the DAG to wait for.")
    task_id: values.AirflowId | None = Field(
        default=None,
        description="Id of the task to wait for. Without one, the whole DAG.",
    )
    timeout: StrictInt = Field(
        default=1440,
        gt=0,
        le=values.LONGEST_MINUTES,
        description="Longest wait in minutes; then this pipeline fails.",
    )
    check_existence: StrictBool = Field(
        default=True,
        description="Fail at once when the DAG or the task does not exist.",
    )
    execution_delta: StrictInt = Field(
        default=0,
        ge=-values.LONGEST_MINUTES,
        le=values.LONGEST_MINUTES,
        description="How many minutes earlier than this run the awaited run was scheduled.",
    )


class RunConfig(Section):
    """How the pipeline runs."""

    also_named: ClassVar[Mapping[str, str]] = {"startup_timeout": "startup_time"}

    image: values.Image | None = Field(
        default=None,
        description="Image that every pod of the pipeline runs. `--image` takes precedence.",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent",
        description="When the cluster fetches the image: Always suits a tag that is pushed "
        "again and again, Never an image that is only on the machine itself.",
    )
    startup_time: StrictInt = Field(
        default=600,
        gt=0,
        validation_alias=AliasChoices("startup_time", "startup_timeout"),
        description="Longest time in seconds that a pod may take to start; then its task fails.",
    )
    namespace: values.DnsLabel | None = Field(
        default=None,
        description="Kubernetes namespace of the pods. Without one, the namespace that "
        "Airflow's Kubernetes connection names.",
    )
    experiment_name: values.Text | None = Field(
        default=None, description="Name of the experiment that the runs belong to."
    )
    run_name: values.RunName | None = Field(
        default=None,
        description="Name of the DAG; letters, digits, `-`, `_` and `.` of it make the dag_id. "
        "Without one, the project's name.",
    )
    cron_expression: values.Cron | None = Field(
        default=None,
        description="When the pipeline runs: a cron expression of five fields or a preset of "
        "Airflow such as @daily. Without one, only when somebody starts it.",
    )
    start_date: values.Day | None = Field(
        default=None,
        description="First day of the schedule, as YYYYMMDD or YYYY-MM-DD.",
    )
    description: values.Text | None = Field(
        default=None, description="What the pipeline is for, as Airflow shows it."
    )
    image_pull_secrets: Annotated[
        tuple[values.DnsName, ...], values.NamesOrText, values.Distinct
    ] = Field(
        default=(),
        description="Names of the Secrets to fetch the image with: a list, or a text with commas.",
    )
    service_account_name: values.DnsName | None = Field(
        default=None,
        description="Service account of the pods. Without one, the namespace's default.",
    )
    kubernetes_conn_id: values.ConnectionId = Field(
        default="kubernetes_default",
        description="Airflow connection that leads to the cluster. When Airflow has none of "
        "this default name, the cluster it runs in, or its kubeconfig.",
    )
    volume: VolumeConfig = Field(
        default=VolumeConfig(),
        description="The volume that hands intermediate data from pod to pod.",
    )
    secrets: tuple[SecretConfig, ...] = Field(
        default=(), description="Kubernetes Secrets that every pod sees."
    )
    macro_params: Annotated[tuple[values.Macro, ...], values.Distinct] = Field(
        default=(),
        description="Airflow macros that become Kedro parameters of the same names.",
    )
    variables_params: Annotated[tuple[values.Text, ...], values.Distinct] = Field(
        default=(),
        description="Airflow variables that become Kedro parameters of the same names.",
    )
    env_vars: dict[values.EnvName, str] = Field(
        default={},
        description="Environment variables of every pod. They stand in the DAG for all to "
        "read: passwords belong under `secrets`.",
    )
    resources: dict[values.Text, ResourcesConfig] = Field(
        default={},
        description="What pods need, by name. Nodes choose an entry by the tag "
        f"`resources:<name>`; those that choose none have {RESOURCES_DEFAULT}.",
    )
    external_dependencies: tuple[ExternalDependency, ...] = Field(
        default=(), description="What has to finish before this pipeline starts."
    )

    @field_validator("variables_params")
    @classmethod
    def _parameters_once(
        cls, names: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        both = [name for name in names if name in info.data.get("macro_params", ())]
        if both:
            raise ValueError(
                f"must not repeat macro_params, because both become parameters: {', '.join(both)}"
            )
        return names

    @field_validator("secrets")
    @classmethod
    def _targets_once(
        cls, secrets: tuple[SecretConfig, ...], info: ValidationInfo
    ) -> tuple[SecretConfig, ...]:
        volume = info.data.get("volume")
        taken = (
            {volume.mount_path: "volume.mount_path"}
            if volume and not volume.disabled
            else {}
        )
        problems = {}
        for index, secret in enumerate(secrets):
            if secret.deploy_target is None:
                continue
            # Airflow writes the variable in upper case.
            target = secret.deploy_target
            target = target.upper() if secret.deploy_type == "env" else target
            if target in taken:
                problems[(index, "deploy_target")] = (
                    f"is the target of {taken[target]} already"
                )
            taken.setdefault(target, f"secrets[{index}]")
        if problems:
            raise problems_error(problems)
        return secrets


class PluginConfig(Section):
    """Configuration of kedro-airflow-k8s: conf/<env>/airflow-k8s.yaml."""

    host: values.Host | None = Field(
        default=None,
        description="Base address of Airflow's web server, with http:// or https:// in front.",
    )
    output: values.Text | None = Field(
        default=None,
        description="Where Airflow reads its DAGs: a folder, or an address that begins with "
        "gs://, gcs://, s3:// or abfs://.",
    )
    run_config: RunConfig = Field(description="How the pipeline runs.")


def load_config(data: Any, source: str) -> PluginConfig:
    """The typed form of the merged content of the configuration files.

    Args:
        data: What the files say, as plain dicts, lists and scalars.
        source: What to call the files in a message, such as `conf/base/airflow-k8s.yaml`.

    Raises:
        ConfigError: Something in it is unknown or impossible; the message lists everything.
    """
    try:
        return PluginConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(refusal(error, PluginConfig, data, source)) from None


def config_warnings(config: PluginConfig) -> list[str]:
    """What loads but will hardly do what its author wanted, each with its path and the reason."""
    run = config.run_config
    found = []
    if run.volume.disabled:
        idle = sorted(run.volume.model_fields_set - {"disabled"})
        found += [
            f"run_config.volume.{key}: has no effect, the volume is disabled"
            for key in idle
        ]
    elif values.is_suspiciously_small(run.volume.size):
        found.append(_smallness("run_config.volume.size", run.volume.size))
    for index, secret in enumerate(run.secrets):
        target = secret.deploy_target or ""
        if secret.deploy_type == "env" and target != target.upper():
            path = f"run_config.secrets[{index}].deploy_target"
            found.append(
                f"{path}: Airflow names the variable {target.upper()}, in upper case"
            )
    for name, resources in run.resources.items():
        found += _resource_warnings(name, resources)
    return found


def _resource_warnings(name: str, resources: ResourcesConfig) -> list[str]:
    at = ("run_config", "resources", name)
    found = []
    if name != RESOURCES_DEFAULT and get_close_matches(
        name, [RESOURCES_DEFAULT], cutoff=0.8
    ):
        found.append(
            f"{shown_path(at)}: looks like {RESOURCES_DEFAULT}, but only that exact name serves "
            "nodes without a tag"
        )
    for field in ("node_selectors", "labels", "annotations"):
        for key, value in getattr(resources, field).items():
            reason = k8s.label_key_reason(key)
            if reason:
                path = shown_path((*at, field, key))
                found.append(f"{path}: Kubernetes will refuse this key: {reason}")
            reason = k8s.label_value_reason(value) if field != "annotations" else None
            if reason:
                path = shown_path((*at, field, key))
                found.append(
                    f"{path}: Kubernetes will refuse the value {value!r}: it {reason}"
                )
    for field in ("requests", "limits"):
        for key, amount in getattr(resources, field).items():
            if key in _BYTES and values.is_suspiciously_small(amount):
                found.append(_smallness(shown_path((*at, field, key)), amount))
    return found


def _smallness(path: str, amount: str) -> str:
    return (
        f"{path}: {amount!r} is less than 1 MiB; a unit such as Mi or Gi may be missing"
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `airflow-k8s.yaml`, for editors."""
    from kedro_airflow_k8s.config_schema import export

    return export(PluginConfig)


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
