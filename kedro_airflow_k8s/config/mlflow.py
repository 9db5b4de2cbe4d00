"""Settings of MLflow."""

from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import Self

from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.errors import problems_error
from kedro_airflow_k8s.config.section import Section

MLFLOW_CONNECTION = "mlflow_default"

MlflowVariable = Literal[
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
]
"""Environment variables of MLflow's clients, and the names of the Airflow variables."""

_OLD_TYPES = {"null": "none", "vars": "vars", "googleoauth2": "google"}


def server_reason(uri: str) -> str | None:
    """Return why a text is not the address of an MLflow server, or None if it is."""
    try:
        url = urlsplit(uri)
        host = url.hostname
    except ValueError:
        host = None
    if host is None or url.scheme not in ("http", "https") or not uri.isprintable() or " " in uri:
        return "must be the address of an MLflow server, such as https://mlflow.example.com"
    if "@" in url.netloc:
        return "must be without user and password: they belong under mlflow.authentication"
    if url.query or url.fragment:
        return "must end before `?` and `#`"
    return None


def _server(uri: str) -> str:
    reason = server_reason(uri)
    if reason:
        raise ValueError(reason)
    return uri.rstrip("/")


def _today(kind: Any) -> Any:
    """Return the current name of a strategy that kedro-airflow-k8s 0.8 named differently."""
    return _OLD_TYPES.get(kind.lower(), kind) if isinstance(kind, str) else kind


Server = Annotated[
    str, AfterValidator(_server), WithJsonSchema({"type": "string", "pattern": "^https?://"})
]


class MlflowAuthentication(Section):
    """The place of the credentials for MLflow. They are never in this file, nor in the DAG."""

    shorthand: ClassVar[str] = "type"

    type: Annotated[Literal["none", "vars", "connection", "google"], BeforeValidator(_today)] = (
        Field(
            default="none",
            description="`none`: MLflow needs no credentials. `vars`: Airflow variables."
            " `connection`: an Airflow connection. `google`: an id token of the Google account that"
            " Airflow's workers, and the pods, run as.",
        )
    )
    params: Annotated[tuple[MlflowVariable, ...], values.Distinct] = Field(
        default=(),
        json_schema_extra={"uniqueItems": True},
        description="With `vars`: the variables to use. Default: those that Airflow has.",
    )
    connection: values.ConnectionId | None = Field(
        default=None,
        description="With `connection`: its id. Its login and password are used, or a password"
        f" alone as a token. Default: {MLFLOW_CONNECTION}.",
    )
    audience: values.Text | None = Field(
        default=None,
        description="With `google`: the audience of the token, such as the client id of an"
        " Identity-Aware Proxy. Default: the address of MLflow.",
    )

    @model_validator(mode="after")
    def _only_its_own(self) -> Self:
        owners = {"params": "vars", "connection": "connection", "audience": "google"}
        idle = {
            (key,): f"must be omitted: it is for `type: {owner}`, not for {self.type}"
            for key, owner in owners.items()
            if owner != self.type and getattr(self, key)
        }
        if idle:
            raise problems_error(idle)
        return self


class MlflowConfig(Section):
    """The MLflow run of each DAG run."""

    enabled: StrictBool | None = Field(
        default=None,
        description="Track each DAG run as one MLflow run. Default: true if kedro-mlflow is"
        " installed and the project has an mlflow.yml.",
    )
    tracking_uri: Server | None = Field(
        default=None,
        description="Address of the MLflow server, for Airflow and for the pods. Default: that of"
        " mlflow.yml, else MLFLOW_TRACKING_URI of `env_vars`.",
    )
    authentication: MlflowAuthentication = Field(
        default=MlflowAuthentication.model_construct(),
        description="Credentials of Airflow's workers for MLflow: one word, or a section. Pods get"
        " theirs from `secrets`.",
    )
