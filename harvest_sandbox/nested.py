"""The small copies of one row inside others, such as `client` in a project.

Every copy of one row is the same object, so a renamed client is renamed inside all of its projects at once, while their
`updated_at` stands still, as at Harvest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harvest_sandbox.rows import Row, peek

# Copy -> (report it copies, its fields). A user's name is put together.
SHAPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "client": ("clients", ("id", "name")),
    "client_money": ("clients", ("id", "name", "currency")),
    "project": ("projects", ("id", "name", "code")),
    "project_billable": ("projects", ("id", "name", "code", "is_billable")),
    "user": ("users", ("id", "name")),
    "task": ("tasks", ("id", "name")),
    "expense_category": ("expense_categories", ("id", "name", "unit_price", "unit_name")),
    "invoice": ("invoices", ("id", "number")),
    "estimate": ("estimates", ("id",)),
    "pto_type": ("pto_types", ("id", "name", "color", "icon")),
    "holiday_calendar": ("pto_holiday_calendars", ("id", "name")),
    "work_schedule": ("pto_work_schedules", ("id", "name")),
    "user_assignment": (
        "user_assignments",
        (
            "id",
            "is_project_manager",
            "is_active",
            "use_default_rates",
            "budget",
            "created_at",
            "updated_at",
            "hourly_rate",
        ),
    ),
    "task_assignment": (
        "task_assignments",
        ("id", "billable", "is_active", "created_at", "updated_at", "hourly_rate", "budget"),
    ),
}

# Report -> field -> copy that the field holds.
FIELDS: dict[str, dict[str, str]] = {
    "contacts": {"client": "client"},
    "projects": {"client": "client_money"},
    "user_assignments": {"project": "project", "user": "user"},
    "task_assignments": {"project": "project", "task": "task"},
    "time_entries": {
        "user": "user",
        "client": "client_money",
        "project": "project",
        "task": "task",
        "user_assignment": "user_assignment",
        "task_assignment": "task_assignment",
        "invoice": "invoice",
    },
    "expenses": {
        "user": "user",
        "client": "client_money",
        "project": "project",
        "expense_category": "expense_category",
        "user_assignment": "user_assignment",
        "invoice": "invoice",
    },
    "invoices": {"client": "client", "creator": "user", "estimate": "estimate"},
    "estimates": {"client": "client", "creator": "user"},
    "pto_requests": {"user": "user", "pto_type": "pto_type", "reviewer": "user"},
}


def full_name(user: Row) -> str:
    """Returns a user's name as Harvest puts it together."""
    return f"{user['first_name']} {user['last_name']}".strip()


def copy_of(row: Row, fields: tuple[str, ...]) -> Row:
    """Returns the fields of a row that a copy carries."""
    return {
        field: full_name(row) if field == "name" and "name" not in row else row[field]
        for field in fields
    }


class Copies:
    """All nested copies of an account, one object for each row and shape."""

    def __init__(self, rows: Mapping[str, Any]) -> None:
        """Serves copies of these tables.

        Args:
            rows: the account's tables.
        """
        self._rows = rows
        self._made: dict[tuple[str, int], Row] = {}

    def get(self, shape: str, key: int) -> Row:
        """Returns the one copy of a row in a shape; KeyError where the row does not exist."""
        made = self._made.get((shape, key))
        if made is None:
            report, fields = SHAPES[shape]
            made = self._made[(shape, key)] = copy_of(peek(self._rows[report], key), fields)
        return made

    def refresh(self, report: str, row: Row) -> None:
        """Brings the copies of a changed row up to date."""
        for shape, (source, fields) in SHAPES.items():
            made = self._made.get((shape, row["id"])) if source == report else None
            if made is not None:
                made.update(copy_of(row, fields))

    def adopt(self, report: str, row: Row) -> None:
        """Replaces nested objects of a row that name an existing row by the shared copy."""
        for field, shape in FIELDS.get(report, {}).items():
            nested = row.get(field)
            if isinstance(nested, dict) and nested.get("id") in self._rows[SHAPES[shape][0]]:
                row[field] = self.get(shape, nested["id"])
