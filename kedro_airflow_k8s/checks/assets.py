"""Checks of assets: those that cannot be, and pipelines that would wait for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import Nearest
from kedro_airflow_k8s.pod.names import stored_name


def not_assets(subject: Subject) -> Iterator[Finding]:
    """Find names in `run_config.assets` of datasets that cannot be assets, or that do not exist."""
    chosen = subject.run.assets
    if isinstance(chosen, bool):
        return
    known = {stored_name(name) for name in subject.declared}
    nearest = Nearest({*known, *subject.made, *subject.read})
    for name in chosen:
        key = stored_name(name)
        if key in subject.pipeline.places:
            continue
        if key in subject.made or key in subject.read:
            yield _finding(
                name,
                f"Dataset {name!r} has no place that outlives a run: {_why(subject, key)}.",
                "Store it on object storage or in a table that the catalog names, at a place"
                " without runtime parameters, or take it out of run_config.assets.",
            )
        elif key not in known and not subject.makers(key):
            yield _finding(
                name,
                f"No pipeline makes a dataset {name!r}, and the catalog has none."
                f"{nearest.hint(name)}",
                "Correct the name, or take it out of run_config.assets.",
            )


def _why(subject: Subject, name: str) -> str:
    """Return why a dataset is not an asset, as the end of a sentence."""
    entries = [entry for key, entry in subject.catalog.items() if stored_name(key) == name]
    if not entries or entries[0].in_memory:
        return "it is not in the catalog, so it ends with the run"
    path = entries[0].path
    if path and ("@" in path or "?" in path):
        return "its path has a user, a password or a query, which may be secret"
    return f"its path is {path}" if path else f"it is a {entries[0].type}"


def _finding(name: str, problem: str, fix: str) -> Finding:
    return Finding(
        code="not-an-asset",
        severity="error",
        where="run_config.assets",
        problem=problem,
        consequence="Airflow gets no event for it, and a pipeline that waits for it never starts.",
        fix=fix,
        names=(name,),
    )
