"""The Kedros that dynamic configuration is tried on, each with and without kedro-mlflow."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from kedro import __version__

from tests.support.waiting import WAIT_SECONDS


@dataclass(frozen=True)
class KedroEnvironment:
    """A Python with a version of Kedro and the plugin.

    Attributes:
        kedro: The version, as far as tests look at it.
        python: The interpreter.
        overlay: A folder of packages that go above those of the interpreter.
        mlflow: Whether kedro-mlflow is there.
    """

    kedro: tuple[int, int]
    python: Path
    overlay: Path | None = None
    mlflow: bool = False

    def call(
        self, project: Path, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Call `python` in a project's folder, with nothing of Kedro in its environment."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KEDRO_", "MLFLOW_")) and name != "PYTHONPATH"
        }
        ours = {"KEDRO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "COLUMNS": "1000"}
        if self.overlay is not None:
            ours["PYTHONPATH"] = str(self.overlay)
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=project,
            env={**inherited, **ours, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )


def _environment(label: str, variable: str | None, *, mlflow: bool) -> object:
    """An environment as a parameter of tests, skipped where `make` has not made it."""
    major, _, minor = label.partition(".")
    own = Path(sys.executable if variable is None else os.environ.get(variable, ""))
    overlay = None
    needed = [name for name in (variable, "MLFLOW_PYTHON" if mlflow else None) if name]
    missing = [name for name in needed if not os.environ.get(name)]
    if mlflow and not missing:
        if variable is not None:
            (overlay,) = own.parent.parent.glob("lib/python*/site-packages")
        own = Path(os.environ["MLFLOW_PYTHON"])
    return pytest.param(
        KedroEnvironment((int(major), int(minor)), own, overlay, mlflow),
        id=f"kedro-{label}{'-mlflow' if mlflow else ''}",
        marks=[
            pytest.mark.skipif(
                bool(missing), reason=f"{', '.join(missing)} not set: `make test` sets it"
            )
        ],
    )


_NEWEST = ".".join(__version__.split(".")[:2])
_VARIABLES = {"1.0": "KEDRO_1_0_PYTHON", "1.5": "KEDRO_1_5_PYTHON", _NEWEST: None}

KEDROS = [_environment(label, name, mlflow=False) for label, name in _VARIABLES.items()]
"""For parametrize: the lowest supported version, one between, the newest."""

KEDROS_WITH_MLFLOW = [_environment(label, name, mlflow=True) for label, name in _VARIABLES.items()]
"""For parametrize: the same with kedro-mlflow."""
