"""Checks of the image that the project's files would make: what it lacks, and how it is set up."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from kedro_airflow_k8s.checks.findings import JSON_HAS_ALL, Finding, Severity
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.checks.types import class_of, extra_of
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.wording import first_of, listed
from kedro_airflow_k8s.plan.data_places import is_on_volume
from kedro_airflow_k8s.pod.names import stored_name
from kedro_airflow_k8s.project.dockerfile import Dockerfile
from kedro_airflow_k8s.project.environment import imported_files
from kedro_airflow_k8s.project.files import local_path
from kedro_airflow_k8s.project.image import DOCKERFILE, ProjectImage, first_reason
from kedro_airflow_k8s.project.logs import logging_folders
from kedro_airflow_k8s.project.packages import lacks_package
from kedro_airflow_k8s.project.parameters import has_stand_in
from kedro_airflow_k8s.project.reader import KedroProject

_SHELLS = frozenset(("ash", "bash", "dash", "sh", "zsh"))
_WILDCARD = re.compile(r"[*?\[{]")


def check_image(project: KedroProject, image: ProjectImage, run: RunConfig) -> Iterator[Finding]:
    """Return what the image of a project lacks for any pipeline, and what is wrong with it."""
    if not image.is_known:
        return
    yield from _project_file(image)
    yield from _environments(project, image)
    yield from _code(project, image)
    folders = list(logging_folders(image, run))
    yield from _log_folders(image, folders)
    if image.dockerfile is not None:
        yield from _entrypoint(image.dockerfile, project.package_name)
        yield from _user(image.dockerfile, folders)


def left_out_inputs(subject: Subject) -> Iterator[Finding]:
    """Find inputs among the project's files that the image lacks."""
    image, run = subject.image, subject.run
    if image is None or not image.is_known:
        return
    written = {_path_in_project(subject, output) for output, _ in subject.made.values()}
    for name, node in subject.free_inputs.items():
        path = _path_in_project(subject, name)
        if path is None or path in written or subject.makers(name):
            continue
        on_volume = not run.volume.disabled and is_on_volume(path, run.volume.mount_path)
        if (on_volume and run.volume.skip_init) or image.may_bring(path) or image.holds_some(path):
            continue
        yield _not_in_image(
            severity="warning" if subject.hooks_declare else "error",
            where=f"dataset {stored_name(name)!r}",
            problem=f"Node {node!r} reads it from {subject.catalog[name].path}, which the image"
            f" lacks: {first_reason(image, [path, f'{path}/x'])}.",
            consequence="The node finds no file, and its task fails.",
            fix=f"Add the line !{path} at the end of {image.ignore.name or '.dockerignore'}, or"
            " store the dataset on object storage."
            if image.ignore.ignores(path)
            else f"Copy it in the {DOCKERFILE}, or store the dataset on object storage.",
        )


def kedro_datasets(subject: Subject) -> Iterator[Finding]:
    """Find types of kedro-datasets where the Dockerfile certainly does not install the package."""
    kinds = {
        kind
        for entry in subject.catalog.values()
        for kind in (entry.type, *entry.inner_types)
        if not has_stand_in(kind) and class_of(kind)[1]
    }
    if not kinds or subject.image is None or not lacks_package(subject.image, "kedro-datasets"):
        return
    extras = sorted({extra_of(kind) for kind in kinds})
    yield _not_in_image(
        severity="warning",
        where="package 'kedro-datasets'",
        problem=f"The {DOCKERFILE} does not install it, and the catalog uses"
        f" {listed(sorted(kinds))}.",
        consequence="Every pod that uses such a dataset fails.",
        fix=f"Add kedro-datasets[{','.join(extras)}] to the requirements that it installs. Ignore"
        f" this if the image is not made by this {DOCKERFILE}.",
    )


