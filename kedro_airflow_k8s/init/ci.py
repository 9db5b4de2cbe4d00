"""The jobs of a project on a CI service: clouds that they use, settings that they need, names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init.facts import AuthKind, ProjectFacts, Registry
from kedro_airflow_k8s.pod.stores import store_of

DEFAULT_REGISTRY: Registry = "ghcr"

WAIT_MINUTES = 60
"""How long a job waits for the run of a branch, in minutes."""

PARSE_MINUTES = 15
"""How long a job waits until Airflow has a scheduled DAG: a copied bucket can take minutes."""

# Clouds have the names of the plugin's extras.
_REGISTRY_CLOUDS: dict[Registry, str] = {"gar": "gcp", "ecr": "aws"}
_AUTH_CLOUDS: dict[AuthKind, str] = {"google": "gcp", "aws": "aws"}
_HOSTS: dict[Registry, str] = {
    "ghcr": r"ghcr\.io/",
    "gar": r"[a-z0-9-]+-docker\.pkg\.dev/",
    "ecr": r"[0-9]+\.dkr\.ecr\.[a-z0-9.-]+/",
}

_CLOUD_SETTINGS = {
    "gcp": {
        "GCP_WORKLOAD_IDENTITY_PROVIDER": (
            "projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
        ),
        "GCP_SERVICE_ACCOUNT": "NAME@PROJECT.iam.gserviceaccount.com",
    },
    "aws": {"AWS_ROLE": "arn:aws:iam::ACCOUNT:role/NAME", "AWS_REGION": "such as eu-west-1"},
    "azure": {
        "AZURE_CLIENT_ID": "application with a federated credential for this",
        "AZURE_TENANT_ID": "its tenant",
        "AZURE_STORAGE_ACCOUNT_NAME": "storage account that Airflow reads DAGs from",
    },
}
_AIRFLOW_SETTINGS: dict[AuthKind, dict[str, str]] = {
    "token": {"AIRFLOW_API_TOKEN": "token for Airflow's API"},
    "password": {
        "AIRFLOW_API_USERNAME": "name of a user of Airflow",
        "AIRFLOW_API_PASSWORD": "password of that user",
    },
}
_SECRETS = ("AIRFLOW_API_TOKEN", "AIRFLOW_API_PASSWORD")
_CONFIG_VARIABLES = {"KEDRO_CONFIG_GOOGLE_PROJECT_ID": "id of the project on Google Cloud"}


@dataclass(frozen=True)
class CiSetup:
    """The jobs of one project on a CI service, as the templates see them.

    Attributes:
        facts: The project.
        registry: Where the jobs push the image.
        config_variables: Variables `KEDRO_CONFIG_<NAME>` that `airflow-k8s.yaml` needs.
    """

    facts: ProjectFacts
    registry: Registry
    config_variables: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise an error for names that cannot be in a CI file."""
        names = {
            "folder": self.facts.repository.folder,
            "default branch": self.facts.repository.default_branch,
            "environment": self.facts.env,
        }
        for what, name in names.items():
            if not name.isprintable() or "${{" in name:
                raise ScaffoldError(
                    f"The {what} {name!a} cannot be used in a CI file. It contains control"
                    " characters, or ${{ for an expression of GitHub. Rename it. Nothing was"
                    " written."
                )

    @property
    def in_folder(self) -> bool:
        """Whether the project is in a folder of the repository, possibly next to others."""
        return self.facts.repository.folder != "."

    @property
    def requirements(self) -> str:
        """The path of requirements.txt in the repository."""
        return str(PurePosixPath(self.facts.repository.folder, "requirements.txt"))

    @property
    def kedro_env(self) -> str | None:
        """The environment for KEDRO_ENV; None if Kedro reads it anyway."""
        return None if self.facts.env == self.facts.layout.base_env else self.facts.env

    @property
    def image_cloud(self) -> str | None:
        """The cloud of the registry."""
        return _REGISTRY_CLOUDS.get(self.registry)

    @property
    def airflow_clouds(self) -> list[str]:
        """The clouds that uploads and the log-in to Airflow need."""
        return needed_extras(self.facts)

    @property
    def known_image(self) -> str:
        """The image's name for a shell; empty if the configuration has none in the registry."""
        name = self.facts.image.shell_name
        return name if re.match(_HOSTS[self.registry], name) else ""

    @property
    def image_variable(self) -> str:
        """The CI service's variable for an image whose name is not known."""
        return f"IMAGE_{self.facts.slug.upper().replace('-', '_')}" if self.in_folder else "IMAGE"

    @property
    def airflow_settings(self) -> dict[str, str]:
        """The credentials for Airflow, each with the kind of setting on GitHub."""
        names = _AIRFLOW_SETTINGS.get(self.facts.airflow.login, {})
        return {name: "secrets" if name in _SECRETS else "vars" for name in names}

    @property
    def variables(self) -> list[str]:
        """A line for each variable that the user sets in the CI service."""
        return self._lines(secret=False)

    @property
    def secrets(self) -> list[str]:
        """A line for each secret that the user sets in the CI service."""
        return self._lines(secret=True)

    @property
    def to_do_first(self) -> list[str]:
        """Lines of a comment about what keeps the jobs from reaching Airflow; often none."""
        airflow = self.facts.airflow
        if airflow.is_sandbox or not airflow.host or not airflow.output:
            return [
                "First set `host` and `output` in airflow-k8s.yaml to an Airflow that the jobs can",
                "reach. Then delete this file and run the same `init` again.",
            ]
        if "://" not in airflow.output:
            return [
                "`output` in airflow-k8s.yaml is a folder: run the jobs on a machine that has it,",
                "and that shares it with Airflow.",
            ]
        return []

    def _lines(self, *, secret: bool) -> list[str]:
        settings = {
            name: _CONFIG_VARIABLES.get(name, "used in airflow-k8s.yaml")
            for name in self.config_variables
        }
        if self.registry != "ghcr" and not self.known_image:
            settings[self.image_variable] = "name of the image, without a tag"
        for cloud in (self.image_cloud, *self.airflow_clouds):
            settings |= _CLOUD_SETTINGS[cloud] if cloud else {}
        settings |= _AIRFLOW_SETTINGS.get(self.facts.airflow.login, {})
        width = max(map(len, settings), default=0)
        return [
            f"{name:<{width}}  {what}"
            for name, what in settings.items()
            if (name in _SECRETS) == secret
        ]


def needed_extras(facts: ProjectFacts) -> list[str]:
    """Return the extras of the plugin for uploads to Airflow and for the log-in there."""
    store, login = store_of(facts.airflow.output), _AUTH_CLOUDS.get(facts.airflow.login)
    return sorted({extra for extra in (store and store.extra, login) if extra})
