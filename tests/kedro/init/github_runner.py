"""Runs the jobs of a GitHub workflow here, straight from its YAML.

What a step `run`s is run. What it `uses` is one of a few known actions, of which there is a small
stand-in. Whatever is not known, here or in an expression, is an error: nothing is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.kedro.init.ci_machine import Machine, git

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
"""Of the image that no job here builds."""

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TEXT = re.compile(r"'((?:[^']|'')*)'")
_STEP_KEYS = {"name", "id", "uses", "with", "run", "env"}
_JOB_KEYS = {
    "name",
    "needs",
    "runs-on",
    "timeout-minutes",
    "permissions",
    "environment",
    "outputs",
    "steps",
}


class StepFailed(Exception):
    """A step ended with an error; the text is what the job had printed."""


@dataclass(frozen=True)
class Settings:
    """Variables and secrets, as they are set on GitHub's pages in one place."""

    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Push:
    """What is pushed, and what is set on GitHub.

    Attributes:
        origin: The repository that jobs clone.
        branch: The branch.
        repository: Its name on GitHub.
        settings: Of the repository: every job sees them.
        environments: Of environments, by name: only jobs that name one see what is in it.
        attempt: How often the jobs of this push have been run, with this time.
    """

    origin: Path
    branch: str
    repository: str = "Example/Shop"
    settings: Settings = field(default_factory=Settings)
    environments: Mapping[str, Settings] = field(default_factory=dict)
    attempt: int = 1

    def settings_of(self, job: Mapping[str, Any]) -> Settings:
        """What a job sees; an environment's come before the repository's."""
        own = self.environments.get(job.get("environment", ""), Settings())
        return Settings(
            {**self.settings.variables, **own.variables}, {**self.settings.secrets, **own.secrets}
        )

    def context(self) -> dict[str, str]:
        """What expressions call `github`."""
        return {
            "actor": "someone",
            "ref": f"refs/heads/{self.branch}",
            "ref_name": self.branch,
            "repository": self.repository,
            "run_attempt": str(self.attempt),
            "run_id": "1234567890",
            "server_url": "https://github.com",
            "sha": git(self.origin, "rev-parse", f"refs/heads/{self.branch}"),
            "token": "the job's token",
        }


