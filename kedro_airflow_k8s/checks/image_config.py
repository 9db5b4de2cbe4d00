"""Checks of the configuration as pods read it: without the files that the image lacks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kedro_airflow_k8s.checks.findings import JSON_HAS_ALL, Finding, Severity
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import first_of, listed
from kedro_airflow_k8s.pod.names import parameter_name, stored_name
from kedro_airflow_k8s.project.image_config import ImageConfig, LeftOut
from kedro_airflow_k8s.project.parameters import parameter

_READ_BY_KEDRO = frozenset(("catalog", "parameters", "credentials", "globals", "mlflow"))
# Kedro itself reads this one, from the project's folder and not by the loader.
_NOT_READ = frozenset(("logging",))


def unreadable_in_pods(found: ImageConfig, unread: Collection[str]) -> Iterator[Finding]:
    """Report kinds of configuration that cannot be read without the files that the image lacks.

    Args:
        found: What pods read.
        unread: The kinds that cannot be read here either.
    """
    for kind, problem in found.problems.items():
        if kind in unread:
            continue
        files = [*found.left_out.get(kind, ()), *found.left_out.get("globals", ())]
        files = files or [file for some in found.left_out.values() for file in some]
        yield Finding(
            code="not-in-image",
            severity="error",
            where=_named(files),
            problem=f"{_why(files)} Without it: {problem}.",
            consequence="Kedro cannot read its configuration, and every pod fails at its start.",
            fix=_fix(found),
        )


def other_files(found: ImageConfig) -> Iterator[Finding]:
    """Find files that only code of the project reads, such as spark.yml, and the image lacks."""
    for kind, files in sorted(found.left_out.items()):
        if kind in _READ_BY_KEDRO | _NOT_READ:
            continue
        kept = [file.path for file in found.kept.get(kind, ())]
        yield Finding(
            code="differs-in-image" if kept else "not-in-image",
            severity="warning",
            where=_named(files),
            problem=_why(files),
            consequence=f"Code that reads {kind!r} from the config loader, such as a hook, gets in"
            f" the pods only what {listed(kept)} has."
            if kept
            else f"Code that reads {kind!r} from the config loader, such as a hook, fails in every"
            " pod.",
            fix=_fix(found),
        )


def left_out_datasets(subject: Subject) -> Iterator[Finding]:
    """Find datasets that the pods' catalog lacks, or has otherwise."""
    found = subject.in_pods
    if found is None or found.catalog is None:
        return
    differing: list[str] = []
    missing: dict[Severity, list[str]] = {"error": [], "warning": []}
    for name in subject.catalog:
        here, there = subject.config_of(name), found.catalog.config(name)
        if here == there:
            continue
        if there is not None:
            differing.append(name)
        elif name in subject.free_inputs:
            missing["warning" if subject.hooks_declare else "error"].append(name)
        else:
            is_result = stored_name(name) not in subject.read
            missing["error" if is_result else "warning"].append(name)
    for severity, names in missing.items():
        for files, some in _by_source(found, "catalog", names):
            yield _missing("dataset", some, files, severity, _lost(severity), _fix(found))
    for files, some in _by_source(found, "catalog", differing):
        yield _differs("dataset", some, files, _instead(found, "catalog", some), _fix(found))


def left_out_parameters(subject: Subject) -> Iterator[Finding]:
    """Find parameters that nodes read and that pods lack, or have with another value."""
    found = subject.in_pods
    if found is None or found.parameters is None or subject.parameters is None:
        return
    given = set(subject.run.airflow_params)
    missing, differing = [], []
    for name in _parameters_read(subject):
        if any(name == each or name.startswith(f"{each}.") for each in given):
            continue
        here = _value(subject.parameters, name)
        there = _value(found.parameters, name)
        if here is not _NOTHING and there is _NOTHING:
            missing.append(name)
        elif here != there:
            differing.append(name)
    top = _first_step
    for files, some in _by_source(found, "parameters", missing, top):
        consequence = "Kedro refuses to run the nodes that read it, and their pods fail."
        yield _missing("parameter", some, files, "error", consequence, _fix(found))
    for files, some in _by_source(found, "parameters", differing, top):
        yield _differs(
            "parameter", some, files, _instead(found, "parameters", map(top, some)), _fix(found)
        )


def left_out_mlflow(subject: Subject) -> Iterator[Finding]:
    """Find settings of kedro-mlflow that pods have otherwise; of none at all another check says."""
    found, here = subject.in_pods, subject.pipeline.mlflow
    if found is None or here is None or found.mlflow is None:
        return
    if replace(found.mlflow, source=here.source, in_default_env=here.in_default_env) != here:
        kept = [file.path for file in found.kept.get("mlflow", ())]
        yield _differs("settings", ["mlflow.yml"], found.sources("mlflow", ""), kept, _fix(found))


