"""The exceptions of the plugin. The CLI shows each as one message, with exit code 1.

AirflowK8sError
 |-- ConfigError            the configuration
 |-- ProjectError           the Kedro project
 |-- PlanError              pipeline and configuration
 |-- OptionError            the value of an option
 |-- CheckError             a run that would fail
 |-- ParameterError         --params
 |-- UploadError            delivery of the DAG
 |-- ScaffoldError          init
 |-- SandboxError           sandbox
 |-- RunError               a DAG run
 |-- ClusterError           Kubernetes' API
 `-- AirflowApiError        Airflow's API
      |-- Unreachable         no answer
      |-- NotAirflow          an answer of something else
      |-- NotAuthenticated    401
      |-- NotAllowed          403
      |-- NotFound            404
      |-- Conflict            409
      |-- Refused             another 4xx
      `-- ServerFailed        5xx
"""


class AirflowK8sError(Exception):
    """A failure that the user can fix: the text says what is wrong, where, and how to fix it."""


class ConfigError(AirflowK8sError):
    """A file of the configuration cannot be read, or has an invalid value.

    Attributes:
        outside: Whether the cause may be outside the file, such as a variable of this machine.
    """

    def __init__(self, message: str, *, outside: bool = False) -> None:
        super().__init__(message)
        self.outside = outside


class ProjectError(AirflowK8sError):
    """The Kedro project cannot be read: a pipeline is unknown or does not import."""


class PlanError(AirflowK8sError):
    """The pipeline and its configuration do not fit together.

    Attributes:
        code: The kind of problem, as `validate` names it; None if it has no name there.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class OptionError(AirflowK8sError):
    """An option of a command has an invalid value, whatever the pipeline."""


class CheckError(AirflowK8sError):
    """A run on the cluster would fail; the text has the findings."""


class ParameterError(AirflowK8sError):
    """A runtime parameter for Kedro cannot be understood, or cannot be passed to a DAG run."""


class UploadError(AirflowK8sError):
    """The DAG could not be delivered; what was at the destination is untouched."""


class ScaffoldError(AirflowK8sError):
    """`init` cannot write the requested files; nothing in the project has changed."""


class SandboxError(AirflowK8sError):
    """The sandbox could not start, or the run in it failed."""


class RunError(AirflowK8sError):
    """A run failed, or could not start: the DAG is missing or broken."""


class ClusterError(AirflowK8sError):
    """The cluster cannot be reached from here, or refuses a request."""


class AirflowApiError(AirflowK8sError):
    """A request to Airflow's API failed; the text contains the server's message.

    Raised directly for an answer that fits none of the classes below.
    """


class Unreachable(AirflowApiError):
    """No complete answer: wrong address, timeout, broken connection, untrusted certificate."""


class NotAirflow(AirflowApiError):
    """An answer that is not from Airflow's API: from a proxy, a login page or another server."""


class NotAuthenticated(AirflowApiError):
    """Airflow did not accept the credentials: they are missing, wrong or expired."""


class NotAllowed(AirflowApiError):
    """The user is logged in to Airflow, but lacks the permission."""


class NotFound(AirflowApiError):
    """Airflow has no such DAG, run or task."""


class Conflict(AirflowApiError):
    """The object exists already, or its state does not allow the request."""


class Refused(AirflowApiError):
    """Airflow rejects the request as invalid."""


class ServerFailed(AirflowApiError):
    """Airflow failed or is overloaded, also after several attempts."""
