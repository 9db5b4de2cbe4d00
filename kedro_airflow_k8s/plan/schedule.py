"""The schedule of a DAG: times, and data that it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.values import cron_reason
from kedro_airflow_k8s.errors import OptionError
from kedro_airflow_k8s.project.entities import ProjectPipeline

DEFAULT_START_DATE = date(2021, 1, 1)
"""A fixed date in the past. Without catch-up, the first run is that of the next interval.

A date that moves with the clock would give a new DAG at every parse.
"""


@dataclass(frozen=True)
class Schedule:
    """The schedule of the DAG.

    Attributes:
        cron: A cron expression, a preset, or None if each run is started by hand.
        timezone: The IANA name of the time zone of the schedule.
        start_date: The first day, from midnight in that time zone.
        end_date: The last day, to its end; None if the schedule has no end.
        catchup: Whether intervals that have passed without a run get one.
        max_active_runs: How many runs may be active at once; None for Airflow's own default.
        awaited: What else starts a run: groups of assets, each a dataset with its URI. Within a
            group, all of them.
        any_of_them: Whether one of these groups starts a run, or only all.
        partition_format: How the key of the partition that a run makes is written; empty if runs
            have no partitions.
    """

    cron: str | None
    timezone: str
    start_date: date
    end_date: date | None
    catchup: bool
    max_active_runs: int | None
    awaited: tuple[Mapping[str, str], ...] = ()
    any_of_them: bool = False
    partition_format: str = ""

    @property
    def waits_for(self) -> str:
        """What starts a run besides the times, in words; empty if nothing does."""
        groups = [" and ".join(sorted(group.values())) for group in self.awaited]
        brackets = self.any_of_them and len(groups) > 1
        shown = [f"({g})" if brackets and " and " in g else g for g in groups]
        return (" or " if self.any_of_them else " and ").join(shown)


def plan_schedule(
    pipeline: ProjectPipeline, run: RunConfig, cron: str | None, *, once: bool
) -> Schedule:
    """Return the schedule of a pipeline.

    Args:
        pipeline: The pipeline, with the assets that it waits for.
        run: The configuration.
        cron: The times that a command gives, in place of all that the configuration says.
        once: Whether to omit the schedule.

    Raises:
        OptionError: If these times are invalid.
    """
    if cron is not None and (reason := cron_reason(cron)):
        raise OptionError(f"--cron-expression {cron!r} is invalid. It {reason}.")
    if cron and run.partitioned and (reason := run.partitioned.times_reason(cron)):
        raise OptionError(
            f"--cron-expression {cron!r} does not fit the partitions. run_config.partitioned"
            f" {reason}."
        )
    waits = None if once or cron else run.schedule
    configured = run.cron_expression or (waits.cron if waits else None)
    times = None if once else cron or configured
    return Schedule(
        cron=times,
        timezone=run.timezone,
        start_date=run.start_date or DEFAULT_START_DATE,
        # Airflow runs no task after it, which a run by hand does not expect.
        end_date=run.end_date if times or waits else None,
        catchup=run.catchup and times is not None,
        # Airflow refuses a continuous DAG whose runs could overlap.
        max_active_runs=1 if times == "@continuous" else run.max_active_runs,
        awaited=tuple(pipeline.awaited[name] for name in waits.assets) if waits else (),
        any_of_them=waits is not None and waits.when == "any",
        partition_format=run.partitioned.key_format if run.partitioned and (times or waits) else "",
    )
