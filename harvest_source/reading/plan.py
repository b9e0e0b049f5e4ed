"""Decides which parents' children make a reading whole, and what dlt's state then holds: pure functions on plain data.

They are those that changed, those that other lists name, and those whose turn it is (`sweep`). Windows are in `windows`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from harvest_source.api.parsing import clean_text
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, Parent, Report
from harvest_source.instants import format_instant, instant_in
from harvest_source.reading.parts import Kept, Part
from harvest_source.reading.reading import Record, record_key
from harvest_source.reading.sweep import due_for_doubt, plan_sweep

PROBES = 3  # parents that are asked where all others are refused
MEMBERS = "user_assignments"  # the list that tells the users of a project
State = Mapping[str, Any]
"""What dlt's state keeps of a report and account. Of a list: `updated_at`, the newest change seen. Of children: `marks` (list:
newest change seen), `read` (hour: parent ids), `swept` (hour in which it was chosen last whose turn it is), `followed` (list:
change time: ids of rows within the overlap that need no following up once more), `hidden` (parents refused)."""


@dataclass(frozen=True)
class Wish:
    """What is wanted of one report and account."""

    state: State = field(default_factory=dict)  # empty before the first load
    # of children: parents that stand in the table of their report, and when each changed last
    known_parents: Mapping[int, datetime | None] = field(default_factory=dict)
    # parents whose children do not add up in the table: they are asked before their turn
    suspects: tuple[int, ...] = ()
    # parents of children that stand twice in the table: they do not wait
    doubled: tuple[int, ...] = ()
    # entries whose timer ran when they were last read; None: timers are not asked for
    ran_before: frozenset[int] | None = None


@dataclass(frozen=True)
class Rules:
    """What holds for all plans of a run."""

    # a row that changed so long before its list was read will not come again with another change
    overlap_seconds: int
    sweep_days: int  # as the setting
    now_hour: int  # since 1970
    # a run from a date on: what hangs on every change since is asked for, and nothing else
    only_changed: bool = False


@dataclass(frozen=True)
class Changes:
    """What a run saw of a list that a report of children follows."""

    since: datetime | None  # from when its rows count for the report; None: all of them
    records: Callable[[], Iterable[Record]]  # may hold more than that
    newest: datetime | None = None
    started: datetime | None = None  # the server's clock when the list began to be read


@dataclass(frozen=True)
class ChildPlan:
    """The parents of one child report and account that a run asks, and what is kept when it is done."""

    report: Report
    account_id: int
    # id: version (its updated_at, and what other lists say of it); "" where not known
    parents: Mapping[int, str]
    due: tuple[int, ...] = ()  # it is their turn: they may not wait
    waiting: tuple[int, ...] = ()  # may wait for a later run; the first come first
    marks: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, list[int]] = field(default_factory=dict)
    followed: Mapping[str, Mapping[str, list[int]]] = field(default_factory=dict)
    whole: bool = False  # all parents are asked, as if for the first time
    known: frozenset[int] = frozenset()
    # parents that Harvest has and does not show to the caller (403)
    hidden: frozenset[int] = frozenset()
    swept_hour: int | None = None  # in which it was chosen whose turn it is

    @property
    def pair(self) -> AccountReport:
        """Returns whose plan it is."""
        return AccountReport(self.account_id, self.report.name)

    @property
    def parent(self) -> Parent:
        """Returns on what the children hang."""
        assert self.report.parent is not None  # noqa: S101 - only reports of children have plans
        return self.report.parent


def lists_needed(report: Report) -> tuple[str, ...]:
    """Returns the lists whose changes tell which parents of a child report to ask; a list needs itself alone."""
    parent = report.parent.report if report.parent else report.name
    return (parent, *(scout.report for scout in report.scouts))


def since_of(report: Report, state: State, list_name: str, overlap_seconds: int) -> datetime | None:
    """Returns from when a report needs the changes of a list: a little before its bookmark; `None` where it has none."""
    mark = state.get("marks", {}).get(list_name) if report.parent else state.get("updated_at")
    return _overlapped(mark, overlap_seconds)


def read_parents(state: State) -> frozenset[int]:
    """Returns the parents whose children were ever asked for."""
    return frozenset(parent_id for ids in state.get("read", {}).values() for parent_id in ids)


def plan_children(
    report: Report,
    account_id: int,
    wish: Wish,
    lists: Mapping[str, Changes],
    rules: Rules,
    projects: Collection[int] = (),
    members: Iterable[Record] = (),
) -> ChildPlan:
    """Returns which parents to ask.

    Args:
        report: of children.
        account_id: whose parents.
        wish: what is known of the report and account.
        lists: what was seen of each of `lists_needed`.
        rules: of the run.
        projects: as `projects_changed` names them.
        members: all user assignments, where there is such a project.
    """
    assert report.parent is not None  # noqa: S101 - only reports of children have plans
    state, before = wish.state, read_parents(wish.state)
    marks = dict(state.get("marks", {}))
    for name, seen in lists.items():
        if seen.newest:
            marks[name] = max(marks.get(name, ""), format_instant(seen.newest))
    plan = ChildPlan(
        report,
        account_id,
        dict(_changed_parents(report, report.parent, state, lists, rules, before)),
        marks=marks,
        read={hour: list(ids) for hour, ids in state.get("read", {}).items()},
        followed={
            name: _settled(name, seen, marks.get(name), rules) for name, seen in lists.items()
        },
        known=frozenset(() if rules.only_changed else wish.known_parents),
        hidden=frozenset(state.get("hidden", ())),
        swept_hour=rules.now_hour,
    )
    if lists[plan.parent.report].since is None:
        plan = replace(plan, read={}, whole=True)
    else:
        others = (
            *_scouted(report, state, lists, rules),
            *_users_of(projects, members),
            *sorted(plan.known - before),
        )
        plan = replace(
            plan,
            parents={**plan.parents, **{each: "" for each in others if each not in plan.parents}},
        )
    return plan if rules.only_changed else _with_due(plan, wish, rules)


def plan_oneself(report: Report, account_id: int, state: State, caller_id: int) -> ChildPlan:
    """Returns the plan of somebody who may not list users, and may read what hangs on themselves."""
    return ChildPlan(
        report,
        account_id,
        {caller_id: ""},
        marks=dict(state.get("marks", {})),
        read=dict(state.get("read", {})),
    )


def projects_changed(
    report: Report, state: State, lists: Mapping[str, Changes], rules: Rules
) -> frozenset[int]:
    """Returns the projects whose users may have other children now; not where all parents are asked anyway."""
    whole = report.parent is None or lists[report.parent.report].since is None
    return frozenset(() if whole else _scouted(report, state, lists, rules, of_project=True))


def _changed_parents(
    report: Report,
    parent: Parent,
    state: State,
    lists: Mapping[str, Changes],
    rules: Rules,
    before: Collection[int],
) -> Iterator[tuple[int, str]]:
    """Yields parents that changed, or were never asked, with their versions."""
    name = parent.report
    named = _named_by_scouts(report, lists)
    for record in lists[name].records():
        parent_id = _id_of(name, record)
        if parent.may_have_children(record) and (
            parent_id not in before or _is_new(name, record, state, lists, rules)
        ):
            version = str(clean_text(record.get("updated_at")) or "")
            yield parent_id, version + named[parent_id] if version else ""


def _named_by_scouts(report: Report, lists: Mapping[str, Changes]) -> Mapping[int, str]:
    """Returns what other lists add to the versions of parents: another text where a row that names one came, changed or went.

    A row that names a project counts for all parents, since who works on it may have changed meanwhile as well.
    """
    rows: dict[Any, list[str]] = {}
    for scout in report.scouts:
        for record in lists[scout.report].records():
            named = None if scout.of_project else _nested(record, *scout.names)
            rows.setdefault(named, []).append(
                f"{scout.report} {record.get('id')} {record.get('updated_at')}"
            )
    digests = {
        named: f" {sha256(repr(sorted(each)).encode()).hexdigest()[:16]}"
        for named, each in rows.items()
    }
    common = digests.pop(None, "")
    return defaultdict(
        lambda: common, {named: digest + common for named, digest in digests.items()}
    )


def _is_new(
    name: str, record: Record, state: State, lists: Mapping[str, Changes], rules: Rules
) -> bool:
    """Returns whether a row must be followed up; the reading may have asked for more, and within the overlap asks again."""
    since, updated_at = lists[name].since, instant_in(record.get("updated_at"))
    if since is None or updated_at is None:
        return True
    followed = {} if rules.only_changed else state.get("followed", {}).get(name, {})
    return updated_at >= since and _id_of(name, record) not in followed.get(
        record["updated_at"], ()
    )


def _settled(name: str, seen: Changes, mark: str | None, rules: Rules) -> dict[str, list[int]]:
    """Returns ids by change time of the rows that the next run asks for again although this one read what hangs on them.

    What hangs on a row is read after its list. A change in the same second, or one that is committed late, leaves no other
    change time: only where the row changed long enough before that is nothing to come.
    """
    bound = _overlapped(mark, rules.overlap_seconds)
    if bound is None or seen.started is None:
        return {}
    until = seen.started - timedelta(seconds=rules.overlap_seconds)
    found: dict[str, list[int]] = {}
    for record in seen.records():
        changed_at = instant_in(record.get("updated_at"))
        if changed_at and bound <= changed_at < until:
            found.setdefault(record["updated_at"], []).append(_id_of(name, record))
    return {changed_at: sorted(found[changed_at]) for changed_at in sorted(found)}


def _overlapped(mark: str | None, overlap_seconds: int) -> datetime | None:
    instant = instant_in(mark)
    return instant - timedelta(seconds=overlap_seconds) if instant else None


def _id_of(list_name: str, record: Record) -> int:
    """Returns the id of a row of a list as it stands in the table, however it was written."""
    row_id: int = record_key(by_name(list_name), record, None)[0]
    return row_id


def _scouted(
    report: Report,
    state: State,
    lists: Mapping[str, Changes],
    rules: Rules,
    *,
    of_project: bool = False,
) -> Iterator[int]:
    """Yields the parents, or the projects, that the changed rows of other lists name."""
    for scout in report.scouts:
        for record in lists[scout.report].records() if scout.of_project == of_project else ():
            found = _nested(record, *scout.names)
            if isinstance(found, int) and _is_new(scout.report, record, state, lists, rules):
                yield found


def _users_of(projects: Collection[int], members: Iterable[Record]) -> Iterator[int]:
    for record in members:
        project_id, user_id = _nested(record, "project", "id"), _nested(record, "user", "id")
        if isinstance(project_id, int) and project_id in projects and isinstance(user_id, int):
            yield user_id


def _nested(record: Record, *names: str) -> Any:
    """Returns what stands in objects within a record; `None` where one of them is no object."""
    found: Any = record
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _with_due(plan: ChildPlan, wish: Wish, rules: Rules) -> ChildPlan:
    """Adds the parents whose turn it is, and those refused or doubtful, of which some may wait."""
    turns = plan.read if plan.report.project_path is None else {}
    before = wish.state.get("swept")
    sweep = plan_sweep(turns, wish.known_parents, before, rules.now_hour, rules.sweep_days)
    doubtful = {*plan.hidden, *wish.suspects}
    doubted = due_for_doubt(turns, doubtful, rules.now_hour)
    first = [each for each in (*sweep.due, *wish.doubled, *doubted) if each not in plan.parents]
    asked = {*plan.parents, *first}
    then = [*sorted(doubtful), *sweep.waiting]
    return replace(
        plan,
        due=tuple(dict.fromkeys(first)),
        waiting=tuple(each for each in dict.fromkeys(then) if each not in asked),
    )


def with_sweep(plan: ChildPlan, free_requests: int) -> ChildPlan:
    """Returns a plan that asks all parents that are due, and of those that may wait as many as it has free requests."""
    taken = plan.due + plan.waiting[:free_requests]
    return replace(plan, parents={**plan.parents, **dict.fromkeys(taken, "")}, due=(), waiting=())


def probes_of(plan: ChildPlan) -> tuple[int, ...]:
    """Returns parents that were read before, the latest first, to be asked where all that are planned are refused."""
    before = (
        parent_id
        for hour in sorted(plan.read, key=int, reverse=True)
        for parent_id in plan.read[hour]
    )
    return tuple(each for each in before if each not in plan.parents and each not in plan.hidden)[
        :PROBES
    ]


def part_of(plan: ChildPlan, parent_id: int) -> Part:
    """Returns the part that one parent's children are."""
    return Part(
        plan.pair,
        f"{plan.parent.report} {parent_id}",
        plan.report.path.format(parent_id=parent_id),
        version=plan.parents.get(parent_id, ""),
        parent_id=parent_id,
        outlives_run=True,
    )


