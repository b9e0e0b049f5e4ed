"""Days one after another on which nothing changes, by whole runs in memory: how much each reads, and what it goes on from."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from clocks import LaterClock
from near import Near, stay_in_this_process
from support import stop_timers

from harvest_sandbox import Account, Size, build_account
from harvest_sandbox.clock import stamp
from harvest_source.catalogue.report import AccountReport
from harvest_source.reading import reader

SIZE = Size(projects=4, users=8, invoices=120, estimates=30, time_entries=30, expenses=8, clients=3)
DAY = 24
LONG = pytest.mark.long
OF_ONE_PARENT = re.compile(r"/\w+/\d+/\w+$")


@pytest.fixture(autouse=True)
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_in_this_process(monkeypatch)


def still(seed: int, years: float) -> Account:
    """Returns an account whose invoices, estimates and users changed last evenly over some years."""
    account = build_account(SIZE, seed=seed)
    stop_timers(account)
    for report in ("invoices", "estimates", "users"):
        for place, each in enumerate(list(account.rows[report])):
            days = 1 + years * 365 * place / len(account.rows[report])
            changed_at = stamp(datetime.now(UTC) - timedelta(days=days))
            account.update(report, each, updated_at=changed_at)
    return account


class Days(Near):
    """An account, and tables that follow it by runs at chosen hours."""

    def run_at(self, hour: int, **options: Any) -> int:
        """Runs so many hours from now; returns how many requests that took."""
        self.client = self.make_client(LaterClock(hour))
        self.sandbox.clear()
        summary = self.run(**options)
        assert [result.error for result in summary.results if result.error] == []
        return len(self.sandbox.requests)

    def asked_again(self) -> int:
        """Returns how many requests of the last run were for the children of one parent."""
        return sum(bool(OF_ONE_PARENT.search(asked.path)) for asked in self.sandbox.requests)

    def states(self) -> list[dict[str, Any]]:
        """Returns the states of all reports of children."""
        return [state for state in self.store.states.values() if "read" in state]


@pytest.mark.parametrize(
    ("years", "free"),
    [
        pytest.param(0.2, 0, marks=LONG),
        (1, 0),
        pytest.param(1, 100, marks=LONG),
        pytest.param(8, 100, marks=LONG),
    ],
)
def test_no_day_is_much_above_the_average(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, years: float, free: int
) -> None:
    """After a first load that read all in one hour; with requests that are free for more, and without any.

    The free ones level what few parents with waits of their own make uneven.
    """
    monkeypatch.setattr(reader, "FREE_REQUESTS", free)
    days = Days(tmp_path, still(3, years))
    first = days.run_at(0)
    later = [days.run_at(DAY * day) for day in range(1, 29)]
    assert max(later[1:]) <= 1.3 * mean(later), later
    assert max(later) < first / 2


def test_two_accounts_take_turns_of_their_own(tmp_path: Path) -> None:
    """A change without a sign in either is found within its week."""
    accounts = still(3, 0.2), still(4, 0.2)
    accounts[1].id = accounts[0].id + 1
    days = Days(tmp_path, *accounts, names=("invoices", "invoice_payments"))
    days.run_at(0)
    changed = {}
    for account in accounts:
        changed[account.id] = payment_id = list(account.rows["invoice_payments"])[-1]
        account.update("invoice_payments", payment_id, quiet=True, notes="without a sign")
    for day in range(1, 8):
        days.run_at(DAY * day)
    table = days.store.tables["invoice_payments"]
    notes = {
        account_id: table[account_id, row_id]["notes"] for account_id, row_id in changed.items()
    }
    assert set(notes.values()) == {"without a sign"}


def test_second_run_on_a_day_reads_nothing_again(tmp_path: Path) -> None:
    """As long as nothing changed; nor do more runs a day read more in all."""
    days = Days(tmp_path, still(3, 0.2), names=("invoices", "invoice_messages"))
    days.run_at(0)
    assert days.asked_again() == SIZE.invoices
    days.run_at(2)
    assert days.asked_again() == 0
    hours = {1: [DAY], 2: [DAY + 12, 2 * DAY], 3: [2 * DAY + each for each in (6, 12, 18, 24)]}
    asked = dict.fromkeys(hours, 0)
    for day, runs in hours.items():
        for hour in runs:
            days.run_at(hour)
            asked[day] += days.asked_again()
    assert min(asked.values()) > SIZE.invoices // 7
    assert max(asked.values()) <= 100


FORMS = {
    "of older code": lambda state: state.pop("swept"),
    "of a clock that was ahead": lambda state: state.update(swept=state["swept"] + 9000),
}


@pytest.mark.parametrize("older", FORMS.values(), ids=FORMS)
def test_state_without_the_hour_of_the_last_sweep_is_gone_on_from(
    tmp_path: Path, older: Any
) -> None:
    """No second first load, and no day without a share: such a state counts from its newest reading."""
    account = still(3, 0.2)
    expected, days = Days(tmp_path / "a", account), Days(tmp_path / "b", account)
    for each in (expected, days):
        each.folder.mkdir()
        each.run_at(0)
    for state in days.states():
        older(state)
    assert days.run_at(DAY) == expected.run_at(DAY)
    assert days.states() == expected.states()


def test_run_from_a_date_on_leaves_the_turns_alone(tmp_path: Path) -> None:
    days = Days(tmp_path, still(3, 0.2), names=("invoices", "invoice_messages"))
    days.run_at(0)
    before = dict(days.store.states)
    choice = reader.Choice(since=datetime.now(UTC) + timedelta(days=1))
    days.run_at(DAY, choice=choice)
    assert days.store.states == before
    messages = AccountReport(days.accounts[0].id, "invoice_messages")
    assert days.asked_again() == 0
    days.run_at(DAY)
    assert days.store.states[messages]["swept"] == before[messages]["swept"] + DAY