def mount_path(subject: Subject) -> Iterator[Finding]:
    """Find a volume that is mounted elsewhere than where the Dockerfile puts the project."""
    image, volume = subject.image, subject.run.volume
    home = image.dockerfile.workdir if image is not None and image.dockerfile else None
    if home is None or volume.disabled or f"{volume.mount_path}/".startswith(f"{home}/"):
        return
    local = {
        name
        for name in subject.catalog
        if (path := _relative_path(subject, name)) and is_on_volume(path, volume.mount_path)
    }
    crossing = [
        output
        for key, (output, _) in subject.made.items()
        if output in local and subject.readers_elsewhere(key)
    ]
    if not local:
        return
    yield Finding(
        code="dockerfile",
        severity="error" if crossing else "warning",
        where="run_config.volume.mount_path",
        problem=f"The volume is mounted at {volume.mount_path}. The last WORKDIR of the"
        f" {DOCKERFILE} puts the project in {home}.",
        consequence=f"The files of {listed(sorted(crossing or local))} are on the disk of each pod"
        " and not on the volume" + (", so the next task does not find them." if crossing else "."),
        fix=f"Set run_config.volume.mount_path to {posixpath.join(home, 'data')}, or change"
        f" WORKDIR. Ignore this if the image is not made by this {DOCKERFILE}.",
    )


def _not_in_image(
    *,
    where: str,
    problem: str,
    consequence: str,
    fix: str,
    severity: Severity = "error",
    names: tuple[str, ...] = (),
) -> Finding:
    """Return a finding about something that the image lacks."""
    return Finding("not-in-image", severity, where, problem, consequence, fix, names=names)


def _project_file(image: ProjectImage) -> Iterator[Finding]:
    reason = image.lacks("pyproject.toml")
    if reason and not image.may_bring("pyproject.toml"):
        yield _not_in_image(
            where="pyproject.toml",
            problem=f"The image lacks it: {reason}.",
            consequence="Kedro finds no project in the image, and every pod fails at its start.",
            fix=f"Copy it to the folder of the project, or change {image.ignore.name or DOCKERFILE}"
            ".",
        )


def _environments(project: KedroProject, image: ProjectImage) -> Iterator[Finding]:
    conf = project.conf_path
    if not conf.is_dir() or not conf.is_relative_to(project.path) or not project.config_patterns:
        return
    for env in dict.fromkeys((project.base_env, project.env)):
        folder = (conf / env).relative_to(project.path).as_posix()
        if image.holds_folder(folder):
            continue
        reason = first_reason(image, [folder, f"{folder}/.gitkeep"])
        # Without a Dockerfile, the image may get an empty folder from a command that is not here.
        # What the folder should contain, the other checks report as errors.
        unless = "" if image.dockerfile is not None else "Unless the image gets it otherwise, "
        yield _not_in_image(
            severity="warning" if unless else "error",
            where=f"the folder {folder}",
            problem=f"The image lacks it with all that is in it: {reason}.",
            consequence=f"{unless}Kedro refuses to start without the folder, even an empty one, and"
            " every pod fails.",
            fix=f"Keep a file of it in the image, such as {folder}/.gitkeep with the line"
            f" !{folder}/.gitkeep at the end of {image.ignore.name}."
            if image.ignore.ignores(f"{folder}/.gitkeep")
            else f"Copy it in the {DOCKERFILE}, or make it there (RUN mkdir -p {folder}).",
        )


def _code(project: KedroProject, image: ProjectImage) -> Iterator[Finding]:
    missing: dict[str, list[str]] = {}
    for path in imported_files(project):
        if reason := image.lacks(path):
            missing.setdefault(reason, []).append(path)
    for reason, paths in missing.items():
        if any(image.may_bring(path) for path in paths):
            continue
        yield _not_in_image(
            where=f"{'file' if len(paths) == 1 else 'files'} {first_of(paths, JSON_HAS_ALL)}",
            problem=f"The project imports code from there, and the image lacks it: {reason}.",
            consequence="The import fails in every pod.",
            fix=f"Change that line of {image.ignore.name}, such as to /data for the folder at the"
            " top only."
            if image.ignore.name and image.ignore.ignores(paths[0])
            else f"Copy it in the {DOCKERFILE}.",
            names=tuple(paths),
        )


