"""Projects of every kind for which CI files are written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import get_args

from kedro_airflow_k8s.init.ci import CiSetup
from kedro_airflow_k8s.init.facts import (
    COMMIT_TAG,
    GOOGLE_PROJECT,
    Airflow,
    AuthKind,
    Image,
    Layout,
    ProjectFacts,
    Registry,
    Repository,
)
from kedro_airflow_k8s.init.files import NewFile

LAYOUT = Layout(
    path=Path("/shop"),
    source="src",
    conf="conf",
    base_env="base",
    personal_env="local",
    credentials=(),
    mount_path=PurePosixPath("/home/kedro_docker/data"),
    fills_volume=True,
)
FACTS = ProjectFacts(
    name="Shop",
    slug="shop",
    env="base",
    namespace="airflow",
    airflow=Airflow("https://airflow.example.com", "/opt/airflow/dags", auth="none"),
    repository=Repository(Path("/shop")),
    image=Image("registry.example.com/shop", "1.0"),
    layout=LAYOUT,
    python_version="3.11",
)

IMAGES: dict[Registry, str] = {
    "ghcr": "ghcr.io/example/shop",
    "gar": f"europe-docker.pkg.dev/{GOOGLE_PROJECT}/images/shop",
    "ecr": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop",
}

SECRETS_OF_AUTH: dict[AuthKind, set[str]] = {
    "token": {"AIRFLOW_API_TOKEN"},
    "password": {"AIRFLOW_API_PASSWORD"},
    "google": set(),
    "aws": set(),
    "none": set(),
}


def setup(registry: Registry = "ghcr", auth: AuthKind = "none", output: str = "") -> CiSetup:
    """The jobs of a project that is the root of its repository, its image not in the registry."""
    airflow = replace(FACTS.airflow, auth=auth, output=output or FACTS.airflow.output)
    return CiSetup(replace(FACTS, airflow=airflow), registry)


def changed(jobs: CiSetup, **changes: object) -> CiSetup:
    """The same jobs with other facts, those of `repository` and `airflow` by their own names."""
    facts = jobs.facts
    repository = {k: v for k, v in changes.items() if k in ("folder", "default_branch")}
    airflow = {k: v for k, v in changes.items() if k in ("host", "output", "is_sandbox", "auth")}
    others = {k: v for k, v in changes.items() if k not in repository | airflow}
    parts = {
        "repository": replace(facts.repository, **repository),  # type: ignore[arg-type]
        "airflow": replace(facts.airflow, **airflow),  # type: ignore[arg-type]
    }
    return replace(jobs, facts=replace(facts, **parts, **others))  # type: ignore[arg-type]


def with_image(registry: Registry) -> CiSetup:
    """The jobs of a project whose configuration names an image in the registry, by commit."""
    variables = ("KEDRO_CONFIG_GOOGLE_PROJECT_ID",) if registry == "gar" else ()
    jobs = changed(setup(registry), image=Image(IMAGES[registry], COMMIT_TAG))
    return replace(jobs, config_variables=variables)


HOSTILE = changed(
    setup("ghcr", "password"),
    name='It\'s a "shop"\n- run: ${{ secrets.X }} $(id) [[ x ]] %}',
    folder='a `dir`/it\'s {{ x }} [x] $HOME "ü" #1: *&!',
    default_branch="re+lease/$(id)'\"ü#!]{{x}}",
    env='prod\'s "$HOME" {{ x }}',
    output="gs://bucket/${{ github.actor }}",
)
"""A project whose texts all try to be something else in YAML, an expression or a shell."""


OUTPUTS = ("/opt/airflow/dags", "gs://bucket/dags", "s3://bucket/dags", "abfs://box/dags")
PLACES = ("root", "folder", "hostile")


@dataclass(frozen=True)
class Choices:
    """What distinguishes the projects for which files are written."""

    auth: AuthKind
    output: str
    registry: Registry
    place: str
    known_image: bool
    sandbox: bool

    def jobs(self) -> CiSetup:
        """The jobs of such a project."""
        jobs = with_image(self.registry) if self.known_image else setup(self.registry)
        host = "http://localhost:8080" if self.sandbox else jobs.facts.airflow.host
        jobs = changed(jobs, auth=self.auth, output=self.output, host=host, is_sandbox=self.sandbox)
        if self.place == "folder":
            return changed(jobs, folder="services/my shop")
        if self.place == "hostile":
            facts, repository = HOSTILE.facts, HOSTILE.facts.repository
            return changed(
                jobs,
                name=facts.name,
                env=facts.env,
                folder=repository.folder,
                default_branch=repository.default_branch,
                output=f"{self.output}/${{{{ github.actor }}}}",
            )
        return jobs


def _choices() -> Iterable[Choices]:
    """Every pair of two choices; test_github_actions sees to that."""
    auths, registries = get_args(AuthKind), get_args(Registry)
    for number in range(len(auths) * len(OUTPUTS)):
        auth, output = divmod(number, len(OUTPUTS))
        yield Choices(
            auth=auths[auth],
            output=OUTPUTS[output],
            registry=registries[(auth + output) % 3],
            place=PLACES[(auth + 2 * output) % 3],
            known_image=(auth + output // 2) % 2 == 0,
            sandbox=(auth // 2 + output) % 2 == 0,
        )


CHOICES = tuple(_choices())
VARIANTS = tuple(choices.jobs() for choices in CHOICES)


def write_all(root: Path, files: Iterable[NewFile]) -> list[Path]:
    """Write files into a folder and return their places."""
    written = []
    for file in files:
        place = root / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text, encoding="utf-8")
        written.append(place)
    return written
