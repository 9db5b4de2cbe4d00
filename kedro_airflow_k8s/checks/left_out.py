"""What could not be checked, because its cause is outside of the files that are read here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import listed
from kedro_airflow_k8s.pod.names import stored_name
from kedro_airflow_k8s.project.image import ProjectImage
from kedro_airflow_k8s.project.own_code import own_config_loader
from kedro_airflow_k8s.project.parameters import begins_with_stand_in, has_stand_in
from kedro_airflow_k8s.project.reader import KedroProject

_IN_FILES = "environment variables and runtime parameters in configuration files"
_IN_IMAGE = "configuration files that the image lacks"
# Where a dataset is, in its own configuration or in that of a dataset inside it.
_PLACES = frozenset(("filepath", "path", "folderpath", "database", "index_path"))
_FIX = "Check them yourself, and then accept this finding in checks.accept."


def unknown_files(project: KedroProject, image: ProjectImage) -> Iterator[Finding]:
    """Find a configuration whose files are unknown here, or that may not be in the image."""
    conf = project.conf_path
    loader = own_config_loader()
    if loader is not None:
        yield _finding(
            "CONFIG_LOADER_CLASS",
            f"The config loader {loader} is not based on Kedro's OmegaConfigLoader. It is unknown"
            " which files it reads.",
            f"{_IN_FILES}, {_IN_IMAGE}",
        )
    elif not conf.is_dir():
        yield _finding(
            "CONF_SOURCE",
            f"The configuration is in {conf}, which is not a folder.",
            f"{_IN_FILES}, {_IN_IMAGE}",
        )
    elif image.is_known and not conf.is_relative_to(project.path):
        yield _finding(
            "CONF_SOURCE",
            f"The configuration is in {conf}, outside of the project's folder.",
            _IN_IMAGE,
        )


def unknown_datasets(subject: Subject) -> Iterator[Finding]:
    """Find datasets whose type or place only a run knows."""
    types, places = [], []
    for name, entry in subject.catalog.items():
        kinds = (entry.type, *entry.inner_types, *entry.foreign_types)
        if any(map(has_stand_in, kinds)):
            types.append(stored_name(name))
        elif entry.path is None and _begins_in_a_run(subject.config_of(name)):
            places.append(stored_name(name))
    for names, what, checks in (
        (types, "type", "whether the type exists, takes the keys, and stores the data"),
        (places, "place", "whether other pods reach the data, and whether it is kept"),
    ):
        if names:
            one = len(names) == 1
            yield Finding(
                code="not-checked",
                severity="warning",
                where=f"dataset{'' if one else 's'} {listed(names)}",
                problem=f"{'Its' if one else 'Their'} {what} is a runtime parameter. These"
                f" checks were skipped: {checks}.",
                consequence="A value that does not fit is only found when a pod fails.",
                fix=f"Write the {what} into the catalog, or check the values yourself, and then"
                " accept this finding in checks.accept.",
                names=tuple(names),
            )


def _finding(where: str, problem: str, checks: str) -> Finding:
    return Finding(
        code="not-checked",
        severity="warning",
        where=where,
        problem=f"{problem} These checks were skipped: {checks}.",
        consequence="What pods lack of these is only found when they fail.",
        fix=_FIX,
    )


def _begins_in_a_run(config: Mapping[str, Any] | None) -> bool:
    """Return whether the beginning of a dataset's place is a runtime parameter."""
    return any(
        _begins_in_a_run(value)
        if isinstance(value, Mapping)
        else key in _PLACES and begins_with_stand_in(str(value))
        for key, value in (config or {}).items()
    )
