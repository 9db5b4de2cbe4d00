"""Environments as users have them: the plugin as a wheel beside Kedro, and no test tools.

Entry points are read from every installed distribution, and Kedro uses some libraries just because
they are there, so "without the plugin" is honest only where nothing that it brings is installed.
The versions are those of the lock file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError

REPOSITORY = Path(__file__).parents[1]
LOCK = REPOSITORY / "requirements" / "airflow3.txt"
EXAMPLE_IMPORTS = ("kedro-datasets[pandas-csvdataset]", "pandas", "scikit-learn")
"""What examples/spaceflights/requirements.txt adds to Kedro and the plugin."""

_SOURCES = (
    "kedro_airflow_k8s",
    "setup.py",
    "setup.cfg",
    "pyproject.toml",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
)
# What would change what is measured: a caller's Python, Kedro, git or Airflow settings.
_FOREIGN = ("PYTHON", "VIRTUAL_ENV", "KEDRO", "GIT_", "AIRFLOW", "PYDANTIC")


@dataclass(frozen=True)
class Environments:
    """Folders of virtual environments.

    Attributes:
        kedro: Kedro alone.
        requirements: Kedro and what this plugin requires, without the plugin.
        plugin: Kedro and this plugin.
        kedro_airflow: Kedro and kedro-airflow.
        example_plugin: Kedro, this plugin, and what examples/spaceflights imports.
        example_kedro_airflow: Kedro, kedro-airflow, and the same.
    """

    kedro: Path
    requirements: Path
    plugin: Path
    kedro_airflow: Path
    example_plugin: Path
    example_kedro_airflow: Path


def make_environments(folder: Path) -> Environments:
    """Make the environments, with byte code, below a folder.

    Raises:
        BenchmarkError: If uv is missing or cannot install.
    """
    sources = folder / "sources"
    sources.mkdir()
    for name in _SOURCES:  # A copy, as building leaves files behind.
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, sources / name)
    # setuptools is in this interpreter's environment.
    _uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, str(sources))
    (wheel,) = (sources / "dist").glob("*.whl")
    names = (
        "kedro",
        "requirements",
        "plugin",
        "kedro-airflow",
        "example-plugin",
        "example-kedro-airflow",
    )
    made = Environments(*(folder / name for name in names))
    _make(made.kedro, "kedro")
    _make(made.requirements, "kedro", str(wheel))
    _uv("pip", "uninstall", "--python", _python(made.requirements), "kedro-airflow-k8s")
    _make(made.plugin, "kedro", str(wheel))
    _make(made.kedro_airflow, "kedro", "kedro-airflow")
    _make(made.example_plugin, "kedro", str(wheel), *EXAMPLE_IMPORTS)
    _make(made.example_kedro_airflow, "kedro", "kedro-airflow", *EXAMPLE_IMPORTS)
    return made


def child_environment(**more: str) -> dict[str, str]:
    """The variables of a timed process: byte code is used, and nothing is sent to anyone."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {
        **inherited,
        "DO_NOT_TRACK": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **more,
    }


def _make(environment: Path, *packages: str) -> None:
    interpreter = Path(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info))
    _uv("venv", "--python", str(interpreter), str(environment))
    options = ("--compile-bytecode", "--constraint", str(LOCK), "--python", _python(environment))
    _uv("pip", "install", *options, *packages)


def _python(environment: Path) -> str:
    return str(environment / "bin" / "python")


def _uv(*arguments: str) -> None:
    program = REPOSITORY / ".venv-tools" / "bin" / "uv"
    uv = str(program) if program.exists() else shutil.which("uv")
    if uv is None:
        raise BenchmarkError("uv is needed for the environments: run `make bench`, which has it.")
    done = subprocess.run([uv, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"uv {' '.join(arguments[:2])} failed:\n{done.stderr[-2000:]}")
