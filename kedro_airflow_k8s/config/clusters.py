"""Clusters of engines such as Spark: Kubernetes objects that a run makes for some of its nodes."""

import re
from collections.abc import Container, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    StrictInt,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from kedro_airflow_k8s.config import kubernetes as k8s
from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.errors import Steps, problems_error
from kedro_airflow_k8s.config.section import Section

CLUSTER_TAG = re.compile(r"cluster\.(.*)", re.DOTALL)
"""A node tagged `cluster.spark` uses the entry `spark` of `run_config.clusters`."""

CLUSTER_NAME_LENGTH = 20
"""Longest name: names of the objects of a run begin with the DAG's name and a hash."""

PLACEHOLDER = "$(CLUSTER)"
"""What the name of a cluster's objects replaces, which each run has for itself."""

FIELD_OF_OBJECT = re.compile(r"\$\((?P<kind>[A-Z]\w*)\.(?P<path>\w+(?:\.\w+)*)\)")
"""What a field of an object replaces in a variable, such as `$(RayCluster.status.head.podIP)`."""

ADDRESSES: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "spark-connect": ("sc://spark.example.com:15002", re.compile(r"sc://\S+")),
    "ray": ("ray://ray.example.com:10001", re.compile(r"(ray://)?[^\s/]+:[0-9]+")),
    "dask": ("tcp://dask.example.com:8786", re.compile(r"(tcp|tls|wss?)://\S+")),
}
"""What the address of an existing cluster looks like, by type."""

_WORKERS = ("workers", "resources", "worker_resources", "address", "timeout")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "manifest": ("objects", "ready", "env", "timeout", "nodes"),
    "spark-connect": (*_WORKERS, "conf", "nodes"),
    "ray": _WORKERS,
    "dask": _WORKERS,
}
_WITH_ADDRESS = ("type", "address", "nodes")
_PACKAGES = ("spark.jars.packages", "spark.jars.repositories", "spark.jars.ivy")


def _cluster_name(name: str) -> str:
    reason = k8s.dns_label_reason(name)
    if reason is None and len(name) > CLUSTER_NAME_LENGTH:
        reason = f"must have at most {CLUSTER_NAME_LENGTH} characters"
    if reason is None and re.search(r"-worker-\d+$", name):
        reason = "must not end as the names of workers do, such as ray-worker-0"
    if reason:
        raise ValueError(reason)
    return name


