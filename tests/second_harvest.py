"""A second Harvest made by hand: other code and other data than the sandbox's, the same API."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from loopback import Answering, Loopback

from harvest_source.settings import parse_since

Json = dict[str, Any]

DATES = {
    "time_entries": "spent_date",
    "expenses": "spent_date",
    "invoices": "issue_date",
    "estimates": "issue_date",
}


@dataclass(frozen=True)
class Asked:
    """A request that came to a server made by hand."""

    path: str  # without /v2/ and without the query
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case


class _Answering(Answering):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    owner: HandMade

    def serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(path.lstrip("/").removeprefix("v2/"), dict(parse_qsl(query)), headers)
        self.owner.requests.append(asked)
        status, body = self.owner.answer(asked)
        self.answer(status, body, self.owner.headers)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Returns the Date header: the server's own clock."""
        if timestamp is not None:
            return super().date_time_string(timestamp)
        return format_datetime(parse_since("now", self.owner.now), usegmt=True)


@dataclass
class HandMade(Loopback):
    """A second Harvest with one account: other code and other data than the sandbox's, the same API.

    `tables` holds rows by the path of their list (`clients`, `invoices/70/payments`). Pages are small, `page` and `next_page` are
    always null, so that only `links.next` leads on. Its clock moves only when a test moves it.
    """

    answers = _Answering
    tables: defaultdict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    company: Json = field(default_factory=dict)
    id: int = 77
    name: str = "By Hand"
    now: str = "2026-07-01T12:00:00Z"
    rows_per_page: int = 5
    counts: bool = True  # whether answers have total_entries, which the API does not promise
    strict: bool = False  # whether updated_since leaves out rows of that very second
    # status and body instead of the answer
    spoil: Callable[[Asked], tuple[int, bytes] | None] = lambda _asked: None
    headers: dict[str, str] = field(default_factory=dict)  # of every answer, beside the usual ones
    requests: list[Asked] = field(default_factory=list)

    @property
    def accounts(self) -> list[HandMade]:
        """Returns what `compare` goes over: its one account."""
        return [self]

    def row(self, path: str, row_id: int) -> Json:
        """Returns a row itself."""
        return next(row for row in self.tables[path] if row["id"] == row_id)

    def change(self, path: str, row_id: int, **values: Any) -> None:
        """Changes a row now, and nothing else."""
        self.row(path, row_id).update({"updated_at": self.now, **values})

    def rows(self, path: str) -> list[Json]:
        """Returns all rows of a list; what hangs on users and projects comes from the account-wide assignments."""
        if found := re.fullmatch(r"projects/(\d+)/((?:user|task)_assignments)", path):
            return [row for row in self.tables[found[2]] if row["project"]["id"] == int(found[1])]
        if found := re.fullmatch(r"users/(\d+)/project_assignments", path):
            return [
                self._as_project_assignment(row)
                for row in self.tables["user_assignments"]
                if self._is_active(row, found[1])
            ]
        return self.tables[path]

    @staticmethod
    def _is_active(assignment: Json, user_id: str) -> bool:
        return bool(assignment["is_active"] and assignment["user"]["id"] == int(user_id))

    def _as_project_assignment(self, assignment: Json) -> Json:
        project = self.row("projects", assignment["project"]["id"])
        own = {name: value for name, value in assignment.items() if name not in {"user", "project"}}
        tasks = [
            row
            for row in self.rows(f"projects/{project['id']}/task_assignments")
            if row["is_active"]
        ]
        return {
            **own,
            "project": {name: project[name] for name in ("id", "name", "code", "is_billable")},
            "client": project["client"],
            "task_assignments": [
                {name: value for name, value in row.items() if name != "project"} for row in tasks
            ],
        }

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        """Returns status and body."""
        spoiled = self.spoil(asked)
        if spoiled is not None:
            return spoiled
        found = re.fullmatch(r"(\w+)/(\d+)", asked.path)
        if asked.path == "api/v2/accounts":
            body: Json = {"accounts": [{"id": self.id, "name": self.name, "product": "harvest"}]}
        elif asked.path == "users/me":
            users = self.tables["users"] or [{"id": 1}]
            body = {"id": users[0]["id"], "access_roles": ["administrator"]}
        elif asked.path == "company":
            body = self.company
        elif found:
            matching = [row for row in self.tables[found[1]] if row["id"] == int(found[2])]
            if not matching:
                return 404, b'{"status": 404, "error": "Not Found"}'
            body = matching[0]
        elif asked.path.startswith("pto/") and asked.path not in self.tables:
            return 404, b"<!DOCTYPE html><title>HARVEST: Can't find page</title>"
        else:
            body = self._page(asked)
        return 200, json.dumps(body).encode()

    def _page(self, asked: Asked) -> Json:
        query = dict(asked.query)
        first, size = (
            int(query.pop("cursor", "0")),
            min(int(query.pop("per_page", "100")), self.rows_per_page),
        )
        chosen = [row for row in self.rows(asked.path) if self._is_asked(row, asked.path, query)]
        more = (
            urlencode({**query, "cursor": first + size, "per_page": size})
            if first + size < len(chosen)
            else None
        )
        return {
            self._rows_key(asked.path): chosen[first : first + size],
            "per_page": size,
            **({"total_entries": len(chosen)} if self.counts else {}),
            "next_page": None,
            "page": None,
            "links": {"next": f"{self.api_url}{asked.path}?{more}" if more else None},
        }

    @staticmethod
    def _rows_key(path: str) -> str:
        key = path.rpartition("/")[2]
        return {
            "payments": "invoice_payments",
            "project_budget": "results",
            "messages": f"{path.partition('/')[0][:-1]}_messages",
        }.get(key, key)

    def _is_asked(self, row: Json, path: str, query: dict[str, str]) -> bool:
        since, day = query.get("updated_since", ""), row.get(DATES.get(path, ""))
        return (
            (
                row.get("updated_at", "") > since
                if since and self.strict
                else row.get("updated_at", "") >= since
            )
            and ("from" not in query or (day is not None and day >= query["from"]))
            and ("to" not in query or (day is not None and day <= query["to"]))
            and ("is_running" not in query or row["is_running"])
        )


