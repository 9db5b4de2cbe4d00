"""What `.dockerignore` has to say, so that the image holds what pods need, and no secrets."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kedro_airflow_k8s.init.config_file import template
from kedro_airflow_k8s.sandbox.dockerignore import DockerIgnore
from kedro_airflow_k8s.sandbox.image import SANDBOX_FOLDER

NAME = ".dockerignore"

RAW_DATA = "01_raw"
"""The folder of the data folder that goes into the image, and from there to the volume."""

# What every project has, in the environment that Kedro always reads.
_ORDINARY = ("catalog.yml", "parameters.yml", "airflow-k8s.yaml")

# What a `*` of a pattern for files with passwords may stand for.
_ENDS = (".yml", "_db.yaml", "x/y.json")


@dataclass(frozen=True)
class Contents:
    """What decides what the image holds. Folders are relative to the project, with slashes.

    Attributes:
        data: The data folder; None if the image needs none of it.
        conf: The folder of Kedro's configuration; None if it is not in the project.
        personal: The environment in it that holds personal settings; empty if there is none.
        base: The environment in it that Kedro always reads; empty if there is none.
        source: The folder of the project's code.
        credentials: The patterns by which the project's loader finds files with passwords, as
            Kedro takes them: relative to the folder of an environment.
        wheels: Whether the Dockerfile of `init` takes requirements.txt and a folder of wheels.
    """

    data: str | None
    conf: str | None
    personal: str
    base: str = "base"
    source: str = "src"
    credentials: tuple[str, ...] = ()
    wheels: bool = False


@dataclass(frozen=True)
class _Need:
    """A line that has to be there.

    Attributes:
        why: What it is for.
        line: The line.
        examples: Paths that have to be in the image, or out of it; none where no path is known
            that the line means.
        inside: Whether they have to be in it.
    """

    why: str
    line: str
    examples: Sequence[str]
    inside: bool


def dockerignore(present: str | None, contents: Contents) -> str:
    """The text of a `.dockerignore` file, with all that this plugin needs of it.

    Args:
        present: What the file holds; None if there is none.
        contents: What the image is to hold.
    """
    text: str = _new(contents) if present is None else present
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines()
    for need in _needs(contents):
        paths = [posixpath.normpath(path) for path in need.examples]
        ignored = [DockerIgnore(lines).ignores(path) for path in paths]
        if need.inside and any(ignored):
            # Right behind the line that takes it out, so that later lines still count.
            at = max(_last_match(lines, path) for path in paths) + 1
        elif not need.inside and not (all(ignored) if ignored else need.line in lines):
            at = len(lines)
        else:
            continue
        blank = [""] if at and lines[at - 1].strip() else []
        lines[at:at] = [*blank, f"# kedro-airflow-k8s: {need.why}", need.line]
        if at + 3 < len(lines) and lines[at + len(blank) + 2].strip():
            lines.insert(at + len(blank) + 2, "")
    return "".join(line + newline for line in lines) if lines != text.splitlines() else text


def too_wide(contents: Contents) -> tuple[str, ...]:
    """The patterns for files with passwords that ordinary configuration fits too.

    No line can keep the one out and the other in.
    """
    return tuple(
        pattern
        for pattern in contents.credentials
        if (line := _credentials_line(pattern, contents)) and _hits(line, _ordinary(contents))
    )


def _needs(contents: Contents) -> Iterator[_Need]:
    """In this order: what goes out may be part of what comes in, and keeps some of its own in."""
    yield from _code(contents)
    yield from _secrets(contents)
    if contents.conf is not None and contents.personal:
        folder = literal(f"{contents.conf}/{contents.personal}")
        path = f"{contents.conf}/{contents.personal}"
        yield _Need(
            "personal settings.",
            f"{folder}/*",
            (f"{path}/credentials.yml", f"{path}/globals.yml"),
            False,
        )
        yield _Need(
            "Kedro wants the folder itself.", f"!{folder}/.gitkeep", (f"{path}/.gitkeep",), True
        )
    if contents.data is not None:
        data = contents.data
        yield _Need(
            "what runs have made.",
            f"{literal(data)}/0[2-9]_*",
            (f"{data}/02_intermediate/x.parquet", f"{data}/08_reporting/deep/x.csv"),
            False,
        )
        yield _Need(
            "the first task of the DAG copies it to the volume of the run.",
            f"!{literal(data)}/{RAW_DATA}",
            (f"{data}/{RAW_DATA}/orders.csv", f"{data}/{RAW_DATA}/2026/orders.parquet"),
            True,
        )
    if contents.wheels:
        wheel = "wheels/a-1.0-py3-none-any.whl"
        yield _Need("the Dockerfile installs them.", "!wheels", (wheel,), True)
        yield _Need(
            "the Dockerfile installs what it names.",
            "!requirements.txt",
            ("requirements.txt",),
            True,
        )


def _code(contents: Contents) -> Iterator[_Need]:
    """What no pod runs without."""
    why = "pods do not run without it."
    yield _Need(why, "!pyproject.toml", ("pyproject.toml",), True)
    if contents.source != ".":
        code = f"{contents.source}/a_package/pipelines/nodes.py"
        yield _Need(why, f"!{literal(contents.source)}", (code,), True)
    if contents.conf is not None and contents.conf != ".":
        # One file stands for whatever environment there is: only a line for all of them hits it.
        anywhere = f"{contents.conf}/an-environment-of-no-project/catalog.yml"
        yield _Need(why, f"!{literal(contents.conf)}", (anywhere,), True)
        if contents.base:
            folder = literal(f"{contents.conf}/{contents.base}")
            yield _Need(why, f"!{folder}", _ordinary(contents), True)


def _secrets(contents: Contents) -> Iterator[_Need]:
    """What nobody who gets the image may read."""
    yield _Need(
        "the sandbox's folder, with its passwords.",
        SANDBOX_FOLDER,
        (f"{SANDBOX_FOLDER}/state.json", f"{SANDBOX_FOLDER}/airflow-3.0.0/keys.json"),
        False,
    )
    why = "passwords, which come from Kubernetes Secrets."
    yield _Need(why, ".env*", (".env", ".env.local"), False)
    yield _Need(why, ".netrc", (".netrc",), False)
    yield _Need("its settings may hold passwords.", ".git", (".git/config", ".git/HEAD"), False)
    if contents.conf is None:
        return
    yield _Need(
        why,
        f"{literal(contents.conf)}/**/*credentials*",
        [
            f"{contents.conf}/{name}"
            for name in ("base/credentials.yml", "prod/db_credentials.yaml")
        ],
        False,
    )
    wide = too_wide(contents)
    for pattern in contents.credentials:
        line = _credentials_line(pattern, contents)
        if line and pattern not in wide:
            yield _Need(why, line, _examples(pattern, line, contents), False)


def _credentials_line(pattern: str, contents: Contents) -> str:
    """The line for files that Kedro finds by a pattern; empty if they are outside the project."""
    conf, base = contents.conf or "", contents.base or "base"
    place = f"{conf}/{base}/"
    path = posixpath.normpath(place + pattern)
    if path.startswith(("..", "/")):
        return ""
    # Python's way to say "none of these letters" is not that of Docker.
    found = re.sub(r"\[!", "[^", path.removeprefix(place))
    if not path.startswith(place):
        return found
    return f"{literal(conf)}/**/{re.sub(r'^([*][*]/)+', '', found)}"


def _examples(pattern: str, line: str, contents: Contents) -> list[str]:
    """Paths that a pattern means."""
    for wildcard, letter in ((r"\[!.[^\]]*\]", "~"), (r"\[(.)[^\]]*\]", r"\1"), (r"[?]", "x")):
        pattern = re.sub(wildcard, letter, pattern)
    place, found = f"{contents.conf}/{contents.base or 'base'}", []
    for end in _ENDS:
        name = re.sub(r"[*]+", end, re.sub(r"[*][*]/", "deep/er/", pattern))
        for folder in (place, f"{contents.conf}/prod"):
            path = posixpath.normpath(f"{folder}/{name}")
            if _hits(line, [path]):
                found.append(path)
    return found


def _ordinary(contents: Contents) -> tuple[str, ...]:
    folder = posixpath.normpath(f"{contents.conf}/{contents.base}")
    return tuple(f"{folder}/{name}" for name in _ORDINARY)


def _hits(line: str, paths: Sequence[str]) -> bool:
    rules = DockerIgnore([line])
    return any(rules.ignores(path) for path in paths)


def literal(path: str) -> str:
    """A path as a pattern that means nothing but it."""
    escaped = re.sub(r"([\\*?\[\]])", r"\\\1", path)
    # Else the line would be a comment, or take something back in.
    return f"/{escaped}" if escaped.startswith(("#", "!", " ")) else escaped


def _last_match(lines: Sequence[str], path: str) -> int:
    """The last line that says anything of a path; -1 if none does."""
    found = -1
    for number, line in enumerate(lines):
        if any(rule.pattern.match(path) for rule in DockerIgnore([line]).rules):
            found = number
    return found


def _new(contents: Contents) -> str:
    """A file for a project that has none."""
    conf = literal(contents.conf) if contents.conf is not None else None
    personal = f"{contents.conf}/{contents.personal}" if contents.personal else ""
    return template("dockerignore.j2").render(
        data=literal(contents.data) if contents.data is not None else None,
        raw_data=RAW_DATA,
        conf=conf,
        personal=literal(personal),
        sandbox=SANDBOX_FOLDER,
    )
