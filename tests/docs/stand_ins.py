"""Programs that pages call and that only someone else's machine has, and what replaces them.

Each takes exactly the arguments that pages use and the real program has, refuses all others with
exit code 2, and does the nearest thing that can be done here:

`python3 -m venv`: makes an environment without packages; anything else is the real python.
`pip install`, `pip download`, for a package index: sees that packages, versions and extras are
    those that the tests run with, and lets the environment have them.
`pip wheel`: builds the wheel, without fetching setuptools for it.
`docker build`: reads the Dockerfile. Are the files there that it copies, and is available what it
    installs?
`docker push`, for a registry: sees that the image was built, and lets the cluster run it.
`docker login`: nothing.
`kubectl`, for a cluster: checks manifests, names and files, and makes Secrets as manifests.
`helm`, for a cluster: reads the values.
`gcloud`, `aws`: answer with the addresses that the test has put into STAND_IN_ANSWERS.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NoReturn

import yaml

from kedro_airflow_k8s.project.dockerignore import DockerIgnore
from kedro_airflow_k8s.sandbox.folder import SandboxFolder
from tests.docs.pip_stand_in import checked, pip, python, requirements_of
from tests.docs.programs import fail, parser_of, say, write_program

ANSWERS = "STAND_IN_ANSWERS"
"""Variable with what clouds answer: JSON of a regular expression for the arguments to the text."""

CLUSTER = "STAND_IN_CLUSTER"
"""Variable with the project whose sandbox replaces the cluster: it runs the image pushed last."""

SECRETS = ".stand-ins/secrets.yaml"
"""Where, in the home of the user, the Secrets are that `kubectl create` has made."""

OWN = ("python3", "pip", "docker", "kubectl", "helm", "gcloud", "aws")
"""Programs that are replaced."""


def install_programs(folder: Path) -> None:
    """Make the programs in a folder for PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in OWN:
        write_program(folder / name)


def main(name: str, arguments: Sequence[str]) -> NoReturn:
    """Be a program."""
    done: dict[str, Callable[[Sequence[str]], None]] = {
        "python3": python,
        "pip": pip,
        "docker": _docker,
        "kubectl": _kubectl,
        "helm": _helm,
        "gcloud": _cloud("gcloud"),
        "aws": _cloud("aws"),
    }
    done[name](arguments)
    sys.exit(0)


def _state(name: str) -> Path:
    folder = Path(os.environ["HOME"]) / ".stand-ins"
    folder.mkdir(exist_ok=True)
    return folder / name


def _remember(name: str, text: str) -> None:
    with _state(name).open("a") as file:
        file.write(text + "\n")


def _remembered(name: str) -> list[str]:
    file = _state(name)
    return file.read_text().splitlines() if file.exists() else []


def _docker(arguments: Sequence[str]) -> None:
    parser = parser_of("docker")
    commands = parser.add_subparsers(required=True, dest="command")
    build = commands.add_parser("build", allow_abbrev=False)
    build.add_argument("-t", "--tag", required=True)
    build.add_argument("--platform")
    build.add_argument("context", type=Path)
    push = commands.add_parser("push", allow_abbrev=False)
    push.add_argument("image")
    login = commands.add_parser("login", allow_abbrev=False)
    login.add_argument("--username", required=True)
    login.add_argument("--password-stdin", action="store_true", required=True)
    login.add_argument("registry")
    given = parser.parse_args(arguments)
    if given.command == "build":
        _build_image(given.context)
        _remember("images", given.tag)
        _remember("context", str(given.context.absolute()))
        say(f"naming to {given.tag} done")
    elif given.command == "login":
        say("Login Succeeded")
    elif given.image not in _remembered("images"):
        fail(f"An image does not exist locally with the tag: {given.image}")
    elif given.command == "push":
        if cluster := os.environ.get(CLUSTER):
            SandboxFolder(Path(cluster)).images.refresh(Path(_remembered("context")[-1]))
        say(f"{given.image.rpartition(':')[2]}: digest: sha256:" + "0" * 64)


