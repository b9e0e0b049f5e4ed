"""One account in plain Python, with exact decimals: its entries, expenses and lines, as the figures count them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from figures_tables import Row

ZERO = Decimal(0)


def total(values: Iterable[Decimal]) -> Decimal:
    """Returns an exact sum."""
    return sum(values, ZERO)


def ratio(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """Returns a quotient, null where a part is missing or the whole is 0."""
    return part / whole if part is not None and whole else None


def first_known(*values: Any) -> Any:
    """Returns the first value that is not null."""
    return next((value for value in values if value is not None), None)


class Books:
    """One account: its live rows, and what several figures count in the same way.

    Args:
        tables: rows by table, of this account only.
    """

    def __init__(self, tables: Mapping[str, list[Row]]) -> None:
        (account,) = tables["accounts"]
        self.account_id, self.as_of = account["account_id"], account["as_of"]
        self.own_currency = account["currency"]
        self.live = {
            name: [row for row in rows if row.get("deleted_at") is None]
            for name, rows in tables.items()
        }
        self._ids = {
            name: {row["id"]: row for row in self.live[name]}
            for name in ("clients", "projects", "users", "tasks")
        }
        entries = self.live["time_entries"]
        self.has_rates = any(row["billable_rate"] is not None for row in entries)
        self.has_costs = any(row["cost_rate"] is not None for row in entries)
        self.entries = [self._entry(row) for row in entries if not row["is_running"]]
        self.expenses = [self._expense(row) for row in self.live["expenses"]]
        self.lines = list(self._lines())
        self.has_time_off = any(
            self.live[name] for name in ("pto_types", "pto_requests", "pto_assignments")
        )

    def holidays(self, user_id: int) -> set[date]:
        """Returns the days of a user's holiday calendar."""
        calendars = {
            row["holiday_calendar__id"]
            for row in self.live["pto_assignments"]
            if row["user__id"] == user_id
        } & {row["id"] for row in self.live["pto_holiday_calendars"]}
        return {
            row["date"]
            for row in self.live["pto_holiday_calendars__entries"]
            if row["pto_holiday_calendar_id"] in calendars
        }

    def leave(self, user_id: int, day: date) -> list[tuple[Decimal | None, Decimal | None]]:
        """Returns hours and part of a day in each approved request of a user that names it."""
        approved = {
            row["id"]
            for row in self.live["pto_requests"]
            if row["user__id"] == user_id and row["status"] == "approved"
        }
        return [
            (row["hours"], row["day_fraction"])
            for row in self.live["pto_requests__request_days"]
            if row["pto_request_id"] in approved and row["date"] == day
        ]

    def by_id(self, name: str) -> dict[int, Row]:
        """Returns the live clients, projects, users or tasks, by id."""
        return self._ids[name]

    def _place(self, row: Row) -> Row:
        """Returns project, client and currency of an entry or expense."""
        project = self.by_id("projects").get(row["project__id"])
        client_id = project["client__id"] if project else row["client__id"]
        return {
            "account_id": self.account_id,
            "project_id": row["project__id"],
            "project_name": project["name"] if project else None,
            **self.client(client_id),
            "currency": self.currency(client_id, row["client__currency"]),
        }

    def client(self, client_id: int) -> Row:
        """Returns id and current name of a client."""
        client = self.by_id("clients").get(client_id)
        return {"client_id": client_id, "client_name": client["name"] if client else None}

    def currency(self, client_id: int, copied: str | None) -> Any:
        """Returns the currency of a client: its own, else the copied one, else the account's."""
        client = self.by_id("clients").get(client_id, {})
        return first_known(client.get("currency"), copied, self.own_currency)

    def user_name(self, user_id: int) -> str | None:
        """Returns the current name of a user."""
        user = self.by_id("users").get(user_id)
        if user is None:
            return None
        return " ".join(part for part in (user["first_name"], user["last_name"]) if part)

    def _entry(self, row: Row) -> Row:
        billable, rounded = bool(row["billable"]), row["rounded_hours"]
        rate, cost_rate = row["billable_rate"], row["cost_rate"]
        task = self.by_id("tasks").get(row["task__id"])
        amount = rounded * (rate or ZERO) if billable else ZERO
        return {
            **self._place(row),
            "time_entry_id": row["id"],
            "day": row["spent_date"],
            "week": row["spent_date"] - timedelta(days=row["spent_date"].weekday()),
            "month": row["spent_date"].replace(day=1),
            "user_id": row["user__id"],
            "user_name": self.user_name(row["user__id"]),
            "task_id": row["task__id"],
            "task_name": task["name"] if task else None,
            "hours": row["hours"],
            "rounded_hours": rounded,
            "billable_hours": rounded if billable else ZERO,
            "amount": amount if self.has_rates else None,
            "cost_currency": self.own_currency,
            "cost": row["hours"] * (cost_rate or ZERO) if self.has_costs else None,
            "is_billable": billable,
            "is_billed": bool(row["is_billed"]),
            "is_budgeted": row["budgeted"] is not False,
            "invoice_id": row["invoice__id"],
            "days_old": (self.as_of - row["spent_date"]).days,
            "hours_without_rate": rounded if billable and rate is None else ZERO,
            "hours_without_cost": row["hours"] if cost_rate is None else ZERO,
            "as_of": self.as_of,
        }

    def _expense(self, row: Row) -> Row:
        return {
            **self._place(row),
            "day": row["spent_date"],
            "month": row["spent_date"].replace(day=1),
            "cost": row["total_cost"],
            "billable": row["total_cost"] if row["billable"] else ZERO,
            "is_open": bool(row["billable"]) and not row["is_billed"],
            "is_billable": bool(row["billable"]),
            "days_old": (self.as_of - row["spent_date"]).days,
        }

    def _lines(self) -> Iterable[Row]:
        for invoice in self.live["invoices"]:
            own = [
                line
                for line in self.live["invoices__line_items"]
                if line["invoice_id"] == invoice["id"]
            ]
            gross, discount = total(line["amount"] for line in own), invoice["discount_amount"]
            for line in own:
                share = line["amount"] * (discount or ZERO) / gross if gross else ZERO
                yield {
                    "invoice": invoice,
                    "project_id": line["project__id"],
                    "kind": line["kind"],
                    "amount": line["amount"],
                    "net": line["amount"] - share,
                }

    def head(self, project: Row) -> Row:
        """Returns ids, names and currency of a project."""
        return {
            "account_id": self.account_id,
            "project_id": project["id"],
            "project_name": project["name"],
            **self.client(project["client__id"]),
            "currency": self.currency(project["client__id"], project["client__currency"]),
        }

    def of(self, rows: list[Row], project_id: int) -> list[Row]:
        """Returns those rows that are a project's."""
        return [row for row in rows if row["project_id"] == project_id]
