"""What `.dockerignore` has to say, so that the image holds what pods need, and no secrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kedro_airflow_k8s.sandbox.dockerignore import DockerIgnore
from kedro_airflow_k8s.sandbox.image import SANDBOX_FOLDER
from kedro_airflow_k8s.scaffold.config_file import template

NAME = ".dockerignore"

RAW_DATA = "01_raw"
"""The folder of the data folder that goes into the image, and from there to the volume."""


@dataclass(frozen=True)
class _Need:
    """A line that has to be there.

    Attributes:
        why: What it is for.
        line: The line.
        examples: Paths that have to be in the image, or out of it.
        inside: Whether they have to be in it.
    """

    why: str
    line: str
    examples: Sequence[str]
    inside: bool


def dockerignore(
    present: str | None, data: str | None, conf: str | None, personal: str, *, wheels: bool
) -> str:
    """The text of a `.dockerignore` file, with all that this plugin needs of it.

    Args:
        present: What the file holds; None if there is none.
        data: The data folder, relative to the project; None if the image needs none of it.
        conf: The folder of Kedro's configuration, relative to the project; None if it is not in it.
        personal: The environment in it that holds personal settings; empty if there is none.
        wheels: Whether the Dockerfile of `init` takes requirements.txt and a folder of wheels.
    """
    text: str = _new(data, conf, personal) if present is None else present
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines()
    for need in _needs(data, conf, personal, wheels):
        ignored = [DockerIgnore(lines).ignores(path) for path in need.examples]
        if need.inside and any(ignored):
            # Right behind the line that takes it out, so that later lines still count.
            at = max(_last_match(lines, path) for path in need.examples) + 1
        elif not need.inside and not all(ignored):
            at = len(lines)
        else:
            continue
        blank = [""] if at and lines[at - 1].strip() else []
        lines[at:at] = [*blank, f"# kedro-airflow-k8s: {need.why}", need.line]
        if at + 3 < len(lines) and lines[at + len(blank) + 2].strip():
            lines.insert(at + len(blank) + 2, "")
    return "".join(line + newline for line in lines) if lines != text.splitlines() else text


def _needs(data: str | None, conf: str | None, personal: str, wheels: bool) -> Iterator[_Need]:
    """In this order: what goes out may take back in what the folders have to keep."""
    yield _Need(
        "the sandbox's folder, with its passwords.",
        SANDBOX_FOLDER,
        (f"{SANDBOX_FOLDER}/state.json", f"{SANDBOX_FOLDER}/airflow-3.0.0/keys.json"),
        False,
    )
    if conf is not None:
        yield _Need(
            "passwords, which come from Kubernetes Secrets.",
            f"{conf}/**/*credentials*",
            [f"{conf}/{name}" for name in ("base/credentials.yml", "prod/db_credentials.yaml")],
            False,
        )
    if conf is not None and personal:
        folder = f"{conf}/{personal}"
        yield _Need(
            "personal settings.",
            f"{folder}/*",
            (f"{folder}/credentials.yml", f"{folder}/globals.yml"),
            False,
        )
        yield _Need(
            "Kedro wants the folder itself.", f"!{folder}/.gitkeep", (f"{folder}/.gitkeep",), True
        )
    if data is not None:
        raw = f"{data}/{RAW_DATA}"
        yield _Need(
            "the first task of the DAG copies it to the volume of the run.",
            f"!{raw}",
            (f"{raw}/orders.csv", f"{raw}/2026/orders.parquet"),
            True,
        )
    if wheels:
        wheel = "wheels/a-1.0-py3-none-any.whl"
        yield _Need("the Dockerfile installs them.", "!wheels", (wheel,), True)
        yield _Need(
            "the Dockerfile installs what it names.",
            "!requirements.txt",
            ("requirements.txt",),
            True,
        )


def _last_match(lines: Sequence[str], path: str) -> int:
    """The last line that says anything of a path; -1 if none does."""
    found = -1
    for number, line in enumerate(lines):
        if any(rule.pattern.match(path) for rule in DockerIgnore([line]).rules):
            found = number
    return found


def _new(data: str | None, conf: str | None, personal: str) -> str:
    """A file for a project that has none."""
    return template("dockerignore.j2").render(
        data=data,
        raw_data=RAW_DATA,
        conf=conf,
        personal=f"{conf}/{personal}" if personal else "",
        sandbox=SANDBOX_FOLDER,
    )
