"""List elements and children that came or went outside a run: tables of cases on counts."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import pytest

from harvest_source.catalogue.report import AccountReport
from harvest_source.destinations.warehouse import IDS, LARGEST, Elements
from harvest_source.loading.list_elements import elements_to_keep, lower, with_other_elements

INVOICES, USERS, MESSAGES, OTHERS = (
    AccountReport(7, "invoices"),
    AccountReport(7, "users"),
    AccountReport(7, "invoice_messages"),
    AccountReport(8, "invoices"),
)
PAIRS = (INVOICES, USERS, MESSAGES)
LINES = "invoices__line_items"
KEPT = {
    "7": {LINES: 3, f"{LINES}{IDS}": 60, "users__roles": 2, "invoice_messages": 9},
    "8": {LINES: 5},
}


def holding(*loose: tuple[str, int | None], **counts: int) -> Elements:
    """Returns what tables hold of account 7, as `table=number`; with `_sum` behind a table's name what ids add up to."""
    numbers = {(table.replace("_sum", IDS), 7): number for table, number in counts.items()}
    return Elements(Counter(numbers), {*loose})


ALL: dict[str, int] = {LINES: 3, f"{LINES}_sum": 60, "users__roles": 2, "invoice_messages": 9}


@pytest.mark.parametrize(
    ("now", "others"),
    [
        (holding(**ALL), set()),
        (holding(**{**ALL, LINES: 2}), {INVOICES}),
        (holding(**{**ALL, LINES: 4, "users__roles": 9}), {INVOICES, USERS}),
        (holding(**{**ALL, f"{LINES}_sum": 61}), {INVOICES}),
        (holding(users__roles=2, invoice_messages=9), {INVOICES}),
        (holding(**ALL, users__new=1), set()),
        (holding(**{**ALL, "invoice_messages": 8}), {MESSAGES}),
        (holding(**{**ALL, "invoice_messages": 10}), set()),  # by a run that ended early
        (holding((LINES, 7), **ALL), {INVOICES}),
        (holding(("users", 7), ("users__roles", None), (LINES, 8), **ALL), {USERS}),
        (None, set()),  # it is made anew, and its report read, without this
    ],
)
def test_reports_whose_lists_or_children_are_not_as_the_last_run_left_them(
    now: Elements | None, others: set[AccountReport]
) -> None:
    assert with_other_elements(now, PAIRS, KEPT) == others


@pytest.mark.parametrize("was", [3, 4])
def test_numbers_of_an_older_version_know_nothing_of_ids_and_children(was: int) -> None:
    found = with_other_elements(holding(**ALL), PAIRS, {"7": {LINES: was}})
    assert found == ({INVOICES} if was != ALL[LINES] else set())


SAME = {f"{LINES}{IDS}": 60, "invoice_messages": 9}


@pytest.mark.parametrize(
    ("now", "pairs", "kept"),
    [
        (
            holding(**{**ALL, LINES: 4}, users__new=1),
            PAIRS,
            {"7": {LINES: 4, "users__roles": 2, "users__new": 1, **SAME}, "8": {LINES: 5}},
        ),
        (
            holding(**{**ALL, LINES: 4, "users__roles": 9}),
            (INVOICES,),
            {"7": {LINES: 4, "users__roles": 2, **SAME}, "8": {LINES: 5}},
        ),
        (holding(), PAIRS, {"7": dict.fromkeys(KEPT["7"], 0), "8": {LINES: 5}}),
        (holding(), (OTHERS,), {"7": KEPT["7"], "8": {LINES: 0}}),
        (None, PAIRS, KEPT),
    ],
)
def test_numbers_are_kept_of_what_the_run_brought_in_line(
    now: Elements | None, pairs: tuple[AccountReport, ...], kept: dict[str, dict[str, int]]
) -> None:
    before = deepcopy(KEPT)
    assert elements_to_keep(now, pairs, KEPT) == kept
    assert before == KEPT


def removed(name: str, **values: Any) -> dict[AccountReport, list[dict[str, Any]]]:
    """Returns one row of account 7 that is gone."""
    return {AccountReport(7, name): [{"id": 1, **values}]}


TWO_LINES = [{"id": 10}, {"id": 20}]


@pytest.mark.parametrize(
    ("gone", "keeps", "lowered"),
    [
        (removed("invoice_messages", recipients=[{"name": "Ann"}]), False, {"invoice_messages": 8}),
        (removed("invoice_messages"), True, {"invoice_messages": 8}),
        (removed("invoice_messages", deleted_at=1), False, {}),  # it was off when it was marked
        (removed("invoices", line_items=TWO_LINES), False, {LINES: 1, f"{LINES}{IDS}": 30}),
        (removed("invoices", line_items=TWO_LINES), True, {}),  # elements stay with their row
        (removed("users", roles=[{"value": "Cook"}]), False, {"users__roles": 1}),
        (removed("users", roles=[{"value": "Cook"}] * 3), False, {"users__roles": -1}),
        (removed("users", own=["a list of the user's"]), False, {}),
        ({AccountReport(9, "invoice_messages"): [{"id": 1}]}, False, {}),
    ],
)
def test_what_is_removed_is_taken_off_the_numbers(
    gone: dict[AccountReport, list[dict[str, Any]]], *, keeps: bool, lowered: dict[str, int]
) -> None:
    kept = deepcopy(KEPT)
    lower(kept, gone, keeps=keeps)
    assert kept == {**KEPT, "7": {**KEPT["7"], **lowered}}


def test_sum_of_ids_stays_below_what_everybody_reads_alike() -> None:
    """The sum is kept as what remains of a division, and so is the difference."""
    kept = {"7": {LINES: 2, f"{LINES}{IDS}": 5}}
    lower(kept, removed("invoices", line_items=[{"id": 7}]), keeps=False)
    assert kept == {"7": {LINES: 1, f"{LINES}{IDS}": LARGEST - 2}}
