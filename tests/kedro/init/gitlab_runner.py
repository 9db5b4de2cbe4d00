"""Runs jobs of a GitLab pipeline here, straight from its YAML, as the runner does with bash."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.kedro.init.ci_machine import Machine, git

_VARIABLE = re.compile(r"\$(?:(\$)|(\w+))")
_KEYS = {
    "artifacts",
    "before_script",
    "cache",
    "environment",
    "extends",
    "id_tokens",
    "image",
    "interruptible",
    "needs",
    "resource_group",
    "rules",
    "script",
    "services",
    "stage",
    "timeout",
    "variables",
}


def read_pipeline(text: str) -> dict[str, dict[str, Any]]:
    """The jobs of a pipeline, with what they extend; the hidden ones too."""
    document = yaml.safe_load(text)
    jobs = {k: v for k, v in document.items() if k not in ("stages", "workflow")}
    return {name: _extended(jobs, name) for name in jobs}


def script_of(job: dict[str, Any]) -> str:
    """All commands of a job, in the shell that they share."""
    return "\n".join([*job.get("before_script", ()), *job["script"]]) + "\n"


def _extended(jobs: dict[str, Any], name: str) -> dict[str, Any]:
    job = dict(jobs[name])
    assert set(job) <= _KEYS, set(job) - _KEYS
    parents = job.pop("extends", [])
    merged: dict[str, Any] = {}
    for parent in [parents] if isinstance(parents, str) else parents:
        merged = _merged(merged, _extended(jobs, parent))
    return _merged(merged, job)


def _merged(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Sections are merged, lists replaced, as GitLab does it."""
    both = {**lower, **upper}
    for key in lower.keys() & upper.keys():
        if isinstance(lower[key], dict) and isinstance(upper[key], dict):
            both[key] = _merged(lower[key], upper[key])
    return both


@dataclass
class Pipeline:
    """A pipeline for a push.

    Attributes:
        text: The file.
        origin: The repository that jobs clone.
        branch: The branch that was pushed.
        folder: A folder for the machines of the jobs.
        variables: Of the project's settings.
        machines: The machines of the jobs so far.
    """

    text: str
    origin: Path
    branch: str
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)

    def run_job(self, name: str, **passed_on: str) -> int:
        """Run a job on a machine of its own, and give its exit code.

        Args:
            name: The job.
            **passed_on: Variables that jobs before it have passed on.
        """
        job = read_pipeline(self.text)[name]
        machine = self.machines[name] = Machine(self.folder / name)
        machine.folder.mkdir(parents=True)
        machine.install_python()
        commit = git(self.origin, "rev-parse", f"refs/heads/{self.branch}")
        known = {
            **self.variables,
            "CI_COMMIT_BRANCH": self.branch,
            "CI_COMMIT_REF_SLUG": "a-slug",
            "CI_COMMIT_SHA": commit,
            "CI_DEFAULT_BRANCH": "main",
            "CI_PROJECT_DIR": str(machine.workspace),
            **passed_on,
        }
        for key, value in job.get("variables", {}).items():
            known[key] = _VARIABLE.sub(lambda f: f[1] or known.get(f[2], ""), value)
        depth = known.get("GIT_DEPTH", "20")
        shallow = [] if depth == "0" else [f"--depth={depth}"]
        git(machine.folder, "clone", *shallow, f"--branch={self.branch}",
            self.origin.as_uri(), str(machine.workspace))  # fmt: skip
        # The runner checks out the commit alone, and has put the cache into the clone.
        git(machine.workspace, "checkout", "--quiet", "--detach", commit)
        git(machine.workspace, "branch", "--quiet", "-D", self.branch)
        for path in job["cache"]["paths"]:
            (machine.workspace / path / "http").mkdir(parents=True)
            (machine.workspace / path / "http" / "file").write_text("cached")
        for file in job["cache"]["key"]["files"]:
            assert (machine.workspace / file).is_file()
        return machine.bash(script_of(job), machine.workspace, **known)
