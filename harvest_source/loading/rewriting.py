"""For destinations that cannot merge, such as Parquet files: a table that changes is written anew, with what stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dlt
import pyarrow as pa

from harvest_source.catalogue.hints import list_tables
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, Key, Report, Row
from harvest_source.destinations.warehouse import Warehouse, without_dlt
from harvest_source.loading.history import last_runs
from harvest_source.resources import BATCH_ROWS, known_arrow_schema


@dataclass
class RestOfTable:
    """Gives the rows of a table that a load neither writes nor removes."""

    pipeline: dlt.Pipeline

    def __call__(self, report: Report, written: set[Key]) -> Iterator[Any]:
        """Yields the other rows of a report's table, of all accounts, with their lists.

        Args:
            report: whose table is written anew.
            written: keys, with the account in front, of rows written or removed now.
        """
        with Warehouse(self.pipeline) as warehouse, Warehouse(self.pipeline) as of_lists:
            for batch in warehouse.iter_rows(report.name, BATCH_ROWS):
                rows = [row for row in batch if report.whole_key_of(row) not in written]
                if report.arrow:
                    yield pa.Table.from_pylist(rows, schema=known_arrow_schema(report))
                else:
                    yield _with_lists(of_lists, report, rows)


def lost(warehouse: Warehouse, names: list[str]) -> set[AccountReport]:
    """Returns the accounts and reports whose tables a run that was killed left short; all accounts that were ever loaded.

    A table is written anew by taking its files away first, those of its lists too; the bookmark, which lies in the destination
    as well, knows nothing of that. Then the table has fewer rows than the last complete run left, or rows of a load that
    was never completed, whose list elements may be missing.
    """
    left = {
        AccountReport(row["account_id"], row["report"]): row["rows_here"] or 0
        for row in last_runs(warehouse, complete=True)
        if row["report"] in names
    }
    halves = {name for name in names if by_name(name).lists and warehouse.has_unfinished_load(name)}
    return {
        pair
        for pair, rows in left.items()
        if pair.report in halves or (warehouse.count(pair.report, pair.account_id) or 0) < rows
    }


def _with_lists(warehouse: Warehouse, report: Report, rows: list[Row]) -> list[Row]:
    names = [
        name.removeprefix(f"{report.name}__")
        for name in list_tables(report, dlt.current.source_schema())
    ]
    own_id = report.id_column or ""
    whole = [without_dlt(row) for row in rows]
    for account_id in {row["account_id"] for row in whole} if names else ():
        own = [row for row in whole if row["account_id"] == account_id]
        lists = warehouse.lists_of(report, names, account_id, [row.get(own_id) for row in own])
        for row in own:
            row.update(
                {
                    name: [without_dlt(each) for each in found.get(row.get(own_id), ())]
                    for name, found in lists.items()
                }
            )
    return whole
