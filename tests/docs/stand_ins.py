"""Programs that pages call and that only somebody else's machine has, and what stands for them.

Each takes exactly the arguments that pages use and the real program has, refuses all others with
exit code 2, and does the nearest thing that can be done here:

| program | stands for | does |
| --- | --- | --- |
| `python3 -m venv` | a new environment | makes one, without packages; all else is the real python |
| `pip install` | a package index | sees that packages, versions and extras are those that the tests run with, and lets the environment have them |
| `pip wheel` | a build with a package index | builds the wheel, without fetching setuptools |
| `docker build` | Docker | reads the Dockerfile: are the files there that it copies, and can what it installs be had |
| `docker push` | a registry | sees that the image was built |
| `docker run` | a container | sees that the image was built |
| `kubectl` | a cluster | checks the manifests and names, and remembers them |
| `helm` | a cluster | reads the values |
| `gcloud`, `aws` | a cloud | answer with the addresses that the test has put into STAND_IN_ANSWERS |
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, distribution, entry_points
from pathlib import Path
from typing import NoReturn

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import parse_wheel_filename

from kedro_airflow_k8s.sandbox.dockerignore import DockerIgnore
from tests.docs.manifests import check_manifests

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "kedro-airflow-k8s"

ANSWERS = "STAND_IN_ANSWERS"
"""Variable with what clouds answer: JSON of a regular expression for the arguments to the text."""

OWN = ("python3", "pip", "docker", "kubectl", "helm", "gcloud", "aws")
"""Programs that are replaced."""

# What pages install that is not in the environment of the tests.
_NOT_HERE = frozenset({"kedro-mlflow"})


def install_programs(folder: Path) -> None:
    """Make the programs in a folder for PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in OWN:
        _write_program(folder / name)


def _write_program(file: Path) -> None:
    file.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests.docs.stand_ins import main\nmain({file.name!r}, sys.argv[1:])\n"
    )
    file.chmod(0o755)


def main(name: str, arguments: Sequence[str]) -> NoReturn:
    """Be a program."""
    done: dict[str, Callable[[Sequence[str]], None]] = {
        "python3": _python,
        "pip": _pip,
        "docker": _docker,
        "kubectl": _kubectl,
        "helm": _helm,
        "gcloud": _cloud("gcloud"),
        "aws": _cloud("aws"),
    }
    done[name](arguments)
    sys.exit(0)


