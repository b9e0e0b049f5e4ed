"""Decides which parents' children a run reads: those that changed, and those unread for longest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from harvest_source.api.parsing import clean_text
from harvest_source.catalogue.reports import Report, by_name
from harvest_source.reading.reading import Pages, Record, format_instant, overlapped, parse_instant, record_key
from harvest_source.settings import SWEEP_REST_HOURS

HOUR_SECONDS = 3600
ChildState = dict[str, Any]
"""Kept in dlt's state per report and account: `marks` (list: newest change seen), `read` (hour: parent ids), `followed`
(list: change time: ids of rows within the overlap that need not be followed up once more), `hidden` (parents refused)."""

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
    followed: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    whole: bool = False  # all parents are asked, as if for the first time
    known: frozenset[int] = frozenset()  # parents that stand in the table of their report
    hidden: set[int] = field(default_factory=set)  # parents that Harvest has and does not show to the caller (403)

    def state(self) -> ChildState:
        """Returns what is kept once the plan is carried out."""
        state: ChildState = {"marks": self.marks, "read": self.read, "followed": self.followed}
        return {**state, "hidden": sorted(self.hidden)} if self.hidden else state


def lists_needed(report: Report) -> tuple[str, ...]:
    """Returns the lists whose changes tell which parents of a child report to ask."""
    parent = (report.parent.report,) if report.parent else ()
    return parent + tuple(scout.report for scout in SCOUTS.get(report.name, ()))


def mark_of(state: ChildState, list_name: str) -> str | None:
    """Returns the newest change of a list that a child report has followed up."""
    mark: str | None = state.get("marks", {}).get(list_name)
    return mark


def read_parents(state: ChildState) -> frozenset[int]:
    """Returns the parents whose children were ever asked for."""
    return frozenset(parent_id for ids in state.get("read", {}).values() for parent_id in ids)


def plan_parents(
    report: Report,
    account_id: int,
    state: ChildState,
    since_of: Callable[[str], datetime | None],
    reading: ListReading,
    *,
    known: frozenset[int],
    overlap_seconds: int,
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
        known: parents in the table of their report: those that were never asked are overdue, however they came there.
        overlap_seconds: a row that changed so long before its list was read will not come again with another change.
        sweep_days: within so many days every parent is asked again.
        sweeps: whether parents unread for long are asked, too.
    """
    assert report.parent is not None  # noqa: S101 - only child reports come here
    plan = ParentPlan(report, account_id, marks=dict(state.get("marks", {})), known=known)
    plan.hidden = set(state.get("hidden", ()))
    plan.whole = since_of(report.parent.report) is None
    if not plan.whole:
        plan.read = {hour: list(ids) for hour, ids in state.get("read", {}).items()}
    changes = _Changes(state, since_of, reading)
    for list_name in lists_needed(report):
        pages = reading(list_name, since_of(list_name))
        if pages.newest:
            plan.marks[list_name] = max(plan.marks.get(list_name, ""), format_instant(pages.newest))
        plan.followed[list_name] = _settled(pages, overlapped(plan.marks.get(list_name), overlap_seconds), overlap_seconds)
    read = read_parents(state)
    for record in reading(report.parent.report, since_of(report.parent.report)).iter_light():
        parent_id = _id_of(report.parent.report, record)
        if _may_have_children(report, record) and (changes.include(report.parent.report, record) or parent_id not in read):
            plan.parents[parent_id] = str(clean_text(record.get("updated_at")) or "")
    if not plan.whole:
        for parent_id in (*_scouted(report, changes), *sorted(known - read)):
            plan.parents.setdefault(parent_id, "")
        if sweeps:
            _add_due(plan, sweep_days)
    return plan


@dataclass
class _Changes:
    """Which rows of the lists changed since a report of children last followed them up."""

    state: ChildState
    since_of: Callable[[str], datetime | None]
    reading: ListReading

    def include(self, list_name: str, record: Record) -> bool:
        """Returns whether a row must be followed up; the reading may have asked for more, and within the overlap asks again."""
        since, updated_at = self.since_of(list_name), parse_instant(record.get("updated_at"))
        if since is None or updated_at is None:
            return True
        followed = self.state.get("followed", {}).get(list_name, {}).get(record["updated_at"], ())
        return updated_at >= since and _id_of(list_name, record) not in followed

    def of(self, list_name: str) -> Iterator[Record]:
        """Yields those rows of a list."""
        records = self.reading(list_name, self.since_of(list_name)).iter_light()
        return (record for record in records if self.include(list_name, record))


