"""Writes the rows of spans into the tables of Harvest's own reports: all rows of a span take the place of those it had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import dlt

from harvest_source.catalogue.columns.reports import FROM_DATE, TO_DATE
from harvest_source.catalogue.hints import MERGE_TOGETHER, described
from harvest_source.catalogue.report import Key, Report, Row
from harvest_source.destinations.scope import EVERY_ROW, Scope
from harvest_source.destinations.warehouse import Warehouse, without_dlt
from harvest_source.loading.report_spans import Asked
from harvest_source.loading.result import Tally
from harvest_source.reading.shape import Shaper
from harvest_source.reading.spans import overlapping
from harvest_source.reading.windows import Window
from harvest_source.resources import (
    BATCH_ROWS,
    accounts_state,
    empty_item,
    iter_items,
)
from harvest_source.settings import SECTION

FEW = 3  # spans that are asked for one by one: of more, the whole table is read


@dataclass
class Changes:
    """What one load does to the rows of a report and account."""

    asked: Asked
    rows: list[Row] = field(default_factory=list)  # to write
    # spans whose rows in the table go, those that none take the place of among them
    replaced: set[Window] = field(default_factory=set)
    emptied: set[Window] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    gone: int = 0  # rows that none take the place of

    def scopes(self) -> Iterator[Scope]:
        """Yields the rows to be taken out before others are merged, which would leave them."""
        return (scope_of(self.asked, span) for span in sorted(self.emptied, key=str))


def scope_of(asked: Asked, span: Window) -> Scope:
    """Returns the rows that a table has of a span; of the present, all of the account."""
    own = EVERY_ROW.of(asked.account_id)
    if span.start is None:
        return own
    return own.where(FROM_DATE.name, "=", span.start).where(TO_DATE.name, "=", span.end)


def changes_of(warehouse: Warehouse, asked: Asked, read: Mapping[Window, list[Row]]) -> Changes:
    """Returns what of the spans that were read is not in the table as it was read.

    Args:
        warehouse: with the table.
        asked: the report, with the spans that its table has.
        read: the rows of each span.
    """
    found, others = Changes(asked), set[Window]()
    ours = warehouse.columns(asked.report.name)
    there = _rows_there(warehouse, asked, read)
    for span, rows in read.items():
        present = [
            {name: value for name, value in row.items() if name in ours} for row in there[span]
        ]
        beside = overlapping(span, asked.present)
        if _counted(rows) == _counted(present) and not beside:
            continue
        found.rows += rows
        others |= {*beside}
        if present:
            found.replaced.add(span)
            if not rows:
                found.emptied.add(span)
        keys, written = _keys(asked.report, present), _keys(asked.report, rows)
        new = (written - keys).total()
        equal = (_counted(rows) & _counted(present)).total()
        found.tally += Tally(new, len(rows) - new - equal)
        found.gone += (keys - written).total()
    found.emptied |= others
    found.replaced |= others
    found.gone += sum(asked.present[each] for each in others)
    return found


def _keys(report: Report, rows: Collection[Row]) -> Counter[Key]:
    """Returns the keys of rows; one that may not see rates is sent no currency."""
    return Counter(tuple(row.get(name) for name in report.key) for row in rows)


def _rows_there(
    warehouse: Warehouse, asked: Asked, read: Collection[Window]
) -> dict[Window, list[Row]]:
    """Returns the rows that the table has of spans: with one query, where they are more than a few."""
    found: dict[Window, list[Row]] = {span: [] for span in read}
    name = asked.report.name
    wanted = [span for span in read if asked.present.get(span)]
    if len(wanted) <= FEW:
        return found | {span: warehouse.rows(name, scope=scope_of(asked, span)) for span in wanted}
    for row in warehouse.rows(name, asked.account_id):
        span = Window(row[FROM_DATE.name], row[TO_DATE.name])
        if span in found:
            found[span].append(row)
    return found


def _counted(rows: Collection[Row]) -> Counter[Key]:
    """Returns rows in a form in which neither their order matters nor dlt's columns, nor those that hold nothing or a list."""
    return Counter(
        tuple(
            sorted(
                (
                    (name, value)
                    for name, value in without_dlt(row).items()
                    if value is not None and not isinstance(value, list)
                ),
                key=itemgetter(0),
            )
        )
        for row in rows
    )


def resource_of(
    report: Report, hints: dict[str, Any], shaper: Shaper, changes: list[Changes], rest: Any
) -> Any:
    """Returns the dlt resource that writes what changes in a table, and keeps how the spans stood.

    Args:
        report: whose table.
        hints: what dlt is told of it.
        shaper: that made the rows.
        changes: of each account.
        rest: gives a warehouse, where the destination cannot merge and a table that changes is written anew; else `None`.
    """
    replaces = any(each.replaced for each in changes)
    disposition: Any = "append"
    if replaces:
        disposition = "replace" if rest else MERGE_TOGETHER

    def rows() -> Iterator[Any]:
        if replaces and rest:
            yield empty_item(report)
            with rest() as warehouse:
                for batch in warehouse.iter_rows(report.name, BATCH_ROWS):
                    yield [without_dlt(row) for row in batch if not _is_replaced(changes, row)]
        batches = (each.rows for each in changes if each.rows)
        for item, _rows in iter_items(report, shaper, batches):
            yield item
        for each in changes:
            accounts_state(report.name)[str(each.asked.account_id)] = each.asked.state

    own = {**hints, "write_disposition": disposition}
    return described(dlt.resource(rows, section=SECTION, **own), report)


def _is_replaced(changes: Collection[Changes], row: Row) -> bool:
    """Returns whether a row goes."""
    span = Window(row.get(FROM_DATE.name), row.get(TO_DATE.name))
    return any(
        each.asked.account_id == row["account_id"] and span in each.replaced for each in changes
    )
