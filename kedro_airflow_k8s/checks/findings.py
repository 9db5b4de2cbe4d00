"""Findings: what is wrong or doubtful, for people and for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

from kedro_airflow_k8s.config.checks import Code
from kedro_airflow_k8s.config.wording import counted, first_of

Severity = Literal["error", "warning", "accepted"]

CODES: tuple[Code, ...] = get_args(Code)
"""All codes of findings."""

JSON_HAS_ALL = "`validate --format json` lists all"
"""How to see all names of a finding, of which its text shows the first few."""

_OF_A_KIND = 10


@dataclass(frozen=True)
class Finding:
    """A problem of a pipeline or its configuration.

    Attributes:
        code: The kind, by which docs/reference/checks.md explains it.
        severity: `error` if the run would fail, `warning` if it may, `accepted` if it is in
            `checks.accept`.
        where: The node, dataset, task or key of the configuration that it is about.
        problem: What is wrong, in a sentence or two.
        consequence: What would happen on the cluster, as a sentence.
        fix: The fix, as a sentence.
        pipeline: The registered pipeline; empty if it is about all of them.
        names: All that it is about, if that is several; `where` may show only the first.
        of_run: Whether it is about the run that a command starts, which `validate` does not see.
    """

    code: Code
    severity: Severity
    where: str
    problem: str
    consequence: str
    fix: str
    pipeline: str = ""
    names: tuple[str, ...] = ()
    of_run: bool = False

    @property
    def is_error(self) -> bool:
        """Whether the run would fail."""
        return self.severity == "error"

    @property
    def is_accepted(self) -> bool:
        """Whether the configuration accepts it."""
        return self.severity == "accepted"

    @property
    def subjects(self) -> tuple[str, ...]:
        """The names that it is about: those in quotes in `where`, else `where` itself."""
        return self.names or tuple(re.findall(r"'([^']*)'", self.where)) or (self.where,)


@dataclass(frozen=True)
class Message:
    """A paragraph about findings.

    Attributes:
        text: The paragraph.
        of_run: Whether they are about the run that a command starts, which `validate` does not see.
    """

    text: str
    of_run: bool = False


def errors_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, each once, errors before warnings; those of a kind stay together."""
    return sorted(dict.fromkeys(findings), key=lambda f: (not f.is_error, f.code))


def paragraphs(findings: Iterable[Finding]) -> list[str]:
    """Return the findings as paragraphs for people, each with its severity, without accepted ones.

    One paragraph serves all pipelines with the same finding, and of many of a kind there are only
    the first few.
    """
    return [f"{severity} {message.text}" for severity, message in _merged(findings)]


def messages(findings: Iterable[Finding]) -> list[Message]:
    """Return the same paragraphs without the severity."""
    return [message for _, message in _merged(findings)]


def _merged(findings: Iterable[Finding]) -> Iterator[tuple[Severity, Message]]:
    pipelines: dict[Finding, list[str]] = {}
    for finding in findings:
        if finding.is_accepted:
            continue
        common = replace(finding, pipeline="")
        pipelines.setdefault(common, []).extend([finding.pipeline] if finding.pipeline else [])
    kinds: dict[tuple[Severity, Code, bool], list[str]] = {}
    for finding, names in pipelines.items():
        kind = (finding.severity, finding.code, finding.of_run)
        kinds.setdefault(kind, []).append(_text(finding, names))
    for (severity, code, of_run), texts in kinds.items():
        more = 0 if of_run else len(texts) - _OF_A_KIND
        shown = texts[:_OF_A_KIND] if more > 0 else texts
        yield from ((severity, Message(text, of_run)) for text in shown)
        if more > 0:
            yield severity, Message(f"[{code}] {more} more of this kind: {JSON_HAS_ALL}.")


def counts(findings: Sequence[Finding]) -> str:
    """Return how many there are of each severity, in words."""
    errors = sum(finding.is_error for finding in findings)
    accepted = sum(finding.is_accepted for finding in findings)
    warnings = len(findings) - errors - accepted
    text = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
    return f"{text}, {accepted} accepted" if accepted else text


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings for other programs, on one line: Kedro may log others before it."""
    shown = [asdict(finding) for finding in findings if not finding.is_accepted]
    for fields in shown:
        # `validate` is not about a run.
        del fields["of_run"]
    return json.dumps(shown)


def _text(finding: Finding, pipelines: Sequence[str]) -> str:
    word = "pipeline" if len(pipelines) == 1 else "pipelines"
    some = first_of(pipelines, JSON_HAS_ALL, show=str)
    where = f"{finding.where} ({word} {some})" if some else finding.where
    return f"[{finding.code}] {where}: {finding.problem} {finding.consequence} {finding.fix}"