EXAMPLES = Path(__file__).parent / "examples"

NUMBERS = (
    8,
    7.5,
    None,
    100.0,
    0.535,
    99999999.99,
    0,
    0.1,
    2.675,
    100,
)  # one field's values from row to row

FIRST_ID = 3_000_000_000  # above 2^31, as ids of time entries are


def like(report: str, row_id: int, **values: Any) -> Json:
    """Returns the report's example record with another id, where it has one, and other values."""
    row: Json = json.loads((EXAMPLES / f"{report}.json").read_text(encoding="utf-8"))
    return {**row, **({"id": row_id} if "id" in row else {}), **values}


def stamped(number: int) -> Json:
    """Returns change times that are in no order, with many ties."""
    month, day = 1 + number * 7 % 6, 1 + number * 11 % 28
    return {
        "created_at": "2025-02-03T04:05:06Z",
        "updated_at": f"2026-{month:02}-{day:02}T{number % 3:02}:00:00Z",
    }


def number_at(place: int) -> Any:
    """Returns one of the forms in which the API writes a number."""
    return NUMBERS[place % len(NUMBERS)]


def by_hand(users: int = 6, invoices: int = 24, entries: int = 120) -> HandMade:
    """Returns an account with rows in every list, told apart from the sandbox's in every number."""
    harvest = HandMade()
    tables = harvest.tables
    harvest.company = {**like("company", 0), "name": "By Hand", "weekly_capacity": 151200}
    a = FIRST_ID

    def named(row: Json, *others: str) -> Json:
        return {name: row[name] for name in ("id", "name", *others)}

    tables["clients"] = [like("clients", a + n, name=f"Client {n}", **stamped(n)) for n in range(3)]
    tables["contacts"] = [
        like(
            "contacts",
            a + 10 + n,
            client=named(tables["clients"][n % 3]),
            first_name=None,
            **stamped(n),
        )
        for n in range(4)
    ]
    tables["tasks"] = [
        like("tasks", a + 20 + n, default_hourly_rate=number_at(n), **stamped(n)) for n in range(3)
    ]
    tables["projects"] = [
        like(
            "projects", a + 30 + n, name=f"Project {n}", client=named(tables["clients"][n % 3], "currency"),
            budget=number_at(n), fee=number_at(n + 3), hourly_rate=number_at(n + 5), **stamped(n),
        )
        for n in range(4)
    ]  # fmt: skip
    tables["users"] = [
        like(
            "users", a + 100 + n, roles=["Cook", "Baker", "Smith"][: n % 4], default_hourly_rate=number_at(n + 1),
            access_roles=["manager", "people_manager"] if n == 1 else ["member"], **stamped(n),
        )
        for n in range(users)
    ]  # fmt: skip
    people = [{"id": row["id"], "name": row["first_name"]} for row in tables["users"]]
    tables["roles"] = [
        like("roles", a + 40 + n, user_ids=[each["id"] for each in people[:n]], **stamped(n))
        for n in range(3)
    ]
    for place, project in enumerate(tables["projects"]):
        copy = named(project, "code")
        tables["task_assignments"] += [
            like(
                "task_assignments", a + 200 + 10 * place + n, project=copy, task=named(task), is_active=n != 2,
                hourly_rate=number_at(n + place), budget=number_at(n), **stamped(n + place),
            )
            for n, task in enumerate(tables["tasks"])
        ]  # fmt: skip
        tables["user_assignments"] += [
            like(
                "user_assignments", a + 300 + 10 * place + n, project=copy, user=person, is_active=(n + place) % 4 != 3,
                hourly_rate=number_at(n + place + 2), **stamped(n + 2 * place),
            )
            for n, person in enumerate(people)
        ]  # fmt: skip
    tables["expense_categories"] = [
        like("expense_categories", a + 50 + n, unit_price=number_at(n + 3)) for n in range(3)
    ]
    tables["time_entries"] = [
        like(
            "time_entries", a + 10_000 + n, spent_date=f"2026-0{6 - n // 60}-{1 + n % 28:02}", user=people[n % users],
            hours=number_at(n) or 1, hours_without_timer=number_at(n + 1), rounded_hours=number_at(n + 2),
            billable_rate=number_at(n + 3), cost_rate=number_at(n + 4), notes=["", None, f"Nôte {n}"][n % 3],
            invoice=None if n % 4 else {"id": a + 400, "number": "R-1"}, **stamped(n),
        )
        for n in range(entries)
    ]  # fmt: skip
    tables["expenses"] = [
        like(
            "expenses",
            a + 5_000 + n,
            spent_date=f"2026-05-{28 - n:02}",
            total_cost=number_at(n),
            units=number_at(n),
            **stamped(n),
        )
        for n in range(12)
    ]
    for n in range(invoices):
        lines = [
            {**line, "id": a + 20_000 + 10 * n + place, "amount": number_at(n)}
            for place, line in enumerate(LINES[: n % 3])
        ]
        number = {
            "number": f"00{n}",
            "issue_date": f"2026-04-{28 - n % 28:02}",
            "amount": number_at(n + 4),
            "tax": number_at(n),
        }
        paid = [number_at(n + place) for place in range(n % 3)]
        # so that payments add up
        due = sum((-Decimal(str(each or 0)) for each in paid), Decimal(str(number["amount"] or 0)))
        tables["invoices"].append(
            like(
                "invoices",
                a + 400 + n,
                line_items=lines,
                due_amount=float(due),
                **number,
                **stamped(n),
            )
        )
        path = f"invoices/{a + 400 + n}"
        tables[f"{path}/payments"] = [
            like("invoice_payments", a + 600 + 10 * n + place, amount=amount, **stamped(n))
            for place, amount in enumerate(paid)
        ]
        people_told = [{"name": None, "email": f"{n}@example.com"}] * (n % 2)
        tables[f"{path}/messages"] = [
            like("invoice_messages", a + 1_000 + n, recipients=people_told, **stamped(n))
        ]
    for n in range(4):
        tables["estimates"].append(
            like("estimates", a + 700 + n, issue_date=None if n else "2026-01-02", **stamped(n))
        )
        tables[f"estimates/{a + 700 + n}/messages"] = [
            like("estimate_messages", a + 800 + n, **stamped(n))
        ]
    for report in ("invoice_item_categories", "estimate_item_categories"):
        tables[report] = [like(report, a + 60 + n, **stamped(n)) for n in range(2)]
    for n, person in enumerate(people):
        for report in ("billable_rates", "cost_rates"):
            tables[f"users/{person['id']}/{report}"] = [
                like(report, a + 900 + 10 * n + place, amount=number_at(n + place), **stamped(n))
                for place in range(n % 3)
            ]
    tables[f"users/{people[1]['id']}/teammates"] = [
        like("teammates", person["id"]) for person in people[2:4]
    ]
    return harvest


LINES: list[Json] = like("invoices", 0)["line_items"]
