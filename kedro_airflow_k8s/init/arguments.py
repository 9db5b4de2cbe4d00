"""What `init` was told: checked before anything is read or written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import TypeAdapter, ValidationError

from kedro_airflow_k8s.config.values import Host
from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.init.facts import AuthKind, Registry
from kedro_airflow_k8s.init.project_facts import AirflowPlace
from kedro_airflow_k8s.sandbox.folder import SandboxFolder
from kedro_airflow_k8s.sandbox.image import SANDBOX_FOLDER
from kedro_airflow_k8s.sandbox.ports import PREFERRED
from kedro_airflow_k8s.upload import check_output

# What people copy from the address bar: pages and APIs of Airflow 2 and 3, by their first step.
_PAGES = frozenset({"api", "auth", "dags", "home", "login"})


@dataclass(frozen=True)
class InitRequest:
    """What is wanted.

    Attributes:
        url: Base address of Airflow; None: none was given.
        output: Where Airflow reads DAGs; None: nothing was given.
        env: The environment whose folder gets the file; None: the one that Kedro always reads.
        force: Replace what is there.
        dockerfile: Write a Dockerfile.
        github_actions: Write workflows for GitHub.
        gitlab_ci: Write a pipeline for GitLab.
        registry: Where these push the image; None: their default.
        airflow_auth: How the plugin logs in to Airflow; None: by the environment variables.
    """

    url: str | None = None
    output: str | None = None
    env: str | None = None
    force: bool = False
    dockerfile: bool = False
    github_actions: bool = False
    gitlab_ci: bool = False
    registry: Registry | None = None
    airflow_auth: AuthKind | None = None

    @property
    def adds_files(self) -> bool:
        """Whether there is something to write beside the configuration."""
        return self.dockerfile or self.github_actions or self.gitlab_ci

    @property
    def configures(self) -> bool:
        """Whether there is something to write into the configuration."""
        return any(value is not None for value in (self.url, self.output, self.airflow_auth))


def airflow_place(request: InitRequest, project_path: Path) -> AirflowPlace:
    """The Airflow that was named; that of the sandbox if nothing was.

    Raises:
        ConfigError: The address is none of an Airflow, or nothing can be written to the output.
        UploadError: The output is an address of a kind that is not known.
        SandboxError: The sandbox's own record cannot be read.
    """
    if request.url is None and request.output is None:
        state = SandboxFolder(project_path).read_state()
        host = state.host if state is not None else f"http://127.0.0.1:{PREFERRED[0]}"
        return AirflowPlace(host, f"{SANDBOX_FOLDER}/dags", True)
    if request.output is not None:
        _check_output(request.output)
    host = "" if request.url is None else base_address(request.url)
    return AirflowPlace(host, request.output or "", False)


def base_address(url: str) -> str:
    """The address as the configuration takes it, without a slash at its end.

    Raises:
        ConfigError: It is none.
    """
    shown = "" if "@" in url else f" found {url!r};"
    try:
        TypeAdapter(Host).validate_python(url)
    except ValidationError as error:
        reason = error.errors()[0]["ctx"]["error"]
        raise ConfigError(f"AIRFLOW_URL:{shown} {reason}. Nothing was written.") from None
    parts = urlsplit(url)
    steps = [step for step in parts.path.split("/") if step]
    # Behind a proxy, Airflow may be at a path of its own: that stays.
    page = next((at for at, step in enumerate(steps) if step.lower() in _PAGES), None)
    base = urlunsplit((parts.scheme, parts.netloc, "/".join(steps[:page]), "", ""))
    if page is not None:
        raise ConfigError(
            f"AIRFLOW_URL:{shown} that is a page of Airflow, not its base address. Leave out the"
            f" path: {base}. Nothing was written."
        )
    return base


def _check_output(output: str) -> None:
    if re.match(r"https?://", output, re.IGNORECASE):
        raise ConfigError(
            f"--output: found {output!r}; must be where Airflow reads DAG files: a folder, or"
            " gs://, s3:// or abfs:// with a bucket and a folder. If that is meant to be the"
            " address of Airflow, the value of --output is missing: perhaps a variable of the"
            " shell is empty. Nothing was written."
        )
    if not output.isprintable():
        raise ConfigError(
            f"--output: found {output!r}; must not hold line breaks or other signs that cannot be"
            " seen. Nothing was written."
        )
    check_output(output)
