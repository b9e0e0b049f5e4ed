"""The fields that Harvest documents, as a third party read them (`tests/outside/`), and how what is ours differs from them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from harvest_source.catalogue.columns.types import Column, Kind
from harvest_source.catalogue.report import NESTED, Report

_READ = json.loads(
    (Path(__file__).parent / "outside" / "documented-fields.json").read_text(encoding="utf-8")
)
OBJECTS: dict[str, dict[str, Any]] = _READ["objects"]
QUERIES: dict[str, frozenset[str]] = {
    path: frozenset(found["query"]) for path, found in _READ["get"].items()
}
"""The parameters that each path takes."""

KINDS = {
    Kind.ID: "integer",
    Kind.DECIMAL: "number",
    Kind.TEXT: "string",
    Kind.BOOL: "boolean",
    Kind.DATE: "string:date",
    Kind.TIMESTAMP: "string:date-time",
}
"""The documented type that a column of each kind holds."""

FORMS = {
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "email": re.compile(r"[^@\s]+@[^@\s]+"),
    "url": re.compile(r"https?://\S+"),
}
"""What texts of a documented form look like; the width of numbers is not looked at, since ids are 64 bits wide everywhere."""

TYPES = {
    bool: "boolean",
    int: "integer",
    float: "number",
    Decimal: "number",
    str: "string",
    list: "list",
    dict: "object",
}


LIST_ANSWERS = {
    "/clients": "Clients",
    "/contacts": "Contacts",
    "/estimate_item_categories": "EstimateItemCategories",
    "/estimates": "Estimates",
    "/estimates/{estimateId}/messages": "EstimateMessages",
    "/expense_categories": "ExpenseCategories",
    "/expenses": "Expenses",
    "/invoice_item_categories": "InvoiceItemCategories",
    "/invoices": "Invoices",
    "/invoices/{invoiceId}/messages": "InvoiceMessages",
    "/invoices/{invoiceId}/payments": "InvoicePayments",
    "/projects": "Projects",
    "/projects/{projectId}/task_assignments": "TaskAssignments",
    "/projects/{projectId}/user_assignments": "UserAssignments",
    "/reports/expenses/categories": "ExpenseReportsResults",
    "/reports/expenses/clients": "ExpenseReportsResults",
    "/reports/expenses/projects": "ExpenseReportsResults",
    "/reports/expenses/team": "ExpenseReportsResults",
    "/reports/project_budget": "ProjectBudgetReportResults",
    "/reports/time/clients": "TimeReportsResults",
    "/reports/time/projects": "TimeReportsResults",
    "/reports/time/tasks": "TimeReportsResults",
    "/reports/time/team": "TimeReportsResults",
    "/reports/uninvoiced": "UninvoicedReportResults",
    "/roles": "Roles",
    "/task_assignments": "TaskAssignments",
    "/tasks": "Tasks",
    "/time_entries": "TimeEntries",
    "/user_assignments": "UserAssignments",
    "/users": "Users",
    "/users/me/project_assignments": "ProjectAssignments",
    "/users/{userId}/billable_rates": "BillableRates",
    "/users/{userId}/cost_rates": "CostRates",
    "/users/{userId}/project_assignments": "ProjectAssignments",
    "/users/{userId}/teammates": "Teammates",
}
"""What the answer of each list is; that of `<list>/<id>` is one of its rows."""

OBJECT_ANSWERS = {
    "/company": "Company",
    "/users/me": "User",
    "/invoices/{invoiceId}/messages/new": "InvoiceMessageSubjectAndBody",
}

CLIENT, PROJECT = ("client_id", "client_name"), ("project_id", "project_name")
USER = ("user_id", "user_name", "is_contractor")
SUBJECTS = {
    "/reports/time/clients": CLIENT,
    "/reports/time/projects": (*PROJECT, *CLIENT),
    "/reports/time/tasks": ("task_id", "task_name"),
    "/reports/time/team": (*USER, "weekly_capacity", "avatar_url"),
    "/reports/expenses/clients": CLIENT,
    "/reports/expenses/projects": (*PROJECT, *CLIENT),
    "/reports/expenses/categories": ("expense_category_id", "expense_category_name"),
    "/reports/expenses/team": USER,
}
"""Fields that tell what a row is about; one documented object describes the rows of four paths, with the fields of all."""


class Deviation(NamedTuple):
    """One way in which something differs from what is documented."""

    place: str  # object and field
    what: str


@dataclass(frozen=True)
class Typed:
    """Stands for a value of which only the documented type is known: that of a column."""

    type: str


def rows_of_list(envelope: str) -> tuple[str, str]:
    """Returns under which key the answer of a list holds its rows, and which object each of them is."""
    ((key, (name,)),) = [
        (key, found) for key, found in OBJECTS[envelope].items() if isinstance(found, list)
    ]
    return key, name


def deviations(value: Any, documented: Any, place: str) -> Iterator[Deviation]:
    """Yields how a value differs from what is documented; nothing is said of null, which Harvest sends anywhere.

    Args:
        value: of JSON; `Typed` in place of values, within objects and lists.
        documented: its type, as the third party has it.
        place: where it stands.
    """
    documented = OBJECTS.get(documented, documented) if isinstance(documented, str) else documented
    if value is None:
        return
    if isinstance(documented, dict) and isinstance(value, dict):
        for name in sorted({*value, *documented}):
            within = f"{place}.{name}"
            if name not in documented:
                yield Deviation(within, "not documented")
            elif name not in value:
                yield Deviation(within, "missing")
            else:
                yield from deviations(value[name], documented[name], within)
    elif isinstance(documented, list) and isinstance(value, list):
        for element in value:
            yield from deviations(element, documented[0], f"{place}[]")
    else:
        wanted = documented if isinstance(documented, str) else TYPES[type(documented)]
        what = (
            _differing_type(value.type, wanted)
            if isinstance(value, Typed)
            else _differing_value(value, wanted)
        )
        if what:
            yield Deviation(place, what)


def _differing_value(value: Any, wanted: str) -> str:
    kind, _, form = wanted.partition(":")
    found = TYPES[type(value)]
    if found != kind and (found, kind) != ("integer", "number"):  # JSON has 100 for 100.0, too
        return f"{found} in place of {kind}"
    return f"no {form}" if form in FORMS and not FORMS[form].fullmatch(value) else ""


def _differing_type(found: str, wanted: str) -> str:
    kind, _, form = wanted.partition(":")
    wanted = wanted if form in {"date", "date-time"} else kind  # columns tell no other form
    return "" if found == wanted else f"{found} in place of {wanted}"


def record_of_columns(report: Report) -> dict[str, Any]:
    """Returns a record of Harvest as the columns of a report have it, with types in place of values.

    What the load takes from the request is left out: account, parent, and the span of Harvest's own reports.
    """
    taken = {"account_id", "from_date", "to_date", report.linked_by}
    record = _record(column for column in report.columns if column.name not in taken)
    for nested in report.lists:
        element = _record(nested.columns)
        record[nested.name] = [element.get("value", element)]
    return record


def _record(columns: Iterable[Column]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for column in columns:
        *outer, name = column.name.split(NESTED)
        within = record
        for each in outer:
            within = within.setdefault(each, {})
        within[name] = Typed(KINDS[column.kind])
    return record


def places(documented: Any, place: str) -> Iterator[str]:
    """Yields the place of every documented value, those within objects and lists too."""
    documented = OBJECTS.get(documented, documented) if isinstance(documented, str) else documented
    if isinstance(documented, dict):
        for name, inner in documented.items():
            yield from places(inner, f"{place}.{name}")
    elif isinstance(documented, list):
        yield from places(documented[0], f"{place}[]")
    else:
        yield place


def filled_places(value: Any, place: str) -> Iterator[str]:
    """Yields the place of every value that is not null, those within objects and lists too."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from filled_places(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for element in value:
            yield from filled_places(element, f"{place}[]")
    elif value is not None:
        yield place


def plain(path: str) -> str:
    """Returns a path without the names of the ids in it."""
    return re.sub(r"\{\w+\}", "{}", path)


def documented_row(path: str) -> tuple[str, dict[str, Any]]:
    """Returns the name of the object that a path answers, or of which its list is, and its fields on this path."""
    above = path.rpartition("/{")[0] if path.endswith("}") else path
    if above not in LIST_ANSWERS:
        return OBJECT_ANSWERS[path], OBJECTS[OBJECT_ANSWERS[path]]
    _, name = rows_of_list(LIST_ANSWERS[above])
    of_others = {
        field
        for other, subject in SUBJECTS.items()
        if above in SUBJECTS and LIST_ANSWERS[other] == LIST_ANSWERS[above]
        for field in subject
    }
    own = {*OBJECTS[name]} - of_others | {*SUBJECTS.get(above, ())}
    return name, {field: found for field, found in OBJECTS[name].items() if field in own}
