"""Runs that find no row to load: what they keep all the same, and what they leave undone since it is done already."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt
import pytest
from compare import assert_equal
from destinations import long, on
from dlt.extract import DltSource
from faults_support import Ears, errors_of, tiny
from pipelines import make_pipeline, rows
from second_harvest import by_hand
from support import make_source, serving, sync_once

from harvest_sandbox import Account
from harvest_source.clock import Clock
from harvest_source.errors import AccessLostError
from harvest_source.loading.syncing import sync
from harvest_source.reading.shape import MISFIT_SUFFIX

RATES = ("users", "billable_rates", "cost_rates")
Move = Callable[[int], None]


@pytest.fixture
def hours_later(monkeypatch: pytest.MonkeyPatch) -> Move:
    """Has the hour of readings lie so many hours ahead from now on."""

    def move(hours: int) -> None:
        monkeypatch.setattr(Clock, "wall", lambda _clock: time.time() + hours * 3600)

    return move


def state_of(folder: Path, report: str) -> dict[str, Any]:
    """Returns what dlt's state keeps of a report."""
    found: dict[str, Any] = make_pipeline(folder).state["sources"]["harvest"]["resources"][report]
    return found


def read_hours(folder: Path) -> list[str]:
    """Returns in which hours rates were read, as dlt's state has it."""
    return list(state_of(folder, "cost_rates")["accounts"]["77"]["read"])


def set_mark_back(folder: Path, report: str, mark: str) -> None:
    """Has dlt's state keep an earlier mark of a list."""

    @dlt.resource(name="nothing")
    def nothing() -> Any:
        kept: Any = dlt.current.source_state()["resources"][report]
        kept["accounts"]["77"]["updated_at"] = mark
        yield from ()

    make_pipeline(folder).run(dlt.source(lambda: nothing, name="harvest", section="harvest")())


def loads(folder: Path) -> int:
    """Returns how many loads the destination had."""
    ((n,),) = rows(folder, "select count(*) from harvest._dlt_loads")
    return int(n)


@on("duckdb", "postgres", long("filesystem"))
def test_quiet_run_brings_its_own_line_and_no_other_load(tmp_path: Path) -> None:
    with by_hand(users=3, invoices=3, entries=12) as harvest:
        sync_once(tmp_path, harvest)
        before = loads(tmp_path)
        again = sync_once(tmp_path, harvest)
    assert [each for each in again.results if each.error or each.new or each.changed] == []
    assert loads(tmp_path) == before + 1
    query = "select count(distinct run_id) from harvest.load_report"
    assert rows(tmp_path, query) == [(2,)]


@pytest.mark.long
@on("duckdb", "filesystem")
def test_children_read_again_and_equal_count_as_read(tmp_path: Path, hours_later: Move) -> None:
    """A sweep that finds nothing is done all the same, on a new machine too: the destination has the state."""
    with by_hand(users=3, invoices=0, entries=0) as harvest:
        sync_once(tmp_path, harvest, *RATES)
        first = read_hours(tmp_path)
        hours_later(13)
        sync_once(tmp_path, harvest, *RATES)
        assert len(first) == 1
        (later,) = read_hours(tmp_path)
        assert int(later) == int(first[0]) + 13
        make_pipeline(tmp_path).drop()
        harvest.requests.clear()
        sync_once(tmp_path, harvest, *RATES)
        assert not [asked for asked in harvest.requests if asked.path.endswith("_rates")]
        assert read_hours(tmp_path) == [later]


@pytest.mark.long
def test_run_that_ends_before_its_last_load_has_kept_no_reading_without_rows(
    tmp_path: Path, hours_later: Move
) -> None:
    """Where Harvest refuses the token meanwhile; the run after that reads those children again."""
    with by_hand(users=3, invoices=0, entries=0) as harvest:
        sync_once(tmp_path, harvest, *RATES)
        before = read_hours(tmp_path)
        hours_later(13)
        rates_are_read = False

        def refuse_after_rates(asked: Any) -> tuple[int, bytes] | None:
            nonlocal rates_are_read
            rates_are_read |= asked.path.endswith("cost_rates")
            is_comparison = rates_are_read and asked.path == "users"
            return (401, b'{"error": "invalid_token"}') if is_comparison else None

        harvest.spoil = refuse_after_rates
        with pytest.raises(AccessLostError):
            sync_once(tmp_path, harvest, *RATES)
        assert rates_are_read
        assert read_hours(tmp_path) == before
        harvest.spoil = lambda _asked: None
        for user in harvest.tables["users"]:
            for rate in harvest.tables[f"users/{user['id']}/cost_rates"]:
                rate["amount"] = 17.125
        sync_once(tmp_path, harvest, *RATES)
        assert {rate for (rate,) in rows(tmp_path, "select amount from cost_rates")} == {
            Decimal("17.125")
        }
        assert read_hours(tmp_path) != before


