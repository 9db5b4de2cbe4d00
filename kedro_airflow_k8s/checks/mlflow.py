"""Checks of what would keep a run from being logged to MLflow completely."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.addresses import is_on_this_machine
from kedro_airflow_k8s.plan.mlflow import tracking_uri
from kedro_airflow_k8s.pod.names import parameter_name
from kedro_airflow_k8s.project.entities import KedroMlflow
from kedro_airflow_k8s.project.parameters import parameter

LONGEST_PARAMETER = 6000
"""Source: MAX_PARAM_VAL_LENGTH of mlflow.utils.validation."""

_CREDENTIALS = re.compile(r"MLFLOW_TRACKING_(PASSWORD|TOKEN)")


def _logs(subject: Subject) -> KedroMlflow | None:
    """Return what kedro-mlflow does in the pods of this pipeline, or None if it does nothing."""
    found = subject.pipeline.mlflow
    return None if found is None or subject.pipeline.name in found.without else found


def mlflow_server(subject: Subject) -> Iterator[Finding]:
    """Find a tracking address that is not that of a server, or not from a pod."""
    settings = subject.run.mlflow
    if settings.enabled is False or not (subject.plan.mlflow or _logs(subject)):
        return
    uri, source = tracking_uri(subject.pipeline, subject.run)
    where = "MLflow's tracking address"
    fix = (
        "Set server.mlflow_tracking_uri in mlflow.yml, or run_config.mlflow.tracking_uri, to an"
        " address that pods and Airflow's workers reach."
    )
    if subject.plan.mlflow is None:
        said = f"{source} is {uri!r}, which is not a server." if uri else "Nothing names a server."
        yield Finding(
            code="mlflow-server",
            severity="warning",
            where=where,
            problem=said,
            consequence="MLflow in the pods refuses a folder, or logs to a file that is gone with"
            " its pod.",
            fix=f"{fix} If this is intended, set run_config.mlflow.enabled to false.",
        )
    elif is_on_this_machine(subject.plan.mlflow.tracking_uri):
        yield Finding(
            code="mlflow-server",
            severity="warning",
            where=where,
            problem=f"{source} is {uri!r}: in a pod, that is the pod itself.",
            consequence="In the sandbox that is right. On a cluster, neither pods nor Airflow find"
            " MLflow.",
            fix=fix,
        )


def mlflow_experiment(subject: Subject) -> Iterator[Finding]:
    """Find an experiment whose name differs from the one that kedro-mlflow uses."""
    kedro, name = _logs(subject), subject.run.experiment_name
    if kedro is None or subject.plan.mlflow is None or name in (None, kedro.experiment):
        return
    yield Finding(
        code="mlflow-experiment",
        severity="warning",
        where="run_config.experiment_name",
        problem=f"It is {name!r}, but kedro-mlflow logs to {kedro.experiment!r}. That is"
        f" tracking.experiment.name in {kedro.source}, or else the package's name.",
        consequence=f"The MLflow runs are in {kedro.experiment!r}: MLflow refuses to log to a run"
        " of another experiment.",
        fix="Give both the same name.",
    )


def mlflow_settings(subject: Subject) -> Iterator[Finding]:
    """Find an mlflow.yml that the image lacks, or that images usually lack."""
    kedro, image = _logs(subject), subject.image
    if kedro is None:
        return
    # The source is relative to the folder above the configuration.
    above = posixpath.dirname(subject.conf)
    files = [posixpath.join(above, file) for file in kedro.source.split(", ")]
    lacks = [image.lacks(file) if image else None for file in files]
    if image is None or not image.is_known:
        if not kedro.in_default_env or not subject.pipeline.is_default_env:
            return
        problem = (
            f"The environment {subject.pipeline.env!r} alone has it, which .dockerignore usually"
            " keeps out of images."
        )
    elif all(lacks):
        problem = f"The image lacks it: {lacks[0]}."
    else:
        return
    yield Finding(
        code="mlflow-settings",
        severity="error" if all(lacks) else "warning",
        where=kedro.source,
        problem=problem,
        consequence="kedro-mlflow in the pods then uses its defaults, with another experiment than"
        " the run of this DAG has, and each pod fails at its start.",
        fix=f"Move it to {subject.base}, and what is secret in it to Secrets. Ignore this if the"
        " image has the file.",
    )


def mlflow_credentials(subject: Subject) -> Iterator[Finding]:
    """Find credentials that Airflow's workers have and pods do not."""
    kind = subject.run.mlflow.authentication.type
    if subject.plan.mlflow is None or kind in ("none", "google"):
        return
    given = subject.run.given_variables
    if given is None or any(map(_CREDENTIALS.fullmatch, given)):
        return
    yield Finding(
        code="mlflow-credentials",
        severity="warning",
        where="run_config.mlflow.authentication",
        problem="Airflow's workers have credentials for MLflow, and no Secret gives them to the"
        " pods.",
        consequence="MLflow refuses the pods, unless the image has credentials.",
        fix="Add a Secret to run_config.secrets for MLFLOW_TRACKING_USERNAME and"
        " MLFLOW_TRACKING_PASSWORD, or for MLFLOW_TRACKING_TOKEN.",
    )