def _settled(pages: Pages, bound: datetime | None, overlap_seconds: int) -> dict[str, list[int]]:
    """Returns ids by change time of the rows that the next run asks for again although this one read what hangs on them.

    What hangs on a row is read after its list. A change in the same second, or one that is committed late, leaves no other
    change time: only where the row changed long enough before that is nothing to come.
    """
    found: dict[str, list[int]] = {}
    for record in pages.iter_light() if pages.started and bound else ():
        changed_at = parse_instant(record.get("updated_at"))
        if changed_at and bound and pages.started and bound <= changed_at < pages.started - timedelta(seconds=overlap_seconds):
            found.setdefault(record["updated_at"], []).append(_id_of(pages.report.name, record))
    return {changed_at: sorted(found[changed_at]) for changed_at in sorted(found)}


def _id_of(list_name: str, record: Record) -> int:
    """Returns the id of a row of a list as it stands in the table, however it was written."""
    row_id: int = record_key(by_name(list_name), record, None)[0]
    return row_id


def _may_have_children(report: Report, record: Record) -> bool:
    """Returns whether a parent is worth a request: teammates of anyone but a manager answer 422."""
    roles = record.get("access_roles")
    return report.name != "teammates" or (isinstance(roles, list) and "manager" in roles)


def _nested(record: Record, *names: str) -> Any:
    """Returns what stands in objects within a record; `None` where one of them is no object."""
    found: Any = record
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _scouted(report: Report, changes: _Changes) -> Iterator[int]:
    projects: set[int] = set()
    for scout in SCOUTS.get(report.name, ()):
        for record in changes.of(scout.report):
            found = _nested(record, *scout.names)
            if isinstance(found, int) and scout.of_project:
                projects.add(found)
            elif isinstance(found, int):
                yield found
    if projects:
        for record in changes.reading("user_assignments", None).iter_light():
            project_id, user_id = _nested(record, "project", "id"), _nested(record, "user", "id")
            if isinstance(project_id, int) and project_id in projects and isinstance(user_id, int):
                yield user_id


def _add_due(plan: ParentPlan, sweep_days: int) -> None:
    now_hour = current_hour()
    for hour in sorted(plan.read, key=int):
        age_hours = now_hour - int(hour)  # below 0: a clock was ahead, so nobody knows when it was
        waiting = [parent_id for parent_id in plan.read[hour] if parent_id not in plan.parents]
        if age_hours < 0 or age_hours >= sweep_days * 24:
            plan.due += waiting
            plan.overdue += len(waiting)
        elif age_hours >= SWEEP_REST_HOURS:
            plan.due += waiting


def current_hour() -> int:
    """Returns the hours since 1970: how exactly the state keeps when a parent's children were read."""
    return int(time.time()) // HOUR_SECONDS


def note_read(plan: ParentPlan, read_hours: dict[int, int], gone: set[int], hidden: set[int]) -> None:
    """Keeps in the plan when each parent was read.

    Args:
        plan: whose `read` is brought up to date.
        read_hours: parent id: hour, of the parents read now.
        gone: parents that Harvest no longer knows; as long as they stand in the table they count as read, so that they are
            asked again in their turn and not in every run.
        hidden: parents that are refused; those refused now count as read for the same reason.
    """
    plan.hidden = hidden
    read_hours = read_hours | dict.fromkeys((gone & plan.known) | (hidden & plan.parents.keys()), current_hour())
    forget = read_hours.keys() | gone
    read = {hour: [parent_id for parent_id in ids if parent_id not in forget] for hour, ids in plan.read.items()}
    for parent_id, hour in read_hours.items():
        read.setdefault(str(hour), []).append(parent_id)
    plan.read = {hour: sorted(ids) for hour, ids in read.items() if ids}
