"""The sections and keys of `airflow-k8s.yaml`.

The descriptions below are what the documentation's reference and the editors show. Checks that
need one value only are in `config_values`; those that compare several keys are here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AliasChoices,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from kedro_airflow_k8s import config_values as values
from kedro_airflow_k8s import kubernetes_rules as k8s
from kedro_airflow_k8s.config_errors import problems_error
from kedro_airflow_k8s.config_section import Section

RESOURCES_DEFAULT = "__default__"
AccessMode = Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]


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
        json_schema_extra={"minItems": 1, "uniqueItems": True},
        description="How pods may mount the volume. ReadWriteMany lets pods on several "
        "machines work at a time, where the storage class offers it.",
    )
    skip_init: StrictBool = Field(
        default=False,
        description="Leave the fresh volume empty: do not copy the image's data folder to it.",
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
        others = cls.model_fields.keys() - {"disabled"}
        disabled: VolumeConfig = handler({key: data[key] for key in data if key not in others})
        # What was given stays known, for the warning that it has no effect.
        disabled.model_fields_set.update(key for key in others if data.get(key) is not None)
        return disabled


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
                "must be left out when there is no `key`: every key of the secret becomes a "
                "variable of its own name"
            )
        if target is None:
            return "is missing: with a `key`, it names the environment variable"
        return values.variable_reason(target)


class Toleration(Section):
    """A taint that pods put up with, as in Kubernetes."""

    also_named: ClassVar[Mapping[str, str]] = {"tolerationSeconds": "toleration_seconds"}

    key: str | None = Field(default=None, description="Key of the taint.")
    operator: Literal["Equal", "Exists"] | None = Field(
        default=None,
        description="`Equal` (also without an operator): the taint has this value. `Exists`: any "
        "value; without a key, any taint.",
    )
    value: str | None = Field(default=None, description="Value of the taint, for `Equal`.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Without one, all effects."
    )
    toleration_seconds: StrictInt | None = Field(
        default=None,
        ge=-(2**63),
        le=2**63 - 1,
        validation_alias=AliasChoices("toleration_seconds", "tolerationSeconds"),
        description="With `NoExecute`: seconds until the pod has to leave. Without it, never.",
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
    """What the pods of some nodes need: which machines, how much of them, and their marks."""

    node_selectors: dict[str, str] = Field(
        default={}, description="Labels that a machine must have to run the pods."
    )
    labels: dict[str, str] = Field(default={}, description="Labels of the pods.")
    annotations: dict[str, str] = Field(default={}, description="Annotations of the pods.")
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
        reasons = {(name,): k8s.resource_reason(name, text) for name, text in amounts.items()}
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
    image_pull_secrets: values.Names = Field(
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
    env_vars: dict[values.EnvName, str] = Field(
        default={},
        description="Environment variables of every pod. They stand in the DAG for all to "
        "read: passwords belong under `secrets`.",
    )
    secrets: tuple[SecretConfig, ...] = Field(
        default=(), description="Kubernetes Secrets that every pod sees."
    )
    macro_params: Annotated[tuple[values.Macro, ...], values.Distinct] = Field(
        default=(),
        json_schema_extra={"uniqueItems": True},
        description="Airflow macros that become Kedro parameters of the same names.",
    )
    variables_params: Annotated[tuple[values.Variable, ...], values.Distinct] = Field(
        default=(),
        json_schema_extra={"uniqueItems": True},
        description="Airflow variables that become Kedro parameters of the same names.",
    )
    resources: dict[values.Text, ResourcesConfig] = Field(
        default={},
        description="What pods need, by name. Nodes choose an entry by the tag "
        f"`resources.<name>`; those that choose none have {RESOURCES_DEFAULT}.",
    )
    external_dependencies: tuple[ExternalDependency, ...] = Field(
        default=(), description="What has to finish before this pipeline starts."
    )

    @field_validator("macro_params", "variables_params")
    @classmethod
    def _parameters_once(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        earlier = info.data.get("macro_params", ())
        both = [name for name in names if name in earlier]
        if both:
            reason = f"must not repeat macro_params, both become parameters: {', '.join(both)}"
            raise ValueError(reason)
        for name in names:
            if any(other.startswith(f"{name}.") for other in (*earlier, *names)):
                reason = f"must not have {name} beside one below it: a parameter has one value"
                raise ValueError(reason)
            above = [other for other in earlier if name.startswith(f"{other}.")]
            if above:
                reason = f"must not have {name} below {above[0]}: a parameter has one value"
                raise ValueError(reason)
        return names

    @field_validator("secrets")
    @classmethod
    def _targets_once(
        cls, secrets: tuple[SecretConfig, ...], info: ValidationInfo
    ) -> tuple[SecretConfig, ...]:
        volume = info.data.get("volume")
        taken = {name: f"env_vars.{name}" for name in info.data.get("env_vars", ())}
        if volume and not volume.disabled:
            taken[volume.mount_path] = "volume.mount_path"
        problems = {}
        for index, target in enumerate(secret.deploy_target for secret in secrets):
            if target in taken:
                problems[index, "deploy_target"] = f"must differ from run_config.{taken[target]}"
            if target is not None:
                taken.setdefault(target, f"secrets[{index}].deploy_target")
        if problems:
            raise problems_error(problems)
        return secrets


class AirflowAuth(Section):
    """How the plugin makes itself known to Airflow's API. Secrets are never in this file."""

    type: Literal["token", "password", "google", "aws", "none"] = Field(
        description="`token`: the bearer token in AIRFLOW_API_TOKEN. `password`: the user in "
        "AIRFLOW_API_USERNAME and AIRFLOW_API_PASSWORD. `google`: Google's application default "
        "credentials, for Cloud Composer. `aws`: AWS credentials, for MWAA. `none`: nothing.",
    )
    environment: values.Text | None = Field(
        default=None, description="With `aws`: the name of the MWAA environment."
    )
    region: values.Text | None = Field(
        default=None, description="With `aws`: its region. Without one, that of the AWS settings."
    )


class AirflowTls(Section):
    """Certificates for the connection to Airflow's API."""

    ca_bundle: values.Text | None = Field(
        default=None,
        description="File with the certificates of the authorities to trust, in PEM format, in "
        "place of the usual ones.",
    )
    client_certificate: values.Text | None = Field(
        default=None, description="File with the certificate to show to the server, in PEM format."
    )
    client_key: values.Text | None = Field(
        default=None,
        description="File with the key of that certificate, if it is not in the same file.",
    )


class PluginConfig(Section):
    """Configuration of kedro-airflow-k8s: conf/<env>/airflow-k8s.yaml."""

    model_config = ConfigDict(title="airflow-k8s.yaml")

    host: values.Host | None = Field(
        default=None,
        description="Base address of Airflow's web server, with http:// or https:// in front.",
    )
    output: values.Text | None = Field(
        default=None,
        description="Where Airflow reads its DAGs: a folder, or an address that begins with "
        "gs://, gcs://, s3:// or abfs://.",
    )
    airflow_auth: AirflowAuth | None = Field(
        default=None,
        description="How the plugin makes itself known to Airflow's API: one word, or a section. "
        "Without it, by what the environment variables hold.",
    )
    airflow_tls: AirflowTls = Field(
        default=AirflowTls(), description="Certificates for the connection to Airflow's API."
    )
    run_config: RunConfig = Field(
        description="How the pipeline runs. An empty `{}` stands for every default."
    )
