"""The moments of a DAG's schedule that a backfill fills, and the runs that they have."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timezone
from typing import Any

from rich.text import Text

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun, RunState
from kedro_airflow_k8s.airflow_api.records import SCHEDULED, Backfill
from kedro_airflow_k8s.config.values import cron_reason
from kedro_airflow_k8s.config.wording import counted
from kedro_airflow_k8s.deploy.find import find_own_dag
from kedro_airflow_k8s.deploy.part import CONF_KEY
from kedro_airflow_k8s.deploy.run_times import WITHOUT_TIMES, moments_between, shown, zone
from kedro_airflow_k8s.deploy.start import DagInAirflow
from kedro_airflow_k8s.errors import Conflict, OptionError, RunError
from kedro_airflow_k8s.terminal.progress import Progress
from kedro_airflow_k8s.terminal.tables import plain_table, print_table

PART = "part"
"""The state of a moment whose run has succeeded, but was of some nodes only."""

RUN_PREFIX = "backfill-"
"""How the ids of the runs begin that the plugin starts itself."""

END_OF_DAY = time(23, 59, 59, 999999)


@dataclass(frozen=True)
class BackfillOptions:
    """How to fill.

    Attributes:
        max_active: How many runs may be active at once.
        reprocess: For which moments with a run it is started again: `none`, `failed` or `all`.
        conf: The configuration of the runs.
        date_param: Name and format of the parameter with the date of a run; None if there is none.
        partition_format: How the key of a partition is written; empty for runs without partitions.
        unpause: Whether to unpause the DAG.
        follow: Whether to watch the runs to their ends.
        cancel_on_interrupt: Whether Ctrl-C cancels the backfill.
    """

    max_active: int = 3
    reprocess: str = "none"
    conf: Mapping[str, Any] = field(default_factory=dict)
    date_param: tuple[str, str] | None = None
    partition_format: str = ""
    unpause: bool = False
    follow: bool = False
    cancel_on_interrupt: bool = False


@dataclass(frozen=True)
class Moment:
    """A moment of the schedule.

    Attributes:
        when: The moment, in the DAG's time zone.
        logical_date: The logical date of its run: on Airflow 2.11, the moment before it; on 3, the
            same.
        run: The run that it has; None if it has none.
    """

    when: datetime
    logical_date: datetime
    run: DagRun | None = None

    @property
    def name(self) -> str:
        """The moment for messages."""
        return shown(self.when)

    @property
    def state(self) -> str:
        """The state of its run; `no run` without one, `part` if only a part of it succeeded."""
        if self.run is None:
            return "no run"
        done = self.run.state is RunState.SUCCESS
        return PART if done and is_part(self.run) else self.run.state.value

    def is_filled_by(self, backfill: Backfill) -> bool:
        """Return whether a backfill has started its run, or started it again."""
        if self.run is None:
            return False
        if backfill.id:  # Airflow 3 changes the type of runs that it starts again.
            return self.run.run_type == "backfill"
        if self.run.run_id.startswith(RUN_PREFIX):
            return True
        # A cleared run keeps its id and type. The schedule starts later moments only.
        cleared = self.run.start is None or self.run.start >= backfill.created
        return backfill.reprocess != "none" and cleared and self.when < backfill.created

    def is_due(self, backfill: Backfill) -> bool:
        """Return whether a backfill has to start its run, or start it again."""
        if self.run is None:
            return True
        done = self.run.start is not None and self.run.start >= backfill.created
        if not self.run.state.ended or done:
            return False
        failed = self.run.state is RunState.FAILED
        return backfill.reprocess == "all" or (backfill.reprocess == "failed" and failed)


def is_part(run: DagRun) -> bool:
    """Return whether a run is of some nodes only, as by `run-once --nodes`."""
    return CONF_KEY in (run.conf or {})


def schedule_of(client: AirflowClient, dag_id: str) -> str:
    """Return the schedule of a DAG that this plugin has made, which has moments to fill.

    Raises:
        RunError: If Airflow does not have the DAG, something else has made it, or its schedule has
            no such moments.
        AirflowApiError: If Airflow cannot be asked.
    """
    schedule = find_own_dag(client, dag_id).schedule
    if schedule and schedule not in WITHOUT_TIMES and not cron_reason(schedule):
        return schedule
    raise RunError(
        f"DAG {dag_id} has no moments to fill: its schedule is {schedule or 'none'}. A backfill has"
        " a run for each moment of a cron schedule. Set run_config.cron_expression, and upload the"
        " DAG with `kedro airflow-k8s schedule`. For single days, `kedro airflow-k8s trigger"
        " --logical-date` starts a run."
    )


def check_range(dag: DagInAirflow, first: date, last: date) -> tuple[datetime, datetime]:
    """Return the range of a backfill, in the DAG's time zone.

    Args:
        dag: The DAG.
        first: Its first day, or moment.
        last: Its last day, to its end, or moment.

    Raises:
        OptionError: If the range is empty, or in the future.
        RunError: If it begins before the start date of the DAG.
    """
    where = zone(dag.timezone)
    start = _moment(first, time(), dag.timezone)
    end = _moment(last, END_OF_DAY, dag.timezone)
    if end < start:
        raise OptionError(f"--to {last} is before --from {first}: there is nothing to fill.")
    if start > datetime.now(timezone.utc):
        raise OptionError(
            f"--from {first} is in the future. A backfill is for moments that have passed."
        )
    if start < datetime.combine(dag.start_date, time(), where):
        raise RunError(
            f"--from {first} is before the DAG's start date, {dag.start_date} ({dag.timezone})."
            " Airflow would run no task. Use a later date, or set run_config.start_date and upload"
            " the DAG."
        )
    return start, end


def _moment(given: date, clock: time, timezone: str) -> datetime:
    if not isinstance(given, datetime):
        return datetime.combine(given, clock, zone(timezone))
    return given if given.tzinfo else given.replace(tzinfo=zone(timezone))


class Moments:
    """The moments in the range of a backfill.

    Args:
        client: Airflow.
        dag: The DAG.
        schedule: Its schedule.
        backfill: The backfill, which need not exist yet.
        partition_format: How the key of a partition is written; empty for runs without partitions.

    Raises:
        AirflowApiError: If Airflow cannot be asked.
    """

    def __init__(
        self,
        client: AirflowClient,
        dag: DagInAirflow,
        schedule: str,
        backfill: Backfill,
        partition_format: str = "",
    ) -> None:
        self._client = client
        self._partition_format = partition_format
        self._dag_id = dag.dag_id
        where = zone(dag.timezone)
        if client.starts_backfills:
            runs = client.runs_between(dag.dag_id, backfill.start, backfill.end)
            of_schedule = (run for run in runs if run.run_type in SCHEDULED)
            whole = backfill.model_copy(update={"reprocess": "all", "conf": None})
            days = {*client.backfill_dates(whole), *(run.logical_date for run in of_schedule)}
            self._pairs = [(day, day.astimezone(where)) for day in sorted(filter(None, days))]
        else:
            end = min(backfill.end, datetime.now(timezone.utc))
            pairs = moments_between(schedule, dag.timezone, backfill.start, end)
            # On Airflow 3, intervals have no length.
            intervals = client.version.major < 3
            self._pairs = [(begin if intervals else when, when) for begin, when in pairs]

    def now(self) -> list[Moment]:
        """Return them with the runs that they have now.

        Raises:
            AirflowApiError: If Airflow cannot be asked.
        """
        if not self._pairs:
            return []
        if self._partition_format:
            return self._partitions()
        runs = self._client.runs_between(self._dag_id, self._pairs[0][0], self._pairs[-1][0])
        known = {run.logical_date: run for run in runs}
        return [Moment(when, begin, known.get(begin)) for begin, when in self._pairs]

    def _partitions(self) -> list[Moment]:
        """Return the moments of runs that have no logical date, but the key of a partition."""
        first, last = self._pairs[0][1], self._pairs[-1][1]
        runs = self._client.partitions_between(self._dag_id, first.date(), last.date())
        # A partition can have several runs, and one of some nodes does not make it.
        known = {run.partition_key: run for run in runs if not is_part(run)}
        keys = {when.strftime(self._partition_format): when for _, when in self._pairs}
        return [Moment(when, when, known.get(key)) for key, when in keys.items()]


def start_run(
    client: AirflowClient, moment: Moment, backfill: Backfill, options: BackfillOptions
) -> None:
    """Start the run of a moment that has none, where Airflow does not.

    Raises:
        AirflowApiError: If Airflow does not start it.
    """
    dag_id = backfill.dag_id
    # Each logical date has at most one run.
    run_id = f"{RUN_PREFIX}{moment.logical_date.astimezone(timezone.utc):%Y%m%dT%H%M}"
    if moment.when != moment.logical_date:
        run_id += f"-{moment.when.astimezone(timezone.utc):%Y%m%dT%H%M}"
    if options.partition_format:  # The run reads its date from the key.
        key = moment.when.strftime(options.partition_format)
        client.trigger(dag_id, run_id, dict(backfill.conf or {}), partition_key=key)
        return
    conf = _run_conf(backfill.conf or {}, options.date_param, moment)
    interval_end = moment.when if moment.when != moment.logical_date else None
    with contextlib.suppress(Conflict):  # Another run has been started for it meanwhile.
        client.trigger(dag_id, run_id, conf, moment.logical_date, interval_end)


def _run_conf(
    conf: Mapping[str, Any], date_param: tuple[str, str] | None, moment: Moment
) -> dict[str, Any]:
    """Return the configuration of a run that the plugin starts itself for a moment.

    Airflow 2.11 takes the run for one that was started by hand, whose date is the logical date.

    Args:
        conf: That of all runs.
        date_param: Name and format of `run_config.date_param`.
        moment: The moment.
    """
    if date_param is None:
        return dict(conf)
    name, form = date_param
    # Kedro takes the last value of a name: that of --params.
    params = {name: moment.when.strftime(form), **conf.get("kedro_params", {})}
    return {**conf, "kedro_params": params}


def show_plan(moments: Sequence[Moment], backfill: Backfill, progress: Progress) -> None:
    """Show what a backfill would do with each moment."""
    table = plain_table("Moment", "Run so far", "Backfill")
    for moment in moments:
        again = "again" if moment.run else "new run"
        does = again if moment.is_due(backfill) else "left as it is"
        table.add_row(Text(moment.name), Text(moment.state), Text(does))
    print_table(table, progress.console)
    progress.say(f"{summary(moments, backfill)} Nothing was started.")


def summary(moments: Sequence[Moment], backfill: Backfill) -> str:
    """Return what a backfill will do, in a line."""
    due = [moment for moment in moments if moment.is_due(backfill)]
    again = sum(moment.run is not None for moment in due)
    kept = Counter(m.state for m in moments if not m.is_due(backfill))
    left = ", ".join(f"{count} {state}" for state, count in sorted(kept.items()))
    new, rest = len(due) - again, sum(kept.values())
    return (
        f"{counted(len(moments), 'moment')} of the schedule: {counted(new, 'new run')}, {again}"
        f" again, {rest} left as {'it is' if rest == 1 else 'they are'}"
        f"{f' ({left})' if left else ''}; {backfill.max_active} at once."
    )
