"""What a Dockerfile says of the image of its last stage, as far as it is certain.

Source of the rules: "Dockerfile reference" of Docker's documentation. Nothing is executed: what a
variable, a base image or a command could bring counts as unknown.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

_INSTRUCTION = re.compile(r"\s*(?P<name>[A-Za-z]+)(?:\s+(?P<rest>.*))?\Z", re.DOTALL)
_HEREDOC = re.compile(r"<<-?[\"']?(?P<end>\w+)[\"']?")
_FLAG = re.compile(r"--(?P<name>[\w-]+)(?:=(?P<value>\S*))?\s+")
_REMOTE = re.compile(r"(https?|ftp|git|ssh)://|git@|.*\.(tar|tgz|tar\.\w+|zip)\Z")
# Commands that put no files of the project into the image.
_HARMLESS = frozenset(
    (
        *("apk", "apt", "apt-get", "chmod", "chown", "chgrp", "conda", "dnf", "echo", "export"),
        *("find", "groupadd", "addgroup", "adduser", "locale-gen", "micromamba", "microdnf"),
        *("mkdir", "pip", "pip3", "pipx", "poetry", "printf", "rm", "set", "true", "uv"),
        *("useradd", "usermod", "yum"),
    )
)
_HARMLESS_MODULES = frozenset(("compileall", "ensurepip", "pip", "venv"))
_GIVES_RIGHTS = re.compile(r"\b(chown|chmod|chgrp)\b")
_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Copied:
    """What one COPY brings from the build context.

    Attributes:
        sources: Paths in the context, without a slash in front; empty for the whole of it.
        target: The absolute path in the image.
        is_folder: Whether the target is a folder that takes files under their own names.
        is_unknown: Whether it comes from another stage, so that anything may be below the target.
    """

    sources: tuple[str, ...]
    target: str
    is_folder: bool
    is_unknown: bool = False


@dataclass(frozen=True)
class Dockerfile:
    """The image of the last stage.

    Attributes:
        workdir: Its working directory; None where a variable or the base image decides.
        copied: What is copied from the build context, in order.
        opaque: Whether other files of the project may be in the image as well.
        entrypoint: The words of ENTRYPOINT; None where it has none of its own.
        entrypoint_is_shell: Whether ENTRYPOINT is a shell command, which takes no arguments.
        user: The user of the pods' processes; None where a variable or the base image decides.
        gives_rights: Whether files get another owner or other permissions than the usual ones.
        runs: The commands of RUN.
        variables: ENV, its values as they are written.
        base: The image that its first stage begins with.
        borrows: Whether files of another stage or image are copied into it.
    """

    workdir: str | None = None
    copied: tuple[Copied, ...] = ()
    opaque: bool = False
    entrypoint: tuple[str, ...] | None = None
    entrypoint_is_shell: bool = False
    user: str | None = None
    gives_rights: bool = False
    runs: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    borrows: bool = False

    def holds(self, path: str, *, is_folder: bool = False) -> bool:
        """Return whether COPY brings a path of the project to the same path below `workdir`.

        Args:
            path: Relative to the project, with slashes.
            is_folder: Whether it is a folder.
        """
        wanted = posixpath.join(self.workdir or "", path)
        return any(
            _below(wanted, copy.target)
            if copy.is_unknown
            else wanted in _targets(copy, path, is_folder=is_folder)
            for copy in self.copied
        )

    @property
    def made_folders(self) -> tuple[str, ...]:
        """The folders below `workdir`, relative to it, that commands make with `mkdir`."""
        return tuple(dict.fromkeys(folder for run in self.runs for folder in self._made(run)))

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """The words of each command of RUN; one that cannot be read has an unknown name."""
        return tuple(tuple(words) for run in self.runs for words in _commands(run))

    def source_of(self, path: str, context: Path) -> str | None:
        """Return the file of the build context that COPY brings to a path; None if there is none.

        Args:
            path: In the image, absolute or relative to `workdir`.
            context: The folder of the Dockerfile.
        """
        wanted = posixpath.normpath(posixpath.join(self.workdir or "", path))
        for copy in reversed(self.copied):
            below = posixpath.relpath(wanted, copy.target)
            for source in (*copy.sources, *(posixpath.join(s, below) for s in copy.sources)):
                name = posixpath.normpath(source)
                if (context / name).is_file() and wanted in _targets(copy, name, is_folder=False):
                    return name
        return None

    def mentions(self, path: str) -> bool:
        """Return whether a command names a path, or may do anything with files of the project."""
        return any(path in run or not _is_harmless(run) for run in self.runs)

    def _made(self, run: str) -> Iterator[str]:
        for words in _commands(run):
            if words[0] != "mkdir" or self.workdir is None:
                continue
            for word in words[1:]:
                path = posixpath.normpath(posixpath.join(self.workdir, word))
                below = path.removeprefix(f"{self.workdir.rstrip('/')}/")
                if not word.startswith("-") and "$" not in word and below != path:
                    yield below


def read_dockerfile(file: Path) -> Dockerfile | None:
    """Return what a Dockerfile says; None where there is none, or its syntax is another.

    Raises:
        OSError: If the file cannot be read.
    """
    if not file.is_file():
        return None
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    if re.search(r"\A(\s*#.*\n)*?\s*#\s*escape\s*=\s*`", text, re.IGNORECASE):
        return None
    context = file.parent
    stages: dict[str, Dockerfile] = {}
    current: Dockerfile | None = None
    name = ""
    for instruction, rest in _instructions(text):
        if instruction == "FROM":
            base, name = _stage(rest)
            current = stages.get(base.lower(), Dockerfile(base=base))
        elif current is not None:
            current = _with(current, instruction, rest, context)
        if current is not None and name:
            stages[name] = current
    return current


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield the instructions in upper case, each with its text on joined lines."""
    lines = iter(text.splitlines())
    for line in lines:
        found = _INSTRUCTION.match(_joined(line, lines))
        if found is None:
            continue
        instruction, rest = found["name"].upper(), (found["rest"] or "").strip()
        ends = _HEREDOC.findall(rest) if instruction in ("RUN", "COPY", "ADD") else ()
        for end in ends:
            body = _until(end, lines)
            rest = "\n".join([_HEREDOC.sub("", rest), *body]) if instruction == "RUN" else rest
        yield instruction, rest


