"""Any order of changes, faults, kills and runs ends equal: hundreds of random histories on tables in memory."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from compare import Json, comparable, flat
from memory import Interrupted
from near import Near, stay_in_this_process
from support import stop_timers

from harvest_sandbox import Account, Fault, Size, build_account
from harvest_source.api import client
from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import Report
from harvest_source.catalogue.reports import NAMES
from harvest_source.errors import HarvestError
from harvest_source.loading import compare, run
from harvest_source.loading.states import LOOKED
from harvest_source.loading.summary import Summary
from harvest_source.reading import differing, windows
from harvest_source.reading.reader import Choice, Mode
from harvest_source.settings import parse_since

TINY = Size(projects=4, users=3, invoices=6, estimates=2, time_entries=20, expenses=8, clients=3)
COPIES = {
    "time_entries": (
        "user_assignment__",
        "task_assignment__",
        "client__",
        "project__",
        "task__",
        "user__",
        "invoice__",
    ),
    "expenses": (
        "user_assignment__",
        "client__",
        "project__",
        "user__",
        "invoice__",
        "expense_category__",
    ),
}  # of other rows, whose change time does not move with them
Values = list[tuple[str, Any]]
LISTS = (
    "time_entries",
    "expenses",
    "invoices",
    "projects",
    "clients",
    "user_assignments",
    "task_assignments",
    "tasks",
)
HISTORIES = 25  # of one test
STEPS = 10
HALF = 0.5


@pytest.fixture(autouse=True)
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_in_this_process(monkeypatch)


class World(Near):
    """An account that changes, and tables that follow it, from one number."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)  # noqa: S311 - chooses steps
        accounts = [
            build_account(TINY, seed=seed + number)
            for number in range(self.random.choice((1, 1, 2)))
        ]
        for number, account in enumerate(accounts):
            account.id += number
            stop_timers(account)
        names = self.random.choice(
            (NAMES, NAMES, ("time_entries", "invoices", "invoice_payments", "projects"))
        )
        settings = {
            "assignments": self.random.choice(("account", "account", "project")),
            "deleted_rows": self.random.choice(("remove", "remove", "keep")),
        }
        super().__init__(folder, *accounts, names=names, **settings)
        self.client = self.make_client() if self.random.random() < HALF else None
        self.log: list[str] = []
        self.steps: tuple[Callable[[], str], ...] = (
            *(
                self.edit,
                self.edit,
                self.insert,
                self.delete,
                self.move,
                self.change_quietly,
                self.fail,
            ),
            *(self.come_late, self.go_quietly),
            *(self.run_once, self.run_once, self.run_since, self.refresh, self.refused),
            *(self.killed_in_reading, self.killed_in_loading),
        )

    def step(self) -> None:
        """Does one thing at random."""
        chosen = self.random.choice(self.steps)
        self.log.append(chosen())

    def _pick(self, *reports: str) -> tuple[Account, str, int | None]:
        account, report = self.random.choice(self.accounts), self.random.choice(reports)
        ids = list(account.rows[report])
        return account, report, self.random.choice(ids) if ids else None

    def edit(self) -> str:
        """Changes a row."""
        account, report, row_id = self._pick(*LISTS)
        if row_id is not None:
            changes: dict[str, dict[str, Any]] = {
                "user_assignments": {"hourly_rate": self.random.randrange(100) / 4},
                "task_assignments": {"hourly_rate": self.random.randrange(100) / 4},
                "clients": {"address": f"Street {self.random.randrange(1000)}"},
                "tasks": {"default_hourly_rate": self.random.randrange(100) / 4},
            }
            account.update(
                report,
                row_id,
                **changes.get(report, {"notes": f"edit {self.random.randrange(1000)}"}),
            )
        return f"edit {report} {row_id}"

    def insert(self) -> str:
        """Makes a row."""
        account, report, _ = self._pick("time_entries", "expenses")
        account.insert(report)
        return f"insert {report}"

    def delete(self) -> str:
        """Deletes a row, and with it what hangs on it."""
        account, report, row_id = self._pick("time_entries", "expenses", "invoices", "projects")
        if row_id is not None and len(account.rows[report]) > 2:
            account.delete(report, row_id)
        return f"delete {report} {row_id}"

    def move(self) -> str:
        """Moves an entry to another day."""
        account, report, row_id = self._pick("time_entries", "expenses")
        if row_id is not None:
            account.update(
                report,
                row_id,
                spent_date=f"2026-0{self.random.randint(1, 9)}-1{self.random.randint(0, 9)}",
            )
        return f"move {report} {row_id}"

    def change_quietly(self) -> str:
        """Changes a payment, of which no list tells."""
        account, _, row_id = self._pick("invoice_payments")
        if row_id is not None:
            account.rows["invoice_payments"][row_id]["notes"] = (
                f"quiet {self.random.randrange(1000)}"
            )
        return f"change payment {row_id} quietly"

    def come_late(self) -> str:
        """Makes a row whose change time lies before the last run, as one that was committed late or was hidden has."""
        account, report, _ = self._pick("time_entries", "expenses")
        row = account.insert(report)
        stamp = f"2026-0{self.random.randint(1, 9)}-01T00:00:00Z"
        row["created_at"] = row["updated_at"] = stamp
        return f"{report} {row['id']} comes late"

    def go_quietly(self) -> str:
        """Deletes a message; nothing else tells of it."""
        account, report, row_id = self._pick("invoice_messages")
        if row_id is not None:
            account.delete(report, row_id, quiet=True)
        return f"{report} {row_id} goes quietly"

    def fail(self) -> str:
        """Has some requests fail."""
        report, status = self.random.choice(LISTS), self.random.choice((403, 429, 500, 503, 422))
        times, after = self.random.choice((1, 9)), self.random.randint(0, 2)
        self.sandbox.faults.append(
            Fault(path=rf"/{report}$", kind="status", status=status, times=times, after=after)
        )
        return f"fail {report} {status} {times} {after}"

    def run_once(self) -> str:
        """Runs; faults go with the run."""
        summary = self.run(accept_deletions=True)
        self.sandbox.faults.clear()
        self._no_lie(summary)
        return "run"

    def run_since(self) -> str:
        """Loads a part."""
        since = parse_since("since", f"2026-0{self.random.randint(1, 9)}-01")
        self.run(Choice(since=since))
        self.sandbox.faults.clear()
        return f"run since {since}"

    def refresh(self) -> str:
        """Loads everything anew."""
        self.run(Choice(mode=self.random.choice((Mode.ALL, Mode.REPLACE))))
        self.sandbox.faults.clear()
        return "refresh"

    def refused(self) -> str:
        """Runs with a token that is refused in between."""
        after = self.random.randint(0, 40)
        self.sandbox.faults.append(
            Fault(path=r"^/v2/", kind="status", status=401, times=None, after=after)
        )
        try:
            self.run()
        except HarvestError:
            pass
        finally:
            self.sandbox.faults.clear()
        return f"refused after {after}"

    def killed_in_reading(self) -> str:
        """Runs, and ends at a request."""
        self.near.left = self.random.randint(0, 60)
        return self._killed(f"killed at request {self.near.left}")

    def killed_in_loading(self) -> str:
        """Runs, and ends between two tables of a load."""
        self.store.writes_left = self.random.randint(0, 25)
        return self._killed(f"killed at table {self.store.writes_left}")

    def _killed(self, how: str) -> str:
        try:
            self.run(accept_deletions=True)
        except Interrupted:
            how += ", it was"
        finally:
            self.near.left = self.store.writes_left = None
            self.sandbox.faults.clear()
            if (
                self.client
            ):  # a kill takes the threads along; those of the old client may still tell it to stop
                self.client = self.make_client()
        return how

    def _no_lie(self, summary: Summary) -> None:
        """Asserts that a list which is said to be equal is equal."""
        for result in summary.results:
            if result.verified == "yes":
                account = next(each for each in self.accounts if each.id == result.account_id)
                self.assert_report(account, by_name(result.report))

    def _records(self, account: Account, report: Report) -> list[Json]:
        if report.rows_key is None:
            return [self._get(account, report.path)]
        if report.parent is None:
            return list(self._get(account, report.path)[report.rows_key])
        found = []
        for parent_id, parent in account.rows[report.parent.report].items():
            if report.name == "teammates" and "manager" not in parent["access_roles"]:
                continue
            answer = self._get(account, report.path.format(parent_id=parent_id))
            rows = answer.get(report.rows_key, [answer])  # balances are one object
            found += [{**row, report.parent.column: parent_id} for row in rows]
        return found

    def _get(self, account: Account, path: str) -> Any:
        return self.sandbox.rows_of(account.id, path)

    def rows_of(self, account: Account, report: Report) -> list[Json]:
        """Returns the rows of a table, but for those that are kept and marked as gone."""
        rows = [row for key, row in self.store.tables[report.name].items() if key[0] == account.id]
        return [row for row in rows if row.get(DELETED_AT) is None]

    def assert_report(self, account: Account, report: Report) -> None:
        """Asserts that a table has the account's rows and values, and no others."""
        copies = COPIES.get(report.name, ())

        here = [told(row, copies) for row in self.rows_of(account, report)]
        there = [told(flat(record), copies) for record in self._records(account, report)]
        assert Counter(map(tuple, here)) == Counter(map(tuple, there)), (
            report.name,
            self.differing(here, there),
            self.log,
        )

    @staticmethod
    def differing(here: list[Values], there: list[Values]) -> list[Any]:
        """Returns the values that only one side has, of the first rows."""
        rows, others = Counter(map(tuple, here)), Counter(map(tuple, there))
        return [
            sorted({*one} ^ {*other})
            for one, other in zip(rows - others, others - rows, strict=False)
        ][:3]