def _objects(objects: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    problems = {
        (index, *path): reason
        for index, each in enumerate(objects)
        for path, reason in _object_problems(each)
    }
    if problems:
        raise problems_error(problems)
    return objects


def _object_problems(manifest: Mapping[str, Any]) -> Iterator[tuple[Steps, str]]:
    for key in ("apiVersion", "kind"):
        if not isinstance(manifest.get(key), str):
            yield (key,), "is missing: each object has apiVersion, kind and metadata.name"
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(name, str):
        yield ("metadata", "name"), f"is missing: name the object {PLACEHOLDER}"
        return
    if PLACEHOLDER not in name:
        yield (
            ("metadata", "name"),
            f"must contain {PLACEHOLDER}: each run has objects of its own, which this names",
        )
    if "namespace" in metadata:
        yield (
            ("metadata", "namespace"),
            "must be omitted: the objects are in the namespace of the run's pods",
        )
    kind = str(manifest.get("kind"))
    if "/" in str(manifest.get("apiVersion")) and re.search(r"(s|x|ch|[^aeiou]y)$", kind):
        yield ("kind",), "must be of a kind whose plural adds only an `s`, such as RayCluster"


ClusterName = Annotated[
    str,
    AfterValidator(_cluster_name),
    WithJsonSchema({"type": "string", "pattern": f"^({k8s.LABEL_PATTERN})$"}),
]
Objects = Annotated[
    tuple[dict[str, Any], ...],
    AfterValidator(_objects),
    WithJsonSchema({"type": "array", "items": {"type": "object"}}),
]


class ReadyConfig(Section):
    """How to see that a cluster answers: one of `condition`, `field` and `port`."""

    kind: values.Text | None = Field(
        default=None,
        description="Kind of the object whose status is looked at. Default: that of the first"
        " object.",
    )
    condition: values.Text | None = Field(
        default=None,
        description="Condition in the status of the object that must be True, such as Ready.",
    )
    field: values.Text | None = Field(
        default=None,
        description="Field of the object with its value, such as `status.state=ready`.",
    )
    port: values.Text | None = Field(
        default=None,
        description="Host and port that accept connections from Airflow's workers, such as"
        f" `{PLACEHOLDER}-server:15002`.",
    )

    @field_validator("field")
    @classmethod
    def _path_and_value(cls, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(r"\w+(\.\w+)*=.+", text):
            raise ValueError("must be a path and a value, such as `status.state=ready`")
        return text

    @field_validator("port")
    @classmethod
    def _host_and_port(cls, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(r"[^\s:/]+:[0-9]{1,5}", text):
            reason = f"must be a host and a port, such as `{PLACEHOLDER}-server:15002`"
            raise ValueError(reason)
        return text

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [key for key in ("condition", "field", "port") if getattr(self, key) is not None]
        if len(given) != 1:
            problems: dict[Steps, str] = {
                (key,): "must be the only one of `condition`, `field` and `port`" for key in given
            }
            missing: dict[Steps, str] = {
                ("condition",): "is missing: or say `field` or `port`, to see that it answers"
            }
            raise problems_error(problems or missing)
        if self.port is not None and self.kind is not None:
            raise problems_error({("kind",): "must be omitted: `port` looks at no object"})
        return self


class ClusterConfig(Section):
    """A cluster of an engine: made before its first node, deleted after its last."""

    also_named: ClassVar[Mapping[str, str]] = {"executors": "workers", "for": "nodes"}

    type: Literal["spark-connect", "ray", "dask", "manifest"] = Field(
        description="`spark-connect`: a server of Spark Connect that starts its executors itself."
        " `ray`: a head and workers of Ray. `dask`: a scheduler and workers of Dask. `manifest`:"
        " any objects, such as those of an operator.",
    )
    nodes: Literal["tagged", "spark_datasets"] = Field(
        default="tagged",
        validation_alias=AliasChoices("nodes", "for"),
        description="Nodes that use the cluster. `tagged`: those with the tag `cluster.<name>`."
        " `spark_datasets`: also those that read or write a Spark dataset.",
    )
    workers: StrictInt = Field(
        default=2,
        ge=1,
        le=1000,
        validation_alias=AliasChoices("workers", "executors"),
        description="Number of pods that do the work: executors of Spark, workers of Ray or Dask.",
    )
    resources: values.Text | None = Field(
        default=None,
        description="Entry of `run_config.resources` for the pods of the cluster: image, sizes,"
        " service account, selectors and so on. Default: the settings of all pods.",
    )
    worker_resources: values.Text | None = Field(
        default=None,
        description="Entry of `run_config.resources` for the workers. Default: that of"
        " `resources`.",
    )
    conf: dict[values.Text, values.Quantity] = Field(
        default={},
        description="Settings of Spark, such as `spark.sql.shuffle.partitions`, over those that"
        " follow from the other keys. The DAG contains them in plain.",
    )
    address: values.Text | None = Field(
        default=None,
        description="Address of a server that exists already, such as"
        " `sc://spark.example.com:15002`. Then the run makes no cluster.",
    )
    objects: Objects = Field(
        default=(),
        description="With `manifest`: the objects in Kubernetes' own YAML, in the order in which"
        f" they are created. In all texts, `{PLACEHOLDER}` is the name that the cluster has in"
        " this run.",
    )
    ready: ReadyConfig | None = Field(
        default=None,
        description="With `manifest`: how to see that the cluster answers. Default: its pods are"
        " ready.",
    )
    env: dict[values.EnvName, str] = Field(
        default={},
        description="With `manifest`: environment variables of the nodes' pods. `$(Kind.field)`"
        " is a field of an object, such as `$(RayCluster.status.head.podIP)`.",
    )
    timeout: values.Duration = Field(
        default=600,
        description="Longest time from the creation of the cluster until it answers, after which"
        " the task fails.",
    )

    @field_validator("conf")
    @classmethod
    def _no_downloads(cls, conf: dict[str, str]) -> dict[str, str]:
        problems: dict[Steps, str] = {
            (key,): "must be omitted: the server would download packages at each start, which"
            " fails without access to the internet. Add the jar files to the image"
            for key in conf
            if key in _PACKAGES
        }
        problems |= {
            (key,): "must begin with `spark.`, as all settings of Spark do"
            for key in conf
            if not key.startswith("spark.")
        }
        if problems:
            raise problems_error(problems)
        return conf

    @model_validator(mode="after")
    def _keys_of_its_type(self) -> Self:
        allowed = ("type", *_KEYS[self.type])
        why = f"it is not for `type: {self.type}`"
        if self.address is not None and "address" in allowed:
            allowed, why = _WITH_ADDRESS, "the cluster at `address` has its own settings"
        problems: dict[Steps, str] = {
            (key,): f"must be omitted: {why}"
            for key in sorted(self.model_fields_set)
            if key not in allowed
        }
        if self.type == "manifest" and not self.objects:
            problems["objects",] = "is missing: `type: manifest` needs the objects of the cluster"
        problems |= dict(self._address_problems())
        problems |= dict(self._kind_problems())
        if problems:
            raise problems_error(problems)
        return self

    def _address_problems(self) -> Iterator[tuple[Steps, str]]:
        if self.address is None or self.type not in ADDRESSES:
            return
        example, pattern = ADDRESSES[self.type]
        if not pattern.fullmatch(self.address):
            yield ("address",), f"must be an address such as {example}"
        elif "token=" in self.address or "@" in self.address:
            reason = (
                "must not contain a token or password: the DAG would have it in plain. Remove the"
                " cluster, put the whole address into a Secret, and let `secrets` make it the"
                " variable that the nodes read, such as SPARK_REMOTE"
            )
            yield ("address",), reason

    def _kind_problems(self) -> Iterator[tuple[Steps, str]]:
        kinds = [str(each.get("kind")) for each in self.objects]
        known = f"must be the kind of one of the objects: {', '.join(kinds)}"
        if self.ready is not None and self.ready.kind not in (None, *kinds):
            yield ("ready", "kind"), known
        for name, text in self.env.items():
            unknown = [m["kind"] for m in FIELD_OF_OBJECT.finditer(text) if m["kind"] not in kinds]
            if unknown:
                yield ("env", name), f"has a field of {unknown[0]}, which {known}"


class ClustersConfig(Section):
    """The key with the clusters of a run."""

    clusters: dict[ClusterName, ClusterConfig] = Field(
        default={},
        description="Clusters of engines such as Spark that a run makes for some of its nodes, by"
        " name. Nodes choose one by the tag `cluster.<name>`. Without such a node, the run makes"
        " none.",
    )


def cluster_problems(
    clusters: Mapping[str, ClusterConfig], entries: Container[str]
) -> Iterator[tuple[Steps, str]]:
    """Yield the entries of `resources` that clusters name and that do not exist."""
    for name, cluster in clusters.items():
        for key in ("resources", "worker_resources"):
            entry = getattr(cluster, key)
            if entry is not None and entry not in entries:
                yield (
                    ("clusters", name, key),
                    f"must be an entry of `run_config.resources`, which has no {entry!r}",
                )
