"""What `sync` hands to dlt: rows of readings that are complete and that the destination lacks, and what is removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from harvest_source.api.accounts import Account
from harvest_source.catalogue.hints import DELETED_AT, arrow_schema, key_of, resource_hints, table_hints
from harvest_source.catalogue.reports import AccountReport, Report
from harvest_source.connection import Connection
from harvest_source.reading.reader import Reader
from harvest_source.reading.reading import Pages
from harvest_source.reading.shape import Notes, Row, Shaper
from harvest_source.resources import (
    FullKey,
    accounts_state,
    empty_item,
    full_key,
    incremental,
    iter_items,
    iter_rows,
    known_arrow_schema,
    known_kinds,
    move_mark,
)
from harvest_source.settings import SECTION

RowFilter = Callable[[Report, int, list[Row]], list[Row]]
"""Given rows that are about to be loaded, returns those that differ from the destination's."""
RestOfTable = Callable[[Report, set[FullKey]], Iterator[Any]]
"""Given a report and keys that are written or removed now, yields the other rows of its table."""


@dataclass
class Run:
    """What the loads of one run share."""

    connection: Connection
    reader: Reader
    filter_rows: RowFilter | None = None
    rest_of: RestOfTable | None = None  # set where the destination cannot merge: a changed table is then written anew
    chosen: frozenset[AccountReport] = frozenset()  # what is loaded now, of what was read
    removals: dict[AccountReport, list[Row]] = field(default_factory=dict)  # rows gone at Harvest, as they were last known
    notes: Notes = field(default_factory=Notes)
    _accounts: list[Account] | None = None

    @property
    def accounts(self) -> list[Account]:
        """Returns the accounts to load; asks Harvest the first time."""
        if self._accounts is None:
            self._accounts = self.connection.accounts()
        return self._accounts

    @property
    def keeps_deleted(self) -> bool:
        """Returns whether rows gone at Harvest stay and are marked, instead of being removed."""
        return bool(self.connection.settings.deleted_rows == "keep")


def build_source(run: Run, reports: list[Report], *others: DltResource) -> Any:
    """Returns the source of one load.

    `root_key` lets dlt replace the list elements of a changed row, also where a list shrinks or empties.

    Args:
        run: whose load.
        reports: whose rows are loaded.
        others: other tables that are to be loaded with them.
    """

    @dlt.source(name=SECTION, section=SECTION, root_key=True)
    def harvest() -> list[DltResource]:
        return [*(_resource(run, report) for report in reports), *others]

    return harvest()


def _resource(run: Run, report: Report) -> DltResource:
    hints = _hints(run, report)
    if report.parent or not report.takes_updated_since:
        return _described(dlt.resource(lambda: _iter_accounts(run, report), **hints), report)
    cursor = incremental(run.connection)

    def rows(updated_at: Any = cursor) -> Iterator[Any]:
        updated_at.advance(None)  # Harvest was asked for the right rows: dlt lets them pass
        yield from _iter_accounts(run, report)
        move_mark(updated_at, report)

    return _described(dlt.resource(rows, incremental=cursor, **hints), report)


def empty_resource(run: Run, report: Report) -> DltResource:
    """Returns a resource that makes the table of a report without a row, where the destination has no other way."""
    return _described(dlt.resource([empty_item(report)], **_hints(run, report)), report)


def _hints(run: Run, report: Report) -> dict[str, Any]:
    return resource_hints(report, keep_deleted=run.keeps_deleted, merges=run.rest_of is None)


def _described(resource: DltResource, report: Report) -> DltResource:
    described: DltResource = resource.apply_hints(additional_table_hints=table_hints(report))
    return described


def _iter_accounts(run: Run, report: Report) -> Iterator[Any]:
    """Yields the rows of one report; where the destination cannot merge, all others of its table behind them."""
    written: set[FullKey] = set()
    for account in run.accounts:
        for item, rows in _iter_account(run, report, account.id):
            if run.rest_of and rows:  # elsewhere nobody asks for the keys, of which there may be a million
                if not written:
                    yield replacing(report)
                written.update(full_key(report, row) for row in rows)
            if item is not None:
                yield item
    if run.rest_of and written:
        yield from run.rest_of(report, written)


def _iter_account(run: Run, report: Report, account_id: int) -> Iterator[tuple[Any, list[Row]]]:
    """Yields the items of one report and account, each with the rows in it or removed by it; afterwards moves its bookmark."""
    pair = AccountReport(account_id, report.name)
    if pair not in run.chosen:
        return
    outcome = run.reader.outcomes[pair]
    removed = run.removals.get(pair, [])
    if removed:
        yield _marked(run, report, removed), removed
    if outcome.pages:
        shaper = Shaper(report, known_kinds, run.notes)
        yield from iter_items(report, shaper, _differing(run, outcome.pages, shaper))
    if outcome.state is not None:
        accounts_state(report.name)[str(account_id)] = outcome.state


def _differing(run: Run, pages: Pages, shaper: Shaper) -> Iterator[list[Row]]:
    """Yields the rows of a reading that the destination does not have as they are."""
    for rows in iter_rows(shaper, pages):
        loaded = run.filter_rows(pages.report, pages.account_id, rows) if run.filter_rows else rows
        if loaded:
            yield loaded


def _marked(run: Run, report: Report, removed: list[Row]) -> Any:
    """Returns rows gone at Harvest with the mark that lets dlt remove them, or, where they are kept, shows that they are gone.

    Where the destination cannot merge, rows are removed by not being written again.
    """
    now = datetime.now(UTC)
    keeps = run.keeps_deleted
    if run.rest_of and not keeps:
        return None
    rows = [{**(row if keeps else {name: row[name] for name in key_of(report)}), DELETED_AT: now} for row in removed]
    if not report.arrow:
        return rows
    return pa.Table.from_pylist(rows, schema=known_arrow_schema(report) if keeps else arrow_schema(report, {}))


def replacing(report: Report) -> Any:
    """Returns an item without a row, with which the rows that follow take the place of the report's tables."""
    return dlt.mark.with_hints(empty_item(report), dlt.mark.make_hints(write_disposition="replace"))
