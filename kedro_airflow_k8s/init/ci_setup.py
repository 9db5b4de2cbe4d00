"""What jobs on a CI service need: clouds to log in to, and settings that only the user knows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal
from unicodedata import category

import yaml
from jinja2 import Environment

from kedro_airflow_k8s.dag.jinja import jinja_environment
from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init.facts import AuthKind, ProjectFacts, Registry
from kedro_airflow_k8s.pod.stores import AZURE, GCS, S3, Store, store_of

Cloud = Literal["google", "aws", "azure"]

WAIT_MINUTES = 60
"""How long a job waits for the run of a branch."""

PARSE_MINUTES = 15
"""How long a job waits until Airflow has a scheduled DAG; its copy of a bucket may come late."""

_REGISTRY_CLOUDS: dict[Registry, Cloud] = {"gar": "google", "ecr": "aws"}
_AUTH_CLOUDS: dict[AuthKind, Cloud] = {"google": "google", "aws": "aws"}
_STORES: dict[Cloud, Store] = {"google": GCS, "aws": S3, "azure": AZURE}
_IN_REGISTRY: dict[Registry, str] = {
    "ghcr": r"ghcr\.io/[a-z0-9._/-]+",
    "gar": r"[a-z0-9-]+-docker\.pkg\.dev/[a-z0-9._/-]+",
    "ecr": r"[0-9]+\.dkr\.ecr\.[a-z0-9.-]+/[a-z0-9._/-]+",
}

_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of controls, halves of characters, and separators of lines."""


@dataclass(frozen=True)
class Setting:
    """Something that the user sets in the CI service, because no file of the project may hold it.

    Attributes:
        name: The name of the variable.
        what: What it is, in a few words.
        secret: Whether nobody may read it.
    """

    name: str
    what: str
    secret: bool = False


@dataclass(frozen=True)
class CiSetup:
    """The jobs of one project on a CI service.

    Attributes:
        facts: The project.
        registry: Where the jobs push the image.
        airflow_auth: How they make themselves known to Airflow.
    """

    facts: ProjectFacts
    registry: Registry
    airflow_auth: AuthKind

    @property
    def image_cloud(self) -> Cloud | None:
        """The cloud that the job logs in to which pushes the image."""
        return _REGISTRY_CLOUDS.get(self.registry)

    @property
    def airflow_clouds(self) -> tuple[Cloud, ...]:
        """The clouds that the job logs in to which uploads the DAG and talks to Airflow."""
        found = {_AUTH_CLOUDS.get(self.airflow_auth), output_cloud(self.facts.output)}
        return tuple(cloud for cloud in _STORES if cloud in found)

    @property
    def in_folder(self) -> bool:
        """Whether the project is in a folder of its repository, perhaps beside others."""
        return self.facts.repository_path != "."

    @property
    def image_variable(self) -> str:
        """Name of the CI service's variable with the image's name; each project has its own."""
        if not self.in_folder:
            return "IMAGE"
        return f"IMAGE_{self.facts.slug.upper().replace('-', '_')}"

    @property
    def known_image(self) -> str | None:
        """The image's name, if the project's is one in the registry."""
        image = self.facts.image
        return image if re.fullmatch(_IN_REGISTRY[self.registry], image) else None

    @property
    def kedro_env(self) -> str | None:
        """The environment to name, if Kedro does not read it anyway."""
        return None if self.facts.env == self.facts.base_env else self.facts.env

    @property
    def first_to_do(self) -> tuple[str, ...]:
        """What keeps the jobs from reaching Airflow, in lines of a comment; empty if nothing."""
        if self.facts.is_sandbox or not self.facts.host or not self.facts.output:
            return (
                "First name an Airflow that can be reached from there: `host` and `output` in",
                "airflow-k8s.yaml. Then delete this file: the same `init` writes it anew.",
            )
        if "://" not in self.facts.output:
            return (
                "`output` in airflow-k8s.yaml is a folder, and Airflow has to read it: let the",
                "jobs run on a machine of yours that has it.",
            )
        return ()

    @property
    def airflow_settings(self) -> tuple[Setting, ...]:
        """What the credentials for Airflow are in."""
        if self.airflow_auth == "token":
            return (Setting("AIRFLOW_API_TOKEN", "token for Airflow's API", secret=True),)
        if self.airflow_auth == "password":
            return (
                Setting("AIRFLOW_API_USERNAME", "name of Airflow's user"),
                Setting("AIRFLOW_API_PASSWORD", "password of that user", secret=True),
            )
        return ()

    @property
    def cloud_settings(self) -> tuple[Setting, ...]:
        """What names the accounts of the clouds; none of it is secret."""
        clouds = {self.image_cloud, *self.airflow_clouds}
        return tuple(setting for cloud in _STORES if cloud in clouds for setting in _CLOUD[cloud])


