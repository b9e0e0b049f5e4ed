"""The reports of paid time off, whose shapes Harvest has not documented: names and keys are what others report.

The lists are short: but for the requests they are read whole, which takes one request, as asking for their changes would.
"""

from __future__ import annotations

from dataclasses import replace

from harvest_source.catalogue.access import NOT_VERIFIED
from harvest_source.catalogue.columns import pto
from harvest_source.catalogue.columns.types import Field
from harvest_source.catalogue.facts import Scout
from harvest_source.catalogue.report import Paging, Parent, Report


def _whole(
    name: str, fields: tuple[Field, ...], row: str, key: tuple[str, ...] = ("id",)
) -> Report:
    """Returns a report of a list that is read whole."""
    return Report(
        name=f"pto_{name}",
        domo=None,
        path=f"pto/{name}",
        rows_key=f"pto_{name}",
        paging=Paging.CURSOR,
        takes_updated_since=False,
        key=key,
        fields=fields,
        row=row,
        cannot_notice="Nothing but what happens after the read, since the list is read whole.",
        module_list="pto_types",
        access=NOT_VERIFIED,
    )


PAID_TIME_OFF: tuple[Report, ...] = (
    _whole("types", pto.TYPES, "A type of time off, such as vacation, active or archived."),
    replace(
        _whole("requests", pto.REQUESTS, "A request for time off, in any state."),
        takes_updated_since=True,
        cannot_notice="Deletions, since a row deleted at Harvest is simply gone.",
    ),
    _whole("holiday_calendars", pto.HOLIDAY_CALENDARS, "A calendar of public holidays."),
    _whole("work_schedules", pto.WORK_SCHEDULES, "Hours of work by day of the week."),
    _whole(
        "assignments",
        pto.ASSIGNMENTS,
        "Which holiday calendar and work schedule hold for a user.",
        ("user__id",),
    ),
    replace(
        _whole(
            "allocations",
            pto.ALLOCATIONS,
            "How many days of a type of time off a user has in a year.",
            ("user__id", "pto_type__id", "year"),
        ),
        year_column="year",
    ),
    replace(
        _whole(
            "balances",
            pto.BALANCES,
            "What a user has left of each type of time off, as of the day it was read.",
            ("user_id",),
        ),
        path="pto/balances?user_id={parent_id}",
        parent=Parent("users", "user_id", moves_parent=False),
        scouts=(Scout("pto_requests", ("user", "id")),),
        answer_has=("balances",),
        cannot_notice="Days that are earned or taken without a change of a request.",
    ),
)
