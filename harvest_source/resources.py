"""Makes dlt resources of the catalogue's reports: one per report, children as transformers over their parents.

A resource yields the rows of a reading that is complete, then moves the report's bookmark in dlt's state. Bookmarks are
kept here, per account, and not by `dlt.sources.incremental`: that keeps one mark per resource name, so that a second
account would lose rows; it drops rows below its start value, which quiet changes are; and it loses an edit within the
bookmark's second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from harvest_source.api.accounts import Account
from harvest_source.api.net import stays_with_report
from harvest_source.reports.catalogue import Report, parent_id_column
from harvest_source.reports.columns.types import Kind
from harvest_source.reports.hints import (
    DELETED_AT,
    KIND_OF_TYPE,
    Added,
    added_hints,
    arrow_schema,
    key_of,
    resource_hints,
    table_hints,
)
from harvest_source.reports.reader import Outcome, Reader, Where
from harvest_source.reports.reading import Pages
from harvest_source.reports.shape import Notes, Row, Shaper
from harvest_source.settings import SECTION

RowFilter = Callable[[Report, int, list[Row]], list[Row]]
"""Given rows that are about to be loaded, returns those that differ from the destination's."""

FullKey = tuple[Any, ...]
"""The key of a row with its account in front."""
RestOfTable = Callable[[Report, set[FullKey]], Iterator[Any]]
"""Given a report and keys that are written or removed now, yields the other rows of its table."""

BATCH_ROWS = 2000
NO_ACCOUNT = 0
DUMMY_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Run:
    """What the resources of one source share."""

    reader: Reader
    choose_accounts: Callable[[], list[Account]]
    keeps_errors: bool = False  # a failed report yields nothing instead of raising
    filter_rows: RowFilter | None = None
    rest_of: RestOfTable | None = None  # set where the destination cannot merge: a changed table is then written anew
    chosen: frozenset[Where] | None = None  # what is loaded now, of what was read; None: everything
    removals: dict[Where, list[Row]] = field(default_factory=dict)  # rows gone at Harvest, as they were last known
    makes_tables: bool = True  # tables without a row are made with the others; False where `sync` made them before
    notes: Notes = field(default_factory=Notes)
    _accounts: list[Account] | None = None

    @property
    def accounts(self) -> list[Account]:
        """Returns the accounts to load; asks Harvest the first time."""
        if self._accounts is None:
            self._accounts = self.choose_accounts()
        return self._accounts

    @property
    def keeps_deleted(self) -> bool:
        """Returns whether rows gone at Harvest stay and are marked, instead of being removed."""
        return bool(self.reader.settings.deleted_rows == "keep")

    def outcome(self, report: Report, account_id: int) -> Outcome:
        """Returns what became of a report; reads it where nobody did before.

        Raises:
            HarvestError: the report could not be read.
        """
        if (account_id, report.name) not in self.reader.outcomes:
            self.reader.collect([report.name], [account_id], lambda account, name: account_state(name, account))
        outcome = self.reader.outcomes[account_id, report.name]
        if outcome.error and not self.keeps_errors:
            raise outcome.error
        return outcome


def account_state(report_name: str, account_id: int) -> dict[str, Any]:
    """Returns what dlt's state keeps of a report and account, from within a running extract."""
    accounts: dict[str, Any] = dlt.current.resource_state(report_name).get("accounts", {})
    state: dict[str, Any] = accounts.get(str(account_id), {})
    return state


def build_resources(run: Run, report: Report) -> list[DltResource]:
    """Returns the resource of a report; for a report of children, the unselected resource of its parents as well."""
    hints = resource_hints(report, keep_deleted=run.keeps_deleted, merges=run.rest_of is None)
    if report.parent is None:
        rows = dlt.resource(lambda: _iter_accounts(run, report, [account.id for account in run.accounts]), **hints)
        return [rows.apply_hints(additional_table_hints=table_hints(report))]
    parents = dlt.resource(
        lambda: iter([[account.id for account in run.accounts]]), name=f"{report.name}_parents", selected=False
    )
    rows = dlt.transformer(lambda account_ids: _iter_accounts(run, report, account_ids), data_from=parents, **hints)
    return [parents, rows.apply_hints(additional_table_hints=table_hints(report))]


def empty_resource(run: Run, report: Report) -> DltResource:
    """Returns a resource that makes the table of a report without a row, where the destination has no other way."""
    hints = resource_hints(report, keep_deleted=run.keeps_deleted, merges=run.rest_of is None)
    empty: DltResource = dlt.resource([_empty(report)], **hints)
    return empty.apply_hints(additional_table_hints=table_hints(report))


def _iter_accounts(run: Run, report: Report, account_ids: list[int]) -> Iterator[Any]:
    """Yields the rows of one report; where the destination cannot merge, all others of its table behind them."""
    written: set[FullKey] = set()
    for account_id in account_ids:
        for item, rows in _iter_items(run, report, account_id):
            if run.rest_of and rows:  # elsewhere nobody asks for the keys, of which there may be a million
                if not written:
                    yield replacing(report)
                written.update(full_key(report, row) for row in rows)
            if item is not None:
                yield item
    if run.rest_of and written:
        yield from run.rest_of(report, written)