_CLOUD: dict[Cloud, tuple[Setting, ...]] = {
    "google": (
        Setting(
            "GCP_WORKLOAD_IDENTITY_PROVIDER",
            "projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
        ),
        Setting("GCP_SERVICE_ACCOUNT", "NAME@PROJECT.iam.gserviceaccount.com"),
    ),
    "aws": (
        Setting("AWS_ROLE", "arn:aws:iam::ACCOUNT:role/NAME"),
        Setting("AWS_REGION", "such as eu-west-1"),
    ),
    "azure": (
        Setting("AZURE_CLIENT_ID", "application that has a federated credential for this"),
        Setting("AZURE_TENANT_ID", "its tenant"),
        Setting("AZURE_STORAGE_ACCOUNT_NAME", "storage account that Airflow reads DAGs from"),
    ),
}


def output_cloud(output: str) -> Cloud | None:
    """The cloud that an output is in; None for a folder, or a protocol that is no cloud's."""
    store = store_of(output)
    return next((cloud for cloud in _STORES if _STORES[cloud] is store), None)


def needed_extras(output: str, airflow_auth: AuthKind) -> tuple[str, ...]:
    """The extras of this package that upload to an output and log in to Airflow, such as `gcp`.

    Args:
        output: Where Airflow reads DAGs.
        airflow_auth: How to log in to Airflow.
    """
    found = {output_cloud(output), _AUTH_CLOUDS.get(airflow_auth)}
    return tuple(store.extra for cloud, store in _STORES.items() if cloud in found)


def check_names(facts: ProjectFacts) -> None:
    """Refuse names that no line of a CI file can hold.

    Raises:
        ScaffoldError: There is one.
    """
    for what, name in named(facts):
        if any(category(sign) in _CONTROLS for sign in name):
            raise ScaffoldError(
                f"The project's {what} is named {name!a}: no CI file can name it with a line break"
                " or another control character. Rename it. Nothing was written."
            )


def named(facts: ProjectFacts) -> tuple[tuple[str, str], ...]:
    """The texts of the user's that CI files hold, and what each is the name of."""
    return (
        ("folder", facts.repository_path),
        ("default branch", facts.default_branch),
        ("environment", facts.env),
    )


def in_columns(settings: Iterable[Setting]) -> list[str]:
    """A line for each setting, its explanation in a column of its own."""
    listed = list(settings)
    width = max((len(setting.name) for setting in listed), default=0)
    return [f"{setting.name:<{width}}  {setting.what}" for setting in listed]


def quoted(text: str) -> str:
    """Any text as one line of YAML that means exactly it."""
    line = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**6)
    return line.rstrip("\n")


@cache
def template_environment() -> Environment:
    """Jinja with marks that neither a workflow's expressions nor a shell's have."""
    environment = jinja_environment(
        "init",
        "templates",
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
    )
    # The user's texts go through this one.
    environment.filters["quoted"] = quoted
    return environment
