"""Finds rows that came or went outside a run, of which Harvest has no count: list elements, and children that are missing.

A run keeps how many elements each list has, what their ids add up to, and how many rows a report of children has. Where the
next run finds another number, or fewer children, it reads the report from the beginning. More children are no sign: a run that
ended early loads some and keeps no number, and those that Harvest lacks go when their parent is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, MutableMapping
from typing import Any

from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.report import AccountReport, Row
from harvest_source.destinations.warehouse import IDS, LARGEST, Elements

Kept = Mapping[str, Mapping[str, int]]
"""Account id as text: what is counted, as `Elements` names it: number, as dlt's state keeps it."""


def with_other_elements(
    now: Elements | None, pairs: Collection[AccountReport], kept: Kept
) -> set[AccountReport]:
    """Returns the reports whose lists or children are not as the last run left them.

    Args:
        now: what the tables hold; `None` where one was taken away, which is made anew and filled without this.
        pairs: accounts and reports of this run.
        kept: by the last run; of what is not in it nothing is known.
    """
    if now is None:
        return set()
    differing = [
        AccountReport(int(account_id), report_of(what))
        for account_id, numbers in kept.items()
        for what, number in numbers.items()
        if _differs(what, number, now.numbers[what, int(account_id)])
    ]
    loose = [
        AccountReport(account_id, report_of(table)) for table, account_id in now.loose if account_id
    ]
    return {*differing, *loose} & {*pairs}


def elements_to_keep(
    now: Elements | None, pairs: Collection[AccountReport], kept: Kept
) -> dict[str, dict[str, Any]]:
    """Returns the numbers for the next run, those of now of the given accounts and reports, else as they were kept."""
    numbers = {account_id: dict(each) for account_id, each in kept.items()}
    if now is None:
        return numbers
    # no row is counted there
    emptied = {(what, int(account_id)) for account_id, each in kept.items() for what in each}
    for what, account_id in now.numbers.keys() | emptied:
        if AccountReport(account_id, report_of(what)) in pairs:
            numbers.setdefault(str(account_id), {})[what] = now.numbers[what, account_id]
    return numbers


def lower(
    kept: Mapping[str, MutableMapping[str, int]],
    removed: Mapping[AccountReport, Collection[Row]],
    *,
    keeps: bool,
) -> None:
    """Takes rows that are removed, and the elements of their lists, off the numbers that are kept.

    Args:
        kept: is changed; a number that is not in it stays unknown.
        removed: rows, with their lists.
        keeps: rows stay, with a mark, and so do their elements.
    """
    for (account_id, name), rows in removed.items():
        numbers = kept.get(str(account_id), {})
        gone = Counter({name: sum(row.get(DELETED_AT) is None for row in rows)})
        for row in () if keeps else rows:
            for column, value in row.items():
                if (table := f"{name}__{column}") in numbers:
                    gone[table] += len(value)
                    gone[f"{table}{IDS}"] += sum(each.get("id") or 0 for each in value)
        for what in gone.keys() & numbers.keys():
            number = numbers[what] - gone[what]
            numbers[what] = number % LARGEST if what.endswith(IDS) else number


def report_of(what: str) -> str:
    """Returns the report whose rows, or whose list elements, are counted."""
    return what.partition("__")[0]


def _differs(what: str, before: int, now: int) -> bool:
    return now < before if what == report_of(what) else now != before
