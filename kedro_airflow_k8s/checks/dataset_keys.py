"""The check of the keys of datasets in the catalog, by the constructors of their classes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from kedro_airflow_k8s.checks.classes import constructor
from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.checks.types import class_of
from kedro_airflow_k8s.config.wording import Nearest, listed
from kedro_airflow_k8s.project.parameters import has_stand_in

# Kedro takes these before it calls the constructor.
_KEDROS = frozenset(("type", "version", "versioned", "validator"))


def wrong_keys(subject: Subject) -> Iterator[Finding]:
    """Find keys that the class of a dataset does not take, or requires and does not get."""
    for name in subject.catalog:
        config = subject.config_of(name) or {}
        kind = config.get("type")
        if not isinstance(kind, str) or has_stand_in(kind):
            continue
        keys = {str(key) for key in config} - _KEDROS
        if config.get("versioned") is True:
            keys.add("version")
        problem = _problem(kind, frozenset(keys))
        if problem is None:
            continue
        of_kedro = class_of(kind)[1] or kind.startswith("kedro.io.") or "." not in kind
        yield Finding(
            code="dataset-keys",
            severity="error" if of_kedro else "warning",
            where=f"dataset {name!r}",
            problem=problem,
            consequence="Kedro cannot create the dataset, and every pod that uses it fails.",
            fix="Correct the keys in the catalog.",
        )


@cache
def _problem(kind: str, keys: frozenset[str]) -> str | None:
    found, _ = class_of(kind)
    takes = None if found is None else constructor(found)
    if takes is None:
        return None
    unknown = [] if takes.takes_all else sorted(keys - takes.names)
    missing = sorted(takes.required - keys)
    if "version" in unknown:
        return f"It is versioned, and {kind} has no versions."
    if unknown:
        hint = Nearest(takes.names).hint(unknown[0])
        return f"{kind} does not take {listed(unknown)}.{hint}"
    return f"{kind} requires {listed(missing)}." if missing else None
