"""What the plugin raises. The CLI prints the text of any of these and ends with exit code 1."""


class AirflowK8sError(Exception):
    """A failure the user can act on: the text says what is wrong, where, and the way out."""


class ConfigError(AirflowK8sError):
    """`airflow-k8s.yaml` cannot be read, or says something impossible."""


class ProjectError(AirflowK8sError):
    """The Kedro project cannot be read: a pipeline is unknown or does not import."""


class PlanError(AirflowK8sError):
    """The pipeline and its configuration do not fit together."""


class UploadError(AirflowK8sError):
    """The DAG could not be delivered; what was at the destination is untouched."""


class SandboxError(AirflowK8sError):
    """The sandbox could not start, or the run in it failed."""
