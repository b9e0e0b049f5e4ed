"""Small accounts put together by chance, with all that Harvest's rows may lack or contradict."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from figures_tables import Row

FIRST, DAYS = date(2024, 1, 1), 150
GONE = datetime(2024, 4, 1, tzinfo=UTC)
CURRENCIES = ("EUR", "USD", "GBP")


class Maker:
    """Makes the rows of one account.

    Args:
        account_id: of the account.
        chance: where its values come from.
    """

    def __init__(self, account_id: int, chance: Random) -> None:
        self._account_id, self._chance = account_id, chance
        self._sees_rates, self._sees_costs = chance.random() < 0.85, chance.random() < 0.85
        self._clients = range(1, chance.randint(2, 4))
        self._projects = range(1, chance.randint(3, 8))
        self._tasks = range(1, chance.randint(2, 4))
        self._users = range(1, chance.randint(2, 5))
        self._invoices = range(1, chance.randint(1, 6))

    def tables(self) -> dict[str, list[Row]]:
        """Returns the rows of all tables that the figures read, but for the calendar."""
        made = {
            "accounts": [{"currency": self._one_of(CURRENCIES), "as_of": self._day()}],
            "company": [{"weekly_capacity": self._maybe(144000)}] * self._chance.randint(0, 1),
            "clients": [self._client(number) for number in self._clients],
            "users": [self._user(number) for number in self._users],
            "tasks": [{"id": number, "name": f"task {number}"} for number in self._tasks],
            "projects": [self._project(number) for number in self._projects],
            "task_assignments": self._assignments("task__id", self._tasks),
            "user_assignments": self._assignments("user__id", self._users),
            "time_entries": [self._entry(number) for number in range(self._chance.randint(0, 14))],
            "expenses": [self._expense(number) for number in range(self._chance.randint(0, 6))],
            "invoices": [self._invoice(number) for number in self._invoices],
            "invoices__line_items": [
                self._line(invoice, n)
                for invoice in self._invoices
                for n in range(self._chance.randint(0, 4))
            ],
            "invoice_item_categories": [
                {"id": number, "name": name, "use_as_expense": self._flag()}
                for number, name in enumerate(("Service", "Product"))
            ],
            "invoice_payments": [
                {
                    "id": number,
                    "invoice_id": self._one_of(self._invoices),
                    "amount": self._money(-100),
                }
                for number in range(self._chance.randint(0, 4) if self._invoices else 0)
            ],
        }
        made |= self._time_off()
        return {
            table: [{**row, "account_id": self._account_id, **self._mark(table)} for row in rows]
            for table, rows in made.items()
        }

    def _time_off(self) -> dict[str, list[Row]]:
        """Returns paid time off; some accounts have none of it."""
        some = self._chance.random() < 0.7
        calendars, requests = range(1, 3 if some else 1), range(self._chance.randint(0, 6 * some))
        return {
            "pto_types": [{"id": 1, "name": "Vacation"}] * (some and self._chance.randint(0, 1)),
            "pto_holiday_calendars": [{"id": number, "name": "Any"} for number in calendars],
            "pto_holiday_calendars__entries": [
                {"pto_holiday_calendar_id": number, "date": self._day()}
                for number in calendars
                for _ in range(60)
            ],
            "pto_assignments": [
                {"user__id": user, "holiday_calendar__id": self._maybe(self._one_of(calendars))}
                for user in self._users
                if some and self._flag()
            ],
            "pto_requests": [
                {
                    "id": number,
                    "user__id": self._one_of(self._users),
                    "status": self._one_of(("approved", "approved", "pending", "rejected")),
                }
                for number in requests
            ],
            "pto_requests__request_days": [
                {
                    "pto_request_id": number,
                    "date": self._day(),
                    "hours": self._maybe(self._hours(), 0.5),
                    "day_fraction": self._maybe(self._one_of((Decimal("0.5"), Decimal(1))), 0.7),
                }
                for number in requests
                for _ in range(self._chance.randint(0, 30))
            ],
        }

    def _mark(self, table: str) -> Row:
        has_none = table == "accounts" or "__" in table
        return {} if has_none else {"deleted_at": GONE if self._chance.random() < 0.1 else None}

    def _one_of(self, values: Any) -> Any:
        return self._chance.choice(list(values))

    def _flag(self, share: float = 0.5) -> bool:
        return self._chance.random() < share

    def _maybe(self, value: Any, share: float = 0.8) -> Any:
        return value if self._chance.random() < share else None

    def _day(self) -> date:
        return FIRST + timedelta(days=self._chance.randrange(DAYS))

    def _money(self, least: int = 0) -> Decimal:
        return Decimal(self._chance.randint(least * 100, 50000)) / 100

    def _hours(self) -> Decimal:
        return Decimal(self._one_of(("0", "0.25", "1.1", "7.33", "8")))

    def _client(self, number: int) -> Row:
        return {
            "id": number,
            "name": f"client {number}",
            "currency": self._maybe(self._one_of(CURRENCIES)),
        }

    def _user(self, number: int) -> Row:
        return {
            "id": number,
            "first_name": f"first {number}",
            "last_name": self._one_of((None, "", f"last {number}")),
            "weekly_capacity": self._one_of((None, 0, 72000, 126000, 144000)),
            "is_active": self._flag(0.7),
        }

    def _project(self, number: int) -> Row:
        fixed = self._flag(0.4)
        return {
            "id": number,
            "name": f"project {number}",
            **self._client_of_row(),
            "is_active": self._flag(0.8),
            "is_billable": self._flag(0.8),
            "is_fixed_fee": fixed,
            "fee": self._maybe(self._money()) if fixed else None,
            "starts_on": self._maybe(self._day()),
            "ends_on": self._maybe(self._day()),
            "created_at": datetime.combine(self._day(), datetime.min.time(), UTC)
            + timedelta(hours=12),
            "budget_by": self._one_of(
                (None, "none", "project", "project_cost", "task", "task_fees", "person")
            ),
            "budget": self._maybe(self._hours()),
            "cost_budget": self._maybe(self._money()),
            "budget_is_monthly": self._flag(),
            "cost_budget_include_expenses": self._flag(),
        }

    def _client_of_row(self) -> Row:
        return {
            "client__id": self._one_of(self._clients),
            "client__currency": self._maybe(self._one_of(CURRENCIES)),
        }

    def _assignments(self, column: str, of: range) -> list[Row]:
        pairs = [(project, each) for project in self._projects for each in of if self._flag()]
        return [
            {
                "id": number,
                "project__id": project,
                column: each,
                "is_active": self._flag(0.8),
                "budget": self._maybe(self._hours(), 0.6),
            }
            for number, (project, each) in enumerate(pairs)
        ]

    def _charge(self, number: int) -> Row:
        return {
            "id": number,
            "spent_date": self._day(),
            "user__id": self._one_of(self._users),
            "project__id": self._one_of(self._projects),
            **self._client_of_row(),
            "billable": self._one_of((True, True, False, None)),
            "is_billed": self._one_of((True, False, False, None)),
            "invoice__id": self._maybe(self._one_of(self._invoices), 0.3)
            if self._invoices
            else None,
        }

    def _entry(self, number: int) -> Row:
        hours = self._hours()
        return {
            **self._charge(number),
            "task__id": self._one_of(self._tasks),
            "hours": hours,
            "rounded_hours": -(-hours * 4 // 1) / 4,
            "budgeted": self._one_of((True, False, None)),
            "billable_rate": self._maybe(self._money()) if self._sees_rates else None,
            "cost_rate": self._maybe(self._money()) if self._sees_costs else None,
            "is_running": self._one_of((True, *[False] * 8, None)),
        }

    def _expense(self, number: int) -> Row:
        return {**self._charge(number), "total_cost": self._money()}

    def _invoice(self, number: int) -> Row:
        amount = self._money()
        return {
            "id": number,
            "number": f"N{number}",
            "client__id": self._one_of(self._clients),
            "currency": self._one_of(CURRENCIES),
            "state": self._one_of(("draft", "open", "open", "paid", "closed")),
            "issue_date": self._maybe(self._day(), 0.9),
            "due_date": self._maybe(self._day(), 0.9),
            "paid_date": self._maybe(self._day(), 0.5),
            "discount_amount": self._maybe(self._money()),
            "tax_amount": self._maybe(self._money()),
            "tax2_amount": self._maybe(self._money(), 0.3),
            "amount": amount,
            "due_amount": self._one_of((Decimal(0), amount, amount / 2)),
            "retainer__id": self._maybe(7, 0.2),
        }

    def _line(self, invoice_id: int, n: int) -> Row:
        return {
            "id": invoice_id * 100 + n,
            "invoice_id": invoice_id,
            "kind": self._one_of(("Service", "Product", "Renamed")),
            "amount": self._money(-50),
            "project__id": self._maybe(self._one_of(self._projects)),
        }
