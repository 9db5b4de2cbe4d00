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
    field_validator,
    model_validator,
)
from typing_extensions import Self

from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.errors import problems_error
from kedro_airflow_k8s.config.mlflow import MlflowConfig
from kedro_airflow_k8s.config.pods import ResourcesConfig, SecretConfig, VolumeConfig
from kedro_airflow_k8s.config.section import Section
from kedro_airflow_k8s.config.tasks import Grouping, IntermediateData

RESOURCES_DEFAULT = "__default__"


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


class TriggerParam(Section):
    """A Kedro parameter in the form with which people start a run on Airflow's page."""

    shorthand: ClassVar[str] = "name"

    name: values.Parameter = Field(
        description="Name of the Kedro parameter, with dots where it is nested."
    )
    description: values.Text | None = Field(
        default=None, description="What it is for, as the form shows it."
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
        default=None,
        description="Name of the experiment that the runs belong to. In MLflow, the name that"
        " kedro-mlflow uses takes precedence.",
    )
    run_name: values.RunName | None = Field(
        default=None,
        description="Name of the DAG; letters, digits, `-`, `_` and `.` of it make the dag_id. "
        "Without one, the project's name.",
    )
    mlflow: MlflowConfig = Field(
        default=MlflowConfig(),
        description="One MLflow run for each run of the DAG, with what all pods log.",
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
    timezone: values.TimeZone = Field(
        default=values.UTC,
        description="Time zone of the schedule and its first day: an IANA name such as "
        "Europe/Paris.",
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
    grouping: Grouping = Field(
        default={},
        description="Which nodes share a task, that is a pod. `none`: each has its own. `memory`: "
        "those that hand each other data in memory. `namespace`: those of a namespace. "
        "`pipeline`: all. One word for all pipelines, or one for each pipeline, with "
        "`__default__` for those that are not named. Nodes with the same tag "
        "`airflow-k8s.group.<name>` share a task, whatever is said here but `pipeline`.",
    )
    intermediate_data: IntermediateData | None = Field(
        default=None,
        description="Object storage over which tasks hand on the data that the catalog does not "
        "declare: s3://, gs:// or abfs://, with a bucket and a folder. Every run gets a folder "
        "there. Without it, the volume of the run.",
    )
    keep_intermediate_data: StrictBool = Field(
        default=False,
        description="Keep what a run has left in `intermediate_data` when the run is over.",
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
    trigger_params: tuple[TriggerParam, ...] = Field(
        default=(),
        description="Kedro parameters that the form shows with which people start a run on "
        "Airflow's page: names, or sections with a name and a description.",
    )
    resources: dict[values.Text, ResourcesConfig] = Field(
        default={},
        description="What pods need, by name. Nodes choose an entry by the tag "
        f"`resources.<name>`; those that choose none have {RESOURCES_DEFAULT}.",
    )
    external_dependencies: tuple[ExternalDependency, ...] = Field(
        default=(), description="What has to finish before this pipeline starts."
    )

    @field_validator("macro_params", "variables_params", "trigger_params")
    @classmethod
    def _parameters_once(cls, entries: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        earlier = {
            name: key
            for key in ("macro_params", "variables_params")
            for name in info.data.get(key, ())
        }
        reason = values.twice_reason([getattr(e, "name", e) for e in entries], earlier)
        if reason:
            raise ValueError(reason)
        return entries

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

    shorthand: ClassVar[str] = "type"

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

    @model_validator(mode="after")
    def _only_aws_has_more(self) -> Self:
        if self.type == "aws":
            if self.environment is None:
                reason = "is missing: `type: aws` needs the name of the MWAA environment"
                raise problems_error({("environment",): reason})
            return self
        idle = [key for key in ("environment", "region") if getattr(self, key) is not None]
        if idle:
            reason = f"must be left out: it is for `type: aws`, not for {self.type}"
            raise problems_error({(key,): reason for key in idle})
        return self


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

    @model_validator(mode="after")
    def _key_of_a_certificate(self) -> Self:
        if self.client_key is not None and self.client_certificate is None:
            reason = "must not stand alone: `client_certificate` names the file of its certificate"
            raise problems_error({("client_key",): reason})
        return self


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
        default=AirflowTls(),
        description="Certificates, where those that Python knows do not do for Airflow's API.",
    )
    run_config: RunConfig = Field(
        description="How the pipeline runs. An empty `{}` stands for every default."
    )
