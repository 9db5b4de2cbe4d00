"""Settings of the checks, and the kinds of finding that they name."""

from typing import Literal

from pydantic import Field

from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.section import Section

Code = Literal[
    "asset-cycle",
    "cluster-package",
    "cluster-pods",
    "config",
    "config-variable",
    "dataset-keys",
    "device-limit",
    "differs-in-image",
    "dockerfile",
    "empty-volume",
    "endless-wait",
    "environment-variable",
    "group-cycle",
    "hooks-disabled",
    "host-path",
    "id-collision",
    "image-tag",
    "laptop-path",
    "logging-config",
    "lost-checkpoint",
    "lost-data",
    "memory-input",
    "missing-extra",
    "mlflow-credentials",
    "mlflow-experiment",
    "mlflow-parameter",
    "mlflow-server",
    "mlflow-settings",
    "no-catalog",
    "no-image",
    "not-an-asset",
    "not-checked",
    "not-in-image",
    "not-kept",
    "other-image",
    "other-partitions",
    "other-run",
    "other-version",
    "outside-volume",
    "overwritten",
    "plan",
    "read-write-once-pod",
    "request-above-limit",
    "resources-contradict",
    "run-command",
    "same-file",
    "scheduled-twice",
    "shared-memory",
    "spark-context",
    "spark-in-memory",
    "split-claim",
    "two-producers",
    "unknown-cluster",
    "unknown-credentials",
    "unknown-dataset",
    "unknown-macro",
    "unknown-parameter",
    "unknown-pipeline",
    "unknown-resources",
    "unknown-tag",
    "unknown-type",
    "unmade-asset",
    "unused-accept",
    "unused-cluster",
    "unused-resources",
]
"""All kinds of finding; docs/reference/checks.md has a paragraph on each."""


class AcceptedFinding(Section):
    """A finding of the checks that is accepted: it is counted, but no longer shown."""

    code: Code = Field(
        description="Code of the finding: the word in brackets in the output of `validate`."
    )
    name: values.Text | None = Field(
        default=None,
        description="Dataset, node, task, variable or key that the finding is about. Default: all"
        " findings with this code.",
    )
    reason: values.Text = Field(description="Reason why the finding is accepted.")


class ChecksConfig(Section):
    """How the checks treat findings."""

    accept: tuple[AcceptedFinding, ...] = Field(
        default=(),
        description="Findings that are accepted: they are counted, but no longer shown.",
    )
