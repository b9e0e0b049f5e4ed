"""Tells which parents stand in the tables: one whose children were never read is overdue, however it came there."""

from __future__ import annotations

from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, parent_id_column
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.loading.compare import Comparison
from harvest_source.loading.lists import Lists
from harvest_source.reading.reader import Reader


def known_parents(warehouse: Warehouse, reader: Reader, pair: AccountReport) -> frozenset[int]:
    """Returns the ids of the parents in the table of their report that a report of children hangs on.

    Those from before the setting `start_date` do not count, nor do users without teammates where these are read.
    """
    child = reader.report(pair.report)
    if child.parent is None:
        return frozenset()
    parent = by_name(child.parent.report)
    ids = {
        key[0]
        for key in warehouse.keys(
            parent, pair.account_id, Comparison(Lists(reader), warehouse).scope(parent)
        )
    }
    only = child.parent.only
    if only and ids:
        column = parent_id_column(parent)
        held = warehouse.rows_by_id(f"{parent.name}__{only.list}", pair.account_id, column, ids)
        ids = {row[column] for row in held if row["value"] == only.value}
    return frozenset(ids)