def answered(plan: ChildPlan, kept: Mapping[str, Kept]) -> dict[int, int]:
    """Returns the parents that need no request, since an interrupted run kept what they have, with the hour of its reading."""
    found = {}
    for parent_id, version in plan.parents.items() if kept else ():
        answer = kept.get(part_of(plan, parent_id).key)
        if answer and version and answer.version == version:
            found[parent_id] = answer.read_hour
    return found


def without_following(plan: ChildPlan, parent_ids: Collection[int]) -> ChildPlan:
    """Returns a plan after which the next run looks once more where some parents, and what names them, change again.

    Their children were read before the lists of this run, so a row that changed again in the second of its last change shows
    no other change time.
    """
    name = plan.parent.report
    left = {
        at: [each for each in ids if each not in parent_ids]
        for at, ids in plan.followed.get(name, {}).items()
    }
    return replace(plan, followed={name: left})


def carried_out(
    plan: ChildPlan,
    read_hours: Mapping[int, int],
    gone: Collection[int],
    hidden: Collection[int],
    now_hour: int,
) -> ChildPlan:
    """Returns a plan that knows when each parent was read.

    Args:
        plan: as it was asked.
        read_hours: parent id: hour, of the parents read now.
        gone: parents that Harvest no longer knows; as long as they stand in the table they count as read, so that they are
            asked again in their turn and not in every run.
        hidden: parents that are refused; those refused now count as read for the same reason.
        now_hour: since 1970.
    """
    asked_now = [each for each in gone if each in plan.known] + [
        each for each in hidden if each in plan.parents
    ]
    hours = {**read_hours, **dict.fromkeys(asked_now, now_hour)}
    read = {
        hour: [each for each in ids if each not in hours and each not in gone]
        for hour, ids in plan.read.items()
    }
    for parent_id, hour in hours.items():
        read.setdefault(str(hour), []).append(parent_id)
    return replace(
        plan,
        read={hour: sorted(ids) for hour, ids in read.items() if ids},
        hidden=frozenset(hidden),
    )


def state_of(plan: ChildPlan) -> dict[str, Any]:
    """Returns what dlt's state keeps once a plan is carried out."""
    state: dict[str, Any] = {"marks": plan.marks, "read": plan.read, "followed": plan.followed}
    if plan.swept_hour is not None:
        state["swept"] = plan.swept_hour
    return {**state, "hidden": sorted(plan.hidden)} if plan.hidden else state
