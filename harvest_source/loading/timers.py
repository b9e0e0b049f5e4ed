"""Running timers: their hours grow while `updated_at` stands still, so they are read again in every run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from harvest_source.api.parsing import parse_quick
from harvest_source.catalogue.reports import Report, by_name
from harvest_source.destinations.scope import LIVE
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import NotAllowedError, NotFoundError
from harvest_source.reading.reader import Reader
from harvest_source.reading.reading import Pages, list_params, records_of

REPORT = "time_entries"


def running_ids(warehouse: Warehouse, account_id: int, start_date: datetime | None) -> set[int]:
    """Returns the entries whose timer ran when they were last read, as far as the setting `start_date` has them followed."""
    running = LIVE.where("is_running", "=", value=True)
    scope = running.where("updated_at", ">=", start_date) if start_date else running
    return {key[0] for key in warehouse.keys(by_name(REPORT), account_id, scope)}


def add_timers(reader: Reader, pages: Pages, ran_before: Iterable[int]) -> None:
    """Adds to a reading the entries whose timer runs now, and once more those whose timer ran last time.

    Args:
        reader: sends the requests.
        pages: of the time entries changed since the last run.
        ran_before: ids of entries that ran when they were last read.

    Raises:
        ApiError: they could not be read.
    """
    report = pages.report
    params = {**list_params(report, None, reader.settings.begins_at), "is_running": "true"}
    bodies = [answer.body for answer in reader.client.get_pages(pages.account_id, report.path, REPORT, params, REPORT)]
    _prepend(pages, report, bodies)
    for entry_id in sorted({*ran_before} - {key[0] for key in pages.keys}):
        try:
            answer = reader.client.get(pages.account_id, f"{report.path}/{entry_id}", ("id",), label=REPORT)
        except NotFoundError:
            continue  # deleted: the comparison of counts finds it
        except NotAllowedError:
            reader.note_hidden(pages.account_id, REPORT, [entry_id])
            continue
        _prepend(pages, report, [b'{"time_entries":[' + answer.body + b"]}"])


def _prepend(pages: Pages, report: Report, bodies: list[bytes]) -> None:
    """Puts answers in front, so that of equal change times the entry read last counts."""
    before = pages.read_bodies
    newest = pages.newest
    for body in bodies:
        pages.add(records_of(parse_quick(body), report))
    pages.newest = newest  # a timer's row is no sign that everything before it was read

    def read_bodies() -> Iterator[tuple[int | None, bytes]]:
        yield from ((None, body) for body in bodies)
        yield from before()

    pages.read_bodies = read_bodies
