"""Columns of paid time off. Harvest's own description of them has not been seen: names and types are what others report."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import (
    ACCOUNT_ID,
    STAMPS,
    USER,
    date,
    decimal,
    flag,
    identity,
    instant,
    named,
    text,
    whole,
)
from harvest_source.catalogue.columns.types import Field, NestedList, under

_TYPE = (
    *named("pto_type", "type of time off", "pto_types"),
    text("pto_type__color", "Colour of the type when this row was last read."),
    text("pto_type__icon", "Sign of the type when this row was last read."),
)
_CALENDAR = named("holiday_calendar", "holiday calendar", "pto_holiday_calendars")
_SCHEDULE = named("work_schedule", "work schedule", "pto_work_schedules")
_YEAR = whole("year", "Calendar year that the row is about.")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_ACCRUAL = (
    text("accrual_type", "How days are earned, in Harvest's words."),
    text("accrual_schedule", "When earned days are added, in Harvest's words."),
    date("accrual_first_payday", "First payday, where days are earned by paydays."),
    decimal("accrual_leave_hours", "Hours of leave earned for accrual_worked_hours."),
    decimal("accrual_worked_hours", "Hours of work for which accrual_leave_hours are earned."),
    decimal("accrual_max_hours_per_year", "Most hours that can be earned in a year."),
)

TYPES: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("type of time off"),
    text("name", "Name of the type, such as Vacation."),
    text("color", "Colour in which Harvest shows it."),
    text("icon", "Sign with which Harvest shows it."),
    *_ACCRUAL,
    decimal("default_days_per_year", "Days a year, unless an allocation says otherwise."),
    decimal("max_carryover_days", "Most days that go over into the next year."),
    flag("requires_approval", "True if requests must be approved."),
    flag("visible_to_all", "True if everybody sees who is away."),
    flag("is_active", "False once the type is archived."),
    *STAMPS,
)

REQUESTS: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("request"),
    *USER,
    *_TYPE,
    text("status", "State of the request; figures count those with `approved`."),
    date("start_date", "First day asked for."),
    date("end_date", "Last day asked for."),
    decimal("days", "Days that the request takes."),
    decimal("business_days_at_submission", "Working days that it took when it was handed in."),
    whole(
        "start_time_minutes",
        "Minutes after midnight at which the first day's leave begins; may be null.",
    ),
    whole(
        "end_time_minutes",
        "Minutes after midnight at which the last day's leave ends; may be null.",
    ),
    text("notes", "Text of who asks; may be null."),
    text("review_reason", "Text of who approved or rejected it; may be null."),
    instant("reviewed_at", "When it was approved or rejected, UTC; null while it is pending."),
    *named("reviewer", "user who approved or rejected it", "users"),
    *STAMPS,
    NestedList(
        "request_days",
        (
            identity("day"),
            date("date", "Day of leave; days without work may be among them."),
            decimal("hours", "Hours of leave on the day."),
            decimal("day_fraction", "Part of the day that is leave: 1 is all of it, 0.5 a half."),
        ),
        "The days of the request, one row each.",
    ),
)

HOLIDAY_CALENDARS: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("holiday calendar"),
    text("name", "Name of the calendar, such as a country or a region."),
    whole("entries_count", "Number of days in it."),
    *STAMPS,
    NestedList(
        "entries",
        (
            identity("holiday"),
            text("name", "Name of the holiday."),
            date("date", "Day of the holiday."),
        ),
        "The public holidays of the calendar.",
    ),
)

WORK_SCHEDULES: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("work schedule"),
    text("name", "Name of the schedule."),
    flag("is_default", "True if it holds for users without one of their own."),
    flag("is_active", "False once the schedule is archived."),
    decimal("weekly_hours", "Hours of work a week."),
    *(decimal(f"{day.lower()}_hours", f"Hours of work on a {day}.") for day in _WEEKDAYS),
    *STAMPS,
)

ASSIGNMENTS: tuple[Field, ...] = (
    ACCOUNT_ID,
    *USER,
    *_CALENDAR,
    *_SCHEDULE,
    *under(
        "effective_work_schedule",
        text("name", "Name of the schedule that holds for the user: the own one, or the default."),
        decimal("weekly_hours", "Hours of work a week in that schedule."),
    ),
)

ALLOCATIONS: tuple[Field, ...] = (
    ACCOUNT_ID,
    *USER,
    *_TYPE,
    _YEAR,
    decimal("days_per_year", "Days of the year for this user."),
    decimal("carryover_days", "Days that came over from the year before."),
    flag("requires_approval", "True if the user's requests must be approved."),
    *_ACCRUAL,
)

BALANCES: tuple[Field, ...] = (
    ACCOUNT_ID,
    whole(
        "user_id",
        "Id of the user that the row was read for, taken from the request.",
        "users",
    ),
    *USER,
    _YEAR,
    date("as_of", "Day to which Harvest counted when the row was read."),
    NestedList(
        "balances",
        (
            *_TYPE,
            decimal("accrued_days", "Days earned so far."),
            decimal("carryover_days", "Days that came over from the year before."),
            decimal("available_days", "Days that the user may take in all."),
            decimal("used_days", "Days taken."),
            decimal("pending_days", "Days asked for and not yet approved."),
            decimal("remaining_days", "Days left."),
            decimal("used_hours", "Hours taken."),
            decimal("pending_hours", "Hours asked for and not yet approved."),
            decimal("used_fraction", "Part of the available days that is taken."),
            decimal("pending_fraction", "Part of the available days that is asked for."),
            flag("is_unlimited", "True if the type has no limit."),
            flag("is_requestable", "True if the user may ask for it."),
        ),
        "What is left of each type of time off, one row each.",
    ),
)
