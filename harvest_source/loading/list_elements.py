"""Finds list elements that were taken out of a child table, or put in, outside a run: Harvest has no count of them.

A run keeps how many elements each list has; where the next run finds another number, it reads the report from the beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from harvest_source.catalogue.report import AccountReport
from harvest_source.destinations.warehouse import Warehouse

Elements = Mapping[str, Mapping[str, int]]
"""Account id as text: child table: number of elements, as dlt's state keeps it."""


def with_other_elements(
    warehouse: Warehouse, pairs: Collection[AccountReport], kept: Elements
) -> set[AccountReport]:
    """Returns the reports whose lists have another number of elements than the last run left.

    Args:
        warehouse: with the child tables.
        pairs: accounts and reports of this run.
        kept: by the last run; of a list that is not in it nothing is known.
    """
    now = warehouse.count_elements({pair.report for pair in pairs})
    return {
        pair
        for account_id, numbers in kept.items()
        for table, number in numbers.items()
        if (pair := AccountReport(int(account_id), _report_of(table))) in pairs
        and now is not None
        and now[table, pair.account_id] != number
    }


def elements_to_keep(
    warehouse: Warehouse, pairs: Collection[AccountReport], kept: Elements
) -> dict[str, dict[str, Any]]:
    """Returns how many elements each list has, now of the given accounts and reports, else as it was kept."""
    numbers = {account_id: dict(each) for account_id, each in kept.items()}
    now = warehouse.count_elements({pair.report for pair in pairs})
    if now is None:
        return numbers
    # no row is counted there
    emptied = {(table, int(account_id)) for account_id, each in kept.items() for table in each}
    for table, account_id in now.keys() | emptied:
        if AccountReport(account_id, _report_of(table)) in pairs:
            numbers.setdefault(str(account_id), {})[table] = now[table, account_id]
    return numbers


def _report_of(table: str) -> str:
    return table.partition("__")[0]
