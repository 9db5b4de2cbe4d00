"""Backfills: runs of a DAG for moments of its schedule that have passed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import date, datetime, timezone

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.airflow_api.records import Backfill
from kedro_airflow_k8s.config.wording import counted
from kedro_airflow_k8s.deploy.backfill_end import counts, range_of, show_end
from kedro_airflow_k8s.deploy.backfill_plan import (
    BackfillOptions,
    Moment,
    Moments,
    check_range,
    schedule_of,
    show_plan,
    start_run,
    summary,
)
from kedro_airflow_k8s.deploy.backfill_store import is_continued_by, store_of
from kedro_airflow_k8s.deploy.cancel import mark_failed
from kedro_airflow_k8s.deploy.start import DagInAirflow, dag_in_airflow
from kedro_airflow_k8s.errors import (
    AirflowApiError,
    Conflict,
    NotAllowed,
    NotFound,
    RunError,
    ServerFailed,
    Unreachable,
)
from kedro_airflow_k8s.terminal.progress import Progress

POLL_SECONDS = 2.0
COMPLETION_SECONDS = 180.0
"""Airflow 3 looks every 30 s for backfills whose runs have all ended, and for empty ones after 2
minutes. Until then, the DAG can have no other."""


class Backfills:
    """The backfills of a DAG that Airflow has.

    Args:
        client: Airflow.
        dag_id: The DAG, which this plugin has made.
        timezone: The name of its time zone.
        options: How to fill.
        progress: Shows what is done and waited for.

    Raises:
        RunError: If Airflow does not have the DAG, or its schedule has no moments to fill.
        AirflowApiError: If Airflow cannot be asked.
    """

    def __init__(
        self,
        client: AirflowClient,
        dag_id: str,
        timezone: str,
        options: BackfillOptions,
        progress: Progress,
    ) -> None:
        if options.partition_format:
            # Airflow reads the range of a backfill of partitions in other time zones than we do.
            client.starts_backfills = False
        self._client = client
        self._store = store_of(client, dag_id, timezone)
        self._schedule = schedule_of(client, dag_id)
        self.dag: DagInAirflow = dag_in_airflow(client, dag_id, timezone)
        self._options = options
        self._progress = progress
        self._stored = False  # In Airflow, or as a variable.
        self._own = False  # Started, or continued, by this command.
        self._started: set[str] = set()
        self._silent = False

    def plan(self, first: date, last: date) -> tuple[Backfill, list[Moment]]:
        """Return the backfill for a range, which does not exist yet, and its moments.

        Raises:
            AirflowK8sError: If the range is not possible, or Airflow cannot be asked.
        """
        start, end = check_range(self.dag, first, last)
        backfill = Backfill(
            dag_id=self.dag.dag_id,
            start=start,
            end=end,
            max_active=self._options.max_active,
            reprocess=self._options.reprocess,
            conf=self._options.conf or None,
            created=datetime.now(timezone.utc),
        )
        moments = self._moments(backfill).now()
        if not moments:
            raise RunError(
                f"The schedule {self._schedule} has no moment from {start} to {end} that has"
                " passed. There is nothing to fill."
            )
        return backfill, moments

    def _moments(self, backfill: Backfill) -> Moments:
        form = self._options.partition_format
        return Moments(self._client, self.dag, self._schedule, backfill, form)

    def show(self, first: date, last: date) -> None:
        """Show what a backfill would start, and start nothing."""
        backfill, moments = self.plan(first, last)
        show_plan(moments, backfill, self._progress)

    def start(self, first: date, last: date) -> None:
        """Start a backfill, and watch it if that is wanted.

        Raises:
            AirflowK8sError: If it cannot start, or after watching not all runs have succeeded.
            KeyboardInterrupt: From the user, after a message on what becomes of the runs.
        """
        backfill, moments = self.plan(first, last)
        self._progress.say(summary(moments, backfill))
        if not any(moment.is_due(backfill) for moment in moments):
            if self._options.follow or all(m.run and m.run.state.ended for m in moments):
                self._watch(self._adopted(backfill) or backfill)
            return
        try:
            before = self._wait_for_the_one_before(backfill)
            self._check_paused()
        except KeyboardInterrupt:
            self._progress.done()
            self._progress.say("No backfill was started.")
            raise
        if before is not None:
            self._go_on(before)
            return
        created = self._create(backfill)
        if self._options.follow or not self._client.starts_backfills:
            self._watch(created)

    def follow(self) -> None:
        """Watch the backfill that has not ended, and go on with it on Airflow 2.11.

        Raises:
            AirflowK8sError: If there is none, or not all runs have succeeded.
            KeyboardInterrupt: From the user, after a message on what becomes of the runs.
        """
        found = self._existing()
        self._check_paused()
        self._go_on(found)

    def cancel(self) -> None:
        """Cancel the backfill that has not ended: mark its runs that have not ended as failed.

        Raises:
            AirflowK8sError: If there is none, or Airflow cannot be asked.
        """
        found = self._existing()
        self._stored = True
        self._cancel(found)

    def _existing(self) -> Backfill:
        found = self._store.unfinished()
        if found is None:
            raise RunError(
                f"DAG {self.dag.dag_id} has no unfinished backfill. Start one with --from and --to;"
                " --dry-run shows how the runs of a range stand."
            )
        return found

    def _go_on(self, found: Backfill) -> None:
        self._stored = self._own = True
        self._progress.say(
            f"Backfill of DAG {self.dag.dag_id}, {range_of(found)}, {found.max_active} at once."
        )
        self._watch(found)

    def _adopted(self, wanted: Backfill) -> Backfill | None:
        """Return the unfinished backfill if it is the wanted one, whose runs have all started."""
        with contextlib.suppress(NotAllowed):
            found = self._store.unfinished()
            if found is not None and is_continued_by(found, wanted):
                self._stored = self._own = True
                return found
        return None

    def _wait_for_the_one_before(self, wanted: Backfill) -> Backfill | None:
        """Return the unfinished backfill if it is the wanted one; otherwise wait for its end.

        Airflow needs some time to know that all of its runs have ended. A variable may be left by
        a command that did not watch the runs to their ends.

        Raises:
            RunError: If the DAG has another backfill with unfinished runs.
        """
        clock = self._progress.clock
        since = clock.now()
        while found := self._unfinished():
            own = not self._client.starts_backfills
            moments = self._moments(found).now()
            active = any(moment.run and not moment.run.state.ended for moment in moments)
            if active or (own and any(moment.is_due(found) for moment in moments)):
                if (own or self._options.follow) and is_continued_by(found, wanted):
                    return found
                raise RunError(
                    f"DAG {self.dag.dag_id} has an unfinished backfill, {range_of(found)}. It can"
                    " have one at a time. Watch it with `kedro airflow-k8s backfill --follow`, or"
                    " end it with `kedro airflow-k8s backfill --cancel`."
                )
            if own:
                self._store.end(found)
                break
            if clock.now() - since > COMPLETION_SECONDS:
                break
            self._progress.waiting("Waiting until Airflow closes the last backfill", since)
            clock.sleep(POLL_SECONDS)
        self._progress.done()
        return None

    def _unfinished(self) -> Backfill | None:
        try:
            return self._store.unfinished()
        except NotAllowed:
            if self._client.starts_backfills:
                raise
            return None  # Said when the backfill cannot be stored.

    def _check_paused(self) -> None:
        dag = self._client.find_dag(self.dag.dag_id)
        if dag is None or not dag.paused:
            return
        if self._options.unpause:
            self._client.set_paused(dag.dag_id, False)
            return
        self._progress.warn(
            f"DAG {dag.dag_id} is paused in Airflow: its runs wait until it is unpaused, which"
            " --unpause does."
        )

    def _create(self, backfill: Backfill) -> Backfill:
        try:
            backfill = self._store.create(backfill)
            self._stored = True
        except Conflict as error:
            raise RunError(
                f"DAG {self.dag.dag_id} already has an unfinished backfill. ({error}) Watch it with"
                " `kedro airflow-k8s backfill --follow`."
            ) from error
        except NotAllowed as error:
            if self._client.starts_backfills:
                raise
            self._progress.warn(
                f"The backfill cannot be stored as an Airflow variable. {error} If this command is"
                " interrupted, call it again: --follow alone would not find the backfill."
            )
        self._progress.say(
            f"Started the backfill {range_of(backfill)}: {self._client.dag_url(self.dag.dag_id)}"
        )
        self._own = True
        return backfill

    def _watch(self, backfill: Backfill) -> None:
        try:
            moments = self._until_end(backfill)
        except KeyboardInterrupt:
            self._progress.done()
            self._interrupted(backfill)
            raise
        self._progress.done()
        if moments is not None:
            show_end(self._client, moments, backfill, self._progress)

    def _until_end(self, backfill: Backfill) -> list[Moment] | None:
        """Return the moments when all runs have ended; None if they go on without this command."""
        clock = self._progress.clock
        since = clock.now()
        found = self._moments(backfill)
        ended: set[str] | None = None
        while True:
            asked = clock.now()
            try:
                moments = found.now()
                due = self._start_due(moments, backfill)
            except (Unreachable, ServerFailed) as error:
                if not self._silent:
                    self._progress.warn(f"{error} Trying again.")
                self._silent = True
            else:
                self._silent = False
                before, ended = ended, {m.name for m in moments if m.run and m.run.state.ended}
                for moment in moments if before is not None else ():
                    if moment.name in ended - (before or set()):
                        self._progress.done()
                        self._progress.say(f"{moment.name}: {moment.state}")
                if not due and all(m.run is None or m.run.state.ended for m in moments):
                    self._forget(backfill)
                    return moments
                if not due and not self._options.follow:
                    self._progress.say("All runs are started. --follow watches them.")
                    return None
                self._progress.waiting(f"Backfill: {counts(moments)}", since)
            clock.sleep(max(POLL_SECONDS, clock.now() - asked))

    def _start_due(self, moments: Sequence[Moment], backfill: Backfill) -> bool:
        """Start runs, as many as may be active, where Airflow does not; return if some are due."""
        if self._client.starts_backfills:
            return False
        due = [
            moment
            for moment in moments
            if moment.is_due(backfill) and not (moment.run and moment.run.run_id in self._started)
        ]
        if due and self._stored and self._store.unfinished() is None:
            raise RunError(
                f"The backfill of DAG {backfill.dag_id} was cancelled: {len(due)} of its runs were"
                " not started."
            )
        active = sum(moment.run is not None and not moment.run.state.ended for moment in moments)
        room = max(0, backfill.max_active - active)
        for moment in due[:room]:
            self._start(moment, backfill)
        return bool(due)

    def _start(self, moment: Moment, backfill: Backfill) -> None:
        dag_id = backfill.dag_id
        if moment.run is not None:
            tasks = list(self._client.task_states(dag_id, moment.run.run_id))
            self._client.clear_tasks(dag_id, moment.run.run_id, tasks)
            self._started.add(moment.run.run_id)
            return
        start_run(self._client, moment, backfill, self._options)

    def _forget(self, backfill: Backfill) -> None:
        if not self._client.starts_backfills and self._stored:
            with contextlib.suppress(NotAllowed):
                self._store.end(backfill)

    def _interrupted(self, backfill: Backfill) -> None:
        if not self._own:
            self._progress.say("Interrupted. This command has started no run; all runs go on.")
            return
        if self._options.cancel_on_interrupt:
            try:
                self._cancel(backfill)
            except AirflowApiError as error:
                self._progress.say(f"Interrupted: the backfill could not be cancelled: {error}")
            return
        rest = (
            "It goes on in Airflow"
            if self._client.starts_backfills
            else "Its active runs go on in Airflow, and no further run starts"
        )
        self._progress.say(
            f"Interrupted. {rest}. `kedro airflow-k8s backfill --follow` goes on with it, and"
            " `kedro airflow-k8s backfill --cancel` ends it."
        )

    def _cancel(self, backfill: Backfill) -> None:
        dag_id = backfill.dag_id
        if self._stored:
            self._store.end(backfill)
        found = self._moments(backfill)
        moments = found.now()
        filled = [moment.run for moment in moments if moment.is_filled_by(backfill)]
        active = [run for run in filled if run and not run.state.ended]
        for run in active:
            with contextlib.suppress(NotFound):
                mark_failed(self._client, dag_id, run.run_id, self.dag.task_ids)
        self._progress.say(
            f"The backfill {range_of(backfill)} is cancelled: {counted(len(active), 'active run')}"
            f" marked as failed. {counts(found.now())}."
        )