def _build_image(context: Path) -> None:
    """Read a Dockerfile as far as it can be wrong about the project."""
    dockerfile = context / "Dockerfile"
    if not dockerfile.is_file():
        fail(f"ERROR: failed to read dockerfile: {dockerfile}: no such file or directory")
    rules_file = context / ".dockerignore"
    if not rules_file.is_file():
        fail("stand-in of docker: without .dockerignore, passwords and data would be in the image")
    rules = DockerIgnore(rules_file.read_text().splitlines())
    sent = {
        path
        for file in context.rglob("*")
        if file.is_file() and not rules.ignores(path := file.relative_to(context).as_posix())
    }
    text = re.sub(r"\\\n", " ", dockerfile.read_text("utf-8"))
    steps = [line.split(None, 1) for line in text.splitlines() if line.strip()[:1] not in ("", "#")]
    if not steps or steps[0][0].upper() not in ("FROM", "ARG"):
        fail("ERROR: no build stage in current context")
    for step, *words in steps:
        if step.upper() in ("COPY", "ADD"):
            _check_copy(words[0].split(), sent)
    if "requirements.txt" in sent:
        places = [str(context / "wheels")] if _any_below("wheels", sent) else []
        for requirement in requirements_of(context / "requirements.txt"):
            checked(requirement, places)


def _check_copy(words: list[str], sent: set[str]) -> None:
    if any(word.startswith("--from") for word in words):
        return
    *sources, _ = [word for word in words if not word.startswith("--")]
    found = [source for source in sources if source == "." or _any_below(source, sent)]
    # Docker takes patterns that match nothing, if another source of the line is there.
    missing = [s for s in sources if s not in found and not set("*?[") & set(s)]
    if missing or not found:
        fail(f"ERROR: failed to compute cache key: {' '.join(missing or sources)}: not found")


def _any_below(source: str, sent: set[str]) -> bool:
    source = source.removeprefix("./").rstrip("/")
    return any(fnmatch(path, source) or fnmatch(path, f"{source}/*") for path in sent)


def _kubectl(arguments: Sequence[str]) -> None:
    parser = parser_of("kubectl")
    parser.add_argument("-n", "--namespace")
    commands = parser.add_subparsers(required=True, dest="command")
    apply = commands.add_parser("apply", allow_abbrev=False)
    apply.add_argument("-f", "--filename", type=Path, required=True)
    create = commands.add_parser("create", allow_abbrev=False)
    kinds = create.add_subparsers(required=True, dest="kind")
    kinds.add_parser("namespace", allow_abbrev=False).add_argument("name")
    secret = kinds.add_parser("secret", allow_abbrev=False).add_subparsers(required=True)
    generic = secret.add_parser("generic", allow_abbrev=False)
    generic.add_argument("name")
    generic.add_argument("--from-literal", action="append", default=[])
    generic.add_argument("--from-file", action="append", default=[])
    generic.add_argument("--dry-run", choices=("client",))
    generic.add_argument("-o", "--output", choices=("yaml",))
    registry = secret.add_parser("docker-registry", allow_abbrev=False)
    registry.add_argument("name")
    for option in ("--docker-server", "--docker-username", "--docker-password"):
        registry.add_argument(option, required=True)
    annotate = commands.add_parser("annotate", allow_abbrev=False)
    annotate.add_argument("kind")
    annotate.add_argument("name")
    annotate.add_argument("pairs", nargs="+")
    get = commands.add_parser("get", allow_abbrev=False)
    get.add_argument("kind", choices=("pods", "events", "persistentvolumeclaims"))
    get.add_argument("-l", "--selector")
    get.add_argument("--sort-by")
    for command in (apply, generic, registry, annotate, get):
        command.add_argument("-n", "--namespace")
    given = parser.parse_args(arguments)
    if given.command == "apply":
        # Slow to import, and only needed here.
        from tests.docs.manifests import check_manifests

        documents = list(yaml.safe_load_all(given.filename.read_text("utf-8")))
        if check_manifests(documents) != len([d for d in documents if d is not None]):
            fail(f"error: {given.filename} holds something that is not a manifest")
        for document in filter(None, documents):
            kind = document["kind"].lower()
            say(f"{kind}/{document['metadata']['name']} created")
    elif given.command == "create" and hasattr(given, "from_file"):
        _create_secret(given)
    elif given.command == "create":
        say(f"{given.kind}/{given.name} created")
    elif given.command == "annotate":
        say(f"{given.kind}/{given.name} annotated")
    else:
        say(f"No resources found in {given.namespace} namespace.")


def _create_secret(given: argparse.Namespace) -> None:
    values = {}
    for pair in given.from_literal:
        name, _, value = pair.partition("=")
        values[name] = value.encode()
    for pair in given.from_file:
        name, _, file = pair.partition("=")
        if not Path(file).is_file():
            fail(f"error: {pair}: no such file")
        values[name] = Path(file).read_bytes()
    metadata = {"name": given.name}
    if given.namespace:
        metadata["namespace"] = given.namespace
    data = {name: base64.b64encode(value).decode() for name, value in values.items()}
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    if given.dry_run:
        say(yaml.safe_dump(document).rstrip())
        return
    _state("secrets.yaml").write_text(yaml.safe_dump(document))
    say(f"secret/{given.name} created")


