"""Running timers: their hours grow while `updated_at` stands still, so they are read again in every run."""

from __future__ import annotations

from collections.abc import Collection

from harvest_source.errors import NotAllowedError, NotFoundError
from harvest_source.reading.fetch import Fetcher
from harvest_source.reading.parts import Part
from harvest_source.reading.query import ListQuery
from harvest_source.reading.reading import Reading


def with_timers(
    reading: Reading, query: ListQuery, fetcher: Fetcher, ran_before: Collection[int]
) -> tuple[Reading, frozenset[int]]:
    """Returns a reading with the entries whose timer runs now, and once more those whose timer ran last time.

    Args:
        reading: of the time entries changed since the last run.
        query: of all time entries that are followed.
        fetcher: sends the requests.
        ran_before: ids of entries that ran when they were last read.

    Returns:
        also the ids of those that Harvest has and does not show to the caller.

    Raises:
        ApiError: they could not be read.
    """
    draft, report = query.draft(), query.report
    assert report.running is not None  # noqa: S101 - only reports with timers come here
    params = (*(query.params or {}).items(), (report.running.column, "true"))
    running = Part(reading.pair, f"{draft.number} running", report.path, params)
    fetcher.fetch(running, report)
    draft.take(running)
    refused: set[int] = set()
    for entry_id in sorted({*ran_before} - {key[0] for key in draft.keys | reading.keys}):
        part = Part(reading.pair, f"{draft.number} entry {entry_id}", f"{report.path}/{entry_id}")
        try:
            fetcher.fetch_row(part, report)
        except NotFoundError:
            continue  # deleted: the comparison of counts finds it
        except NotAllowedError:
            refused.add(entry_id)
            continue
        draft.take(part)
    return draft.finish_in_front_of(reading), frozenset(refused)
