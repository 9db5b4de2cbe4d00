"""Projects as `kedro new` makes them, without a network: from a starter that is made on the fly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.airflow_environments import EXAMPLES

NAME = "Rocket Science"
PACKAGE = "rocket_science"
FOLDER = "rocket-science"

# What `init` has to make again.
_LEFT_OUT = (
    *("airflow-k8s.yaml", "Dockerfile", ".dockerignore", "dags", "__pycache__", "0[2-8]_*"),
    # What `make demo` leaves.
    *(".airflow-sandbox", "*.egg-info"),
)


def make_starter(folder: Path) -> Path:
    """A starter of Kedro with the sources of the example, and nothing of the plugin."""
    starter = folder / "starter"
    made = starter / "{{ cookiecutter.repo_name }}"
    shutil.copytree(EXAMPLES / "spaceflights", made, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    package = made / "src/{{ cookiecutter.python_package }}"
    (made / "src/spaceflights").rename(package)
    for file in (*package.rglob("*.py"), made / "pyproject.toml"):
        text = file.read_text().replace('"Spaceflights"', '"{{ cookiecutter.project_name }}"')
        file.write_text(text.replace("spaceflights", "{{ cookiecutter.python_package }}"))
    requirements = made / "requirements.txt"
    lines = requirements.read_text().splitlines()
    requirements.write_text("".join(f"{li}\n" for li in lines if "airflow" not in li))
    words = {"project_name": NAME, "repo_name": FOLDER, "python_package": PACKAGE}
    (starter / "cookiecutter.json").write_text(json.dumps(words))
    return starter


def environment(folder: Path) -> dict[str, str]:
    """The environment of a person who has set nothing for Kedro, Airflow or git."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("KEDRO_", "AIRFLOW_", "GIT_"))}
    return {
        **mine,
        "TMPDIR": str(temporary),
        "GIT_CEILING_DIRECTORIES": str(folder),
        "KEDRO_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "COLUMNS": "200",
    }


def kedro(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Call `kedro` in a folder as from a terminal, but with no one to answer questions."""
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=folder,
        env=environment(folder.parent),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def kedro_new(folder: Path, *options: str | Path) -> Path:
    """Call `kedro new` with options, and give the project's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = kedro(folder, "new", "--telemetry", "no", *options)
    assert made.returncode == 0, made.stdout + made.stderr
    (project,) = (file.parent for file in folder.glob("*/pyproject.toml"))
    return project


def new_spaceflights(folder: Path) -> Path:
    """A project with pipelines and raw data, by `kedro new` from the starter."""
    starter = make_starter(folder)
    answers = folder / "answers.yml"
    words = {"output_dir": ".", "project_name": NAME, "repo_name": FOLDER}
    answers.write_text(json.dumps({**words, "python_package": PACKAGE}))
    return kedro_new(folder / "work", "--starter", starter, "--config", answers)
