"""Checks of the dataset types in the catalog: whether they exist, with the packages they need.

No dataset is imported: that would take seconds. Modules are searched as files, and the packages
that a dataset of kedro-datasets needs are in the metadata of that package.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from kedro_airflow_k8s.checks.classes import Found, find, is_dataset, module_exists
from kedro_airflow_k8s.checks.findings import JSON_HAS_ALL, Finding, Severity
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.wording import Nearest, did_you_mean, first_of
from kedro_airflow_k8s.pod.stores import STORES, protocol_of, store_of
from kedro_airflow_k8s.project.parameters import has_stand_in

# What Kedro puts before a type, in this order.
_PREFIXES = ("kedro.io.", "kedro_datasets.", "")
_COLLECTION = "kedro_datasets"
_SUBMODULES = re.compile(r"\b([A-Z]\w*(?:Dataset|DataSet|Writer|V2))\b")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[(?P<extras>[^]]*)\])?")
# Packages of an extra that only some features of the dataset need, or none.
_OPTIONAL = {
    "databricks-managedtabledataset": {"hdfs", "s3fs"},
    "geopandas-genericdataset": {"fiona"},
    "langchain-chatanthropicdataset": {"langchain-community"},
    "langchain-chatcoheredataset": {"langchain-community"},
    "pandas-sqlquerydataset": {"pyodbc"},
    "pickle-pickledataset": {"compress-pickle"},
    "polars-eagerpolarsdataset": {"deltalake", "pyarrow", "xlsx2csv"},
    "polars-lazypolarsdataset": {"deltalake", "pyarrow"},
    "yaml-yamldataset": {"pandas"},
}
_INSTEAD = {"pyarrow": "fastparquet"}
_MANY_STORES = ("spark.", "ibis.", "kedro_datasets.spark.")


def types_not_installed(subject: Subject) -> Iterator[Finding]:
    """Find types that do not exist, and types whose packages are not installed here."""
    types: dict[str, list[str]] = {}
    foreign: dict[str, list[str]] = {}
    for name, entry in subject.catalog.items():
        for kind in (entry.type, *entry.inner_types):
            types.setdefault(kind, []).append(name)
        for kind in entry.foreign_types:
            foreign.setdefault(kind, []).append(name)
    for kind, names in types.items():
        found = None if has_stand_in(kind) else _problem(kind)
        if found:
            severity, problem, fix = found
            yield _finding(kind, names, severity, problem, fix)
    for kind, names in foreign.items():
        found = None if kind in types or has_stand_in(kind) else _problem(kind)
        if found:
            severity, problem, fix = found
            unsure = f"{problem} The class around it is not Kedro's: it may mean something else."
            finding = _finding(kind, names, "warning", unsure, fix)
            fails = "If it is meant as a dataset, every pod that uses it fails."
            doubt = replace(finding, code="unknown-type", consequence=fails)
            yield doubt if severity == "error" else finding


def stores_not_installed(subject: Subject) -> Iterator[Finding]:
    """Find object storage of the catalog whose package is not installed here."""
    stores: dict[str, list[str]] = {}
    for name, entry in subject.catalog.items():
        protocol = protocol_of(entry.path or "")
        if protocol in STORES and not entry.type.startswith(_MANY_STORES):
            stores.setdefault(protocol, []).append(name)
    for scheme, names in stores.items():
        package = STORES[scheme].package
        if importlib.util.find_spec(package) is None:
            yield _finding(
                f"{scheme}://",
                names,
                "warning",
                f"The package {package} is not installed here.",
                f"Add {package} to the project's requirements.",
            )


def store_not_installed(run: RunConfig) -> Iterator[Finding]:
    """Find object storage for intermediate data whose package is not installed here."""
    store = store_of(run.intermediate_data or "")
    if store and importlib.util.find_spec(store.package) is None:
        yield Finding(
            code="missing-extra",
            severity="warning",
            where="run_config.intermediate_data",
            problem=f"The package {store.package}, which reads and writes"
            f" {run.intermediate_data}, is not installed here.",
            consequence="If the image lacks it as well, every pod that passes data on fails.",
            fix=f"Add {store.package} to the project's requirements.",
        )


def _finding(what: str, names: list[str], severity: Severity, problem: str, fix: str) -> Finding:
    unknown = severity == "error"
    return Finding(
        code="unknown-type" if unknown else "missing-extra",
        severity=severity,
        where=f"{'dataset' if len(names) == 1 else 'datasets'} {first_of(names, JSON_HAS_ALL)}",
        problem=f"Stored as {what or 'nothing'}: {problem}",
        consequence="Every pod that uses it fails."
        if unknown
        else "If the image lacks it as well, every pod that uses it fails.",
        fix=fix,
        names=tuple(names),
    )


@cache
def _problem(kind: str) -> tuple[Severity, str, str] | None:
    """Return the severity, the problem and the fix of a wrong type, or None for a right one."""
    module, _, name = kind.rpartition(".")
    if not kind or "" in kind.split("."):
        return (
            "error",
            "it is not the name of a class.",
            "Give the entry a `type`, such as pandas.CSVDataset.",
        )
    found, of_collection = class_of(kind)
    if found is not None:
        return _missing_packages(kind) if of_collection else None
    if not _is_installed(_COLLECTION):
        return (
            "warning",
            "kedro-datasets is not installed here, and no other package has such a class.",
            f"Add kedro-datasets[{extra_of(kind)}] to the project's requirements.",
        )
    in_collection = not module or module_exists(f"{_COLLECTION}.{module}")
    own = _is_installed(module.partition(".")[0])
    hint = _hint(kind, name if in_collection else None)
    if hint or in_collection or own:
        return (
            "error",
            f"no such class of datasets is in Kedro, kedro-datasets or elsewhere.{hint}",
            "Correct the type in the catalog.",
        )
    return (
        "warning",
        f"the module {module} is not installed here.",
        "Add its package to the project's requirements, or correct the type in the catalog.",
    )


@cache
def class_of(kind: str) -> tuple[Found | None, bool]:
    """Return the class that Kedro takes for a type, and whether it is one of kedro-datasets."""
    module, _, name = kind.rpartition(".")
    for prefix in _PREFIXES:
        place = f"{prefix}{module}".rstrip(".")
        found = find(place, name) if place else None
        if found is not None and is_dataset(found) is not False:
            return found, f"{place}.".startswith(f"{_COLLECTION}.")
    return None, False


def _hint(kind: str, name: str | None) -> str:
    """Return a hint at the only known type of that name, or at the one most like the kind."""
    known = _collection()
    same = [other for other in known if name and other.lower().endswith(f".{name.lower()}")]
    if len(same) == 1:
        return did_you_mean(same[0])
    return Nearest(known).hint(kind.removeprefix(f"{_COLLECTION}."))


def _is_installed(package: str) -> bool:
    try:
        return bool(package) and importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


@cache
def _collection() -> frozenset[str]:
    """Return the types of kedro-datasets and of Kedro itself, as catalogs name them."""
    found = {"MemoryDataset", "CachedDataset"}
    spec = importlib.util.find_spec(_COLLECTION)
    for location in (spec and spec.submodule_search_locations) or ():
        for file in Path(location).glob("*/__init__.py"):
            names = _SUBMODULES.findall(file.read_text("utf-8", "replace"))
            found.update(f"{file.parent.name}.{name}" for name in names)
    return frozenset(found)


def extra_of(kind: str) -> str:
    """Return the extra of kedro-datasets with the packages of a type."""
    package, *_, name = kind.removeprefix(f"{_COLLECTION}.").split(".")
    return f"{package}-{name}".lower()


def _missing_packages(kind: str) -> tuple[Severity, str, str] | None:
    extra = extra_of(kind)
    missing = sorted(_missing(extra, frozenset()))
    if not missing:
        return None
    return (
        "warning",
        f"it needs packages that are not installed here: {', '.join(missing)}.",
        f"Add kedro-datasets[{extra}] to the project's requirements.",
    )


def _missing(extra: str, seen: frozenset[str]) -> set[str]:
    """Return the missing packages of an extra of kedro-datasets, and of extras that it names."""
    missing = set()
    for text in _requirements():
        match = _REQUIREMENT.match(text)
        if match is None or f'"{extra}"' not in text or not _applies(text, extra):
            continue
        name, others = match["name"], match["extras"]
        if name == "kedro-datasets":
            for other in set(re.split(r"\s*,\s*", others or "")) - seen - {""}:
                missing |= _missing(other, seen | {extra})
        elif not _has_distribution(name):
            missing.add(name)
    return missing - _OPTIONAL.get(extra, set())


def _applies(requirement: str, extra: str) -> bool:
    """Return whether a requirement of an extra applies on this machine."""
    marker = requirement.partition(";")[2].strip()
    if marker == f'extra == "{extra}"':
        return True
    # Slow to import, and nearly all requirements are of the form above.
    from packaging.markers import Marker

    return Marker(marker).evaluate({"extra": extra})


@cache
def _requirements() -> tuple[str, ...]:
    try:
        found = importlib.metadata.requires("kedro-datasets") or ()
    except importlib.metadata.PackageNotFoundError:
        return ()
    # The kind of quotes depends on the tool that built the package.
    return tuple(text.replace("'", '"') for text in found)


def _has_distribution(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return name in _INSTEAD and _has_distribution(_INSTEAD[name])
    return True
