"""Settings of the checks."""

from pydantic import Field

from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.section import Section


class AcceptedFinding(Section):
    """A finding of the checks that is accepted: it is counted, but no longer shown."""

    code: values.FindingCode = Field(
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
