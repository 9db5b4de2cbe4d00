"""A machine that a CI service lends for one job: a clone, an environment, and shell commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass, field
from pathlib import Path

from tests.repository.test_repository import ROOT, tracked_files
from tests.support.waiting import WAIT_SECONDS

VERSION = "99.1"
"""Of the wheel that the jobs install: no other installation of the plugin has it."""


@dataclass
class Machine:
    """A machine of a job.

    Attributes:
        folder: Everything of it is there.
        environment: Variables that every command sees.
        said: What the commands have printed.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        """The clone."""
        return self.folder / "workspace"

    def install_docker(self) -> None:
        """Make a `docker` that only prints its arguments."""
        programs = self.folder / "programs"
        programs.mkdir(parents=True)
        (programs / "docker").write_text('#!/bin/sh\necho docker "$@"\n')
        (programs / "docker").chmod(0o755)
        self.environment["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"

    def install_python(self) -> None:
        """Make an environment with pip that finds the libraries of this one, except the plugin.

        Of the editable installation of this repository it sees the name, not the modules. pip
        asks no package index: what the requirements name beside the plugin is there.
        """
        place = self.folder / "python"
        venv.create(place, with_pip=True, symlinks=True)
        bin_folder = place / "bin"
        site = sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)})
        Path(site, "libraries.pth").write_text(sysconfig.get_path("purelib"))
        # pip makes the command only with the package, and Kedro is there.
        kedro = bin_folder / "kedro"
        kedro.write_text(f'#!/bin/sh\nexec "{bin_folder}/python" -m kedro "$@"\n')
        kedro.chmod(0o755)
        self.environment |= {
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(place),
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def bash(self, script: str, folder: Path, **variables: str) -> int:
        """Run a script as both services do where bash is named, and give its exit code."""
        file = self.folder / "script.sh"
        file.write_text(script)
        basics = {
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            "CI": "true",
            "DO_NOT_TRACK": "1",
            "KEDRO_DISABLE_TELEMETRY": "1",
            "GIT_CEILING_DIRECTORIES": str(self.folder),
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", file],
            cwd=folder,
            env={**basics, **self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )
        self.said.append(done.stdout)
        return done.returncode


def git(folder: Path, *arguments: str) -> str:
    """Call git as someone, with nothing of this machine's configuration."""
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        settings |= {f"GIT_{role}_NAME": "Someone", f"GIT_{role}_EMAIL": "someone@example.com"}
    others = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=others | settings, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def build_wheel(folder: Path) -> Path:
    """A wheel of this plugin with a version of its own."""
    source = folder / "source"
    for path in tracked_files():
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    module = source / "kedro_airflow_k8s" / "__init__.py"
    text, changes = re.subn(
        r'^__version__ = ".*"$', f'__version__ = "{VERSION}"', module.read_text(), flags=re.M
    )
    assert changes == 1
    module.write_text(text)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(source)], capture_output=True, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel
