"""The arguments of `init`, checked before anything is read or written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import TypeAdapter, ValidationError

from kedro_airflow_k8s.config.values import Host
from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.init.facts import Airflow, AuthKind, Registry
from kedro_airflow_k8s.sandbox.folder import SandboxFolder
from kedro_airflow_k8s.sandbox.image import SANDBOX_FOLDER
from kedro_airflow_k8s.sandbox.locks import PREFERRED_PORTS

# The first part of the path of Airflow's pages and APIs, as copied from the address bar.
_PAGES = frozenset({"api", "auth", "dags", "home", "login"})


@dataclass(frozen=True)
class InitRequest:
    """The options of the command, as its help explains them; None if one was not given."""

    url: str | None = None
    output: str | None = None
    env: str | None = None
    force: bool = False
    dockerfile: bool = False
    github_actions: bool = False
    gitlab_ci: bool = False
    spark: bool = False
    registry: Registry | None = None
    airflow_auth: AuthKind | None = None

    @property
    def ci(self) -> bool:
        """Whether files for a CI service are wanted."""
        return self.github_actions or self.gitlab_ci

    @property
    def adds_files(self) -> bool:
        """Whether files besides the configuration are wanted."""
        return self.dockerfile or self.ci or self.spark

    @property
    def configures(self) -> bool:
        """Whether there are values for the configuration."""
        return any(value is not None for value in (self.url, self.output, self.airflow_auth))


def airflow_of(request: InitRequest, project_path: Path) -> Airflow:
    """Return the Airflow of the arguments; the sandbox's if they name none.

    Raises:
        ConfigError: The address or the output is wrong.
        SandboxError: The sandbox's state cannot be read.
    """
    auth = request.airflow_auth
    if request.url is None and request.output is None:
        state = SandboxFolder(project_path).read_state()
        host = state.host if state is not None else f"http://127.0.0.1:{PREFERRED_PORTS[0]}"
        return Airflow(host, f"{SANDBOX_FOLDER}/dags", is_sandbox=True, auth=auth)
    if request.output is not None:
        _check_output(request.output)
    host = "" if request.url is None else base_address(request.url)
    return Airflow(host, request.output or "", auth=auth)


def given_airflow(request: InitRequest, airflow: Airflow) -> Airflow:
    """Return an Airflow as far as the arguments name it."""
    host = airflow.host if request.url is not None else ""
    return Airflow(host, request.output or "", auth=request.airflow_auth)


def base_address(url: str) -> str:
    """Return an address of Airflow without a slash at its end.

    Raises:
        ConfigError: It is not a base address.
    """
    shown = "" if "@" in url else f" found {url!r};"
    try:
        TypeAdapter(Host).validate_python(url)
    except ValidationError as error:
        reason = error.errors()[0]["ctx"]["error"]
        raise ConfigError(f"AIRFLOW_URL:{shown} {reason}. Nothing was written.") from None
    parts = urlsplit(url)
    steps = [step for step in parts.path.split("/") if step]
    # Behind a proxy, Airflow can have a path of its own, which stays.
    page = next((at for at, step in enumerate(steps) if step.lower() in _PAGES), None)
    base = urlunsplit((parts.scheme, parts.netloc, "/".join(steps[:page]), "", ""))
    if page is not None:
        raise ConfigError(
            f"AIRFLOW_URL:{shown} must be the base address of Airflow, not one of its pages. Omit"
            f" the path: {base}. Nothing was written."
        )
    return base


def _check_output(output: str) -> None:
    if re.match(r"https?://", output, re.IGNORECASE):
        raise ConfigError(
            f"--output: found {output!r}; must be the place of the DAG files. That is a folder, or"
            " gs://, s3:// or abfs:// with a bucket and a folder. If this is the address of"
            " Airflow, the value of --output is missing: a shell variable may be empty. Nothing"
            " was written."
        )