def _until(end: str, lines: Iterator[str]) -> list[str]:
    """Return the lines before the one that ends a here-document."""
    return list(iter(lambda: next(lines, end).strip(), end))


def _joined(line: str, following: Iterator[str]) -> str:
    """Return a line with those that continue it; comments and blank lines among them end none."""
    whole = "" if line.lstrip().startswith("#") else line.strip()
    while whole.endswith("\\"):
        more = next((m for m in following if m.strip() and not m.lstrip().startswith("#")), "")
        whole = f"{whole[:-1].rstrip()} {more.strip()}".strip()
    return whole


def _stage(rest: str) -> tuple[str, str]:
    words = [word for word in rest.split() if not word.startswith("--")]
    name = words[2].lower() if len(words) > 2 and words[1].lower() == "as" else ""
    return (words[0] if words else ""), name


def _with(image: Dockerfile, instruction: str, rest: str, context: Path) -> Dockerfile:
    if instruction == "WORKDIR":
        return replace(image, workdir=_absolute(rest.strip("\"'")))
    if instruction == "USER":
        return replace(image, user=None if "$" in rest else rest)
    if instruction == "RUN":
        gives = (
            image.gives_rights or re.search(r"\b(chown|chmod|chgrp|install)\b", rest) is not None
        )
        # What a command makes belongs to the user at that point.
        gives = gives or image.user not in (None, "root", "0")
        return replace(image, runs=(*image.runs, rest), gives_rights=gives)
    if instruction == "ENTRYPOINT":
        words = _json_words(rest)
        return replace(
            image,
            entrypoint=tuple(shlex.split(rest) if words is None else words),
            entrypoint_is_shell=words is None,
        )
    if instruction == "ENV":
        return replace(image, variables={**image.variables, **dict(_variables(rest))})
    if instruction in ("COPY", "ADD"):
        if "--chown" in rest or "--chmod" in rest:
            image = replace(image, gives_rights=True)
        if "--from" in rest:
            image = replace(image, borrows=True)
        copied = _copied(image, rest, context)
        return (
            replace(image, opaque=True)
            if copied is None
            else replace(image, copied=(*image.copied, *copied))
        )
    return image


