"""What is wrong or doubtful in a pipeline and its configuration, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

Severity = Literal["error", "warning"]

Code = Literal[
    "device-limit",
    "empty-volume",
    "group-cycle",
    "id-collision",
    "image-tag",
    "lost-data",
    "memory-input",
    "missing-extra",
    "no-image",
    "not-checked",
    "outside-volume",
    "plan",
    "read-write-once-pod",
    "request-above-limit",
    "resources-contradict",
    "same-file",
    "split-claim",
    "unknown-credentials",
    "unknown-dataset",
    "unknown-macro",
    "unknown-parameter",
    "unknown-resources",
    "unknown-type",
]
"""All kinds of finding; docs/checks.md has a paragraph on each."""

CODES: tuple[Code, ...] = get_args(Code)

_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """Something that will hardly do on the cluster what its author wants.

    Attributes:
        code: The kind, by which docs/checks.md explains it.
        severity: `error` if the run cannot go well, `warning` if it may.
        where: The node, dataset, task or key of the configuration that it is about.
        problem: What is wrong, in a sentence or two.
        consequence: What would happen on the cluster.
        fix: What to do about it.
        pipeline: The registered pipeline; empty if it is about all of them.
    """

    code: Code
    severity: Severity
    where: str
    problem: str
    consequence: str
    fix: str
    pipeline: str = ""

    @property
    def is_error(self) -> bool:
        """Whether the run cannot go well."""
        return self.severity == "error"

    @property
    def text(self) -> str:
        """The finding as a paragraph for people."""
        return _text(self, [self.pipeline] if self.pipeline else [])


def errors_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, each once, errors before warnings; those of a kind stay together."""
    return sorted(dict.fromkeys(findings), key=lambda f: (not f.is_error, f.code))


def paragraphs(findings: Iterable[Finding]) -> list[str]:
    """The findings as paragraphs; what several pipelines have in common is told once."""
    pipelines: dict[tuple[str, ...], list[str]] = {}
    firsts: dict[tuple[str, ...], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.severity, finding.where, finding.problem, finding.consequence)
        firsts.setdefault(key, finding)
        pipelines.setdefault(key, []).extend([finding.pipeline] if finding.pipeline else [])
    return [_text(finding, pipelines[key]) for key, finding in firsts.items()]


def counts(findings: Sequence[Finding]) -> str:
    """How many there are of each severity, in words."""
    errors = sum(finding.is_error for finding in findings)
    return f"{_count(errors, 'error')}, {_count(len(findings) - errors, 'warning')}"


def as_json(findings: Sequence[Finding]) -> str:
    """The findings for other programs: one line, as Kedro may have logged some before it."""
    return json.dumps([asdict(finding) for finding in findings])


def listed(names: Iterable[str]) -> str:
    """Names for a sentence: the first few, and how many more there are."""
    found = list(names)
    text = ", ".join(repr(name) for name in found[:_SHOWN])
    return f"{text} and {len(found) - _SHOWN} more" if len(found) > _SHOWN else text


def _text(finding: Finding, pipelines: Sequence[str]) -> str:
    some = [*pipelines[:_SHOWN], *(["..."] if len(pipelines) > _SHOWN else [])]
    word = "pipeline" if len(pipelines) == 1 else "pipelines"
    where = f"{finding.where} ({word} {', '.join(some)})" if some else finding.where
    return (
        f"{finding.severity} [{finding.code}] {where}: {finding.problem} {finding.consequence}"
        f" {finding.fix}"
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