def mlflow_login(subject: Subject) -> Iterator[Finding]:
    """Find a login in mlflow.yml that Airflow's tasks do not have."""
    kedro = _logs(subject)
    if kedro is None or kedro.login is None or subject.plan.mlflow is None:
        return
    if subject.run.mlflow.authentication.type == "none":
        yield Finding(
            code="mlflow-credentials",
            severity="warning",
            where=f"{kedro.login} in {kedro.source}",
            problem="The pods log in to MLflow with it. Airflow's tasks that start and end the"
            " MLflow run do not read mlflow.yml, and run_config.mlflow.authentication is none.",
            consequence="If the server requires a login, it refuses these tasks, and the run fails"
            " at its start.",
            fix="Set run_config.mlflow.authentication.",
        )


def mlflow_parameters(subject: Subject) -> Iterator[Finding]:
    """Find parameters that MLflow refuses: too long, or with two values under one name."""
    kedro = _logs(subject)
    if kedro is None or subject.plan.mlflow is None or subject.parameters is None:
        return
    first: dict[str, tuple[str, str, str]] = {}
    reported = set()
    for node in subject.pipeline.nodes:
        for given, logged, value in _logged(node.inputs, subject.parameters, kedro):
            text = str(value)
            too_long = len(text) > LONGEST_PARAMETER and kedro.long_params == "fail"
            if too_long and given not in reported:
                reported.add(given)
                yield Finding(
                    code="mlflow-parameter",
                    severity="error",
                    where=f"parameter {given!r}",
                    problem=f"Node {node.name!r} reads it, and as text it has {len(text)}"
                    f" characters; MLflow accepts {LONGEST_PARAMETER}.",
                    consequence="kedro-mlflow fails the node before it starts.",
                    fix="Set tracking.params.long_params_strategy in mlflow.yml to tag or truncate,"
                    " or let the node read a part of it.",
                )
            before = first.setdefault(logged, (given, text, node.name))
            if before[1] != text and logged not in reported:
                reported.add(logged)
                yield Finding(
                    code="mlflow-parameter",
                    severity="error",
                    where=f"parameter {given!r}",
                    problem=f"Node {node.name!r} logs it as {logged!r}. Node {before[2]!r} logs"
                    f" {before[0]!r} under that name with another value.",
                    consequence="All pods log to one run, in which a parameter has one value: the"
                    " second of the two nodes fails.",
                    fix="Rename one of them, or change tracking.params.dict_params in mlflow.yml.",
                )


def _logged(
    inputs: tuple[str, ...], parameters: Mapping[str, Any], kedro: KedroMlflow
) -> Iterator[tuple[str, str, Any]]:
    """Yield what kedro-mlflow logs for a node: the parameter, its name in MLflow, its value."""
    for name in inputs:
        given = "parameters" if name == "parameters" else parameter_name(name)
        if given is None:
            continue
        try:
            value = parameters if name == "parameters" else parameter(parameters, given)
        except KeyError:  # Only a run knows it.
            continue
        entries = (
            _flat(given, value, kedro.flatten) if kedro.flatten.get("flatten") else {given: value}
        )
        for key, entry in entries.items():
            yield given, re.sub(r"[^/\w.\- :]", "_", key), entry


def _flat(name: str, value: Any, options: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Return a dictionary's entries as parameters of their own, as kedro-mlflow does."""
    if not isinstance(value, Mapping) or (depth and options.get("recursive") is False):
        return {name: value}
    separator = str(options.get("sep", "."))
    return {
        key: inner
        for part, entry in value.items()
        for key, inner in _flat(f"{name}{separator}{part}", entry, options, depth + 1).items()
    }
