"""The Airflow that a command works with: that of the configuration, or the sandbox's."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kedro_airflow_k8s.config.addresses import is_on_this_machine
from kedro_airflow_k8s.config.model import AirflowAuth, AirflowTls, PluginConfig
from kedro_airflow_k8s.errors import ConfigError, SandboxError, UploadError
from kedro_airflow_k8s.project.reader import KedroProject
from kedro_airflow_k8s.sandbox.image import (
    DEFAULTS,
    LOCAL_IMAGE,
    SANDBOX_FOLDER,
    refuse_other_image,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.airflow_api import AirflowClient
    from kedro_airflow_k8s.deploy.kubernetes import Kubectl
    from kedro_airflow_k8s.deploy.run_volumes import RunVolumes
    from kedro_airflow_k8s.sandbox.up import Sandbox


class Target:
    """An Airflow, where it reads DAGs, and which image its pods run.

    Args:
        project: The Kedro project.
        sandbox: Whether it is the Airflow of `sandbox up`, whatever the configuration says.
        warn: Called with each warning about the connection.
    """

    def __init__(
        self, project: KedroProject, *, sandbox: bool, warn: Callable[[str], None]
    ) -> None:
        self._project = project
        self._asked_for_sandbox = sandbox
        self._warn = warn

    @cached_property
    def client(self) -> AirflowClient:
        """The connection; Airflow is asked for its version when it is first needed.

        Raises:
            ConfigError: If the configuration names no host.
            SandboxError: If the sandbox does not run.
            AirflowApiError: If Airflow cannot be reached or is too old.
        """
        from kedro_airflow_k8s.airflow_api import connect
        from kedro_airflow_k8s.sandbox.spec import LOOK_SECONDS

        if self._is_sandbox:
            credentials = {
                "AIRFLOW_API_USERNAME": self._sandbox.username,
                "AIRFLOW_API_PASSWORD": self._sandbox.password,
            }
            auth = AirflowAuth(type="password")
            client = connect(self.host, auth, AirflowTls(), environ=credentials, warn=self._warn)
            # The sandbox's scheduler is set to remember nothing.
            client.memory_seconds = 0.0
            client.look_seconds = LOOK_SECONDS
            # Airflow 3 does not support its backfills on SQLite, which the sandbox has.
            client.starts_backfills = False
            return client
        config = self.config
        return connect(self.host, config.airflow_auth, config.airflow_tls, warn=self._warn)

    @property
    def host(self) -> str:
        """The base address of Airflow.

        Raises:
            ConfigError: If the configuration names none.
            SandboxError: If the sandbox does not run.
        """
        if self._is_sandbox:
            return self._sandbox.host
        if self.config.host is None:
            raise ConfigError(
                "Where is Airflow? Set host in airflow-k8s.yaml, such as"
                " https://airflow.example.com (`kedro airflow-k8s init` makes that file). Or try"
                " things out on this machine: `kedro airflow-k8s sandbox up`, then --sandbox."
            )
        return self.config.host

    @property
    def has_host(self) -> bool:
        """Whether something says where Airflow is."""
        return self._is_sandbox or self.config.host is not None

    def kubectl(self, context: str | None) -> Kubectl:
        """Return how the cluster of the pods is reached.

        Args:
            context: The context in kubectl's configuration that the command line names.
                It takes precedence over the sandbox.

        Raises:
            SandboxError: If the sandbox does not run.
        """
        from kedro_airflow_k8s.deploy.kubernetes import Kubectl

        in_sandbox = self._is_sandbox and context is None
        return Kubectl(self._sandbox.folder.kubeconfig if in_sandbox else None, context)

    def volumes(self, config: PluginConfig, context: str | None = None) -> RunVolumes:
        """Return the volumes of runs on the cluster of the pods.

        Args:
            config: The configuration of the DAG.
            context: As for `kubectl`.

        Raises:
            SandboxError: If the sandbox does not run.
        """
        from kedro_airflow_k8s.deploy.run_volumes import RunVolumes

        return RunVolumes(self.kubectl(context), config.run_config.namespace, self._warn)

    @cached_property
    def config(self) -> PluginConfig:
        """The configuration of the connection, which need not name an image."""
        return self._project.config(defaults={"image": LOCAL_IMAGE})

    def dag_config(self, image: str | None, output: str | None) -> PluginConfig:
        """Return the configuration to compile a DAG by, with its image and its output.

        In the sandbox, a project need not name an image.

        Args:
            image: The image that the command line names.
            output: Where the command line says that the DAG goes.

        Raises:
            ConfigError: If the configuration is wrong.
            UploadError: If nothing names an output.
            SandboxError: If the sandbox does not run, or the command line names an image for it.
        """
        defaults = None
        if self._leads_to_sandbox(output):
            refuse_other_image(image)
            defaults = DEFAULTS
        return self._project.config(image, defaults=defaults, output=self.output(output))

    def refresh_image(self, output: str | None) -> None:
        """Copy the project into the sandbox if the DAG goes there: that is its pods' image.

        Raises:
            SandboxError: If the sandbox does not run, or not all of it, or the project cannot be
                copied.
        """
        if self._leads_to_sandbox(output):
            self._sandbox.check()
            self._sandbox.refresh_image(self._project)

    def output(self, given: str | None) -> str:
        """Return where a DAG goes.

        Args:
            given: Where the command line says that it goes.

        Raises:
            UploadError: If nothing names an output.
            SandboxError: If the sandbox does not run.
        """
        if given:
            return given
        if self._is_sandbox:
            return str(self._sandbox.output)
        if self.config.output:
            return self.config.output
        raise UploadError(
            "Where should the DAG go? Set output in airflow-k8s.yaml, which `kedro airflow-k8s"
            " init` makes, or give --output: a folder, gs://bucket/folder, s3://bucket/folder or"
            " abfs://container/folder. Or use the Airflow on this machine: `kedro airflow-k8s"
            " sandbox up`, then --sandbox."
        )

    def _leads_to_sandbox(self, output: str | None) -> bool:
        """Return whether a DAG with this output on the command line goes to the sandbox.

        If the configuration means the sandbox, a DAG that goes elsewhere does not need it.
        """
        if self._asked_for_sandbox or not output:
            return self._is_sandbox
        from kedro_airflow_k8s.sandbox.folder import SandboxFolder

        return Path(output).resolve() == SandboxFolder(self._project.path).dags.resolve()

    @cached_property
    def _is_sandbox(self) -> bool:
        """Whether it is the project's own sandbox: by an option, or by what is configured.

        The configuration means it by its output, the folder of DAGs of the sandbox, or by its host
        while the sandbox runs there. The sandbox's password goes nowhere else.
        """
        if self._asked_for_sandbox:
            return True
        host, output = self.config.host, self.config.output or ""
        if not is_on_this_machine(host) if host else SANDBOX_FOLDER not in output:
            return False
        from kedro_airflow_k8s.sandbox.folder import SandboxFolder

        folder = SandboxFolder(self._project.path)
        if output and (folder.project / output).resolve() == folder.dags:
            return True
        state = folder.read_state()
        if state is None or not folder.is_running(state):
            return False
        return _same_address(host, state.host)

    @cached_property
    def _sandbox(self) -> Sandbox:
        from kedro_airflow_k8s.sandbox.up import NOT_RUNNING, find_sandbox

        found = find_sandbox(self._project.path)
        if found is None:
            raise SandboxError(NOT_RUNNING)
        return found


def _same_address(one: str | None, other: str) -> bool:
    """Return whether two addresses of this machine are the same."""
    first, second = urlsplit(one or ""), urlsplit(other)
    same = (first.scheme, first.port) == (second.scheme, second.port)
    return same and first.path.strip("/") == ""