@dataclass
class Workflow:
    """A workflow that runs for a push.

    Attributes:
        text: The file.
        push: What is pushed.
        folder: A folder for the machines of the jobs.
        outputs: What the jobs so far have passed on.
        machines: The machines of the jobs so far.
        used: The actions of each job so far, with their values.
    """

    text: str
    push: Push
    folder: Path
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)
    used: dict[str, list[tuple[str, dict[str, str]]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.document: dict[str, Any] = yaml.safe_load(self.text)

    def run(self) -> None:
        """Run all jobs, each after those that it needs.

        Raises:
            StepFailed: A step failed.
        """
        jobs = dict(self.document["jobs"])
        while jobs:
            name = next(n for n, j in jobs.items() if j.get("needs") in (None, *self.outputs))
            self.run_job(name, jobs.pop(name))

    def run_job(self, name: str, job: dict[str, Any]) -> None:
        """Run the steps of one job on a machine of its own."""
        assert set(job) <= _JOB_KEYS, set(job) - _JOB_KEYS
        machine = self.machines[name] = Machine(self.folder / name)
        machine.install_docker()
        settings = self.push.settings_of(job)
        running = _Job(self, machine, self.used.setdefault(name, []), settings)
        for step in job["steps"]:
            assert set(step) <= _STEP_KEYS, set(step) - _STEP_KEYS
            running.step(step)
        outputs = job.get("outputs", {})
        self.outputs[name] = {key: running.evaluated(value) for key, value in outputs.items()}


@dataclass
class _Job:
    workflow: Workflow
    machine: Machine
    used: list[tuple[str, dict[str, str]]]
    settings: Settings
    steps: dict[str, dict[str, str]] = field(default_factory=dict)

    def step(self, step: dict[str, Any]) -> None:
        outputs = self._use(step) if "uses" in step else self._run(step)
        if "id" in step:
            self.steps[step["id"]] = outputs

    def evaluated(self, value: object) -> str:
        """A text with the values of its expressions."""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return _EXPRESSION.sub(lambda found: self._expression(found[1]), text)

    def _expression(self, expression: str) -> str:
        values = [self._operand(part.strip()) for part in expression.split("||")]
        return next(filter(None, values), values[-1])

    def _operand(self, operand: str) -> str:
        text = _TEXT.fullmatch(operand)
        if text:
            return text[1].replace("''", "'")
        push = self.workflow.push
        match operand.split("."):
            case ["github", key]:
                return push.context()[key]
            case ["vars", key]:
                return self.settings.variables.get(key, "")
            case ["secrets", key]:
                return self.settings.secrets.get(key, "")
            case ["steps", step, "outputs", key]:
                return self.steps[step][key]
            case ["needs", job, "outputs", key]:
                return self.workflow.outputs[job][key]
        raise NotImplementedError(f"expression {operand!r}")

    def _run(self, step: dict[str, Any]) -> dict[str, str]:
        defaults = self.workflow.document["defaults"]["run"]
        assert defaults["shell"] == "bash"
        # Put into a script, the text of an expression would be code.
        assert "${{" not in step["run"]
        variables = {**self.workflow.document.get("env", {}), **step.get("env", {})}
        variables = {key: self.evaluated(value) for key, value in variables.items()}
        files = {key: self.machine.folder / key for key in ("GITHUB_OUTPUT", "GITHUB_ENV")}
        for file in files.values():
            file.write_text("")
        folder = self.machine.workspace / self.evaluated(defaults.get("working-directory", "."))
        variables |= {key: str(file) for key, file in files.items()}
        if self.machine.bash(step["run"], folder, **variables):
            raise StepFailed("\n".join(self.machine.said))
        self.machine.environment |= _settings(files["GITHUB_ENV"])
        return _settings(files["GITHUB_OUTPUT"])

    def _use(self, step: dict[str, Any]) -> dict[str, str]:
        action = step["uses"].partition("@")[0]
        values = {key: self.evaluated(value) for key, value in step.get("with", {}).items()}
        self.used.append((action, values))
        return _ACTIONS[action](self, values)

    def check_out(self, values: dict[str, str]) -> dict[str, str]:
        """Clone as actions/checkout does: the branch is checked out, its history is not there."""
        push, workspace = self.workflow.push, self.machine.workspace
        depth = values.get("fetch-depth", "1")
        shallow = [] if depth == "0" else [f"--depth={depth}"]
        git(self.machine.folder, "clone", *shallow, f"--branch={push.branch}",
            push.origin.as_uri(), str(workspace))  # fmt: skip
        return {}

    def set_python_up(self, values: dict[str, str]) -> dict[str, str]:
        """The Python of the tests, whichever version is asked for."""
        assert (self.machine.workspace / values["cache-dependency-path"]).is_file()
        self.machine.install_python()
        return {}

    def log_in_to_google(self, values: dict[str, str]) -> dict[str, str]:
        """Leave the file in the clone that the action leaves there."""
        if values.get("create_credentials_file") != "false":
            (self.machine.workspace / "gha-creds-0123456789abcdef.json").write_text("{}")
        return {"access_token": "Google's token"}

    def build(self, values: dict[str, str]) -> dict[str, str]:
        """No image is built."""
        assert (self.machine.workspace / values["context"]).is_dir()
        return {"digest": DIGEST}

    def nothing(self, values: dict[str, str]) -> dict[str, str]:
        """What only matters on GitHub."""
        return {}


_ACTIONS: dict[str, Callable[[_Job, dict[str, str]], dict[str, str]]] = {
    "actions/checkout": _Job.check_out,
    "actions/setup-python": _Job.set_python_up,
    "docker/setup-buildx-action": _Job.nothing,
    "docker/login-action": _Job.nothing,
    "docker/build-push-action": _Job.build,
    "google-github-actions/auth": _Job.log_in_to_google,
}


def _settings(file: Path) -> dict[str, str]:
    """What a step has written into a file of GitHub's: one line for each name."""
    lines = file.read_text().splitlines()
    assert all("=" in line and "<<" not in line for line in lines), lines
    return {name: value for name, _, value in (line.partition("=") for line in lines)}
