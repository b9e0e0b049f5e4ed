"""Builds the time entries, a million of them within seconds: shared templates, small tuples."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, timedelta
from typing import Any

from harvest_sandbox.blanks import blank
from harvest_sandbox.build.context import Context
from harvest_sandbox.build.names import NOTES
from harvest_sandbox.build.people import hired, left
from harvest_sandbox.build.plans import Plans
from harvest_sandbox.clock import stamp
from harvest_sandbox.links import is_budgeted, rate_of
from harvest_sandbox.money import rounded
from harvest_sandbox.rows import PACKED_FIELDS, EntryRows, Row

_BILLED: Row = {
    "is_locked": True,
    "locked_reason": "Item Invoiced and Locked for this Time Period",
    "is_closed": True,
    "approval_status": "approved",
    "is_billed": True,
}
_APPROVED = _BILLED | {
    "locked_reason": "Item Approved and Locked for this Time Period",
    "is_billed": False,
}
_SUBMITTED = _APPROVED | {
    "is_locked": False,
    "locked_reason": None,
    "is_closed": False,
    "approval_status": "submitted",
}
_UNSUBMITTED = _SUBMITTED | {"approval_status": "unsubmitted"}
_PROJECTS_AT_ONCE = 8  # a person works on in one month
_UNBILLED_SHARE = 0.03  # of billable time within an invoiced span was left off the invoice
_MARKED_SHARE = (
    0.02  # of old time that is on no invoice was marked as billed by hand, billable or not
)
_PACKED = frozenset({*PACKED_FIELDS, *_BILLED, "hours_without_timer"})
Slot = tuple[date, int]


def build_entries(context: Context, plans: Plans) -> None:
    """Builds all entries and the two running timers, and notes on the plans what is billed."""
    templates = Templates(context)
    timers = min(2, context.size.time_entries, len(templates.users))
    slots = _slots(context, templates)
    if not slots:
        return
    wanted = context.size.time_entries - timers
    each, rest = divmod(wanted, len(slots))
    extra = set(context.random.sample(range(len(slots)), rest))
    writer = _Writer(context, plans, templates, wanted / len(slots))
    for number, (day, user_id) in enumerate(slots):
        writer.write_day(day, user_id, each + (number in extra))
    _start_timers(context, templates, timers)


def _slots(context: Context, templates: Templates) -> list[Slot]:
    """Returns every day of every user, oldest first."""
    spans = [
        (user["id"], hired(context, number), left(context, number) or context.today)
        for number, user in enumerate(context.rows("users"))
        if user["id"] in templates.users
    ]
    return [
        (day, user_id)
        for day in context.days
        for user_id, first, last in spans
        if first <= day <= last
    ]


class Templates:
    """What entries of one user, project, task and rate share, by user and month."""

    def __init__(self, context: Context) -> None:
        """Reads assignments and rates."""
        self._context = context
        self._made: dict[tuple[int, str], list[Row]] = {}
        self._shared_by_mark: dict[tuple[Any, ...], Row] = {}
        self._blank = blank("time_entries")
        self.users: dict[int, list[Row]] = {}
        self._tasks: dict[int, list[Row]] = {}
        for assignment in context.rows("user_assignments"):
            self.users.setdefault(assignment["user"]["id"], []).append(assignment)
        for assignment in context.rows("task_assignments"):
            self._tasks.setdefault(assignment["project"]["id"], []).append(assignment)

    def get(self, user_id: int, month: str) -> list[Row]:
        """Returns the templates a user may book on in a month."""
        made = self._made.get((user_id, month))
        if made is None:
            made = self._made[(user_id, month)] = self._make(user_id, month)
        return made

    def _make(self, user_id: int, month: str) -> list[Row]:
        projects = self._context.account.rows["projects"]
        rates = [
            _rate_at(self._context, report, user_id, month)
            for report in ("billable_rates", "cost_rates")
        ]
        mine = [
            (assignment, projects[assignment["project"]["id"]])
            for assignment in self.users[user_id]
        ]
        running = [
            (assignment, project) for assignment, project in mine if _open_in(project, month)
        ] or mine
        if len(running) > _PROJECTS_AT_ONCE:
            running = self._context.random.sample(running, _PROJECTS_AT_ONCE)
        return [
            self._shared(project, assignment, task, rates)
            for assignment, project in running
            for task in self._tasks.get(project["id"], ())
            if "retired" not in task["task"]["name"] or not project["is_active"]
        ]

    def _shared(self, project: Row, assignment: Row, task: Row, rates: list[Any]) -> Row:
        """Returns the one template of an assignment, a task and the rates of the time."""
        mark = (assignment["id"], task["id"], *rates)
        made = self._shared_by_mark.get(mark)
        if made is None:
            made = self._shared_by_mark[mark] = self._template(project, assignment, task, rates)
        return made

    def _template(self, project: Row, assignment: Row, task: Row, rates: list[Any]) -> Row:
        copies = self._context.account.copies
        billable = bool(project["is_billable"] and task["billable"])
        lost = self._context.random.random() < 0.01
        template = {
            "id": 0,
            "spent_date": None,
            **self._blank,
            "user": assignment["user"],
            "client": project["client"],
            "project": assignment["project"],
            "task": task["task"],
            "user_assignment": None if lost else copies.get("user_assignment", assignment["id"]),
            "task_assignment": copies.get("task_assignment", task["id"]),
            "billable": billable,
            "budgeted": is_budgeted(self._context.account, project, billable=billable),
            "billable_rate": rate_of(project, task, assignment, rates[0]) if billable else None,
            "cost_rate": rates[1],
            "created_at": None,
            "updated_at": None,
        }
        return {name: None if name in _PACKED else value for name, value in template.items()}


def _open_in(project: Row, month: str) -> bool:
    return (project["starts_on"] or "")[:7] <= month <= (project["ends_on"] or "9999")[:7]


def _rate_at(context: Context, report: str, user_id: int, month: str) -> Any:
    """Returns the rate of a user in a month; rates change on the first day of a month."""
    rows = [
        context.account.rows[report][key] for key in context.account.children_of(report, user_id)
    ]
    starts = [(row["start_date"] or "")[:7] for row in rows]
    return rows[bisect_right(starts, month) - 1]["amount"]


class _Writer:
    """Writes the entries of one user's day."""

    def __init__(
        self, context: Context, plans: Plans, templates: Templates, per_day: float
    ) -> None:
        rows = context.account.rows["time_entries"]
        if not isinstance(rows, EntryRows):
            raise TypeError(rows)
        self._context, self._plans, self._templates, self._rows = context, plans, templates, rows
        self._minutes = max(3, int(450 / max(per_day, 1)))
        self._times = [
            clock_text(minute, context.account.company["clock"]) for minute in range(24 * 60)
        ]
        self._hours = [context.number(round(minutes / 60, 2)) for minutes in range(24 * 60)]
        self._rounded = [
            context.number(rounded(round(minutes / 60, 2))) for minutes in range(24 * 60)
        ]
        self._references = [_reference(number) for number in range(40)]
        self._approved_until = context.before(35).isoformat()
        self._submitted_until = context.before(8).isoformat()

    def write_day(self, day: date, user_id: int, count: int) -> None:
        """Writes some entries, one after the other through the day."""
        if not count:
            return
        spent_date = day.isoformat()
        templates = self._templates.get(user_id, spent_date[:7])
        chance, next_id = self._context.random.random, self._context.account.ids.next
        start = 8 * 60 + int(chance() * 60)
        for _ in range(count if templates else 0):
            draw = chance()
            template = templates[int(draw * len(templates))]
            minutes = int(self._minutes * (0.6 + chance() * 0.7))
            start = start if start + minutes < 23 * 60 else 8 * 60
            self._write(next_id("time_entries"), template, spent_date, start, minutes, draw)
            start += minutes

    def _write(
        self, key: int, template: Row, spent_date: str, start: int, minutes: int, draw: float
    ) -> None:
        digits = int(draw * 1e9)
        hours, total, end = self._hours[minutes], self._rounded[minutes], start + minutes
        created = f"{spent_date}T{end // 60:02}:{end % 60:02}:{digits % 60:02}Z"
        status, moved, invoice = _UNSUBMITTED, created, None
        plan = (
            self._plans.by_day[template["client"]["id"]].get(spent_date)
            if template["billable"]
            else None
        )
        if plan is not None and digits % 1000 >= _UNBILLED_SHARE * 1000:
            status, moved, invoice = _BILLED, plan.moved, plan.copy
            plan.hours[
                template["project"]["id"], template["task"]["name"], template["billable_rate"]
            ] += total
        elif spent_date < self._approved_until:
            status = _BILLED if digits % 1000 < _MARKED_SHARE * 1000 else _APPROVED
        elif spent_date < self._submitted_until:
            status = _SUBMITTED
        self._rows.pack(
            key,
            (
                template,
                status,
                spent_date,
                hours,
                total,
                NOTES[digits // 7 % len(NOTES)],
                created,
                moved,
                self._times[start],
                self._times[end],
                self._references[digits % 40] if digits % 23 == 0 else None,
                invoice,
            ),
        )


def clock_text(minute: int, clock: str) -> str:
    """Returns a minute of the day as `3:00pm` or `15:00`, the hour without a leading zero."""
    hour, rest = divmod(minute, 60)
    if clock == "24h":
        return f"{hour}:{rest:02}"
    return f"{(hour + 11) % 12 + 1}:{rest:02}{'am' if hour < 12 else 'pm'}"


def _reference(number: int) -> Row:
    return {
        "id": str(8000 + number),
        "group_id": "77" if number % 3 else None,
        "account_id": None if number % 4 else "acme",
        "permalink": f"https://tracker.example.com/{8000 + number}",
        "service": "tracker.example.com",
        "service_icon_url": None if number % 5 else "https://tracker.example.com/icon.png",
    }


def _start_timers(context: Context, templates: Templates, count: int) -> None:
    now = context.account.now()
    active = [
        user["id"]
        for user in context.rows("users")
        if user["is_active"] and user["id"] in templates.users
    ]
    for number, user_id in enumerate(active[:count]):
        started = now - timedelta(minutes=95 - 40 * number)
        options = templates.get(user_id, context.today.isoformat()[:7])
        template = options[number % len(options)] if options else None
        if template is None:
            continue
        stored = (0, 1.25)[number % 2]
        moment = started.hour * 60 + started.minute
        context.account.put(
            "time_entries",
            template
            | _UNSUBMITTED
            | {
                "id": context.account.ids.next("time_entries"),
                "spent_date": context.today.isoformat(),
                "hours": stored,
                "hours_without_timer": stored,
                "rounded_hours": rounded(stored),
                "notes": "⏱ running",
                "is_running": True,
                "timer_started_at": stamp(started),
                "started_time": clock_text(moment, context.account.company["clock"]),
                "created_at": stamp(started),
                "updated_at": stamp(started),
            },
        )
