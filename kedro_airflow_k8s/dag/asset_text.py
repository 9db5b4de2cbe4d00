"""What assets add to the text of a DAG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kedro_airflow_k8s.dag.literals import INDENT, WIDTH, Call, Expression, literal
from kedro_airflow_k8s.plan.build import Plan
from kedro_airflow_k8s.plan.schedule import Schedule
from kedro_airflow_k8s.plan.tasks import Task


def asset_operators(plan: Plan) -> Iterator[str]:
    """Yield the modules of `operators/` for tasks that make assets."""
    if plan.assets.outlets:
        yield "asset_pod"
        if plan.shows_nodes:
            yield "asset_group"


def asset_imports(plan: Plan) -> Iterator[str]:
    """Yield the imports that assets need."""
    if plan.assets.uris:
        yield "from airflow.providers.common.compat.sdk import Asset"
        yield "from collections.abc import Sequence"
    if plan.assets.outlets:
        yield "import json"


def schedule_names(plan: Plan) -> Iterator[str]:
    """Yield the names from `operators/` that a schedule of assets or partitions needs."""
    if plan.schedule.partition_format:
        yield "PartitionedAssetTimetable" if plan.assets.awaited else "CronPartitionTimetable"
    elif plan.assets.awaited and plan.schedule.cron:
        yield from ("AssetOrTimeSchedule", "CronTriggerTimetable", "WAITS_FOR")


def asset_keywords(plan: Plan, task: Task) -> dict[str, Any]:
    """Return the arguments of a task for the assets that its nodes read and make."""
    read, made = plan.assets.inlets.get(task.task_id), plan.assets.outlets.get(task.task_id, ())
    if task.runs and plan.assets.outlets:
        # The pod of a visible group describes what its nodes make.
        shown = [other.task_id for other in plan.tasks if other.pod == task.task_id]
        made = tuple(name for one in shown for name in plan.assets.outlets.get(one, ()))
    # Lists of one name each make a DAG of many assets import noticeably slower.
    found = {"inlets": read, "outlets": made}
    return {
        key: names[0] if len(names) == 1 else list(names) for key, names in found.items() if names
    }


def schedule_value(plan: Plan) -> Any:
    """Return the argument `schedule` of the DAG: times, assets, both, or None."""
    times, groups = plan.schedule.cron, plan.assets.awaited
    if plan.schedule.partition_format:
        return _partitions(plan.schedule, groups)
    if not groups:
        return times
    waits: Any
    if plan.schedule.any_of_them and len(groups) > 1:
        waits = _any_of([_all_of(group) for group in groups])
    else:
        waits = [_asset(name) for name in sorted({name for group in groups for name in group})]
    if times is None:
        return waits
    timetable = Call("CronTriggerTimetable", {"timezone": plan.schedule.timezone}, (times,))
    inside = INDENT * 2
    return Expression(
        f"AssetOrTimeSchedule(\n{inside}timetable={literal(timetable, 2, 18)},"
        f"\n{inside}**{{WAITS_FOR: {literal(waits, 2, 22)}}},\n{INDENT})"
    )


def _partitions(schedule: Schedule, groups: Sequence[tuple[str, ...]]) -> Call | Expression:
    """Return the timetable of runs that each make one partition."""
    if not groups:
        keywords = {"timezone": schedule.timezone, "key_format": schedule.partition_format}
        return Call("CronPartitionTimetable", keywords, (schedule.cron,))
    any_of_them = schedule.any_of_them and len(groups) > 1
    names = sorted({name for group in groups for name in group})
    parts = [_all_of(group) for group in groups] if any_of_them else [_asset(n).code for n in names]
    sign = "|" if any_of_them else "&"
    waits = f" {sign} ".join(parts)
    if len(waits) > WIDTH // 2:
        lines, inside = f"\n{INDENT * 3}{sign} ".join(parts), INDENT * 2
        waits = f"(\n{INDENT * 3}{lines}\n{inside})"
        return Expression(f"PartitionedAssetTimetable(\n{inside}assets={waits}\n{INDENT})")
    return Call("PartitionedAssetTimetable", {"assets": Expression(waits)})


def _asset(name: str) -> Expression:
    return Expression(f"ASSETS[{literal(name)}]")


def _all_of(group: tuple[str, ...]) -> str:
    found = " & ".join(_asset(name).code for name in group)
    return f"({found})" if len(group) > 1 else found


def _any_of(groups: list[str]) -> Expression:
    inside = INDENT * 2
    return Expression(f"(\n{inside}" + f"\n{inside}| ".join(groups) + f"\n{INDENT})")