def _fail(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    sys.exit(1)


def _parser(name: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=name, allow_abbrev=False)


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


def _python(arguments: Sequence[str]) -> None:
    if arguments[:2] != ["-m", "venv"]:
        real = str(_own_environment() / "bin/python") if _own_environment() else sys.executable
        os.execv(real, [real, *arguments])
    parser = _parser("python3 -m venv")
    parser.add_argument("folder")
    folder = Path(parser.parse_args(arguments[2:]).folder).absolute()
    # With pip it would take seconds more, and that pip would ask an index.
    venv.create(folder, with_pip=False, symlinks=True)
    for program in ("pip", "python3"):
        (folder / "bin" / program).unlink(missing_ok=True)
        _write_program(folder / "bin" / program)


def _own_environment() -> Path | None:
    """The environment that this program is in, if it is in one."""
    folder = Path(sys.argv[0]).absolute().parents[1]
    return folder if (folder / "pyvenv.cfg").exists() else None


def _pip(arguments: Sequence[str]) -> None:
    parser = _parser("pip")
    commands = parser.add_subparsers(required=True, dest="command")
    install = commands.add_parser("install", allow_abbrev=False)
    install.add_argument("-r", "--requirement", action="append", default=[])
    install.add_argument("--find-links", action="append", default=[])
    install.add_argument("--no-index", action="store_true")
    install.add_argument("requirements", nargs="*")
    download = commands.add_parser("download", allow_abbrev=False)
    download.add_argument("--dest", type=Path, required=True)
    download.add_argument("-r", "--requirement", action="append", default=[])
    download.add_argument("--find-links", action="append", default=[])
    download.add_argument("requirements", nargs="*")
    wheel = commands.add_parser("wheel", allow_abbrev=False)
    wheel.add_argument("--no-deps", action="store_true", required=True)
    wheel.add_argument("-w", "--wheel-dir", required=True)
    wheel.add_argument("source", type=Path)
    given = parser.parse_args(arguments)
    if given.command == "wheel":
        _build_wheel(given.source, Path(given.wheel_dir))
        return
    wanted = list(given.requirements)
    for name in given.requirement:
        wanted += _requirements(Path(name))
    if not wanted:
        _fail("ERROR: You must give at least one requirement to install")
    checked = [_checked(text, given.find_links) for text in wanted]
    if given.command == "install":
        _install(checked)
        return
    given.dest.mkdir(exist_ok=True)
    for place in given.find_links:
        for file in Path(place).glob("*.whl"):
            shutil.copy(file, given.dest)


def _requirements(file: Path) -> list[str]:
    lines = [line.partition("#")[0].strip() for line in file.read_text("utf-8").splitlines()]
    return [line for line in lines if line]


def _checked(text: str, places: Sequence[str]) -> Requirement:
    """A requirement that the index, or the wheels in some folders, would satisfy."""
    folder = re.fullmatch(r"((?:\.{0,2}/|~)?[\w./-]*?)(\[[\w,-]+\])?", text)
    if folder and (Path(folder[1]) / "setup.cfg").is_file():
        text = PLUGIN + (folder[2] or "")
        places = [".", *places]
    elif folder and folder[1].endswith(".whl"):
        if not Path(folder[1]).is_file():
            _fail(f"ERROR: {folder[1]} does not exist")
        places = [str(Path(folder[1]).parent)]
        text = parse_wheel_filename(Path(folder[1]).name)[0] + (folder[2] or "")
    elif text.startswith(f"{PLUGIN}"):
        _from_wheels(Requirement(text), places)
    try:
        requirement = Requirement(text)
        if requirement.name in _NOT_HERE:
            return requirement
        found = distribution(requirement.name)
    except InvalidRequirement:
        _fail(f"ERROR: Invalid requirement: {text!r}")
    except PackageNotFoundError:
        _fail(f"ERROR: No matching distribution found for {text}")
    if not requirement.specifier.contains(found.version, prereleases=True):
        _fail(f"ERROR: {text}: the tests run with {found.version}")
    known = {extra.replace("_", "-") for extra in found.metadata.get_all("Provides-Extra") or ()}
    unknown = {extra.replace("_", "-") for extra in requirement.extras} - known
    if unknown:
        _fail(f"ERROR: {requirement.name} has no extra {', '.join(unknown)}")
    return requirement


def _from_wheels(requirement: Requirement, places: Sequence[str]) -> None:
    """The index has only versions of the plugin that are older than this."""
    wheels = [file for place in places for file in Path(place).glob("kedro_airflow_k8s-*.whl")]
    versions = [parse_wheel_filename(wheel.name)[1] for wheel in wheels]
    if not any(requirement.specifier.contains(version) for version in versions):
        _fail(f"ERROR: no wheel of {requirement} in {', '.join(places) or 'any folder'}")


def _install(requirements: Sequence[Requirement]) -> None:
    """Let the environment that is active have the packages of the tests' environment."""
    prefix = _own_environment() or os.environ.get("VIRTUAL_ENV")
    if prefix is None:
        _fail("error: externally-managed-environment: no virtual environment is active")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = Path(prefix) / "lib" / version / "site-packages"
    sources = [path for path in sys.path if path.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({path!r})" for path in sources]
    (packages / "packages_of_the_tests.pth").write_text("\n".join(lines) + "\n")
    names = {requirement.name for requirement in requirements}
    if PLUGIN in names:
        names |= {"kedro", "apache-airflow"}
    for script in entry_points(group="console_scripts"):
        if script.dist is not None and script.dist.name in names:
            program = Path(prefix) / "bin" / script.name
            program.write_text(
                f"#!{prefix}/bin/python\nimport sys\nfrom {script.module} import {script.attr}\n"
                f"sys.exit({script.attr}())\n"
            )
            program.chmod(0o755)
    print(f"Successfully installed {' '.join(sorted(names))}")


def _build_wheel(source: Path, folder: Path) -> None:
    if not (source / "setup.cfg").is_file():
        _fail(f"ERROR: Directory {str(source)!r} is not installable.")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel"]
    built = subprocess.run(
        [*command, "--outdir", str(folder.absolute()), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        _fail(built.stdout + built.stderr)
    print("Successfully built kedro-airflow-k8s")


def _docker(arguments: Sequence[str]) -> None:
    parser = _parser("docker")
    commands = parser.add_subparsers(required=True, dest="command")
    build = commands.add_parser("build", allow_abbrev=False)
    build.add_argument("-t", "--tag", required=True)
    build.add_argument("--platform")
    build.add_argument("context", type=Path)
    push = commands.add_parser("push", allow_abbrev=False)
    push.add_argument("image")
    run = commands.add_parser("run", allow_abbrev=False)
    run.add_argument("--rm", action="store_true")
    run.add_argument("image")
    run.add_argument("words", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    if given.command == "build":
        _build_image(given.context)
        _remember("images", given.tag)
        print(f"naming to {given.tag} done")
    elif given.image not in _remembered("images"):
        _fail(f"An image does not exist locally with the tag: {given.image}")
    elif given.command == "push":
        _remember("registry", given.image)
        print(f"{given.image.rpartition(':')[2]}: digest: sha256:" + "0" * 64)


def _build_image(context: Path) -> None:
    """Read a Dockerfile as far as it can be wrong about the project."""
    dockerfile = context / "Dockerfile"
    if not dockerfile.is_file():
        _fail(f"ERROR: failed to read dockerfile: {dockerfile}: no such file or directory")
    rules_file = context / ".dockerignore"
    if not rules_file.is_file():
        _fail("stand-in of docker: without .dockerignore, passwords and data would be in the image")
    rules = DockerIgnore(rules_file.read_text().splitlines())
    sent = {
        path
        for file in context.rglob("*")
        if file.is_file() and not rules.ignores(path := file.relative_to(context).as_posix())
    }
    text = re.sub(r"\\\n", " ", dockerfile.read_text("utf-8"))
    steps = [line.split(None, 1) for line in text.splitlines() if line.strip()[:1] not in ("", "#")]
    if not steps or steps[0][0].upper() not in ("FROM", "ARG"):
        _fail("ERROR: no build stage in current context")
    for step, *words in steps:
        if step.upper() in ("COPY", "ADD"):
            _check_copy(words[0].split(), sent)
    for name in ("requirements.txt",):
        if name in sent:
            wheels = context / "wheels"
            for requirement in _requirements(context / name):
                _checked(requirement, [str(wheels)] if _any_below("wheels", sent) else [])


def _check_copy(words: list[str], sent: set[str]) -> None:
    if any(word.startswith("--from") for word in words):
        return
    *sources, _ = [word for word in words if not word.startswith("--")]
    found = [source for source in sources if source == "." or _any_below(source, sent)]
    # Docker takes patterns that match nothing, if another source of the line is there.
    missing = [s for s in sources if s not in found and not set("*?[") & set(s)]
    if missing or not found:
        _fail(f"ERROR: failed to compute cache key: {' '.join(missing or sources)}: not found")


def _any_below(source: str, sent: set[str]) -> bool:
    source = source.removeprefix("./").rstrip("/")
    return any(fnmatch(path, source) or fnmatch(path, f"{source}/*") for path in sent)


def _kubectl(arguments: Sequence[str]) -> None:
    parser = _parser("kubectl")
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
        documents = list(yaml.safe_load_all(given.filename.read_text("utf-8")))
        if check_manifests(documents) != len([d for d in documents if d is not None]):
            _fail(f"error: {given.filename} holds something that is no manifest")
        for document in filter(None, documents):
            kind = document["kind"].lower()
            print(f"{kind}/{document['metadata']['name']} created")
    elif given.command == "create" and hasattr(given, "from_file"):
        _create_secret(given)
    elif given.command == "create":
        print(f"{given.kind}/{given.name} created")
    elif given.command == "annotate":
        print(f"{given.kind}/{given.name} annotated")
    else:
        print(f"No resources found in {given.namespace} namespace.")


def _create_secret(given: argparse.Namespace) -> None:
    values = {}
    for pair in given.from_literal:
        name, _, value = pair.partition("=")
        values[name] = value.encode()
    for pair in given.from_file:
        name, _, file = pair.partition("=")
        if not Path(file).is_file():
            _fail(f"error: {pair}: no such file")
        values[name] = Path(file).read_bytes()
    if not given.dry_run:
        print(f"secret/{given.name} created")
        return
    metadata = {"name": given.name}
    if given.namespace:
        metadata["namespace"] = given.namespace
    data = {name: base64.b64encode(value).decode() for name, value in values.items()}
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    print(yaml.safe_dump(document), end="")


def _helm(arguments: Sequence[str]) -> None:
    parser = _parser("helm")
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
        r"composer environments describe [\w-]+ --location [\w-]+"
        r" --format value\(config\.(airflowUri|dagGcsPrefix|gkeCluster)\)",
        r"artifacts repositories create [\w-]+ --repository-format docker --location [\w-]+",
        r"iam service-accounts create [\w-]+",
        r"iam service-accounts add-iam-policy-binding [\w.@-]+"
        r" --role roles/iam\.workloadIdentityUser --member serviceAccount:[\w.-]+\[[\w-]+/[\w-]+\]",
        r"storage buckets add-iam-policy-binding gs://[\w-]+ --role roles/[\w.]+"
        r" --member serviceAccount:[\w.@-]+",
        r"container clusters get-credentials [\w-]+ --location [\w-]+",
    ),
    "aws": (
        r"sts get-caller-identity",
        r"mwaa get-environment --name [\w-]+ --query Environment\.(WebserverUrl|AirflowVersion)"
        r" --output text",
        r"ecr create-repository --repository-name [\w/-]+",
        r"ecr get-login-password",
        r"eks update-kubeconfig --name [\w-]+ --kubeconfig [\w./-]+ --alias [\w-]+",
        r"eks create-pod-identity-association --cluster-name [\w-]+ --namespace [\w-]+"
        r" --service-account [\w-]+ --role-arn arn:aws:iam::\d{12}:role/[\w-]+",
        r"s3 cp [\w./-]+ s3://[\w./-]+",
    ),
}


def _cloud(name: str) -> Callable[[Sequence[str]], None]:
    def run(arguments: Sequence[str]) -> None:
        said = " ".join(re.sub(r"^(--[\w-]+)=", r"\1 ", word) for word in arguments)
        if not any(re.fullmatch(known, said) for known in _CLOUD_COMMANDS[name]):
            print(f"{name}: unknown: {said}", file=sys.stderr)
            sys.exit(2)
        answers = json.loads(os.environ.get(ANSWERS, "{}"))
        for pattern, answer in answers.items():
            if re.search(pattern, said):
                print(answer)
        if said.startswith("eks update-kubeconfig"):
            shutil.copy(os.devnull, arguments[list(arguments).index("--kubeconfig") + 1])

    return run
