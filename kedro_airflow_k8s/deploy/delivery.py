"""Uploads a DAG, and waits until Airflow would run that very text."""

from __future__ import annotations

from semver import Version

from kedro_airflow_k8s.airflow_api import AirflowClient, Dag, DagImportError
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.own_names import TAG_FINGERPRINT
from kedro_airflow_k8s.config.values import UTC
from kedro_airflow_k8s.config.wording import counted
from kedro_airflow_k8s.errors import NotAllowed, RunError
from kedro_airflow_k8s.terminal.progress import Progress
from kedro_airflow_k8s.upload import upload_dag, was_replaced

PARSE_MINUTES = 10.0
"""Longest wait for Airflow to parse a file. By itself it looks for new ones every five minutes."""

POLL_SECONDS = 1.0
FIRST_ASK_SECONDS, LONGEST_ASK_SECONDS = 4.0, 30.0
"""Airflow is asked to look again after 4, 8, 16 seconds...: it may get the file from a bucket by
way of a copy that comes later."""

STALE_ERROR_SECONDS = 120.0
"""An import error in the words of one from before the upload counts after this time: until then
Airflow may have read the old file again, because copies of a bucket are delayed."""

FIRST_WITH_PARTITIONS = Version(3, 2)
FIRST_WITH_LOCAL_KEYS = Version(3, 3)
"""Before it, partition keys of the schedule are in UTC (apache/airflow#67537)."""

HINT_SECONDS = 60.0
"""After this time, a hint says what may be wrong."""


def deliver(
    client: AirflowClient,
    dag: CompiledDag,
    output: str,
    progress: Progress,
    minutes: float = PARSE_MINUTES,
) -> Dag | None:
    """Upload a DAG and wait until a run triggered in Airflow would be of exactly this text.

    Args:
        client: Airflow.
        dag: The DAG.
        output: Where Airflow reads DAGs.
        progress: Shows what is done and waited for.
        minutes: The longest wait.

    Returns:
        The DAG as Airflow had it before; None if it is new there.

    Raises:
        UploadError: If it cannot be uploaded.
        RunError: If Airflow cannot import it, does not see it in time, or another version is
            uploaded meanwhile.
        AirflowApiError: If Airflow cannot be asked.
    """
    check_partitions(client, dag)
    before = client.find_dag(dag.dag_id)
    error_before = client.import_error(dag.file_name)
    if before and before.schedule and not dag.has_schedule:
        progress.warn(
            f"DAG {dag.dag_id} has a schedule in Airflow ({before.schedule}), which this upload"
            " removes. Restore it with `kedro airflow-k8s schedule`."
        )
    progress.say(f"Uploaded DAG {dag.dag_id} to {upload_dag(dag.source, dag.file_name, output)}")
    try:
        _Arrival(client, dag, output, before, error_before).wait(progress, minutes)
    except KeyboardInterrupt:
        progress.done()
        progress.say("Interrupted: the DAG is uploaded, and Airflow will read it by itself.")
        raise
    finally:
        progress.done()
    _warn_of_assets(client, dag, progress)
    return before


def _warn_of_assets(client: AirflowClient, dag: CompiledDag, progress: Progress) -> None:
    """Warn of assets that another DAG calls something else: Airflow 3 fails tasks with them."""
    if not dag.assets:
        return
    try:
        found = client.inactive_assets(dag.dag_id, dag.assets)
    except NotAllowed:
        return  # Without the right to read assets, the run itself shows it.
    for uri, other in found.items():
        progress.warn(
            f"Airflow fails the tasks of DAG {dag.dag_id} that make or read {uri}. Another DAG has"
            f" {other}, and Airflow allows one name for a URI. Write Asset({uri!r}) there, without"
            " another name."
        )


