"""The image of the tests' project, made and taken to where the cluster finds it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cluster.cluster import Cluster
from tests.cluster.project import ClusterProject

COMMAND, IMAGE, HOME = "E2E_IMAGE_COMMAND", "E2E_IMAGE", "E2E_IMAGE_HOME"
_NAME = "kedro-airflow-k8s-e2e:local"
DEFAULT_HOME = "/home/kedro_docker"

_ROOT = Path(__file__).parents[2]


class NoImage(Exception):
    """It is not configured how an image gets into this cluster, or that has failed."""


def project_home() -> str:
    """The folder of the project in the image."""
    return os.environ.get(HOME, DEFAULT_HOME).rstrip("/")


def image_for(cluster: Cluster, project: ClusterProject, suffix: str = "") -> str:
    """The name of an image of a project that the cluster can start.

    Args:
        cluster: Where it is to be.
        project: What it holds.
        suffix: What its name has before the tag, for another project than that of most tests.

    Raises:
        NoImage: There is none.
    """
    given = os.environ.get(IMAGE) or _NAME
    repository, colon, tag = given.rpartition(":")
    if not colon or "/" in tag:  # What is behind the colon would be a port.
        repository, colon, tag = given, "", ""
    name = f"{repository}{suffix}{colon}{tag}"
    if IMAGE in os.environ and COMMAND not in os.environ:
        return name
    commands = _commands(cluster.context, str(project.path), name)
    put_plugin_into_build(project.path)
    try:
        for command in commands:
            subprocess.run(command, check=True, cwd=project.path)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoImage(f"The image of the tests' project cannot be made: {error}") from error
    return name


def _commands(context: str, project: str, name: str) -> list[list[str]]:
    """What makes the image and takes it to the cluster.

    Raises:
        NoImage: It is not configured how that is done here.
    """
    if command := os.environ.get(COMMAND):
        return [[*shlex.split(command), project, name]]
    if context.startswith("kind-"):
        load = ["kind", "load", "docker-image", "--name", context.removeprefix("kind-"), name]
        return [["docker", "build", "--tag", name, project], load]
    if context == "minikube":
        return [["minikube", "image", "build", "--tag", name, project]]
    raise NoImage(
        f"How an image gets into the cluster of context {context} is not known: set {COMMAND} to a"
        " command that is called with a project's folder and the name of an image, and makes and"
        f" loads it; or {IMAGE} to an image of such a project that the cluster can pull"
        " (docs/contributing/cluster-tests.md)."
    )


def put_plugin_into_build(project: Path) -> None:
    """Let the example's Dockerfile install the plugin of this repository.

    Its wheel goes into the folder `wheels`, from which the Dockerfile installs what is on no
    package index.

    Raises:
        NoImage: The plugin cannot be built.
    """
    with TemporaryDirectory() as folder:
        # By way of a source archive: a build in place would take along what earlier ones have left.
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, str(_ROOT)]
        built = subprocess.run(build, capture_output=True, text=True, check=False)
        if built.returncode:
            raise NoImage(f"The plugin cannot be built:\n{built.stdout}{built.stderr}")
        (wheel,) = Path(folder).glob("*.whl")
        (project / "wheels").mkdir(exist_ok=True)
        shutil.copy(wheel, project / "wheels")
