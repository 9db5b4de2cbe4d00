"""Projects of every kind for which workflows are made, and the files of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path, PurePosixPath
from typing import get_args

from kedro_airflow_k8s.init import AuthKind, ProjectFacts, Registry, ScaffoldedFile

FACTS = ProjectFacts(
    project_name="Shop",
    package_name="shop",
    slug="shop",
    python_version="3.11",
    kedro_version="1.7.0",
    image="registry.example.com/shop",
    repository_path=".",
    default_branch="main",
    env="base",
    base_env="base",
    host="https://airflow.example.com",
    output="/opt/airflow/dags",
    is_sandbox=False,
    namespace="airflow",
)

IMAGES: dict[Registry, str] = {
    "ghcr": "ghcr.io/example/shop",
    "gar": "europe-docker.pkg.dev/example/images/shop",
    "ecr": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop",
}

HOSTILE_FACTS = replace(
    FACTS,
    project_name='It\'s a "shop"\n- run: ${{ secrets.X }} $(id) [[ x ]] %}',
    repository_path='a `dir`/it\'s {{ x }} [x] $HOME "ü" #1: *&!',
    default_branch="re+lease/$(id)'\"ü#!]{{x}}",
    env='prod\'s "$HOME" {{ x }}',
    output="gs://bucket/${{ github.actor }}",
)
"""A project whose every text tries to be something else in YAML, an expression or a shell."""

SECRETS_OF_AUTH: dict[AuthKind, set[str]] = {
    "token": {"AIRFLOW_API_TOKEN"},
    "password": {"AIRFLOW_API_PASSWORD"},
    "google": set(),
    "aws": set(),
    "none": set(),
}


@dataclass(frozen=True)
class Variant:
    """One way to call what makes workflows."""

    facts: ProjectFacts
    registry: Registry
    airflow_auth: AuthKind

    @property
    def name(self) -> str:
        """A folder's name for it."""
        kind = self.facts.output.partition("://")[0].strip("/").replace("/", "-")
        place = "root" if self.facts.repository_path == "." else "folder"
        known = "known" if self.facts.image in IMAGES.values() else "unknown"
        hostile = "hostile" if self.facts.default_branch != "main" else "plain"
        reached = "sandbox" if self.facts.is_sandbox else "airflow"
        parts = (self.registry, self.airflow_auth, kind, place, known, hostile, reached)
        return "_".join(parts)


def every_variant() -> Iterator[Variant]:
    """Registries, log-ins, outputs, places in the repository, images known and not known."""
    outputs = (FACTS.output, "gs://bucket/dags", "s3://bucket/dags", "abfs://container/dags")
    every = product(get_args(Registry), get_args(AuthKind), outputs, (".", "services/my shop"))
    for registry, auth, output, path in every:
        facts = replace(FACTS, output=output, repository_path=path)
        yield Variant(facts, registry, auth)
    for registry in get_args(Registry):
        yield Variant(replace(FACTS, image=IMAGES[registry]), registry, "none")
        yield Variant(HOSTILE_FACTS, registry, "password")
    sandbox = replace(FACTS, host="http://localhost:8080", is_sandbox=True)
    yield Variant(sandbox, "ghcr", "none")


def write_all(root: Path, files: list[ScaffoldedFile]) -> list[Path]:
    """Write scaffolded files into a folder, and give their places."""
    written = []
    for file in files:
        place = root / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text, encoding="utf-8")
        written.append(place)
    return written


def by_name(files: list[ScaffoldedFile]) -> dict[PurePosixPath, str]:
    """The texts of files."""
    return {file.path: file.text for file in files}