def left_out_credentials(subject: Subject) -> Iterator[Finding]:
    """Find credentials that the catalog names and that pods lack, or have from another file."""
    found = subject.in_pods
    if found is None or found.credentials is None or subject.credentials is None:
        return
    used = {name for entry in subject.catalog.values() for name in entry.credentials}
    missing = sorted(used & subject.credentials - found.credentials)
    for files, some in _by_source(found, "credentials", missing):
        yield _missing(
            "credentials",
            some,
            files,
            "warning" if subject.hooks_start else "error",
            "Kedro does not find them, and every pod fails at its start.",
            "Give the pods the file from a Secret that run_config.secrets mounts in that folder, or"
            f" write an entry in {found.base} that reads environment variables (${{oc.env:NAME}}),"
            " which run_config.secrets gives. Never put passwords into the image.",
        )
    differing = sorted(
        name
        for name in used & found.credentials
        if any(name in file.keys for file in found.left_out.get("credentials", ()))
    )
    for files, some in _by_source(found, "credentials", differing):
        yield _differs(
            "credentials", some, files, _instead(found, "credentials", some), _fix(found)
        )


def _fix(found: ImageConfig) -> str:
    return (
        f"Move what pods need to an environment that the image has, such as {found.base}, mount it"
        " from a Secret (run_config.secrets), or let .dockerignore keep the file in the image."
    )


def _lost(severity: Severity) -> str:
    if severity == "warning":
        return "The pods pass the data on as intermediate data, and do not store it in that place."
    return (
        "The catalog of the pods has no such entry: a node that reads the dataset fails, and a"
        " result is lost with its pod."
    )


_NOTHING = object()


def _value(parameters: Mapping[str, Any], name: str) -> Any:
    try:
        return parameters if name == "parameters" else parameter(parameters, name)
    except KeyError:
        return _NOTHING


def _parameters_read(subject: Subject) -> Iterable[str]:
    names = (
        "parameters" if item == "parameters" else parameter_name(item)
        for node in subject.pipeline.nodes
        for item in node.inputs
    )
    return dict.fromkeys(name for name in names if name is not None)


def _first_step(name: str) -> str:
    return name.partition(".")[0]


def _same(name: str) -> str:
    return name


def _by_source(
    found: ImageConfig, kind: str, names: Iterable[str], key: Callable[[str], str] = _same
) -> Iterator[tuple[list[LeftOut], list[str]]]:
    """Yield names by the files that the image lacks and that say something of them."""
    groups: dict[tuple[LeftOut, ...], list[str]] = {}
    for name in names:
        groups.setdefault(tuple(found.sources(kind, key(name))), []).append(name)
    for files, some in groups.items():
        yield list(files), some


def _instead(found: ImageConfig, kind: str, names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(path for name in names for path in found.instead(kind, name)))


def _missing(
    what: str,
    names: Sequence[str],
    files: Sequence[LeftOut],
    severity: Severity,
    consequence: str,
    fix: str,
) -> Finding:
    return Finding(
        code="not-in-image",
        severity=severity,
        where=_where(what, names),
        problem=f"Only {_named(files)} has {'it' if len(names) == 1 else 'them'}. {_why(files)}",
        consequence=consequence,
        fix=fix,
        names=tuple(names),
    )


def _differs(
    what: str,
    names: Sequence[str],
    files: Sequence[LeftOut],
    instead: Sequence[str],
    fix: str,
) -> Finding:
    it = "it" if len(names) == 1 else "them"
    return Finding(
        code="differs-in-image",
        severity="warning",
        where=_where(what, names),
        problem=f"Here {_named(files)} sets {it}. {_why(files)}",
        consequence=f"Pods use the {what if what.endswith('s') else 'value'} of"
        f" {listed(instead) if instead else 'the other files'} instead.",
        fix=f"Ignore this if that is intended. {fix}",
        names=tuple(names),
    )


def _where(what: str, names: Sequence[str]) -> str:
    plural = what if what.endswith("s") or len(names) == 1 else f"{what}s"
    return f"{plural} {first_of(names, JSON_HAS_ALL)}"


def _named(files: Sequence[LeftOut]) -> str:
    return ", ".join(file.path for file in files)


def _why(files: Sequence[LeftOut]) -> str:
    """Return why the image lacks files, as a sentence for each reason."""
    by_reason: dict[str, list[str]] = {}
    for file in files:
        by_reason.setdefault(file.reason, []).append(file.path)
    return " ".join(
        f"The image lacks {', '.join(paths)}: {reason}." for reason, paths in by_reason.items()
    )
