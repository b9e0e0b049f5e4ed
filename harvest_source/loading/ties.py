"""Ties list elements to their rows, as dlt does, where a row or a tie was taken away outside a run.

dlt finds the elements of a row by an id that it gives the row. Those that name the id of no row would stay for good, beside
the ones that come with the row when it is read again; a row without an id would not be replaced.
"""

from __future__ import annotations

from harvest_source.catalogue.report import Report, parent_id_column
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.dlt_corners import PARENT_ID, ROOT_ID, ROW_ID


def tie(warehouse: Warehouse, report: Report) -> None:
    """Gives rows without an id one, made of Harvest's ids, ties loose list elements to their rows, and removes those of no row.

    Which row an element belongs to is found by Harvest's ids. Ended early, it does the rest when it is called again.

    Args:
        warehouse: with the tables.
        report: whose rows and lists.

    Raises:
        DestinationException: the destination refuses.
    """
    rows = warehouse.name_of(report.name)
    warehouse.execute(
        f"update {rows} set {ROW_ID} = {warehouse.joined(report.whole_key)} where {ROW_ID} is null"
    )
    # an id of Harvest's tells a row of its account, also where the key has more columns; the one row of a report without a key is
    # told by its account
    harvest_id = (report.id_column,) if report.key and report.id_column else ()
    # by a name that no table of elements has: not every database takes another name for the table that it changes
    told = f"select account_id as of_account, {', '.join((*harvest_id, ROW_ID))} from {rows}"
    own = [
        "of_account = account_id",
        *(f"{each} = {parent_id_column(report)}" for each in harvest_id),
    ]
    row_id = f"(select max({ROW_ID}) from ({told}) r where {' and '.join(own)})"
    is_loose = f"not exists (select 1 from {rows} r where r.{ROW_ID} = {ROOT_ID} and r.{ROW_ID} = {PARENT_ID})"
    for elements in map(warehouse.name_of, warehouse.lists_in(report.name)):
        warehouse.execute(
            f"delete from {elements} where {is_loose} and {row_id} is null",
            f"update {elements} set {ROOT_ID} = {row_id}, {PARENT_ID} = {row_id} where {is_loose}",
        )
