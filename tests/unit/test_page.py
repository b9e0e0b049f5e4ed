"""The page of `report`: numbers, months and order, on rows made by hand; and that whatever stands in a template stays text."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from page_reader import PageRead

from harvest_source.figures.figures import BY_NAME
from harvest_source.page.accounts import Account, earlier
from harvest_source.page.cells import Column, money, percent, quotient, total, with_unit
from harvest_source.page.freshness import freshness
from harvest_source.page.page import Answers, build_page
from harvest_source.page.projects import budgets
from harvest_source.page.sections import FIGURES, KINDS
from harvest_source.page.tables import MOST_LINES, Line, drawn
from harvest_source.signin.pages import AGAIN, failed_page, render, signed_in_page

ACCOUNT = Account(7, "Ours", date(2026, 2, 28))
FRESH = freshness([ACCOUNT], [], [])
NOON = datetime(2026, 2, 28, 12, tzinfo=UTC)


def row(figure: str, **values: Any) -> dict[str, Any]:
    """Returns a row of a figure; what is not named is null."""
    return {
        **{column.name: None for column in BY_NAME[figure].columns},
        "account_id": ACCOUNT.id,
        **values,
    }


def page(**rows: list[dict[str, Any]]) -> PageRead:
    """Returns the page of an account with these rows and no others."""
    every = {figure.name: rows.get(figure.name, []) for figure in FIGURES}
    return PageRead(build_page([ACCOUNT], Answers(every, {}), FRESH, None))


@pytest.mark.parametrize(
    ("number", "month"),
    [(0, date(2026, 2, 1)), (1, date(2026, 1, 1)), (2, date(2025, 12, 1)), (26, date(2023, 12, 1))],
)
def test_months_go_back_over_years(number: int, month: date) -> None:
    assert earlier(ACCOUNT.month, number) == month


@pytest.mark.parametrize(
    ("days", "number"),
    [
        ([], 0),
        ([date(2026, 2, 1)], 1),
        ([date(2026, 3, 1)], 0),  # to come
        ([date(2025, 2, 1), date(2025, 11, 1)], 13),
        ([date(2025, 1, 1), date(2025, 12, 1)], 3),  # the first is too long ago
    ],
)
def test_months_begin_with_the_first_that_has_anything(days: list[date], number: int) -> None:
    months = ACCOUNT.months_from(days)
    assert len(months) == number
    assert months == sorted(months, reverse=True)


def test_sum_of_nothing_is_0_and_of_what_is_not_known_is_not_known() -> None:
    assert total([], "a") == 0
    assert total([{"a": None}, {"a": None}], "a") is None
    assert total([{"a": None}, {"a": Decimal("1.5")}], "a") == Decimal("1.5")
    assert quotient(Decimal(1), Decimal(0)) is None
    assert quotient(None, Decimal(1)) is None
    assert quotient(Decimal(2), Decimal(3)) == Decimal("0.666667")


def test_sum_is_exact_however_many_digits_it_has() -> None:
    large, small = Decimal("12345678901234567890123456.123456789012"), Decimal("0.000000000001")
    found = total([{"a": large}, {"a": small}], "a")
    assert str(found) == "12345678901234567890123456.123456789013"


def test_sum_says_of_how_many_rows_nothing_is_known() -> None:
    column = Column("Amount", BY_NAME["uninvoiced_work"], "uninvoiced_amount", money)
    rows = [{"uninvoiced_amount": each} for each in (Decimal(5), None, None)]
    cell = column.cell(rows)
    assert (cell.exact, cell.text, cell.besides) == ("5", "5.00", "and 2 not known")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (money(Decimal("1234.565")), "1,234.57"),
        (money(Decimal("-0.001")), "0.00"),
        (percent(Decimal("0.805")), "81 %"),
        (percent(Decimal("12.5")), "1,250 %"),
        (with_unit(Decimal(3), "EUR"), "EUR 3.00"),
        (with_unit(Decimal(3), None), "3.00 h"),
    ],
)
def test_number_is_written_for_a_person(text: str, written: str) -> None:
    assert text == written


def test_bar_is_no_longer_than_the_largest_and_never_below_nothing() -> None:
    column = Column("Amount", BY_NAME["uninvoiced_work"], "uninvoiced_amount", money)
    values = (Decimal(8), Decimal(2), Decimal(-4), None)
    lines = [Line("", {}, (column.cell([{"uninvoiced_amount": each}]),)) for each in values]
    assert [line.bar[0].width for line in drawn(lines, {0: "full"})] == [
        "100.00",
        "25.00",
        "0.00",
        "0.00",
    ]
    assert [line.bar[0].width for line in drawn(lines[2:], {0: "full"})] == ["0.00", "0.00"]
    assert [line.bar[0].width for line in drawn(lines, {0: "full"}, Decimal(4))][:2] == [
        "100.00",
        "50.00",
    ]


def budget(
    number: int, burn: str | None, *, is_over: bool | None = False, **more: Any
) -> dict[str, Any]:
    """Returns a row of `budget_burn`."""
    spent = Decimal(burn or 0) * 10
    named = {
        "project_id": number,
        "project_name": f"P{number}",
        "spent": spent,
        "budget": Decimal(10),
    }
    own = {"burn": None if burn is None else Decimal(burn), "is_over": is_over, **named, **more}
    return row("budget_burn", is_current=True, is_active=True, **own)


def test_worst_budgets_stand_first_and_the_rest_is_counted() -> None:
    """A budget of 0 that is over comes before all, one that is not set behind all; archived and past ones are left out."""
    rows = [
        budget(1, "0.5"),
        budget(2, None, budget=None, is_over=None),
        budget(3, "1.2", is_over=True),
        budget(4, None, budget=Decimal(0), is_over=True),
        budget(5, "9.0", is_over=True) | {"is_active": False},
        budget(6, "9.0", is_over=True) | {"is_current": False},
    ]
    (table,) = budgets(ACCOUNT, {"budget_burn": rows}).tables
    assert [line.name for line in table.lines] == ["P4", "P3", "P1", "P2"]
    assert [line.tone for line in table.lines] == ["bad", "bad", "", ""]
    many = [budget(number, "0.1") for number in range(300)]
    read = page(budget_burn=many)
    (shown,) = read.section("budgets", ACCOUNT.id).iter("table")
    assert (len(read.lines(shown)), read.left_out(shown)) == (MOST_LINES, 300 - MOST_LINES)
    assert "and 275 more" in read.words(shown)


def test_page_without_rows_says_so_in_each_section() -> None:
    read = page()
    assert [read.words(each) for each in read.all("p", "empty")] == [kind.empty for kind in KINDS]


def test_currencies_are_never_added_up() -> None:
    rows = [
        row(
            "receivables",
            invoice_id=number,
            currency=currency,
            due_amount=Decimal(amount),
            days_overdue=0,
            age="not due",
        )
        for number, (currency, amount) in enumerate([("EUR", 3), ("USD", 4), (None, 5)])
    ]
    read = page(receivables=rows)
    shown = {
        (each.key.get("currency"), each.value)
        for each in read.shown()
        if each.column == "due_amount"
    }
    values = {value for _currency, value in shown}
    assert values <= {"0", "3", "4", "5"}
    assert {("EUR", "3"), ("USD", "4"), (None, "5")} <= shown
    assert "Currency not known" in read.words()


def lines_of_load_report(**verified: str | None) -> list[dict[str, Any]]:
    """Returns lines of runs that ended at noon."""
    return [
        {
            "account_id": 7,
            "report": name,
            "verified": said,
            "error": None,
            "finished_at": NOON,
            "started_at": NOON,
        }
        for name, said in verified.items()
    ]


@pytest.mark.parametrize(
    ("verified", "proven", "what"),
    [
        ("yes", 1, []),
        ("read 3 days ago, 2 invoices not seen", 1, ["2 invoices not seen"]),
        ("repaired 12", 1, []),
        ("part", 0, ["compared with Harvest for some dates only"]),
        ("not compared", 0, ["not compared with Harvest"]),
        ("something new", 0, ["not compared with Harvest"]),
        (None, 0, ["not compared with Harvest"]),
        ("module off", 0, ["module off"]),
        ("as read", 0, ["as read"]),
    ],
)
def test_only_what_is_proven_counts(verified: str | None, proven: int, what: list[str]) -> None:
    found = freshness([ACCOUNT], ["clients"], lines_of_load_report(clients=verified))
    assert (found.proven, [each.what for each in found.remarks]) == (proven, what)
    assert found.all == (verified not in {"module off", "as read"})


def test_runs_of_other_accounts_count_for_nothing() -> None:
    other = Account(8, "Theirs", ACCOUNT.as_of)
    found = freshness([other], ["clients"], lines_of_load_report(clients="yes"))
    assert (found.proven, found.all, found.latest) == (0, 1, None)
    assert [(each.account, each.what) for each in found.remarks] == [(other, "never loaded")]


def test_times_of_several_runs_are_both_told() -> None:
    runs = lines_of_load_report(clients="yes", tasks="yes")
    runs[1]["finished_at"] = NOON.replace(day=27)
    found = freshness([ACCOUNT], ["clients", "tasks"], runs)
    every: dict[str, Any] = {figure.name: [] for figure in FIGURES}
    read = PageRead(build_page([ACCOUNT], Answers(every, {}), found, None))
    said = read.words(read.all("p", "proof")[0])
    assert said.startswith("✓ All 2 tables equal Harvest, loaded from 2")
    times = [each.get("datetime", "") for each in read.all("time")][1:]
    assert [datetime.fromisoformat(each) for each in times] == [NOON.replace(day=27), NOON]


SIGNS = "<b>&amp;\"'{{ 1 }}{% x %}\0\x0b\x1b[31m\x85\ud800\ufdd0\uffff\U0001ffff\u202eabc\r\n"


def test_what_stands_in_a_page_is_text_that_html_can_hold() -> None:
    rows = [
        row(
            "effective_rate",
            currency=SIGNS,
            project_name=SIGNS,
            project_id=1,
            client_name=SIGNS,
            hours=Decimal(1),
        )
    ]
    read = page(effective_rate=rows)
    words = read.words(read.section("rates", ACCOUNT.id))
    assert words.count("<b>&amp;\"'{{ 1 }}{% x %}") == 3
    assert "\x1b" not in read.text
    read.text.encode()


@pytest.mark.parametrize(
    "shown",
    [AGAIN, failed_page(SIGNS), signed_in_page(SIGNS, ["One", SIGNS], choose=True)],
    ids=["calm", "bad", "ok"],
)
def test_pages_of_the_sign_in_are_valid(shown: Any) -> None:
    read = PageRead(render(shown))
    assert read.all("main", shown.mood)
    assert read.words(read.all("h1")[0]) == shown.title
    assert read.words(read.all("title")[0]) == f"{shown.title} · Harvest pipeline"
    assert len(read.all("dd")) == len(shown.facts)
    assert read.all("b") == []
