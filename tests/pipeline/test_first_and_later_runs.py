"""First and later runs against the sandbox and against a second Harvest made by hand: after each of them every table is equal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from clocks import LaterClock
from compare import assert_equal
from pipelines import make_pipeline, rows
from second_harvest import Asked, HandMade, by_hand, like
from support import sync_once

from harvest_sandbox import Sandbox, Size
from harvest_source.catalogue.reports import NAMES, REPORTS
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.loading.history import last_runs
from harvest_source.reading.reader import Choice
from harvest_source.settings import parse_since

SIZE = Size(
    projects=10, users=8, invoices=80, estimates=6, time_entries=1_000, expenses=40, clients=5
)
LATER = "2026-07-02T08:30:00Z"


def equal(folder: Path, harvest: HandMade | Sandbox, *names: str) -> None:
    """Asserts that the tables, all or those named, hold what the server answers now, and nothing else."""
    assert_equal(folder, cast("Sandbox", harvest), *names)


def state_of(folder: Path) -> dict[str, Any]:
    """Returns what dlt's state keeps of each report between runs."""
    resources: dict[str, Any] = make_pipeline(folder).state["sources"]["harvest"]["resources"]
    return resources


def every_row(folder: Path) -> dict[str, list[str]]:
    """Returns all rows of the reports' tables, dlt's own columns too."""
    query = "select table_name from information_schema.tables where table_schema = 'harvest'"
    reports = [name for (name,) in rows(folder, query) if name.partition("__")[0] in NAMES]
    with make_pipeline(folder).sql_client() as client:
        return {
            name: sorted(map(repr, client.execute_sql(f"select * from {name}") or []))
            for name in reports
        }


def lists_asked(harvest: HandMade) -> list[Asked]:
    """Returns the requests for lists that were not mere counts."""
    return [asked for asked in harvest.requests if asked.query.get("per_page") != "1"]


@contextmanager
def large_hand_made() -> Iterator[HandMade]:
    """Serves an account in which requests for children outweigh those that every run needs."""
    with by_hand(users=10, invoices=60, entries=240) as harvest:
        yield harvest


@pytest.mark.long
def test_runs_against_a_hand_made_server_equal_it_value_by_value(tmp_path: Path) -> None:
    """Every column, list element and null; the API promises no counts, nor whether `updated_since` includes its own second."""
    with by_hand() as harvest:
        harvest.counts, harvest.strict = False, True
        summary = sync_once(tmp_path, harvest)
        assert {result.report: result.error for result in summary.results} == dict.fromkeys(NAMES)
        module_off = [report.name for report in REPORTS if report.module_list]
        assert [r.report for r in summary.results if r.new != r.total] == module_off
        assert (summary.new_fields, summary.notes) == (
            [],
            [
                "skipped, since Harvest has no paid time off for this user in account 77 (404): "
                + ", ".join(module_off)
            ],
        )
        equal(tmp_path, harvest)
        harvest.now = LATER
        harvest.change("time_entries", harvest.tables["time_entries"][7]["id"], hours=3.335)
        harvest.change("clients", harvest.tables["clients"][1]["id"], address="Hauptstraße 1")
        summary = sync_once(tmp_path, harvest)
        changed = {result.report: result.changed for result in summary.results if result.changed}
        assert changed == {"time_entries": 1, "clients": 1}
        equal(tmp_path, harvest, "time_entries", "clients")


@pytest.mark.long
def test_later_runs_bring_changes_with_few_requests_and_a_third_changes_no_row(
    tmp_path: Path,
) -> None:
    """About 1 % of the rows change: less than a third of the requests, `updated_since` in each list that takes it."""
    with large_hand_made() as harvest:
        sync_once(tmp_path, harvest)
        first = len(harvest.requests)
        harvest.requests.clear()
        harvest.now = LATER
        for entry in harvest.tables["time_entries"][::90]:
            harvest.change("time_entries", entry["id"], hours=7.5, notes="edited")
        harvest.tables["time_entries"].append(
            like(
                "time_entries",
                1,
                spent_date="2026-02-03",
                hours=2,
                created_at=LATER,
                updated_at=LATER,
            )
        )
        invoice = harvest.tables["invoices"][5]
        harvest.change("invoices", invoice["id"], line_items=[], amount=0)
        harvest.change("users", harvest.tables["users"][2]["id"], roles=["Smith"])
        sync_once(tmp_path, harvest)
        assert len(harvest.requests) * 3 < first
        asked = {asked.path for asked in lists_asked(harvest) if "updated_since" in asked.query}
        assert asked >= {
            report.name
            for report in REPORTS
            if report.takes_updated_since and report.parent is None and not report.module_list
        }
        assert not [
            asked
            for asked in lists_asked(harvest)
            if asked.path in {"roles", "company"} and "updated_since" in asked.query
        ]
        equal(tmp_path, harvest)
        before, state = every_row(tmp_path), state_of(tmp_path)
        accounts = rows(tmp_path, "select account_id, name, currency, week_start_day from accounts")
        summary = sync_once(tmp_path, harvest)
        assert sum(result.new + result.changed + result.deleted for result in summary.results) == 0
        assert every_row(tmp_path) == before
        assert state_of(tmp_path) == state
        assert (
            rows(tmp_path, "select account_id, name, currency, week_start_day from accounts")
            == accounts
        )


