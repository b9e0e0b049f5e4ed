"""Records of one complete reading, kept on disk, and what was learned while they came."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from harvest_source.api.answers import rows_of
from harvest_source.api.bodies import MIB
from harvest_source.api.client import Params
from harvest_source.api.parsing import clean_text, needs_cleaning, parse_exact, parse_quick
from harvest_source.catalogue.reports import Report
from harvest_source.errors import RefusedError
from harvest_source.reading.spool import Spool
from harvest_source.reading.values import WIDEST_ID, Unfit, to_id

MOST_BYTES_OF_A_READING = 16 * 1024 * MIB  # on disk: ten million time entries
FIRST_YEAR = 1970  # a change time before it is no bookmark: there was no Harvest
Key = tuple[Any, ...]
Record = dict[str, Any]


def format_instant(instant: datetime) -> str:
    """Returns an instant as the API writes and takes it: UTC, whole seconds, `Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_instant(text: object) -> datetime | None:
    """Returns the instant of an `updated_at`, `None` where there is none or it cannot be read."""
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
        return instant and (instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


@dataclass
class Pages:
    """Records of one complete reading, kept in the spool, and what was learned while they came.

    `read_bodies` gives the answers again, each with the id of the parent it belongs to (children) or `None`.
    """

    report: Report
    account_id: int
    since: datetime | None  # what the reading asked for; None: everything
    read_bodies: Callable[[], Iterator[tuple[int | None, bytes]]]
    rows: int = 0
    newest: datetime | None = None  # the largest updated_at, not later than the server's clock when the reading began
    started: datetime | None = None  # the server's clock
    total_entries: int | None = None
    seconds: float = 0.0
    keys: set[Key] = field(default_factory=set)
    repeated: dict[Key, str] = field(default_factory=dict)  # keys that came more than once: their newest updated_at

    def add(self, records: list[Record], parent_id: int | None = None) -> None:
        """Notes the keys and change times of records that came."""
        for record in records:
            self.rows += 1
            updated_at = record.get("updated_at") or ""
            key = record_key(self.report, record, parent_id)
            if key in self.keys:
                self.repeated[key] = max(self.repeated.get(key, ""), str(updated_at))
            self.keys.add(key)
            instant = parse_instant(updated_at) if updated_at else None
            if instant and instant.year >= FIRST_YEAR and (self.newest is None or instant > self.newest):
                self.newest = instant

    def iter_pages(self) -> Iterator[tuple[int | None, list[Record]]]:
        """Yields (parent id, records) page by page, exact numbers, each key once and newest."""
        left = dict(self.repeated)
        for parent_id, body in self.read_bodies():
            data = parse_exact(body)
            if needs_cleaning(body):
                data = clean_text(data)
            records = records_of(data, self.report)
            if self.repeated:
                records = [record for record in records if self._is_newest(record, parent_id, left)]
            yield parent_id, records

    def iter_light(self) -> Iterator[Record]:
        """Yields all records quickly, fractions as floats: for ids, dates and change times only."""
        for _, body in self.read_bodies():
            yield from records_of(parse_quick(body), self.report)

    def _is_newest(self, record: Record, parent_id: int | None, left: dict[Key, str]) -> bool:
        key = record_key(self.report, record, parent_id)
        if key not in self.repeated:
            return True
        if left.get(key) == str(record.get("updated_at") or ""):
            del left[key]
            return True
        return False


def versions_of(pages: Pages) -> dict[Key, datetime | None]:
    """Returns the key of every record of a list, with its newest `updated_at`."""
    versions: dict[Key, datetime | None] = {}
    for record in pages.iter_light():
        key, updated_at = record_key(pages.report, record, None), parse_instant(record.get("updated_at"))
        known = versions.get(key)
        versions[key] = max(known, updated_at) if known and updated_at else updated_at or known
    return versions


def record_key(report: Report, record: Record, parent_id: int | None) -> Key:
    """Returns the key of a record beside its account.

    Raises:
        RefusedError: the record has none; it could not be told from others, nor found again.
    """
    parent_column = report.parent.column if report.parent else None
    return tuple(parent_id if name == parent_column else _key_part(report, name, record.get(name)) for name in report.key)


def _key_part(report: Report, name: str, value: Any) -> int:
    if type(value) is int and 0 <= value < WIDEST_ID:  # as in every row ever seen, of which there may be a million
        return value
    try:
        return to_id(str(value) if isinstance(value, float) else value)
    except Unfit:
        raise RefusedError(
            f"Harvest sent a row of {report.name} without its key ({name}): none of them is loaded, the next run asks again"
        ) from None


def records_of(data: Any, report: Report) -> list[Record]:
    """Returns the records of an answer, of a page, or of the joined pages of one parent's children."""
    if isinstance(data, list):
        return [record for page in data for record in records_of(page, report)]
    return [data] if report.rows_key is None else rows_of(data, report.rows_key)


def list_params(report: Report, since: datetime | None, start_date: datetime | None) -> Params:
    """Returns the query of a list: changed at or after `since`, and from `start_date` on where it holds."""
    bounds = [since] if since else []
    if start_date and report.from_start_date:
        bounds.append(start_date)
    return {"updated_since": format_instant(max(bounds))} if bounds and report.takes_updated_since else {}


def new_pages(spool: Spool, report: Report, account_id: int, since: datetime | None) -> tuple[Pages, Callable[[bytes], None]]:
    """Returns empty pages kept in the spool, and what keeps an answer's body for them, up to so many bytes."""
    number = spool.new_reading()
    count = itertools.count()
    left_bytes = MOST_BYTES_OF_A_READING

    def keep(body: bytes) -> None:
        nonlocal left_bytes
        left_bytes -= len(body)
        if left_bytes < 0:
            raise RefusedError(f"the pages of {report.name} are larger than {MOST_BYTES_OF_A_READING // MIB:,} MiB together")
        spool.add_page(number, next(count), body)

    return Pages(report, account_id, since, lambda: ((None, body) for body in spool.iter_pages(number))), keep


def bound_newest(pages: Pages) -> None:
    """Keeps the bookmark from passing the moment the reading began.

    A row that moved to a page already read, while later pages showed newer changes, is then asked for next time.
    """
    if pages.newest and pages.started:
        pages.newest = min(pages.newest, pages.started)


def overlapped(mark: str | None, overlap_seconds: int) -> datetime | None:
    """Returns from when a run asks again: a little before the bookmark; `None` where there is no bookmark."""
    instant = parse_instant(mark) if mark else None
    return instant - timedelta(seconds=overlap_seconds) if instant else None
