"""The sections and keys of `airflow-k8s.yaml`.

The reference in the documentation and editors show the descriptions below. Checks of a single
value are in `values`; those that compare several keys are here.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from typing_extensions import Self

from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.checks import ChecksConfig
from kedro_airflow_k8s.config.clusters import ClustersConfig, cluster_problems
from kedro_airflow_k8s.config.dag import RULE_OF_FAIL_FAST, DagConfig, TriggerParam
from kedro_airflow_k8s.config.errors import Steps, problems_error
from kedro_airflow_k8s.config.layers import merged
from kedro_airflow_k8s.config.mlflow import MlflowConfig
from kedro_airflow_k8s.config.pods import PodConfig, ResourcesConfig, hidden_data
from kedro_airflow_k8s.config.section import Section
from kedro_airflow_k8s.config.sources import SecretConfig
from kedro_airflow_k8s.config.tasks import Groupings, IntermediateData, TaskConfig
from kedro_airflow_k8s.config.volumes import VolumeConfig
from kedro_airflow_k8s.pod.environment import RAW_VARIABLE

RESOURCES_DEFAULT = "__default__"


class ExternalDependency(Section):
    """A DAG or task that has to finish before this pipeline starts."""

    dag_id: values.AirflowId = Field(description="Id of the DAG to wait for.")
    task_id: values.AirflowId | None = Field(
        default=None,
        description="Id of the task to wait for. Default: the whole DAG.",
    )
    timeout: StrictInt = Field(
        default=1440,
        gt=0,
        le=values.LONGEST_MINUTES,
        description="Longest wait in minutes, after which this pipeline fails.",
    )
    check_existence: StrictBool = Field(
        default=True,
        description="Fail immediately if the DAG or the task does not exist.",
    )
    execution_delta: StrictInt = Field(
        default=0,
        ge=-values.LONGEST_MINUTES,
        le=values.LONGEST_MINUTES,
        description="How many minutes earlier than this run the awaited run was scheduled.",
    )


class RunConfig(DagConfig, TaskConfig, PodConfig, ClustersConfig):
    """Settings of the pipeline's runs."""

    also_named: ClassVar[Mapping[str, str]] = {**DagConfig.also_named, **TaskConfig.also_named}

    namespace: values.DnsLabel | None = Field(
        default=None,
        description="Kubernetes namespace of the pods. Default: the namespace of "
        "Airflow's Kubernetes connection.",
    )
    experiment_name: values.Text | None = Field(
        default=None,
        description="Experiment of the runs. In MLflow, the name that kedro-mlflow uses takes"
        " precedence.",
    )
    run_name: values.RunName | None = Field(
        default=None,
        description="Name of the DAG. Its letters, digits, `-`, `_` and `.` become the dag_id. "
        "Default: the project's name.",
    )
    mlflow: MlflowConfig = Field(
        default=MlflowConfig.model_construct(),
        description="MLflow run of each DAG run, to which all pods log.",
    )
    kubernetes_conn_id: values.ConnectionId = Field(
        default="kubernetes_default",
        description="Airflow connection to the cluster. If Airflow has no connection of the "
        "default name, it uses the cluster it runs in, or its kubeconfig.",
    )
    grouping: Groupings = Field(
        default={},
        description="Which nodes share a task, and so a pod. `none`: each node has its own. "
        "`memory`: nodes that pass data to each other in memory. `namespace`: nodes of a "
        "namespace. `pipeline`: all nodes. One word for all pipelines, or one for each pipeline, "
        "with `__default__` for all others; in place of a word a mapping with `by`, `nodes`, "
        "`runner` and `max_workers`. Nodes with the same tag `airflow-k8s.group.<name>` share a "
        "task as well, unless all nodes do.",
    )
    intermediate_data: IntermediateData | None = Field(
        default=None,
        description="Object storage for the data that tasks pass on and the catalog does not "
        "declare: s3://, gs:// or abfs://, with a bucket and a folder. Each run has its own folder "
        "there. Default: the volume of the run.",
    )
    keep_intermediate_data: StrictBool = Field(
        default=False,
        description="Keep the data of a run in `intermediate_data` after its end.",
    )
    volume: VolumeConfig = Field(
        default=VolumeConfig.model_construct(),
        description="Volume by which pods pass on intermediate data.",
    )
    macro_params: Annotated[tuple[values.Macro, ...], values.Distinct] = Field(
        default=(),
        json_schema_extra={"uniqueItems": True},
        description="Airflow macros to pass as Kedro parameters of the same names.",
    )
    variables_params: Annotated[tuple[values.Variable, ...], values.Distinct] = Field(
        default=(),
        json_schema_extra={"uniqueItems": True},
        description="Airflow variables to pass as Kedro parameters of the same names.",
    )
    trigger_params: tuple[TriggerParam, ...] = Field(
        default=(),
        description="Kedro parameters in the trigger form on Airflow's page: names, or sections "
        "with a name and a description.",
    )
    resources: dict[values.Text, ResourcesConfig] = Field(
        default={},
        description="Settings of single nodes, by name, over those above: any key of pods and"
        " tasks. Nodes choose an entry by the tag `resources.<name>`;"
        f" {RESOURCES_DEFAULT} is for nodes without such a tag.",
    )
    external_dependencies: tuple[ExternalDependency, ...] = Field(
        default=(), description="DAGs or tasks that have to finish before this pipeline starts."
    )

    @field_validator("macro_params", "variables_params", "trigger_params")
    @classmethod
    def _parameters_once(cls, entries: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        date, parts = info.data.get("date_param"), info.data.get("partitioned")
        earlier = {date.name: "date_param"} if date else {}
        earlier |= {parts.param: "partitioned"} if parts else {}
        for key in ("macro_params", "variables_params"):
            earlier |= dict.fromkeys(info.data.get(key, ()), key)
        reason = values.twice_reason([getattr(e, "name", e) for e in entries], earlier)
        if reason:
            raise ValueError(reason)
        return entries

    @model_validator(mode="before")
    @classmethod
    def _entries_over_all(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get("resources"), Mapping):
            return data
        names = ResourcesConfig.model_fields
        base = {key: data[key] for key in data if cls.also_named.get(key, key) in names}
        entries = {
            name: merged(base, {} if own is None else own, cls.also_named)
            for name, own in data["resources"].items()
        }
        return {**data, "resources": entries}

    @model_validator(mode="after")
    def _keys_of_pods_fit_those_of_the_run(self) -> Self:
        of_all = dict(hidden_data(self, self.volume))
        levels: dict[Steps, RunConfig | ResourcesConfig] = {(): self}
        levels.update({("resources", name): entry for name, entry in self.resources.items()})
        problems = {
            (*above, *path): reason
            for above, settings in levels.items()
            for path, reason in hidden_data(settings, self.volume)
            if not above or of_all.get(path) != reason
        }
        problems |= dict(cluster_problems(self.clusters, (*self.resources, RESOURCES_DEFAULT)))
        if self.external_dependencies and (reason := self.dateless_reason):
            problems["external_dependencies",] = reason
        for above, settings in levels.items() if self.fail_fast else ():
            inherited = above and settings.trigger_rule == self.trigger_rule
            if settings.trigger_rule not in (None, "all_success") and not inherited:
                problems[(*above, "trigger_rule")] = RULE_OF_FAIL_FAST
        if problems:
            raise problems_error(problems)
        return self

    @property
    def airflow_params(self) -> tuple[str, ...]:
        """The names of the Kedro parameters that every run gets from Airflow."""
        date = (self.date_param.name,) if self.date_param else ()
        key = (self.partitioned.param,) if self.partitioned else ()
        return (*date, *key, *self.macro_params, *self.variables_params)

    def settings_of(self, entry: str) -> ResourcesConfig:
        """Return the settings of the pods and tasks of an entry of `resources`.

        Args:
            entry: Its name. One that does not exist has the settings of all pods.
        """
        found = self.resources.get(entry)
        if found is not None:
            return found
        shared = {name: getattr(self, name) for name in ResourcesConfig.model_fields}
        return ResourcesConfig.model_construct(**shared)

    @property
    def all_settings(self) -> tuple["RunConfig | ResourcesConfig", ...]:
        """The settings of all pods, and those of each entry of `resources`."""
        return (self, *self.resources.values())

    @property
    def given_variables(self) -> frozenset[str] | None:
        """The environment variables that pods get; None if they may get any, of a whole Secret."""
        variables = [
            source
            for settings in self.all_settings
            for _, _, source in settings.data_sources
            if not source.is_file
        ]
        if any(source.key is None for source in variables):
            return None
        named = (name for settings in self.all_settings for name in settings.env_vars)
        return frozenset((*named, *(str(source.deploy_target) for source in variables)))

    @property
    def mounted_folders(self) -> tuple[str, ...]:
        """Where pods mount Secrets, ConfigMaps and volumes, besides the volume of the run."""
        targets = (target for each in self.all_settings for _, target in each.targets())
        return tuple(dict.fromkeys(target for target in targets if target.startswith("/")))

    @property
    def secret_files(self) -> tuple[SecretConfig, ...]:
        """The Secrets that pods get as files."""
        every = (secret for settings in self.all_settings for secret in settings.secrets)
        return tuple(dict.fromkeys(secret for secret in every if secret.is_file))


class PipelineConfig(RunConfig):
    """Settings of one pipeline, over `run_config`: any of its keys, and `enabled`."""

    enabled: StrictBool = Field(
        default=True,
        description="Whether commands with --all take the pipeline.",
    )

    @classmethod
    def own_fields(cls) -> dict[str, FieldInfo]:
        """Return the fields without those of `run_config`."""
        fields = super().own_fields().items()
        return {name: field for name, field in fields if name not in RunConfig.model_fields}


class AirflowAuth(Section):
    """How the plugin logs in to Airflow's API. Secrets are never in this file."""

    shorthand: ClassVar[str] = "type"

    type: Literal["token", "password", "google", "aws", "none"] = Field(
        description="`token`: the bearer token in AIRFLOW_API_TOKEN. `password`: the user in "
        "AIRFLOW_API_USERNAME and AIRFLOW_API_PASSWORD. `google`: Google's application default "
        "credentials, for Cloud Composer. `aws`: AWS credentials, for MWAA. `none`: no login.",
    )
    environment: values.Text | None = Field(
        default=None, description="With `aws`: name of the MWAA environment."
    )
    region: values.Text | None = Field(
        default=None, description="With `aws`: its region. Default: the region of the AWS settings."
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
            reason = f"must be omitted: it is for `type: aws`, not for {self.type}"
            raise problems_error({(key,): reason for key in idle})
        return self


class AirflowTls(Section):
    """Certificates for the connection to Airflow's API."""

    ca_bundle: values.Text | None = Field(
        default=None,
        description="File with the certificates of the authorities to trust, in PEM format, in "
        "place of the default ones.",
    )
    client_certificate: values.Text | None = Field(
        default=None, description="File with the client's certificate, in PEM format."
    )
    client_key: values.Text | None = Field(
        default=None,
        description="File with the key of that certificate. Default: the same file.",
    )

    @model_validator(mode="after")
    def _key_of_a_certificate(self) -> Self:
        if self.client_key is not None and self.client_certificate is None:
            reason = "needs `client_certificate`, the file with its certificate"
            raise problems_error({("client_key",): reason})
        return self


_Pods = TypeVar("_Pods", bound=PodConfig)


def _with_raw(settings: _Pods) -> _Pods:
    env_vars = {**settings.env_vars, RAW_VARIABLE: "1"}
    return settings.model_copy(update={"env_vars": env_vars})


class PluginConfig(Section):
    """Configuration of kedro-airflow-k8s: conf/<env>/airflow-k8s.yaml."""

    model_config = ConfigDict(title="airflow-k8s.yaml")

    host: values.Host | None = Field(
        default=None,
        description="Base address of Airflow's web server, with http:// or https://.",
    )
    output: values.Text | None = Field(
        default=None,
        description="Place where Airflow reads its DAGs: a folder, or an address that begins with "
        "gs://, gcs://, s3:// or abfs://.",
    )
    airflow_auth: AirflowAuth | None = Field(
        default=None,
        description="How the plugin logs in to Airflow's API: one word, or a section. "
        "Default: with the credentials that the environment variables have.",
    )
    airflow_tls: AirflowTls = Field(
        default=AirflowTls.model_construct(),
        description="Certificates for Airflow's API, if the usual ones are not enough.",
    )
    checks: ChecksConfig = Field(
        default=ChecksConfig.model_construct(),
        description="How `validate` and the checks of other commands treat findings.",
    )
    run_config: RunConfig = Field(
        description="Settings of the pipelines' runs. An empty `{}` means all defaults."
    )
    pipelines: dict[values.Text, PipelineConfig] = Field(
        default={},
        description="Settings of single pipelines, by their registered names: any key of "
        "`run_config`. Mappings are merged with those of `run_config`; lists and single values "
        "replace them.",
    )

    @model_validator(mode="before")
    @classmethod
    def _pipelines_over_run_config(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get("pipelines"), Mapping):
            return data
        base = data.get("run_config") or {}
        pipelines = {
            name: merged(base, {} if own is None else own, RunConfig.also_named)
            for name, own in data["pipelines"].items()
        }
        return {**data, "pipelines": pipelines}

    def of(self, pipeline: str) -> Self:
        """Return the configuration of one pipeline: its `run_config` has the pipeline's settings.

        Args:
            pipeline: Its registered name.
        """
        own = self.pipelines.get(pipeline)
        if own is None:
            return self
        # As a RunConfig it equals that of another pipeline with the same settings.
        settings = {name: getattr(own, name) for name in RunConfig.model_fields}
        run = RunConfig.model_construct(own.model_fields_set - {"enabled"}, **settings)
        return self.model_copy(update={"run_config": run, "pipelines": {}})

    def with_raw_tracebacks(self) -> Self:
        """Return a configuration whose pods show failures with all frames."""
        run = self.run_config
        entries = {name: _with_raw(entry) for name, entry in run.resources.items()}
        changed = _with_raw(run).model_copy(update={"resources": entries})
        return self.model_copy(update={"run_config": changed})

    def enabled(self, pipelines: Iterable[str]) -> list[str]:
        """Return the pipelines that commands with --all take.

        Args:
            pipelines: The registered names.
        """
        return [
            name for name in pipelines if name not in self.pipelines or self.pipelines[name].enabled
        ]
