"""Mends what dlt loaded twice: it loads a file again where the answer to a commit was lost, so that its rows stand twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import dlt

from harvest_source.catalogue.report import Row
from harvest_source.destinations.abilities import can_merge
from harvest_source.destinations.warehouse import Warehouse, without_dlt
from harvest_source.loading.figure_history import HISTORIES
from harvest_source.loading.history import LOAD_REPORT_HINTS, MERGE, build_source
from harvest_source.loading.list_elements import report_of
from harvest_source.loading.package import load
from harvest_source.loading.removals import DELETED_ROWS_HINTS
from harvest_source.loading.states import states_of
from harvest_source.loading.tables import forget_bookmarks

# of tables in which a row may stand twice: rows take the place of no other, or of none that comes in the same load
HINTS = (LOAD_REPORT_HINTS, DELETED_ROWS_HINTS, *(each.hints for each in HISTORIES))


def mend(pipeline: dlt.Pipeline, doubled: Collection[str]) -> None:
    """Leaves the rows once that a run writes down, and has reports read from the beginning: what differs is loaded again.

    Args:
        pipeline: which loaded them.
        doubled: the tables of which dlt loaded a file more than once.
    """
    if not can_merge(pipeline):
        return  # there a file that is loaded again takes its own place
    reports = set(map(report_of, doubled))
    if any(pair.report in reports for pair in states_of(pipeline)):
        forget_bookmarks(pipeline, lambda pair: pair.report in reports)
    for hints in HINTS:
        if hints["name"] in doubled:
            _leave_once(pipeline, hints)


def _leave_once(pipeline: dlt.Pipeline, hints: dict[str, Any]) -> None:
    """Loads the rows of a table again that stand twice, with all that a merge takes out along with them."""
    key = hints.get("merge_key") or hints["primary_key"]
    rows: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    with Warehouse(pipeline) as warehouse:
        for row in warehouse.rows(hints["name"]):
            rows[tuple(row[name] for name in key)].append(without_dlt(row))
    once = {each: list({repr(row): row for row in rows[each]}.values()) for each in rows}
    again = [row for each in once if len(once[each]) < len(rows[each]) for row in once[each]]
    if again:
        resource = dlt.resource([again], **{**hints, "write_disposition": MERGE})
        load(pipeline, build_source([resource]))
