"""A terminal: what is exported or changed by one command is so for the next one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support.waiting import WAIT_SECONDS

# What someone's environment may hold and a new reader's does not.
_OF_OTHERS = (
    "AIRFLOW",
    "AWS_",
    "AZURE_",
    "CLOUDSDK_",
    "COVERAGE_",
    "GIT_",
    "GOOGLE_",
    "KEDRO_",
    "MLFLOW_",
    "PIP_",
    "PYTEST_",
    "PYTHON",
    "STORAGE_EMULATOR_HOST",
    "UV_",
    "VIRTUAL_ENV",
)


class CommandError(AssertionError):
    """A command did not end as it should."""


class Terminal:
    """A shell that is open all the time, in a folder of its own, of a user with an empty home.

    Args:
        home: The user's home, in which the terminal opens.
        programs: A folder of programs that come before all others.
        environment: Variables that the user has set.
    """

    def __init__(
        self, home: Path, programs: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = home
        # An Airflow database that is made already spares a migration.
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        own = {k: v for k, v in os.environ.items() if not k.startswith(_OF_OTHERS)}
        path = [str(programs), str(Path(sys.executable).parent), own.get("PATH", os.defpath)]
        self.environment = {
            **own,
            "PATH": os.pathsep.join(path),
            "HOME": str(home),
            "XDG_CACHE_HOME": cache,
            "COLUMNS": "200",
            "DO_NOT_TRACK": "1",
            "GIT_CEILING_DIRECTORIES": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            # Nothing is fetched in tests: what pages install is there already.
            "PIP_NO_INDEX": "1",
            "UV_OFFLINE": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.com",
            **(environment or {}),
        }

    def path(self, name: str) -> Path:
        """A file as a command would find it."""
        return self.folder / name.replace("~", self.environment["HOME"], 1)

    def run(self, script: str, exit_code: int = 0, place: str = "") -> str:
        """Type something, and return what it says.

        Args:
            script: What is typed; it ends at the first command that fails.
            exit_code: How it is to end.
            place: Where it stands, for the message.

        Raises:
            CommandError: It ends otherwise.
        """
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder)
            keep = f"trap 'pwd >{state}/folder; env -0 >{state}/environment' EXIT\n"
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", keep + script],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=WAIT_SECONDS,
            )
            if done.returncode != exit_code:
                raise CommandError(
                    f"{place}: exit code {done.returncode}, not {exit_code}:\n{script}\n"
                    f"{done.stdout}"
                )
            self.folder = Path((state / "folder").read_text().rstrip("\n"))
            pairs = (state / "environment").read_text().rstrip("\0").split("\0")
            self.environment = dict(pair.split("=", 1) for pair in pairs)
        return done.stdout