def _commands(run: str) -> Iterator[list[str]]:
    """Yield the words of each command of a RUN; one that cannot be read has an unknown name."""
    while found := _FLAG.match(run):
        run = run[found.end() :]
    lexer = shlex.shlex(run.replace("\n", " ; "), posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        words = ["?"]
    command: list[str] = []
    for word in [*words, ";"]:
        if not set(word) <= set("&|;"):
            if command or not re.match(r"\w+=", word):
                command.append(word)
        elif command:
            yield command
            command = []


@cache
def _is_harmless(run: str) -> bool:
    return not re.search(r"--mount=type=(bind|ssh)", run) and all(
        words[0] in _HARMLESS
        or (words[0].startswith("python") and set(words[1:3]) & _HARMLESS_MODULES)
        for words in _commands(run)
    )


def _absolute(path: str) -> str | None:
    return posixpath.normpath(path) if path.startswith("/") and "$" not in path else None


def _variables(rest: str) -> Iterator[tuple[str, str]]:
    try:
        words = shlex.split(rest)
    except ValueError:
        return
    if words and "=" not in words[0]:
        words = [f"{words[0]}={' '.join(words[1:])}"]
    for word in words:
        name, _, value = word.partition("=")
        yield name, value


def _copied(image: Dockerfile, rest: str, context: Path) -> tuple[Copied, ...] | None:
    """Return what a COPY brings of the context; None if that is unknown."""
    flags: dict[str, str] = {}
    while found := _FLAG.match(rest):
        flags[found["name"]] = found["value"] or ""
        rest = rest[found.end() :]
    listed = _json_words(rest)
    try:
        words = shlex.split(rest) if listed is None else listed
    except ValueError:
        return None
    if len(words) < 2 or "<<" in rest:
        return None
    *sources, destination = words
    target = destination if destination.startswith("/") else None
    if target is None and image.workdir is not None:
        target = posixpath.join(image.workdir, destination)
    if target is None or "$" in target:
        return None
    is_folder = len(sources) > 1 or destination.endswith(("/", "/.")) or destination == "."
    target = posixpath.normpath(target)
    is_folder = is_folder or target == image.workdir
    if "from" in flags:
        return _from_stage(target, image.workdir)
    if "$" in rest or "exclude" in flags or "parents" in flags:
        return None
    paths = tuple(posixpath.normpath(f"/{source}").lstrip("/") for source in sources)
    if any(_REMOTE.match(source) for source in sources):
        return None
    # Where a source is not here, the image is built from another folder.
    if any(not _WILDCARD.search(path) and not (context / path).exists() for path in paths):
        return None
    return (Copied(paths, target, is_folder),)


def _from_stage(target: str, home: str | None) -> tuple[Copied, ...] | None:
    """Return what comes of another stage; None if that may be any file of the project."""
    if _is_apart(target, home):
        return ()
    if home is None or target == home or not _below(target, home):
        return None
    # Such as the packages: all else in the project's folder comes from other lines.
    return (Copied((), target, is_folder=True, is_unknown=True),)


def _is_apart(target: str, home: str | None) -> bool:
    """Return whether a path is neither in the project's folder in the image nor above it."""
    return home is not None and not _below(home, target) and not _below(target, home)


def _below(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _json_words(text: str) -> list[str] | None:
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return words if isinstance(words, list) and all(isinstance(w, str) for w in words) else None


def _targets(copy: Copied, path: str, *, is_folder: bool) -> Iterator[str]:
    """Yield where in the image a path of the context gets by a COPY."""
    parts = path.split("/")
    for source in copy.sources:
        for end in range(len(parts) + 1):
            if not _matches(source, "/".join(parts[:end])):
                continue
            # The content of a folder is copied, a file with its name.
            if end < len(parts) or is_folder:
                yield posixpath.normpath(posixpath.join(copy.target, *parts[end:]))
            else:
                yield posixpath.join(copy.target, parts[-1]) if copy.is_folder else copy.target


def _matches(source: str, path: str) -> bool:
    if not _WILDCARD.search(source):
        return source == path
    steps, parts = source.split("/"), path.split("/")
    return len(steps) == len(parts) and all(map(_matches_part, steps, parts))


def _matches_part(step: str, part: str) -> bool:
    return bool(part) and fnmatchcase(part, step)
