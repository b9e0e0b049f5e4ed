"""Tells which parents stand in the tables: one whose children were never read is overdue, however it came there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, Parent, parent_id_column
from harvest_source.destinations.warehouse import DOUBLED, Warehouse
from harvest_source.loading.compare import Comparison
from harvest_source.loading.lists import Lists
from harvest_source.reading.reader import Reader

Parents = dict[int, datetime | None]
"""Ids of parents, each with the time of its last change, `None` where that is not known."""


def known_parents(
    warehouse: Warehouse, reader: Reader, pairs: Iterable[AccountReport]
) -> dict[AccountReport, Parents]:
    """Returns the parents in the tables that each of some reports hangs on; of a list there are none.

    Those from before the setting `start_date` do not count, nor do users without teammates where these are read.
    """
    hang_on = {pair: reader.report(pair.report).parent for pair in pairs}
    comparison = Comparison(Lists(reader), warehouse)
    lists = {
        AccountReport(pair.account_id, parent.report) for pair, parent in hang_on.items() if parent
    }
    versions = warehouse.versions({each: comparison.scope(each) for each in lists})
    found = {
        each: {key[0]: None if at == DOUBLED else at for key, at in rows.items()}
        for each, rows in versions.items()
    }
    return {
        pair: _with_children(warehouse, pair.account_id, parent, found) if parent else {}
        for pair, parent in hang_on.items()
    }


def _with_children(
    warehouse: Warehouse, account_id: int, parent: Parent, found: dict[AccountReport, Parents]
) -> Parents:
    """Returns those of an account's parents that may have children."""
    parents, only = found[AccountReport(account_id, parent.report)], parent.only
    if only is None or not parents:
        return parents
    column = parent_id_column(by_name(parent.report))
    held = warehouse.rows_by_id(f"{parent.report}__{only.list}", account_id, column, parents)
    having = {row[column] for row in held if row["value"] == only.value}
    return {parent_id: at for parent_id, at in parents.items() if parent_id in having}