def told(row: Json, copies: tuple[str, ...]) -> Values:
    """Returns the values of a row in one common form, without nulls, lists and copies of other rows."""
    return sorted(
        (name, comparable(Decimal(repr(value)) if isinstance(value, float) else value))
        for name, value in row.items()
        if value is not None
        and name != "account_id"
        and not isinstance(value, list)
        and not name.startswith(copies)
    )


def assert_history_ends_equal(seed: int) -> None:
    """Asserts that the tables equal the account at the end of the history of a number."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(seed, Path(folder))
        for _ in range(STEPS):
            world.step()
        world.sandbox.faults.clear()
        # a day later: a late row beside a deletion is found by the look at the whole list
        world.store.kept.pop(LOOKED, None)
        for _ in range(2):  # the first run finds what is gone, the second what that left behind
            summary = world.run(sweep_days=0, accept_deletions=True)
        assert [result.error for result in summary.results if result.error] == [], (seed, world.log)
        for account in world.accounts:
            for name in world.names:
                world.assert_report(account, by_name(name))


def few_rows_a_page(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Has lists of a few rows take several pages, windows and counts, as long ones do."""
    for module in (client, compare, run, differing):
        monkeypatch.setattr(module, "PER_PAGE", rows)
    monkeypatch.setattr(windows, "WINDOW_ROWS", rows * 3 // 4)


@pytest.mark.parametrize("first", [0, pytest.param(25, marks=pytest.mark.long)])
def test_any_history_ends_equal(first: int) -> None:
    for seed in range(first, first + HISTORIES):
        assert_history_ends_equal(seed)


@pytest.mark.long
@pytest.mark.parametrize("first", [1000, 1025])
def test_any_history_of_long_lists_ends_equal(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of lists that take several answers nothing but counts is compared in every run."""
    few_rows_a_page(monkeypatch, 5)
    for seed in range(first, first + HISTORIES):
        assert_history_ends_equal(seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(2000, 2300, HISTORIES))
def test_any_of_many_more_histories_ends_equal(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of them with long lists."""
    for seed in range(first, first + HISTORIES):
        if seed == first + HISTORIES // 2:
            few_rows_a_page(monkeypatch, 5)
        assert_history_ends_equal(seed)