@pytest.mark.long
def test_children_of_changed_parents_are_read_again(tmp_path: Path) -> None:
    """A payment, a message and a line that come, change and go with their parent's change; only those parents are asked."""
    names = ("invoices", "invoice_payments", "invoice_messages", "estimates", "estimate_messages")
    with by_hand() as harvest:
        sync_once(tmp_path, harvest, *names)
        harvest.now = LATER
        ids = [row["id"] for row in harvest.tables["invoices"]]
        harvest.tables[f"invoices/{ids[0]}/payments"].append(
            like("invoice_payments", 5, amount=10, updated_at=LATER)
        )
        harvest.tables[f"invoices/{ids[1]}/payments"][0].update(amount=0.535, updated_at=LATER)
        harvest.tables[f"invoices/{ids[2]}/payments"].pop()
        harvest.tables[f"invoices/{ids[0]}/messages"].append(
            like("invoice_messages", 6, recipients=[], updated_at=LATER)
        )
        harvest.change("invoices", ids[0], line_items=like("invoices", 0)["line_items"])
        harvest.change("invoices", ids[1], line_items=[])
        harvest.change(
            "invoices", ids[2], line_items=harvest.row("invoices", ids[2])["line_items"][1:]
        )
        estimate = harvest.tables["estimates"][0]["id"]
        harvest.tables[f"estimates/{estimate}/messages"].append(
            like("estimate_messages", 8, updated_at=LATER)
        )
        harvest.change("estimates", estimate, state="accepted")
        harvest.requests.clear()
        sync_once(tmp_path, harvest, *names)
        asked = {
            asked.path
            for asked in harvest.requests
            if asked.path.endswith(("/payments", "/messages"))
        }
        assert asked == {
            *(
                f"invoices/{each}/{children}"
                for each in ids[:3]
                for children in ("payments", "messages")
            ),
            f"estimates/{estimate}/messages",
        }
        equal(tmp_path, harvest, *names)


@pytest.mark.long
def test_bulk_change_is_followed_up_once(tmp_path: Path) -> None:
    """The lists give its rows again within the overlap; what hangs on them is asked again only where it may have changed.

    A run from a date on asks for what hangs on every change since then.
    """
    names = ("invoices", "invoice_payments", "project_assignments")
    with by_hand(invoices=6, entries=0) as harvest:

        def asked_by_a_run(since: str | None = None) -> set[str]:
            harvest.requests.clear()
            sync_once(
                tmp_path,
                harvest,
                *names,
                choice=Choice(since=parse_since("since", since) if since else None),
            )
            return {
                asked.path
                for asked in harvest.requests
                if asked.path.endswith(("/payments", "/project_assignments"))
            }

        sync_once(tmp_path, harvest, *names)
        harvest.now = LATER
        for report in ("invoices", "user_assignments"):
            for row in harvest.tables[report]:
                harvest.change(report, row["id"])
        harvest.now = "2026-07-02T08:40:00Z"
        assert len(asked_by_a_run()) == len(harvest.tables["invoices"]) + len(
            harvest.tables["users"]
        )
        assert asked_by_a_run() == set()
        assert len(asked_by_a_run(LATER)) == len(harvest.tables["invoices"]) + len(
            harvest.tables["users"]
        )
        harvest.now = "2026-07-02T08:44:00Z"
        path = f"invoices/{harvest.tables['invoices'][2]['id']}/payments"
        harvest.change("invoices", harvest.tables["invoices"][2]["id"])
        assert asked_by_a_run() == {path}
        # in that second
        harvest.tables[path].append(like("invoice_payments", 5, amount=10, updated_at=harvest.now))
        assert asked_by_a_run() == {path}
        equal(tmp_path, harvest, *names)


