"""What a project's configuration and a command's options say of its sandbox."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.image import LOCAL_IMAGE
from kedro_airflow_k8s.sandbox.needs import Needs, Wanted
from kedro_airflow_k8s.sandbox.secrets_file import Objects, PodData, read_objects

if TYPE_CHECKING:
    # The supervisor of a sandbox needs no Kedro, which takes a second to import.
    from kedro_airflow_k8s.project.reader import KedroProject

_DEFAULT_DEFERRABLE = "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE"

LOOK_SECONDS = 2
"""How often the sandbox's Airflow looks for new DAG files."""

DataKey = tuple[str, str, str]
"""Namespace and name of an object with one of its keys, or with no key for the whole object."""


def data_keys(objects: Objects) -> tuple[DataKey, ...]:
    """Return what can be referred to of Secrets or ConfigMaps."""
    return tuple(
        (namespace, name, key)
        for (namespace, name), values in objects.items()
        for key in ("", *values)
    )


def _is_on(setting: str | None) -> bool:
    """Return whether a setting of Airflow is true."""
    return (setting or "").lower() in ("true", "t", "1")


class SandboxSpec(BaseModel, frozen=True, extra="forbid"):
    """What a sandbox is to be like.

    Attributes:
        project: The project's folder.
        connection: The id of the Airflow connection to the sandbox's Kubernetes API.
        home: Where the pods' image has the project.
        namespace: The namespace of Secrets and ConfigMaps that name none.
        airflow_python: The Python that has Airflow, if it is not this one.
        secrets_file: A file of Secrets and ConfigMaps for the pods.
        settings: Settings of Airflow in place of the sandbox's.
        keep: Whether the volumes of the last runs are kept.
        wanted_secrets: The Secrets that pods need: name and key, which is empty for all keys.
        wanted_config_maps: The ConfigMaps that pods need, likewise.
        triggerer: Whether tasks need Airflow's triggerer.
    """

    project: Path
    connection: str
    home: PurePosixPath
    namespace: str
    airflow_python: Path | None = None
    secrets_file: Path | None = None
    settings: Mapping[str, str] = Field(default={}, repr=False)
    keep: bool = False
    wanted_secrets: Wanted = ()
    wanted_config_maps: Wanted = ()
    triggerer: bool = False

    @classmethod
    def of(
        cls,
        project: KedroProject,
        airflow_python: Path | None = None,
        secrets_file: Path | None = None,
        settings: Mapping[str, str] | None = None,
        pipeline: str | None = None,
    ) -> SandboxSpec:
        """Read the project's configuration: that of one pipeline, or what all pipelines need.

        Raises:
            AirflowK8sError: The configuration or the file of Secrets is wrong.
        """
        config = project.config(defaults={"image": LOCAL_IMAGE})
        run = config.run_config if pipeline is None else config.of(pipeline).run_config
        needs = Needs.of([run, *(config.pipelines.values() if pipeline is None else ())])
        spec = cls(
            project=project.path.resolve(),
            connection=run.kubernetes_conn_id,
            home=PurePosixPath(run.volume.mount_path).parent,
            namespace=run.namespace or "default",
            # Made absolute only: what a virtual environment links to is another Python.
            airflow_python=None if airflow_python is None else airflow_python.absolute(),
            secrets_file=None if secrets_file is None else secrets_file.absolute(),
            settings=settings or {},
            wanted_secrets=needs.secrets,
            wanted_config_maps=needs.config_maps,
            triggerer=needs.triggerer or _is_on((settings or {}).get(_DEFAULT_DEFERRABLE)),
        )
        spec.pod_data()
        return spec

    @property
    def python(self) -> Path:
        """The Python to run Airflow with."""
        return self.airflow_python or Path(sys.executable).absolute()

    def pod_data(self) -> PodData:
        """Return the Secrets and ConfigMaps for the pods.

        Raises:
            SandboxError: The file holds something else.
        """
        if self.secrets_file is None:
            return PodData()
        return read_objects(self.secrets_file, self.namespace)

    def check_data(
        self, secrets: Collection[DataKey], config_maps: Collection[DataKey], fix: str
    ) -> None:
        """Compare the Secrets and ConfigMaps that pods need with those of the sandbox.

        Args:
            secrets: The Secrets of the sandbox, as `data_keys` returns them.
            config_maps: Its ConfigMaps.
            fix: How to bring more of them into the sandbox.

        Raises:
            SandboxError: One is missing: the pods would not start.
        """
        for kind, key, wanted, there in (
            ("Secrets", "secrets", self.wanted_secrets, secrets),
            ("ConfigMaps", "config_maps", self.wanted_config_maps, config_maps),
        ):
            missing = [
                f"{name} (key {key})" if key else name
                for name, key in wanted
                if (self.namespace, name, key) not in there
            ]
            if missing:
                raise SandboxError(
                    f"{kind} of run_config.{key} are not in the sandbox: {', '.join(missing)}.\n"
                    "Pods need them and would wait until run_config.startup_time is over. Write"
                    f" them into a file, as Kubernetes manifests, and pass it: {fix}"
                )

    def check(self, running: SandboxSpec) -> None:
        """Compare this with the sandbox that runs.

        Raises:
            SandboxError: It differs.
        """
        wanted: dict[str, tuple[object, object]] = {
            "run_config.kubernetes_conn_id": (self.connection, running.connection),
            "the parent of run_config.volume.mount_path": (self.home, running.home),
        }
        if self.airflow_python is not None:
            wanted["the Python with Airflow"] = (self.airflow_python, running.airflow_python)
        if self.secrets_file is not None:
            wanted["the file of Secrets"] = (self.secrets_file, running.secrets_file)
        if self.keep:
            wanted["--keep"] = (self.keep, running.keep)
        if self.triggerer and not running.triggerer:
            raise SandboxError(
                "The sandbox has no triggerer, and tasks are deferrable: it was started without"
                " them.\nStop it with kedro airflow-k8s sandbox down, then start it again."
            )
        for what, (now, then) in wanted.items():
            if now != then:
                raise SandboxError(
                    f"The sandbox was started with another value of {what}: {then or 'none'}, and"
                    f" not {now}. Stop it with kedro airflow-k8s sandbox down, then start it again."
                )
