"""What a project's configuration and a command's options say of its sandbox."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.image import LOCAL_IMAGE
from kedro_airflow_k8s.sandbox.secrets_file import Secrets, read_secrets

if TYPE_CHECKING:
    # The supervisor of a sandbox needs no Kedro, which takes a second to import.
    from kedro_airflow_k8s.project.reader import KedroProject

LOOK_SECONDS = 2
"""How often the sandbox's Airflow looks for new DAG files."""

SecretKey = tuple[str, str, str]
"""Namespace and name of a Secret with one of its keys, or with no key for the whole Secret."""


def secret_keys(secrets: Secrets) -> list[SecretKey]:
    """Return what can be referred to of Secrets."""
    return [
        (namespace, name, key)
        for (namespace, name), values in secrets.items()
        for key in ("", *values)
    ]


class SandboxSpec(BaseModel, frozen=True, extra="forbid"):
    """What a sandbox is to be like.

    Attributes:
        project: The project's folder.
        connection: The id of the Airflow connection to the sandbox's Kubernetes API.
        home: Where the pods' image has the project.
        namespace: The namespace of Secrets that name none.
        airflow_python: The Python that has Airflow, if it is not this one.
        secrets_file: A file of Secrets for the pods.
        settings: Settings of Airflow in place of the sandbox's.
        keep: Whether the volumes of the last runs are kept.
        wanted_secrets: The Secrets that every pod needs: name and key, which is empty for all keys.
    """

    project: Path
    connection: str
    home: PurePosixPath
    namespace: str
    airflow_python: Path | None = None
    secrets_file: Path | None = None
    settings: Mapping[str, str] = Field(default={}, repr=False)
    keep: bool = False
    wanted_secrets: tuple[tuple[str, str], ...] = ()

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
        config = project.config(default_image=LOCAL_IMAGE)
        run = config.run_config if pipeline is None else config.of(pipeline).run_config
        runs = [run, *(config.pipelines.values() if pipeline is None else ())]
        wanted = ((secret.secret, secret.key or "") for each in runs for secret in each.secrets)
        spec = cls(
            project=project.path.resolve(),
            connection=run.kubernetes_conn_id,
            home=PurePosixPath(run.volume.mount_path).parent,
            namespace=run.namespace or "default",
            # Made absolute only: what a virtual environment links to is another Python.
            airflow_python=None if airflow_python is None else airflow_python.absolute(),
            secrets_file=None if secrets_file is None else secrets_file.absolute(),
            settings=settings or {},
            wanted_secrets=tuple(dict.fromkeys(wanted)),
        )
        spec.secrets()
        return spec

    @property
    def python(self) -> Path:
        """The Python to run Airflow with."""
        return self.airflow_python or Path(sys.executable).absolute()

    def secrets(self) -> Secrets:
        """Return the Secrets for the pods.

        Raises:
            SandboxError: The file holds something else.
        """
        return {} if self.secrets_file is None else read_secrets(self.secrets_file, self.namespace)

    def check_secrets(self, there: Collection[SecretKey], fix: str) -> None:
        """Compare the Secrets that the pods need with those of the sandbox.

        Args:
            there: Those of the sandbox, as `secret_keys` returns them.
            fix: How to bring more of them into the sandbox.

        Raises:
            SandboxError: One is missing: no pod would start.
        """
        missing = [
            f"{name} (key {key})" if key else name
            for name, key in self.wanted_secrets
            if (self.namespace, name, key) not in there
        ]
        if missing:
            raise SandboxError(
                f"Secrets of run_config.secrets are not in the sandbox: {', '.join(missing)}.\n"
                "Every pod needs them and would wait until run_config.startup_time is over. Write"
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
        for what, (now, then) in wanted.items():
            if now != then:
                raise SandboxError(
                    f"The sandbox was started with another value of {what}: {then or 'none'}, and"
                    f" not {now}. Stop it with kedro airflow-k8s sandbox down, then start it again."
                )
