"""Decides which parents' children a run reads: those that changed, and those unread for longest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harvest_source.reports.catalogue import Report
from harvest_source.reports.reading import Pages, Record, format_instant, parse_instant
from harvest_source.settings import SWEEP_REST_HOURS

HOUR_SECONDS = 3600
ChildState = dict[str, Any]
"""Kept in dlt's state per report and account: `marks` (list: newest change seen), `read` (hour: parent ids)."""

ListReading = Callable[[str, datetime | None], Pages]
"""Gives the complete reading of a list of the account, of what changed since an instant."""


@dataclass(frozen=True)
class Scout:
    """A list whose changed rows name parents whose children may have changed without them (Harvest API, gotchas)."""

    report: str
    names: tuple[str, ...]  # where a row holds the id
    of_project: bool = False  # the id is a project's: its users are meant


SCOUTS: dict[str, tuple[Scout, ...]] = {
    "project_assignments": (
        Scout("user_assignments", ("user", "id")),
        Scout("task_assignments", ("project", "id"), of_project=True),
        Scout("projects", ("id",), of_project=True),
    ),
    "task_assignments": (Scout("task_assignments", ("project", "id")),),
    "user_assignments": (Scout("user_assignments", ("project", "id")),),
}


@dataclass
class ParentPlan:
    """The parents of one child report and account that a run asks, and what the state keeps when it is done."""

    report: Report
    account_id: int
    parents: dict[int, str] = field(default_factory=dict)  # id: version (its updated_at); "" where not known
    due: list[int] = field(default_factory=list)  # may wait for a later run, the longest unread first
    overdue: int = 0  # how many of `due` may not wait
    marks: dict[str, str] = field(default_factory=dict)
    read: dict[str, list[int]] = field(default_factory=dict)
    whole: bool = False  # all parents are asked, as if for the first time


def lists_needed(report: Report) -> tuple[str, ...]:
    """Returns the lists whose changes tell which parents of a child report to ask."""
    parent = (report.parent.report,) if report.parent else ()
    return parent + tuple(scout.report for scout in SCOUTS.get(report.name, ()))


def mark_of(state: ChildState, list_name: str) -> str | None:
    """Returns the newest change of a list that a child report has followed up."""
    mark: str | None = state.get("marks", {}).get(list_name)
    return mark


def plan_parents(
    report: Report,
    account_id: int,
    state: ChildState,
    since_of: Callable[[str], datetime | None],
    reading: ListReading,
    *,
    sweep_days: int,
    sweeps: bool,
) -> ParentPlan:
    """Returns which parents to ask.

    Args:
        report: a child report.
        account_id: whose parents.
        state: of the report and account; empty for a first load.
        since_of: from when the changes of a list count for this report; `None`: all its rows.
        reading: gives the lists.
        sweep_days: within so many days every parent is asked again.
        sweeps: whether parents unread for long are asked, too.
    """
    assert report.parent is not None  # noqa: S101 - only child reports come here
    plan = ParentPlan(report, account_id, marks=dict(state.get("marks", {})))
    plan.whole = since_of(report.parent.report) is None
    if not plan.whole:
        plan.read = {hour: list(ids) for hour, ids in state.get("read", {}).items()}
    for list_name in lists_needed(report):
        pages = reading(list_name, since_of(list_name))
        if pages.newest:
            plan.marks[list_name] = max(plan.marks.get(list_name, ""), format_instant(pages.newest))
    for record in _changed(reading, report.parent.report, since_of(report.parent.report)):
        if _may_have_children(report, record):
            plan.parents[record["id"]] = str(record.get("updated_at") or "")
    if not plan.whole:
        for parent_id in _scouted(report, since_of, reading):
            plan.parents.setdefault(parent_id, "")
        if sweeps:
            _add_due(plan, sweep_days)
    return plan


def _changed(reading: ListReading, list_name: str, since: datetime | None) -> Iterator[Record]:
    """Yields the rows of a list that changed since; the reading may have asked for more."""
    for record in reading(list_name, since).iter_light():
        updated_at = parse_instant(record.get("updated_at"))
        if since is None or updated_at is None or updated_at >= since:
            yield record


def _may_have_children(report: Report, record: Record) -> bool:
    """Returns whether a parent is worth a request: teammates of anyone but a manager answer 422."""
    return report.name != "teammates" or "manager" in (record.get("access_roles") or ())


def _scouted(report: Report, since_of: Callable[[str], datetime | None], reading: ListReading) -> Iterator[int]:
    projects: set[int] = set()
    for scout in SCOUTS.get(report.name, ()):
        for record in _changed(reading, scout.report, since_of(scout.report)):
            found: Any = record
            for name in scout.names:
                found = (found or {}).get(name)
            if isinstance(found, int) and scout.of_project:
                projects.add(found)
            elif isinstance(found, int):
                yield found
    if projects:
        for record in reading("user_assignments", None).iter_light():
            if (record.get("project") or {}).get("id") in projects and (record.get("user") or {}).get("id"):
                yield record["user"]["id"]


def _add_due(plan: ParentPlan, sweep_days: int) -> None:
    now_hour = current_hour()
    for hour in sorted(plan.read, key=int):
        age_hours = now_hour - int(hour)
        waiting = [parent_id for parent_id in plan.read[hour] if parent_id not in plan.parents]
        if age_hours >= sweep_days * 24:
            plan.due += waiting
            plan.overdue += len(waiting)
        elif age_hours >= SWEEP_REST_HOURS:
            plan.due += waiting


def current_hour() -> int:
    """Returns the hours since 1970: how exactly the state keeps when a parent's children were read."""
    return int(time.time()) // HOUR_SECONDS


def note_read(plan: ParentPlan, read_hours: dict[int, int], gone: set[int]) -> None:
    """Keeps in the plan when each parent was read.

    Args:
        plan: whose `read` is brought up to date.
        read_hours: parent id: hour, of the parents read now.
        gone: parents that Harvest no longer knows.
    """
    forget = read_hours.keys() | gone
    read = {hour: [parent_id for parent_id in ids if parent_id not in forget] for hour, ids in plan.read.items()}
    for parent_id, hour in read_hours.items():
        read.setdefault(str(hour), []).append(parent_id)
    plan.read = {hour: sorted(ids) for hour, ids in read.items() if ids}