def test_payments_know_their_invoice_where_the_api_does_not_say_it(tmp_path: Path) -> None:
    """R09: child rows carry the id of what they hang on, and their account."""
    payment = {"id": 5, "amount": 10.0, "updated_at": "2026-01-02T00:00:00Z"}
    with HandMade(company=like("company", 0)) as harvest:
        harvest.tables["invoices"] = [like("invoices", 70)]
        harvest.tables["invoices/70/payments"] = [payment]
        harvest.tables["estimates"] = [like("estimates", 71)]
        harvest.tables["estimates/71/messages"] = [like("estimate_messages", 6)]
        harvest.tables["users"] = [like("users", 72)]
        harvest.tables["users/72/cost_rates"] = [like("cost_rates", 7)]
        names = ("invoices", "invoice_payments", "estimate_messages", "users", "cost_rates")
        sync_once(tmp_path, harvest, *names)
        equal(tmp_path, harvest, *names)
    found = rows(tmp_path, "select account_id, invoice_id, id, amount from invoice_payments")
    assert found == [(77, 70, 5, Decimal(10))]
    assert rows(tmp_path, "select account_id, estimate_id, id from estimate_messages") == [
        (77, 71, 6)
    ]
    assert rows(tmp_path, "select account_id, user_id, id from cost_rates") == [(77, 72, 7)]
    assert rows(tmp_path, "select distinct account_id, invoice_id from invoices__line_items") == [
        (77, 70)
    ]
    assert rows(tmp_path, "select distinct account_id, user_id from users__roles") == [(77, 72)]


