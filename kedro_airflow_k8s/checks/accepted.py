"""Findings that the configuration accepts, in `checks.accept`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.config.checks import AcceptedFinding

Accept = Sequence[AcceptedFinding]


def accepted_names(accept: Accept) -> dict[str, frozenset[str]]:
    """Return the accepted names by the code of the finding."""
    codes = {entry.code for entry in accept}
    return {
        code: frozenset(entry.name for entry in accept if entry.code == code and entry.name)
        for code in codes
    }


def with_accepted(findings: Iterable[Finding], accept: Accept) -> list[Finding]:
    """Return the findings, of which the accepted ones have the severity `accepted`."""
    names = accepted_names(accept)
    whole = {entry.code for entry in accept if entry.name is None}

    def is_accepted(finding: Finding) -> bool:
        return finding.code in whole or names.get(finding.code, frozenset()).issuperset(
            finding.subjects
        )

    return [replace(f, severity="accepted") if is_accepted(f) else f for f in findings]


def unused(accept: Accept, findings: Sequence[Finding]) -> Iterator[Finding]:
    """Find entries of `checks.accept` that match no finding."""
    found = {(f.code, name) for f in findings if f.is_accepted for name in (*f.subjects, None)}
    for index, entry in enumerate(accept):
        if (entry.code, entry.name) not in found:
            about = f" about {entry.name!r}" if entry.name else ""
            yield Finding(
                code="unused-accept",
                severity="warning",
                where=f"checks.accept[{index}]",
                problem=f"There is no finding {entry.code!r}{about}.",
                consequence="The entry has no effect, and would hide such a finding later.",
                fix="Remove the entry, or correct its name.",
            )
