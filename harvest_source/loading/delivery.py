"""What one load takes of one report and account, and the dlt source that carries deliveries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from harvest_source.catalogue.hints import DELETED_AT, arrow_schema, resource_hints
from harvest_source.catalogue.report import AccountReport, Key, Report, Row
from harvest_source.loading.changes import ChangeFilter
from harvest_source.loading.history import build_source
from harvest_source.loading.rewriting import RestOfTable
from harvest_source.reading.reading import Reading
from harvest_source.reading.shape import Notes, Shaper
from harvest_source.resources import (
    accounts_state,
    described,
    empty_item,
    iter_items,
    iter_rows,
    known_arrow_schema,
    known_kinds,
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


@dataclass(frozen=True)
class Package:
    """The deliveries of one load, and how their rows go into the tables."""

    settings: HarvestSettings
    deliveries: Mapping[AccountReport, Delivery] = field(default_factory=dict)
    changes: ChangeFilter | None = None  # drops rows that the destination has as they are
    # where the destination cannot merge: a changed table is then written anew
    rest_of: RestOfTable | None = None
    notes: Notes = field(default_factory=Notes)

    def hints(self, report: Report) -> dict[str, Any]:
        """Returns what dlt is told of a report's table."""
        return resource_hints(
            report, keep_deleted=self.settings.keeps_deleted, merges=self.rest_of is None
        )


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
    for delivery in package.deliveries.values():
        if delivery.pair.report != report.name:
            continue
        for item, rows in _iter_delivery(package, report, delivery):
            # elsewhere nobody asks for the keys, of which there may be a million
            if package.rest_of and rows:
                if not written:
                    yield replacing(report)
                written.update(report.whole_key_of(row) for row in rows)
            if item is not None:
                yield item
        if delivery.state is not None:
            accounts_state(report.name)[str(delivery.pair.account_id)] = delivery.state
    if package.rest_of and written:
        yield from package.rest_of(report, written)


def _iter_delivery(
    package: Package, report: Report, delivery: Delivery
) -> Iterator[tuple[Any, list[Row]]]:
    """Yields the items of a delivery, each with the rows in it or removed by it."""
    if delivery.removed:
        removed = list(delivery.removed)
        yield _marked(package, report, removed), removed
    if delivery.reading:
        shaper = Shaper(report, known_kinds, package.notes)
        batches = iter_rows(shaper, delivery.reading)
        if package.changes:
            changes = package.changes
            batches = (
                changed
                for rows in batches
                if (changed := changes.differing(report, delivery.pair.account_id, rows))
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