def _helm(arguments: Sequence[str]) -> None:
    parser = parser_of("helm")
    commands = parser.add_subparsers(required=True, dest="command")
    repo = commands.add_parser("repo", allow_abbrev=False).add_subparsers(required=True)
    add = repo.add_parser("add", allow_abbrev=False)
    add.add_argument("name")
    add.add_argument("url")
    upgrade = commands.add_parser("upgrade", allow_abbrev=False)
    upgrade.add_argument("--install", action="store_true")
    upgrade.add_argument("--namespace", required=True)
    upgrade.add_argument("--create-namespace", action="store_true")
    upgrade.add_argument("--reuse-values", action="store_true")
    upgrade.add_argument("--values", type=Path)
    upgrade.add_argument("name")
    upgrade.add_argument("chart")
    given = parser.parse_args(arguments)
    if getattr(given, "values", None):
        yaml.safe_load(given.values.read_text("utf-8"))


_CLOUD_COMMANDS = {
    "gcloud": (
        r"auth login",
        r"auth application-default login",
        r"auth configure-docker [\w-]+-docker\.pkg\.dev",
        (
            r"composer environments describe [\w-]+ --location [\w-]+"
            r" --format value\(config\.(airflowUri|dagGcsPrefix|gkeCluster)\)"
        ),
        r"artifacts repositories create [\w-]+ --repository-format docker --location [\w-]+",
        r"iam service-accounts create [\w-]+",
        (
            r"iam service-accounts add-iam-policy-binding [\w.@-]+"
            r" --role roles/iam\.workloadIdentityUser"
            r" --member serviceAccount:[\w.-]+\[[\w-]+/[\w-]+\]"
        ),
        (
            r"storage buckets add-iam-policy-binding gs://[\w-]+ --role roles/[\w.]+"
            r" --member serviceAccount:[\w.@-]+"
        ),
        (
            r"composer environments run [\w-]+ --location [\w-]+ connections add --"
            r" [\w-]+ --conn-type kubernetes --conn-extra (?P<connection>\{.*\})"
        ),
    ),
    "aws": (
        r"sts get-caller-identity",
        (
            r"mwaa get-environment --name [\w-]+ --query Environment\.(WebserverUrl|AirflowVersion)"
            r" --output text"
        ),
        r"ecr create-repository --repository-name [\w/-]+",
        r"ecr get-login-password",
        r"eks update-kubeconfig --name [\w-]+ --kubeconfig [\w./-]+ --alias [\w-]+",
        (
            r"eks create-pod-identity-association --cluster-name [\w-]+ --namespace [\w-]+"
            r" --service-account [\w-]+ --role-arn arn:aws:iam::\d{12}:role/[\w-]+"
        ),
        r"s3 cp [\w./-]+ s3://[\w./-]+",
        (
            r"secretsmanager create-secret --name airflow/connections/[\w-]+"
            r" --secret-string \{\"conn_type\": \"kubernetes\", \"extra\": (?P<connection>\{.*\})\}"
        ),
    ),
}


def _check_connection(extra: dict[str, str]) -> None:
    """See that Airflow's connection to Kubernetes has such fields."""
    from airflow.providers.cncf.kubernetes.get_provider_info import get_provider_info

    (kind,) = get_provider_info()["connection-types"]  # type: ignore[no-untyped-call]
    unknown = extra.keys() - kind["conn-fields"].keys()
    if unknown:
        fail(f"a connection of type kubernetes has no {', '.join(unknown)}")


def _cloud(name: str) -> Callable[[Sequence[str]], None]:
    def run(arguments: Sequence[str]) -> None:
        said = " ".join(re.sub(r"^(--[\w-]+)=", r"\1 ", word) for word in arguments)
        found = [m for known in _CLOUD_COMMANDS[name] if (m := re.fullmatch(known, said))]
        if not found:
            fail(f"{name}: unknown: {said}", 2)
        if connection := found[0].groupdict().get("connection"):
            _check_connection(json.loads(connection))
        answers = json.loads(os.environ.get(ANSWERS, "{}"))
        for pattern, answer in answers.items():
            if re.search(pattern, said):
                say(answer)
        if said.startswith("eks update-kubeconfig"):
            shutil.copy(os.devnull, arguments[list(arguments).index("--kubeconfig") + 1])

    return run
