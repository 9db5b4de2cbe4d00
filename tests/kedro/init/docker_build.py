"""Does what a Dockerfile says, in a folder in place of an image, for machines without Docker.

COPY heeds `.dockerignore` and Docker's rules: a pattern may match nothing if another source does
not, and of a folder the content is copied. RUN gets the paths of the folder for those of the image.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from kedro_airflow_k8s.project.dockerignore import DockerIgnore
from tests.kedro.init.ci_machine import Machine

# Programs that only root may use, or that would change this machine.
_STAND_INS = ("useradd", "chown")


@dataclass(frozen=True)
class Instruction:
    """An instruction: its first word, and the rest without line ends and comments."""

    name: str
    rest: str


def parse(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile."""
    lines = [line for line in text.splitlines() if line.strip() and not re.match(r"\s*#", line)]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = []
    for line in joined.splitlines():
        name, rest = line.split(maxsplit=1)
        assert name.isupper(), line
        found.append(Instruction(name, rest))
    return found


@dataclass
class Image:
    """What the instructions make.

    Attributes:
        context: The folder that is built.
        machine: Where its commands run.
        user: What USER has said.
        command: What CMD has said.
        base: What FROM has said.
        layers: The files of the context that each COPY has taken, in order.
    """

    context: Path
    machine: Machine
    workdir: str = "/"
    user: str = "root"
    command: list[str] = field(default_factory=list)
    base: str = ""
    layers: list[list[str]] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """What replaces `/` of the image."""
        return self.machine.folder / "image"

    @property
    def home(self) -> Path:
        """The working folder in it."""
        return self.inside(self.workdir)

    def inside(self, path: str) -> Path:
        """Where a path of the image is."""
        return self.root / Path(self.workdir, path).relative_to("/")

    def build(self, dockerfile: str) -> None:
        """Follow the instructions."""
        self.inside("/tmp").mkdir(parents=True)
        programs = self.machine.folder / "programs"
        programs.mkdir()
        for name in _STAND_INS:
            file = programs / name
            file.write_text(f'#!/bin/sh\necho "{name} $@" >> "{self.machine.folder}/{name}.txt"\n')
            file.chmod(0o755)
        path = f"{programs}{os.pathsep}{self.machine.environment['PATH']}"
        # What compileall makes of Python's own library belongs to the image, not to this machine.
        cache = str(self.machine.folder / "bytecode")
        self.machine.environment |= {"PATH": path, "PYTHONPYCACHEPREFIX": cache}
        for instruction in parse(dockerfile):
            getattr(self, f"_{instruction.name.lower()}")(instruction.rest)

    def run(self, script: str) -> str:
        """Run a command in the working folder, and give what it says."""
        here = re.sub(r"(?<![\w/.])/(home|tmp|app)(?=/|\b)", rf"{self.root}/\1", script)
        code = self.machine.bash(here, self.home)
        assert code == 0, f"{script}\n{self.machine.said[-1]}"
        return self.machine.said[-1]

    def _from(self, rest: str) -> None:
        self.base = rest

    def _workdir(self, rest: str) -> None:
        self.workdir = rest
        self.home.mkdir(parents=True, exist_ok=True)

    def _env(self, rest: str) -> None:
        for word in shlex.split(rest):
            name, _, value = word.partition("=")
            self.machine.environment[name] = value

    def _user(self, rest: str) -> None:
        self.user = rest

    def _cmd(self, rest: str) -> None:
        self.command = re.findall(r'"([^"]*)"', rest)

    def _run(self, rest: str) -> None:
        assert self.user == "root", "what follows USER has no right to change the image"
        self.run(rest)

    def _copy(self, rest: str) -> None:
        *sources, target = [word for word in shlex.split(rest) if not word.startswith("--")]
        several = len(sources) > 1 or target.endswith("/")
        ignore = self.context / ".dockerignore"
        rules = DockerIgnore(ignore.read_text().splitlines() if ignore.exists() else ())
        taken: list[str] = []
        for source in sources:
            found = [self.context] if source == "." else sorted(self.context.glob(source))
            assert found or re.search(r"[*?\[]", source), f"{source} is not in the context"
            for path in found:
                whole = path.is_dir()
                for file in [p for p in path.rglob("*") if p.is_file()] if whole else [path]:
                    name = file.relative_to(self.context).as_posix()
                    if rules.ignores(name):
                        continue
                    inner = file.relative_to(path) if whole else Path(file.name)
                    goal = self.inside(target) / inner if whole or several else self.inside(target)
                    goal.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(file, goal)
                    taken.append(name)
        assert taken, f"COPY {rest}: nothing to copy"
        self.layers.append(sorted(taken))