def test_mark_of_a_list_moves_past_rows_that_are_loaded_already(tmp_path: Path) -> None:
    """As after a repair, which loads rows and no mark; dlt's own mark goes along."""
    with by_hand(users=2, invoices=0, entries=6) as harvest:
        sync_once(tmp_path, harvest, "clients", "time_entries")
        newest = state_of(tmp_path, "time_entries")["accounts"]["77"]["updated_at"]
        set_mark_back(tmp_path, "time_entries", "2020-01-01T00:00:00Z")
        before = loads(tmp_path)
        (result,) = sync_once(tmp_path, harvest, "time_entries").results
        assert (result.new, result.changed, result.bookmark) == (0, 0, newest)
        assert loads(tmp_path) == before + 1
        after = state_of(tmp_path, "time_entries")
        assert after["accounts"]["77"]["updated_at"] == newest
        assert after["incremental"]["updated_at"]["last_value"] == newest


@pytest.mark.long
@on("duckdb", "filesystem")
def test_table_of_accounts_is_loaded_where_a_row_is_another(
    tmp_path: Path, destination: str
) -> None:
    """Renamed at Harvest, taken away or doubled by a hand; nothing else brings another load of it."""
    query = "select account_id, name, currency from harvest.accounts"
    hands = ["delete from accounts", "insert into accounts select * from accounts"]
    with by_hand(users=2, invoices=0, entries=0) as harvest:
        bringing = []
        for currency in ("EUR", "EUR", "CHF"):
            harvest.company["currency"] = currency
            sync_once(tmp_path, harvest, "company", "users")
            assert rows(tmp_path, query) == [(77, "By Hand", currency)]
            bringing += rows(tmp_path, "select _dlt_load_id from harvest.accounts")
        assert bringing[0] == bringing[1] != bringing[2]
        for hand in hands if destination == "duckdb" else ():
            with make_pipeline(tmp_path).sql_client() as client:
                client.execute_sql(hand)
            sync_once(tmp_path, harvest, "company", "users")
            assert rows(tmp_path, query) == [(77, "By Hand", "CHF")]


@pytest.mark.long
@on("duckdb", "postgres")
def test_accounts_that_disagree_on_a_new_field_keep_both_values(tmp_path: Path) -> None:
    """The first rows of all accounts are looked at before one of them is loaded: one column has one type all the same."""
    first, second = tiny(), tiny()
    second.id = first.id + 1
    moods: list[tuple[Account, Any]] = [(first, 5), (second, "good")]
    reports = ("clients", "expenses")
    with serving(first, second) as sandbox:
        sync_once(tmp_path, sandbox, *reports)
        for account, mood in moods:
            for report in reports:
                row_id = next(iter(account.rows[report]))
                account.rows[report][row_id]["mood"] = mood
                account.update(report, row_id)
        summary = sync_once(tmp_path, sandbox, *reports)
        assert [(each.error, each.changed) for each in summary.results] == [(None, 1)] * 4
        again = sync_once(tmp_path, sandbox, *reports)
        assert [(each.error, each.changed) for each in again.results] == [(None, 0)] * 4
    for report in reports:
        other = f"mood{MISFIT_SUFFIX}"
        found = f"select account_id, mood, {other} from {report}"
        assert sorted(rows(tmp_path, f"{found} where mood is not null or {other} is not null")) == [
            (first.id, Decimal(5), None),
            (second.id, None, "good"),
        ]


@pytest.mark.long
@on("duckdb")
def test_schema_is_worked_out_only_where_something_else_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer reports are in it already; what a hand took away is noticed in the destination, not in the schema."""
    times = Counter[str]()
    discover = DltSource.discover_schema

    def counted(source: DltSource, *arguments: Any) -> Any:
        times["worked out"] += 1
        return discover(source, *arguments)

    monkeypatch.setattr(DltSource, "discover_schema", counted)
    some, more = ("clients", "time_entries"), ("clients", "time_entries", "users")
    with serving(tiny()) as sandbox:

        def run(names: tuple[str, ...], **options: Any) -> tuple[int, list[str]]:
            ears, before = Ears(), times["worked out"]
            source = make_source(sandbox, *names, **options)
            assert errors_of(sync(make_pipeline(tmp_path), source, listener=ears)) == {}
            assert_equal(tmp_path, sandbox, *names)
            return times["worked out"] - before, ears.notes

        for worked_out in (1, 0, 0):  # a first load adds rows, later ones merge them
            assert run(some) == (worked_out, [])
        assert run(more) == (1, [])
        assert run(some) == (0, [])
        assert run(some, deleted_rows="keep") == (0, [])  # each load brings how it is marked
        assert run(more) == (0, [])
        for hand, said in (
            ("drop table clients", "clients was taken away"),
            ("alter table users drop column email", "users.email was taken away"),
            ("drop table users__roles", "users__roles was taken away"),
            ("drop table load_report", "load_report was taken away"),
        ):
            with make_pipeline(tmp_path).sql_client() as client:
                client.execute_sql(hand)
            worked_out, notes = run(more)
            assert worked_out == 0
            assert [said in note for note in notes] == [True], hand
            assert run(more) == (0, [])
        (tmp_path / "harvest_pipeline.duckdb").unlink()
        assert run(more)[0] == 1
        assert run(more)[0] == 0
        make_pipeline(tmp_path).drop()  # as on a new machine
        assert run(more) == (0, [])