def _log_folders(image: ProjectImage, folders: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    for folder, source in folders:
        if image.holds_folder(folder) and (image.root / folder).is_dir():
            continue
        if image.dockerfile is not None and image.holds_folder(folder):
            continue
        reason = first_reason(image, [folder, f"{folder}/.gitkeep"])
        yield _not_in_image(
            severity="error" if image.dockerfile is not None else "warning",
            where=f"the folder {folder}",
            problem=f"{source} writes a log file there, and the image lacks the folder: {reason}.",
            consequence="Kedro cannot configure its logging, and every pod fails at its start.",
            fix=f"Make the folder in the {DOCKERFILE} (RUN mkdir -p {folder}), or remove the"
            " handlers that write files: Airflow keeps what pods print.",
        )


def _entrypoint(dockerfile: Dockerfile, package: str) -> Iterator[Finding]:
    words = dockerfile.entrypoint
    if not words or not _swallows(words, package, is_shell=dockerfile.entrypoint_is_shell):
        return
    yield Finding(
        code="dockerfile",
        severity="error",
        where=f"ENTRYPOINT in the {DOCKERFILE}",
        problem=f"It is {' '.join(words)!r}. The DAG appends the command of a task to it"
        " (python -m kedro_airflow_k8s.pod ...).",
        consequence="The command is not run as intended, and every task fails or does something"
        " else.",
        fix='Remove ENTRYPOINT, put its command into CMD, or end a script of yours with exec "$@".',
    )


def _swallows(words: tuple[str, ...], package: str, *, is_shell: bool) -> bool:
    """Return whether an entrypoint does not run the command that comes behind it."""
    if is_shell:
        return True
    program, rest = posixpath.basename(words[0]), words[1:]
    if program == "kedro":
        return True
    if re.fullmatch(r"python[\d.]*", program):
        # The package of a project runs it, with options of `kedro run`.
        modules = ("kedro", "kedro.framework.cli", package, f"{package}.__main__")
        return not rest or (len(rest) > 1 and rest[0] == "-m" and rest[1] in modules)
    if program in _SHELLS:
        commands = [i for i, word in enumerate(rest) if re.fullmatch(r"-\w*c", word)]
        if not commands:
            return all(word.startswith("-") for word in rest)
        text = " ".join(rest[commands[0] + 1 :])
        return "$@" not in text and "$*" not in text
    return False


def _user(dockerfile: Dockerfile, folders: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    user = (dockerfile.user or "root").partition(":")[0]
    if user in ("root", "0") or dockerfile.gives_rights:
        return
    for folder, source in folders:
        yield Finding(
            code="dockerfile",
            severity="warning",
            where=f"USER in the {DOCKERFILE}",
            problem=f"Pods run as {user!r}, and the files of the image belong to root. {source}"
            f" writes a log file in {folder}.",
            consequence="If that user cannot write there, Kedro cannot configure its logging, and"
            " every pod fails at its start.",
            fix=f"Copy the project with COPY --chown={user}, or give the user the folder"
            f" (RUN chown {user} {folder}).",
        )


def _path_in_project(subject: Subject, name: str) -> str | None:
    """Return where a dataset is in the project's folder; None if it is elsewhere."""
    path = _relative_path(subject, name)
    image = subject.image
    if path is None and image is not None:
        entry = subject.catalog.get(name)
        absolute = local_path(entry.path) if entry and not entry.in_memory else None
        home = image.home(subject.run).rstrip("/")
        if absolute is not None and absolute.startswith(f"{home}/"):
            path = absolute[len(home) + 1 :]
    if path is None:
        return None
    parts = path.split("/")
    fixed = next((i for i, part in enumerate(parts) if _WILDCARD.search(part)), len(parts))
    return "/".join(parts[:fixed]) or None


def _relative_path(subject: Subject, name: str) -> str | None:
    entry = subject.catalog.get(name)
    path = local_path(entry.path) if entry and not entry.in_memory else None
    if path is None or path.startswith(("/", "../", "memory:")) or re.match(r"[A-Za-z]:", path):
        return None
    return path
