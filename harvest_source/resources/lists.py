"""Makes dlt resources of tables and fills those of lists. One that takes `updated_since` has an incremental of dlt's.

`dlt.sources.incremental` carries the mark of one account. Beside it the state keeps a mark for each account, since dlt has
one per resource name, which would lose the rows of a second account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.extract import DltResource

from harvest_source.catalogue.hints import UPDATED_AT, described
from harvest_source.catalogue.report import AccountReport, Report
from harvest_source.errors import SettingError
from harvest_source.reading.plan import Wish
from harvest_source.reading.shape import Shaper
from harvest_source.resources.extraction import (
    Extraction,
    Extractions,
    account_state,
    accounts_state,
)
from harvest_source.resources.items import (
    Batch,
    has_table,
    iter_batches,
    iter_items,
    known_kinds,
    table_without_rows,
)
from harvest_source.settings import SECTION, HarvestSettings

# in the state of an account: the entries whose timer ran when they were last read
RUNNING = "running"


def list_resource(extractions: Extractions, report: Report, hints: dict[str, Any]) -> DltResource:
    """Returns the resource of a list; see `table_resource`."""

    def items() -> Iterator[Any]:
        extraction = extractions.current()
        with extraction.failing_as_one():
            yield from _iter_list(extraction, report, hints)

    return table_resource(report, extractions.connection.settings, hints, items)


def _iter_list(extraction: Extraction, report: Report, hints: dict[str, Any]) -> Iterator[Any]:
    """Yields the rows of a list, account by account, and moves the mark of each behind its rows."""
    is_empty = True
    shaper = Shaper(report, known_kinds, extraction.notes)
    for account in extraction.accounts:
        pair = AccountReport(account.id, report.name)
        state = account_state(report.name, account.id)
        ran_before = frozenset(state.get(RUNNING, ())) if report.running else None
        outcome = extraction.reader.read_lists({pair: Wish(state, ran_before=ran_before)})[pair]
        if extraction.is_off(account, report, outcome.error):
            continue
        if outcome.reading is None:
            raise outcome.error or AssertionError(report.name)
        running: list[int] = []
        for item, batch in iter_items(report, shaper, iter_batches(shaper, outcome.reading)):
            is_empty = False
            running += _running_ids(report, batch)
            yield item
        if outcome.state is not None:
            kept = {RUNNING: sorted(running)} if running else {}
            accounts_state(report.name)[str(account.id)] = {**outcome.state, **kept}
    if is_empty and not has_table(report):
        yield table_without_rows(report, hints)


def _running_ids(report: Report, batch: Batch) -> list[int]:
    """Returns the entries of a batch whose timer runs: plain dlt has no table to look into."""
    if report.running is None:
        return []
    column = report.running.column
    if isinstance(batch, pa.Table):
        ids: list[int] = batch.filter(pc.field(column))["id"].to_pylist()
        return ids
    return [row["id"] for row in batch if row[column]]


def table_resource(
    report: Report,
    settings: HarvestSettings,
    hints: dict[str, Any],
    iter_items: Callable[[], Iterator[Any]],
) -> DltResource:
    """Returns a resource of a report's table; that of a list which takes `updated_since` is incremental in dlt's own way.

    Args:
        report: whose table.
        settings: of the run.
        hints: what dlt is told of the table.
        iter_items: yields what is loaded, and keeps the marks of its accounts.
    """
    if report.parent or not report.takes_updated_since:

        def items() -> Iterator[Any]:
            yield from iter_items()  # dlt runs a generator function in parallel, and nothing else

        return described(dlt.resource(items, section=SECTION, **hints), report)
    cursor: Any = dlt.sources.incremental(
        UPDATED_AT, lag=settings.overlap_seconds, on_cursor_value_missing="include"
    )

    def rows(updated_at: Any = cursor) -> Iterator[Any]:
        _require_as_made(updated_at, cursor, report)
        updated_at.advance(None)  # Harvest was asked for the right rows: dlt lets them pass
        yield from iter_items()
        _move_mark(updated_at, report)

    return described(dlt.resource(rows, section=SECTION, incremental=cursor, **hints), report)


def _require_as_made(given: Any, made: Any, report: Report) -> None:
    """Raises where a user gave a list an incremental of their own: it would choose nothing, since Harvest is asked by marks."""
    wishes = given.initial_value, given.end_value, given.last_value_func
    if (
        given.cursor_path != made.cursor_path
        or wishes != (None, None, made.last_value_func)
        or given.lag not in {None, made.lag}
    ):
        raise SettingError(
            f"{report.name}: an incremental of your own cannot be followed; choose the range with harvest_source(since=...), "
            "and the lag with overlap_seconds"
        )


def _move_mark(updated_at: Any, report: Report) -> None:
    """Has dlt's incremental keep the mark of a report as long as rows of one account only were ever loaded."""
    states = list(accounts_state(report.name).values())
    if len(states) == 1 and states[0].get(UPDATED_AT):
        updated_at.advance(states[0][UPDATED_AT])
