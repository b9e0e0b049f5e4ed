"""What one load takes of one report and account, and the dlt source that carries deliveries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from harvest_source.catalogue.arrow import arrow_schema
from harvest_source.catalogue.hints import (
    DELETED_AT,
    described,
    resource_hints,
)
from harvest_source.catalogue.report import AccountReport, Key, Report, Row
from harvest_source.loading.changes import ChangeFilter
from harvest_source.loading.history import build_source
from harvest_source.loading.rewriting import RestOfTable
from harvest_source.reading.reading import Reading
from harvest_source.reading.shape import KnownKinds, Notes, Shaper
from harvest_source.resources import (
    Batch,
    accounts_state,
    empty_item,
    iter_batches,
    iter_items,
    known_arrow_schema,
    rows_in,
    table_resource,
)
from harvest_source.settings import HarvestSettings


@dataclass(frozen=True)
class Delivery:
    """What one load takes of one report and account."""

    pair: AccountReport
    reading: Reading | None = None  # whose rows are loaded, as far as the destination lacks them
    # what dlt's state keeps from then on; None: it stays as it is
    state: Mapping[str, Any] | None = None
    removed: tuple[Row, ...] = ()  # rows gone at Harvest, as they were last known


Items = Iterable[tuple[Any, Batch]]
"""What dlt takes, each with the rows in it or removed by it."""


@dataclass(frozen=True)
class Package:
    """The deliveries of one load, and how their rows go into the tables."""

    settings: HarvestSettings
    deliveries: Mapping[AccountReport, Delivery] = field(default_factory=dict)
    items: Mapping[AccountReport, Items] = field(
        default_factory=dict
    )  # none: only the state is kept
    # where the destination cannot merge: a changed table is then written anew
    rest_of: RestOfTable | None = None
    # of reports whose tables have no row: what is loaded needs no look at them
    empty: frozenset[str] = frozenset()
    # those of the run and those that are there, to which a table may refer; None: all
    tables: Collection[str] | None = None
    notes: Notes = field(default_factory=Notes)

    def hints(self, report: Report) -> dict[str, Any]:
        """Returns what dlt is told of a report's table."""
        merges = self.rest_of is None and report.name not in self.empty
        keeps = self.settings.keeps_deleted
        return resource_hints(report, keep_deleted=keeps, merges=merges, among=self.tables)


def package_source(package: Package, reports: list[Report], *others: DltResource) -> Any:
    """Returns the source of one load.

    Args:
        package: what is loaded.
        reports: whose rows are loaded.
        others: other tables that are to be loaded with them.
    """
    return build_source([*(_resource(package, report) for report in reports), *others])


def _resource(package: Package, report: Report) -> DltResource:
    return table_resource(
        report, package.settings, package.hints(report), partial(_iter_table, package, report)
    )


def empty_resource(package: Package, report: Report) -> DltResource:
    """Returns a resource that makes the table of a report without a row, where the destination has no other way."""
    return described(dlt.resource([empty_item(report)], **package.hints(report)), report)


def _iter_table(package: Package, report: Report) -> Iterator[Any]:
    """Yields the rows of one report; where the destination cannot merge, all others of its table behind them."""
    written: set[Key] = set()
    for pair, delivery in package.deliveries.items():
        if pair.report != report.name:
            continue
        for item, batch in package.items.get(pair, ()):
            # elsewhere nobody asks for the keys, of which there may be a million
            if package.rest_of and batch:
                if not written:
                    yield replacing(report)
                written.update(report.whole_key_of(row) for row in rows_in(batch))
            if item is not None:
                yield item
        if delivery.state is not None:
            accounts_state(report.name)[str(pair.account_id)] = delivery.state
    if package.rest_of and written:
        yield from package.rest_of(report, written)


def with_items(
    package: Package,
    deliveries: Mapping[AccountReport, Delivery],
    reports: list[Report],
    changes: ChangeFilter,
    known: KnownKinds,
) -> Package:
    """Returns a package of those deliveries that change a table.

    Args:
        package: that is filled.
        deliveries: to be loaded.
        reports: of the run.
        changes: drops rows that the destination has as they are.
        known: the columns that the tables have from earlier runs.
    """
    names = {pair.report for pair in deliveries}
    shapers = {
        each.name: Shaper(each, known, package.notes) for each in reports if each.name in names
    }
    items = {
        pair: begun
        for pair, delivery in deliveries.items()
        if (begun := _begun(package, delivery, shapers[pair.report], changes))
    }
    return replace(package, deliveries={pair: deliveries[pair] for pair in items}, items=items)


def _begun(
    package: Package, delivery: Delivery, shaper: Shaper, changes: ChangeFilter
) -> Items | None:
    """Returns the items of a delivery, `None` where there is none: the first one that differs is looked for.

    Not where rows surely differ: one batch of each report in memory would be many.
    """
    items = _iter_delivery(package, delivery, shaper, changes)
    try:
        rows = delivery.reading.rows if delivery.reading else 0
        if delivery.removed or (rows and changes.is_empty(delivery.pair)):
            return items
        first = next(items, None)
    except Exception as error:  # noqa: BLE001 - it is raised where dlt takes the rows: `load_apart` knows what that means
        return _raising(error)
    return None if first is None else chain([first], items)


def _raising(error: Exception) -> Iterator[Any]:
    raise error
    yield


def _iter_delivery(
    package: Package, delivery: Delivery, shaper: Shaper, changes: ChangeFilter
) -> Iterator[tuple[Any, Batch]]:
    """Yields the items of a delivery, each with the rows in it or removed by it."""
    report = shaper.report
    if delivery.removed:
        removed = list(delivery.removed)
        yield _marked(package, report, removed), removed
    if delivery.reading:
        batches = (
            changed
            for batch in iter_batches(shaper, delivery.reading)
            if (changed := changes.differing(report, delivery.pair.account_id, batch))
        )
        yield from iter_items(report, shaper, batches)


def _marked(package: Package, report: Report, removed: list[Row]) -> Any:
    """Returns rows gone at Harvest with the mark that lets dlt remove them, or, where they are kept, shows that they are gone.

    Where the destination cannot merge, rows are removed by not being written again.
    """
    now = datetime.now(UTC)
    keeps = package.settings.keeps_deleted
    if package.rest_of and not keeps:
        return None
    rows = [
        {**(row if keeps else {name: row[name] for name in report.whole_key}), DELETED_AT: now}
        for row in removed
    ]
    if not report.arrow:
        return rows
    return pa.Table.from_pylist(
        rows, schema=known_arrow_schema(report) if keeps else arrow_schema(report, {})
    )


def replacing(report: Report) -> Any:
    """Returns an item without a row, with which the rows that follow take the place of the report's tables."""
    return dlt.mark.with_hints(empty_item(report), dlt.mark.make_hints(write_disposition="replace"))