def _iter_items(run: Run, report: Report, account_id: int) -> Iterator[tuple[Any, list[Row]]]:
    """Yields the items of one report and account, each with the rows in it or removed by it; afterwards moves its bookmark."""
    if run.chosen is not None and (account_id, report.name) not in run.chosen:
        return
    outcome = run.outcome(report, account_id)
    removed = run.removals.get((account_id, report.name), [])
    if outcome.error or (outcome.pages is None and not removed):
        return
    if run.makes_tables and _lacks_tables(report, with_lists=run.rest_of is None):
        yield _placeholder(run, report), []
    shaper = Shaper(report, known_kinds, run.notes)
    described: Added = {}
    if removed:
        yield _marked(run, report, removed), removed
    for rows in _iter_batches(shaper, outcome.pages) if outcome.pages else ():
        loaded = run.filter_rows(report, account_id, rows) if run.filter_rows else rows
        if not loaded:
            continue
        if report.arrow:
            yield pa.Table.from_pylist(loaded, schema=arrow_schema(report, shaper.root.added)), loaded
        elif shaper.added != described:
            described = shaper.added
            yield dlt.mark.with_hints(loaded, added_hints(described)), loaded
        else:
            yield loaded, loaded
    if outcome.state is not None:
        resource_state = dlt.current.resource_state(report.name)
        resource_state.setdefault("accounts", {})[str(account_id)] = outcome.state


def full_key(report: Report, row: Row) -> FullKey:
    """Returns the key of a row with its account in front."""
    return tuple(row[name] for name in key_of(report))


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


def _iter_batches(shaper: Shaper, pages: Pages) -> Iterator[list[Row]]:
    """Yields the rows of a reading in lists of some thousand: a page may hold one payment, or 2,000 entries."""
    batch: list[Row] = []
    with stays_with_report():
        for parent_id, records in pages.iter_pages():
            batch += [shaper.shape(record, pages.account_id, parent_id) for record in records]
            if len(batch) >= BATCH_ROWS:
                yield batch
                batch = []
        if batch:
            yield batch


def known_kinds(table: str) -> Mapping[str, Kind]:
    """Returns the columns that a table has from earlier runs, as far as their kind is one of ours."""
    schema = dlt.current.source_schema().tables.get(table)
    types = {name: column.get("data_type") or "" for name, column in schema["columns"].items()} if schema else {}
    return {name: KIND_OF_TYPE[kind] for name, kind in types.items() if kind in KIND_OF_TYPE and not name.startswith("_dlt")}


def known_arrow_schema(report: Report) -> pa.Schema:
    """Returns the Arrow schema of a flat report's table as earlier runs left it."""
    documented = {column.name for column in report.columns} | {DELETED_AT}
    return arrow_schema(report, {name: kind for name, kind in known_kinds(report.name).items() if name not in documented})


def _lacks_tables(report: Report, *, with_lists: bool) -> bool:
    tables = dlt.current.source_schema().tables
    lists = report.lists if with_lists else ()
    names = [report.name, *(f"{report.name}__{nested.name}" for nested in lists)]
    return not all(name in tables and (tables[name].get("x-normalizer") or {}).get("seen-data") for name in names)


def _placeholder(run: Run, report: Report) -> Any:
    """Returns what makes the tables of a report exist, also where it has no row or all its lists are empty.

    That is a row of no account, which dlt removes as it loads it: a file without rows makes no child tables, and Postgres is
    given no such files (dlt 1.31 fails with them where rows go there as Arrow). Where nobody would remove the row, it is a file
    without rows.
    """
    if run.rest_of or run.keeps_deleted:
        return _empty(report)
    parents = {"account_id": NO_ACCOUNT, parent_id_column(report): 0}
    lists = {nested.name: [parents] for nested in report.lists}
    row = {"account_id": NO_ACCOUNT, **dict.fromkeys(report.key, 0), DELETED_AT: DUMMY_INSTANT, **lists}
    return pa.Table.from_pylist([row], schema=arrow_schema(report, {})) if report.arrow else row


def replacing(report: Report) -> Any:
    """Returns an item without a row, with which the rows that follow take the place of the report's tables."""
    return dlt.mark.with_hints(_empty(report), dlt.mark.make_hints(write_disposition="replace"))


def _empty(report: Report) -> Any:
    return arrow_schema(report, {}).empty_table() if report.arrow else dlt.mark.materialize_table_schema()


class HarvestSource(dlt.sources.DltSource):
    """The dlt source of Harvest, with what its resources share at hand for `sync`."""

    shared: Run

    def clone(self, with_name: str | None = None) -> HarvestSource:
        """Returns a copy, as dlt makes one for every choice of resources."""
        copy = HarvestSource(self.schema.clone(with_name=with_name or self.name), self.section, list(self._resources.values()))
        copy.shared = self.shared
        return copy

    def with_resources(self, *resource_names: str) -> HarvestSource:
        """Returns a copy with only the named resources selected."""
        return cast("HarvestSource", super().with_resources(*resource_names))


def build_source(run: Run, reports: list[Report], *others: DltResource) -> HarvestSource:
    """Returns the source of the given reports, and of other tables that are to be loaded with them.

    `root_key` lets dlt replace the list elements of a changed row, also where a list shrinks or empties.
    """

    @dlt.source(name=SECTION, section=SECTION, root_key=True, _impl_cls=HarvestSource)
    def harvest() -> list[DltResource]:
        return [*(resource for report in reports for resource in build_resources(run, report)), *others]

    source: HarvestSource = harvest()
    source.shared = run
    return source