@pytest.mark.long
@pytest.mark.parametrize(
    "names",
    [
        ("project_assignments",),
        ("task_assignments", "user_assignments", "project_assignments", "users"),
    ],
)
def test_assignments_that_change_without_their_parent_are_noticed(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    """Neither project nor user moves when an assignment changes, comes or is archived (Harvest API, gotchas)."""
    with by_hand() as harvest:
        sync_once(tmp_path, harvest, *names)
        harvest.now = LATER
        tasks, people = harvest.tables["task_assignments"], harvest.tables["user_assignments"]
        harvest.change("task_assignments", tasks[0]["id"], hourly_rate=123.45)
        harvest.change("task_assignments", tasks[4]["id"], is_active=False)
        harvest.change("user_assignments", people[1]["id"], budget=8)
        harvest.change(
            "user_assignments",
            next(row for row in people if row["is_active"])["id"],
            is_active=False,
        )
        tasks.append(
            {
                **tasks[1],
                "id": 9,
                "project": tasks[-1]["project"],
                "created_at": LATER,
                "updated_at": LATER,
            }
        )
        sync_once(tmp_path, harvest, *names)
        equal(tmp_path, harvest, *names)


RATES = ("users", "billable_rates", "cost_rates")


@pytest.mark.long
def test_rates_come_with_their_user_and_quiet_ones_half_a_day_later(tmp_path: Path) -> None:
    """Rates take no `updated_since`, and may leave their user as it is: they are read again when requests are free."""
    with by_hand() as harvest:
        sync_once(tmp_path, harvest, *RATES)
        harvest.now = LATER
        touched, quiet = (harvest.tables["users"][place]["id"] for place in (1, 2))
        harvest.tables[f"users/{touched}/billable_rates"].append(
            like("billable_rates", 5, amount=99.5, updated_at=LATER)
        )
        harvest.change("users", touched, default_hourly_rate=99.5)
        sync_once(tmp_path, harvest, *RATES)
        equal(tmp_path, harvest, *RATES)
        harvest.tables[f"users/{quiet}/cost_rates"][0].update(
            amount=31, end_date="2026-06-30", updated_at=LATER
        )
        sync_once(tmp_path, harvest, *RATES, clock=LaterClock(14))
        equal(tmp_path, harvest, *RATES)


@pytest.mark.long
def test_clock_that_was_a_year_ahead_holds_nothing_up(tmp_path: Path) -> None:
    """Hours of reading that lie in the future are none: quiet changes come with the next run, and `status` shows that run."""
    with by_hand(invoices=0, entries=0) as harvest:
        sync_once(tmp_path, harvest, *RATES, clock=LaterClock(365 * 24))
        with make_pipeline(tmp_path).sql_client() as client:
            client.execute_sql("update load_report set started_at = started_at + interval 1 year")
        for user in harvest.tables["users"]:
            for rate in harvest.tables[f"users/{user['id']}/cost_rates"]:
                rate["amount"] = 17.125
        result = sync_once(tmp_path, harvest, *RATES).results[-1]
        assert (result.report, result.verified) == ("cost_rates", "read today")
        equal(tmp_path, harvest, *RATES)
        with Warehouse(make_pipeline(tmp_path)) as warehouse:
            assert {run["started_at"] < datetime.now(UTC) for run in last_runs(warehouse)} == {True}
        harvest.requests.clear()
        sync_once(tmp_path, harvest, *RATES)
        assert not [asked for asked in harvest.requests if asked.path.endswith("_rates")]


@pytest.mark.long
def test_quiet_rates_of_many_users_come_after_a_long_time_without_runs(tmp_path: Path) -> None:
    """Where free requests are not enough for everybody, those that are overdue do not wait for them."""
    with by_hand(users=60, invoices=0, entries=0) as harvest:
        sync_once(tmp_path, harvest, *RATES)
        for user in harvest.tables["users"]:
            for rate in harvest.tables[f"users/{user['id']}/cost_rates"]:
                rate["amount"] = 17.125
        (*_, half_a_day_later) = sync_once(tmp_path, harvest, *RATES, clock=LaterClock(14)).results
        assert half_a_day_later.requests < 60
        sync_once(tmp_path, harvest, *RATES, clock=LaterClock(40 * 24))
        equal(tmp_path, harvest, *RATES)


# one of each parent: of invoices, of estimates, of users
CHILDREN = {
    "invoice_payments": "invoices",
    "estimate_messages": "estimates",
    "project_assignments": "users",
}


@pytest.mark.long
@pytest.mark.parametrize(("chosen", "parent"), CHILDREN.items(), ids=CHILDREN)
def test_report_chosen_without_its_parent_is_whole_and_leaves_other_bookmarks(
    tmp_path: Path, chosen: str, parent: str
) -> None:
    """Parents are read for their ids only: neither their rows nor their bookmarks move, so none of their changes is lost."""
    both = (parent, chosen)
    with by_hand(invoices=8, entries=0) as harvest:
        sync_once(tmp_path, harvest, chosen)
        equal(tmp_path, harvest, chosen)
        assert set(state_of(tmp_path)) == {chosen}
        sync_once(tmp_path, harvest, *both)
        equal(tmp_path, harvest, *both)
        before = state_of(tmp_path)[parent]
        harvest.now = LATER
        harvest.change(parent, harvest.tables[parent][1]["id"], created_at="2024-12-31T23:59:59Z")
        sync_once(tmp_path, harvest, chosen)
        assert state_of(tmp_path)[parent] == before
        (result,) = sync_once(tmp_path, harvest, parent).results
        assert result.changed == 1
        equal(tmp_path, harvest, *both)


@pytest.mark.parametrize("strict", [True, False], ids=["strictly later", "inclusive"])
@pytest.mark.parametrize("report", ["time_entries", "clients"])
def test_edit_within_the_bookmarks_second_is_not_lost(
    tmp_path: Path, report: str, *, strict: bool
) -> None:
    """Change times have whole seconds: a row written in that second after it was read comes with the next run."""
    with by_hand(invoices=4, entries=12) as harvest:
        harvest.strict = strict
        harvest.change(report, harvest.tables[report][0]["id"])
        sync_once(tmp_path, harvest, report)
        harvest.change(report, harvest.tables[report][1]["id"], created_at="2024-12-31T23:59:59Z")
        harvest.tables[report].append(
            {**harvest.tables[report][0], "id": 12, "updated_at": harvest.now}
        )
        (result,) = sync_once(tmp_path, harvest, report).results
        assert (result.new, result.changed) == (1, 1)
        equal(tmp_path, harvest, report)


@pytest.mark.long
def test_edit_long_before_the_bookmark_is_not_asked_again(tmp_path: Path) -> None:
    """The overlap is the setting's: so many seconds before the newest row, no more."""
    with by_hand(invoices=4, entries=12) as harvest:
        harvest.change("clients", harvest.tables["clients"][0]["id"])
        sync_once(tmp_path, harvest, "clients")
        for seconds, since in (
            (300, "2026-07-01T11:55:00Z"),
            (0, "2026-07-01T12:00:00Z"),
            (3600, "2026-07-01T11:00:00Z"),
        ):
            harvest.requests.clear()
            sync_once(tmp_path, harvest, "clients", overlap_seconds=seconds)
            asked = [
                asked.query.get("updated_since")
                for asked in lists_asked(harvest)
                if asked.path == "clients"
            ]
            assert asked == [
                since,
                None,
            ]  # and the whole list, which one answer holds, in place of a count


def test_entry_dated_back_arrives_with_the_next_run(tmp_path: Path) -> None:
    """R01: rows are chosen by their change time, never by the day they are about."""
    entry = like(
        "time_entries",
        901,
        spent_date="2026-05-02",
        hours=3.0,
        created_at="2026-06-02T09:00:00Z",
        updated_at="2026-06-02T09:00:00Z",
    )
    with by_hand(entries=12) as harvest:
        for row in harvest.tables["time_entries"]:
            row["updated_at"] = min(row["updated_at"], "2026-06-01T09:00:00Z")
        harvest.now = "2026-06-01T12:00:00Z"
        sync_once(tmp_path, harvest, "time_entries")
        harvest.tables["time_entries"].append(entry)
        harvest.now = "2026-06-03T12:00:00Z"
        sync_once(tmp_path, harvest, "time_entries")
        equal(tmp_path, harvest, "time_entries")
    assert rows(
        tmp_path, "select hours, cast(spent_date as text) from time_entries where id = 901"
    ) == [(Decimal(3), "2026-05-02")]


def test_pages_are_followed_by_their_links_alone(tmp_path: Path) -> None:
    """R26: `next_page` is null on pages in the middle; no page number is ever made up, no page asked for more than 2,000 rows."""
    with by_hand(entries=18) as harvest:
        sync_once(tmp_path, harvest, "time_entries", "clients")
        asked_for = [asked.query for asked in lists_asked(harvest) if asked.path == "time_entries"]
        pages = [query for query in asked_for if "updated_since" not in query]
        assert len(asked_for) == len(pages) + 1, "one look at what changed meanwhile"
        assert [query.get("cursor") for query in pages] == [None, "5", "10", "15"]
        assert not [asked for asked in harvest.requests if "page" in asked.query]
        assert pages[0]["per_page"] == "2000"
        equal(tmp_path, harvest, "time_entries", "clients")


@pytest.mark.long
def test_broken_second_page_costs_no_row_later(tmp_path: Path) -> None:
    """R27: the newest change stands on page 1; page 2 fails for ever; the bookmark stays until all pages were stored."""
    with by_hand(entries=9) as harvest:
        entries = harvest.tables["time_entries"]
        for place, entry in enumerate(entries):
            entry["updated_at"] = "2026-06-10T00:00:00Z" if place < 5 else "2026-06-01T00:00:00Z"
        harvest.spoil = lambda asked: (
            (500, b"") if asked.path == "time_entries" and "cursor" in asked.query else None
        )
        summary = sync_once(tmp_path, harvest, "time_entries", "expenses")
        assert {result.report: bool(result.error) for result in summary.results} == {
            "time_entries": True,
            "expenses": False,
        }
        equal(tmp_path, harvest, "expenses")
        assert "time_entries" not in state_of(tmp_path)
        harvest.spoil = lambda _asked: None
        sync_once(tmp_path, harvest, "time_entries", "expenses")
        equal(tmp_path, harvest, "time_entries", "expenses")


@pytest.mark.long
def test_broken_second_page_of_a_later_run_costs_no_row_either(tmp_path: Path) -> None:
    """The same with a bookmark: it does not move, and the rows of before stay as they are."""
    with by_hand(entries=20) as harvest:
        sync_once(tmp_path, harvest, "time_entries")
        before, state = every_row(tmp_path), state_of(tmp_path)["time_entries"]
        for place, entry in enumerate(harvest.tables["time_entries"][:9]):
            harvest.now = f"2026-07-0{9 - place}T10:00:00Z"
            harvest.change("time_entries", entry["id"], hours=place)
        harvest.now = "2026-07-10T00:00:00Z"
        harvest.spoil = lambda asked: (500, b"") if "cursor" in asked.query else None
        (result,) = sync_once(tmp_path, harvest, "time_entries").results
        assert result.error
        assert every_row(tmp_path) == before
        assert state_of(tmp_path)["time_entries"] == state
        harvest.spoil = lambda _asked: None
        (result,) = sync_once(tmp_path, harvest, "time_entries").results
        assert (result.changed, result.error) == (9, None)
        equal(tmp_path, harvest, "time_entries")
