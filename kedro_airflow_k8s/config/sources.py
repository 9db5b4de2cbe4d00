"""Sources of values and files of pods: Secrets, ConfigMaps, Airflow variables, the pod itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import Self

from kedro_airflow_k8s.config import kubernetes as k8s
from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.errors import problems_error
from kedro_airflow_k8s.config.section import Section

_FIELDS = (
    *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName"),
    *("spec.serviceAccountName", "status.podIP", "status.podIPs", "status.hostIP"),
    "status.hostIPs",
)
_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_RESOURCE = re.compile(r"(?:limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-\S+)")
_DIVISORS = {
    "cpu": ("1", "1m"),
    "": ("1", *("1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")),
}

ENV_TEXT, ENV_SOURCE = "value", "source"
"""Tags of the two kinds of environment variable: steps in the paths of pydantic's errors."""


def _field_path(path: str) -> str:
    keyed = _KEYED.fullmatch(path)
    if path in _FIELDS or (keyed and not k8s.label_key_reason(keyed[2].lower())):
        return path
    nearest = {field.lower(): field for field in _FIELDS}.get(path.lower())
    reason = (
        f"must be a field of the pod: {', '.join(_FIELDS)}, metadata.labels['<key>'] or"
        " metadata.annotations['<key>']"
    )
    raise ValueError(f"{reason}. Did you mean {nearest!r}?" if nearest else reason)


def _resource(text: str) -> str:
    if _RESOURCE.fullmatch(text):
        return text
    raise ValueError(
        "must be limits or requests, a dot and a resource, such as limits.cpu or requests.memory"
    )


FieldPath = Annotated[
    str,
    AfterValidator(_field_path),
    WithJsonSchema({"type": "string", "pattern": r"^(metadata|spec|status)\."}),
]
ResourceAmount = Annotated[
    str,
    AfterValidator(_resource),
    WithJsonSchema({"type": "string", "pattern": f"^{_RESOURCE.pattern}$"}),
]


class EnvSource(Section):
    """The source of an environment variable whose value is not in the file."""

    from_airflow_variable: values.Variable | None = Field(
        default=None,
        description="Name of an Airflow variable, which is read when the task starts.",
    )
    from_field: FieldPath | None = Field(
        default=None,
        description="Field of the pod, as Kubernetes names it, such as status.podIP, spec.nodeName"
        " or metadata.labels['team'].",
    )
    from_resource: ResourceAmount | None = Field(
        default=None,
        description="Amount of a resource of the pod, such as limits.cpu or requests.memory."
        " Without a limit, it is what the machine has.",
    )
    divisor: values.Quantity | None = Field(
        default=None,
        description="With `from_resource`: unit of the value, such as 1Mi or 1m. Default: 1 (cores,"
        " bytes). Kubernetes rounds up.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = ("from_airflow_variable", "from_field", "from_resource")
        given = [name for name in sources if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"must have one of {', '.join(sources)}, not {found}")
        if self.divisor is not None:
            self._check_divisor(self.divisor)
        return self

    def _check_divisor(self, divisor: str) -> None:
        found = _RESOURCE.fullmatch(self.from_resource or "")
        if found is None:
            raise problems_error({("divisor",): "must be omitted: it is for `from_resource`"})
        allowed = _DIVISORS.get(found[1], _DIVISORS[""])
        if divisor not in allowed:
            reason = f"must be one of {', '.join(allowed)} for {self.from_resource}"
            raise problems_error({("divisor",): reason})


def _kind_of_variable(value: Any) -> str:
    return ENV_SOURCE if isinstance(value, Mapping | EnvSource) else ENV_TEXT


def _from_names(value: Any) -> Any:
    """Return a list of Airflow variables, as in 0.8, as environment variables of these names."""
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return {name: {"from_airflow_variable": name} for name in value}
    return value


EnvValue = Annotated[
    Annotated[str, Tag(ENV_TEXT)] | Annotated[EnvSource, Tag(ENV_SOURCE)],
    Discriminator(_kind_of_variable),
]
EnvVars = Annotated[dict[values.EnvName, EnvValue], BeforeValidator(_from_names)]


class DataSource(Section):
    """A Kubernetes object whose data pods get, as environment variables or as files."""

    deploy_type: Literal["env", "volume"] = Field(
        default="env",
        description="How pods get it: as environment variables or as files.",
    )
    deploy_target: values.Text | None = Field(
        default=None,
        description="With `env` and a `key`: the environment variable for the value of the key. "
        "With `env` and no `key`: omit it, each key becomes a variable. "
        "With `volume`: the absolute path of the folder for the files.",
    )
    key: values.SecretKey | None = Field(
        default=None,
        description="The only key to use. Default: all keys.",
    )

    @property
    def is_file(self) -> bool:
        """Whether pods get the data as files."""
        return self.deploy_type == "volume"

    @model_validator(mode="after")
    def _target_fits_type(self) -> Self:
        reason = self._target_reason()
        if reason:
            raise problems_error({("deploy_target",): reason})
        return self

    def _target_reason(self) -> str | None:
        target = self.deploy_target
        if self.is_file:
            if target is None:
                return "is missing: `deploy_type: volume` needs the absolute path of a folder"
            return values.mount_reason(target)
        if self.key is None:
            if target is None:
                return None
            return "must be omitted without a `key`: each key becomes a variable of its own name"
        if target is None:
            return "is missing: with a `key`, it names the environment variable"
        return values.variable_reason(target)


class SecretConfig(DataSource):
    """A Kubernetes Secret for pods."""

    secret: values.DnsName = Field(description="Name of the Secret in the cluster.")


class ConfigMapConfig(DataSource):
    """A Kubernetes ConfigMap for pods."""

    config_map: values.DnsName = Field(description="Name of the ConfigMap in the cluster.")