def check_partitions(client: AirflowClient, dag: CompiledDag) -> None:
    """Check that Airflow has partitions if a DAG needs them, with keys in the DAG's time zone.

    Raises:
        RunError: If it does not.
    """
    if dag.partition_format and client.version < FIRST_WITH_PARTITIONS:
        raise RunError(
            f"Airflow {client.version} at {client.host} has no partitions; 3.2 is the first that"
            f" does. DAG {dag.dag_id} has run_config.partitioned, so Airflow could not import it."
            " Remove the key; `date_param` gives each run its date on every version."
        )
    if dag.partition_format and dag.timezone != UTC and client.version < FIRST_WITH_LOCAL_KEYS:
        raise RunError(
            f"Airflow {client.version} writes partition keys in UTC, not in {dag.timezone}. A run"
            f" of DAG {dag.dag_id} could have the key of another day; 3.3 is the first version that"
            " uses the time zone. Set `run_config.timezone: UTC`, or remove"
            " `run_config.partitioned`."
        )


class _Arrival:
    """The wait for a file that has been uploaded."""

    def __init__(
        self,
        client: AirflowClient,
        dag: CompiledDag,
        output: str,
        before: Dag | None,
        error_before: DagImportError | None,
    ) -> None:
        self._client = client
        self._dag = dag
        self._output = output
        self._before = _fingerprint(before)
        self._error_before = error_before
        self._hint = f"Does it read its DAGs from {output}, and does its DAG processor run?"

    def wait(self, progress: Progress, minutes: float) -> None:
        """Return when Airflow has the DAG.

        Raises:
            RunError: If it never will.
        """
        clock = progress.clock
        begin = ask_at = clock.now()
        pause, asked, hinted = FIRST_ASK_SECONDS, False, False
        forgotten = self._before in (None, self._dag.fingerprint)
        while True:
            if self._client.would_run(self._dag.dag_id, self._dag.fingerprint):
                if forgotten or not self._client.memory_seconds:
                    return
                progress.waiting("Waiting until Airflow's scheduler has the new version", begin)
                clock.sleep(self._client.memory_seconds)
                forgotten = True
                continue
            passed = clock.now() - begin
            self._check(passed, minutes)
            if clock.now() >= ask_at:
                self._check_uploaded()
                asked = self._client.request_parsing(self._dag.dag_id)
                ask_at = clock.now() + pause
                pause = min(2 * pause, LONGEST_ASK_SECONDS)
            if passed >= HINT_SECONDS and not hinted:
                progress.say(f"This takes long. {self._hint}")
                hinted = True
            progress.waiting(self._reason(asked), begin)
            clock.sleep(POLL_SECONDS)

    def _check(self, passed: float, minutes: float) -> None:
        """See whether there is still something to wait for, after so many seconds.

        Raises:
            RunError: If there is not.
        """
        error = self._import_error(passed)
        if error:
            raise RunError(f"Airflow cannot import {error.file}:\n{error.stack_trace.strip()}")
        if passed > minutes * 60:
            raise RunError(
                f"Airflow at {self._client.host} does not have this version of DAG"
                f" {self._dag.dag_id} after {counted(minutes, 'minute')}. {self._hint}"
            )
        shown = _fingerprint(self._client.find_dag(self._dag.dag_id))
        if shown not in (None, self._before, self._dag.fingerprint):
            self._check_uploaded()

    def _check_uploaded(self) -> None:
        """See whether what was uploaded is still there.

        As long as it is, another version that Airflow shows was uploaded before, and goes.

        Raises:
            RunError: If something else is there.
        """
        if was_replaced(self._dag.source, self._dag.file_name, self._output):
            raise RunError(
                f"DAG {self._dag.dag_id} in {self._output} was replaced by another version"
                " meanwhile, or removed. Try again, or use a name of your own with --dag-name."
            )

    def _import_error(self, passed: float) -> DagImportError | None:
        """Return why this text cannot be imported, as far as the error is not of an earlier one."""
        error, before = self._client.import_error(self._dag.file_name), self._error_before
        if error is None or (before and error.time == before.time):
            return None
        if before and error.stack_trace == before.stack_trace and passed < STALE_ERROR_SECONDS:
            return None
        return error

    def _reason(self, asked: bool) -> str:
        waiting = f"Waiting until Airflow has read {self._dag.file_name}"
        if asked:
            return waiting
        seconds = self._client.look_seconds
        every = "every five minutes by default" if seconds is None else f"every {seconds} s"
        return f"{waiting}: it looks for new files {every}"


def _fingerprint(dag: Dag | None) -> str | None:
    tags = dag.tags if dag else ()
    return next((tag for tag in tags if tag.startswith(f"{TAG_FINGERPRINT}:")), None)
