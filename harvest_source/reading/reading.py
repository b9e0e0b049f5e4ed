"""Complete readings: all records of a report that were asked for, kept on disk, and what was learned while they came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from harvest_source.api.answers import Answer, rows_of
from harvest_source.api.bodies import MIB
from harvest_source.api.parsing import clean_text, needs_cleaning, parse_exact, parse_quick
from harvest_source.catalogue.report import AccountReport, Key, Report
from harvest_source.errors import RefusedError
from harvest_source.instants import instant_in
from harvest_source.reading.parts import Part, PartStore
from harvest_source.reading.values import WIDEST_ID, Unfit, to_id

MOST_BYTES_OF_A_READING = 16 * 1024 * MIB  # on disk: ten million time entries
FIRST_YEAR = 1970  # a change time before it is no bookmark: there was no Harvest
Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Reading:
    """All records of one report and account that were asked for."""

    report: Report
    account_id: int
    since: datetime | None  # what was asked for; None: everything
    store: PartStore = field(repr=False)
    # in the order in which their records count, of records that are equally new
    parts: tuple[Part, ...]
    keys: AbstractSet[Key]
    rows: int  # that came, those that came twice counted twice
    # the largest updated_at, not later than the server's clock when the reading began
    newest: datetime | None
    started: datetime | None  # the server's clock
    seconds: float
    repeated: Mapping[Key, str]  # keys that came more than once: their newest updated_at

    @property
    def pair(self) -> AccountReport:
        """Returns whose records they are."""
        return AccountReport(self.account_id, self.report.name)

    def iter_pages(self) -> Iterator[tuple[int | None, list[Record]]]:
        """Yields (parent id, records) answer by answer, exact numbers, each key once and newest."""
        left = dict(self.repeated)
        for part in self.parts:
            body = self.store.body(part)
            data = parse_exact(body)
            records = records_of(clean_text(data) if needs_cleaning(body) else data, self.report)
            if self.repeated:
                records = [
                    record for record in records if self._is_newest(record, part.parent_id, left)
                ]
            yield part.parent_id, records

    def iter_light(self) -> Iterator[Record]:
        """Yields all records quickly, fractions as floats: for ids, dates and change times only."""
        for part in self.parts:
            yield from _light(self.store, part, self.report)

    def _is_newest(self, record: Record, parent_id: int | None, left: dict[Key, str]) -> bool:
        key = record_key(self.report, record, parent_id)
        if key not in self.repeated:
            return True
        if left.get(key) != _version_of(record):
            return False
        del left[key]
        return True


class Draft:
    """A reading in the making, by one thread: answers are kept as they come."""

    def __init__(
        self,
        store: PartStore,
        report: Report,
        account_id: int,
        since: datetime | None = None,
        started: datetime | None = None,
    ) -> None:
        """Begins without an answer.

        Args:
            store: keeps the answers.
            report: whose records come.
            account_id: whose account.
            since: what is asked for.
            started: the server's clock where the reading began before this draft; default: at its first answer.
        """
        self.number = store.new_number()
        self.keys: set[Key] = set()
        self.started = started
        self._store = store
        self._report = report
        self._account_id = account_id
        self._since = since
        self._parts: list[Part] = []
        self._rows = 0
        self._newest: datetime | None = None
        self._repeated: set[Key] = set()
        self._left_bytes = MOST_BYTES_OF_A_READING

    def add(self, answer: Answer) -> None:
        """Keeps one answer of a list.

        Raises:
            RefusedError: one of its records has no key, or the answers of a list are too large together.
        """
        self.started = self.started or answer.server_time
        records = records_of(answer.data, self._report)
        if not records:
            return
        self._left_bytes -= len(answer.body)
        if self._left_bytes < 0:
            most = f"{MOST_BYTES_OF_A_READING // MIB:,} MiB"
            raise RefusedError(f"the pages of {self._report.name} are larger than {most} together")
        part = Part(
            AccountReport(self._account_id, self._report.name),
            f"{self.number} page {len(self._parts) + 1}",
        )
        self._store.keep(part, answer.body)
        self._take(part, records)

    def take(self, part: Part) -> None:
        """Adds a part whose answer is kept already."""
        self._take(part, _light(self._store, part, self._report))

    def _take(self, part: Part, records: list[Record]) -> None:
        self._parts.append(part)
        for record in records:
            self._rows += 1
            key = record_key(self._report, record, part.parent_id)
            if key in self.keys:
                self._repeated.add(key)
            self.keys.add(key)
            instant = instant_in(record.get("updated_at"))
            if (
                instant
                and instant.year >= FIRST_YEAR
                and (self._newest is None or instant > self._newest)
            ):
                self._newest = instant

    def finish(self, seconds: float = 0.0) -> Reading:
        """Returns what came as a reading that is complete.

        `newest` does not pass the moment it began: a row that moved to a page already read, while later pages showed newer
        changes, is then asked for next time.

        Args:
            seconds: that it took.
        """
        parts = tuple(self._parts)
        return Reading(
            self._report,
            self._account_id,
            self._since,
            self._store,
            parts,
            self.keys,
            self._rows,
            min(self._newest, self.started) if self._newest and self.started else self._newest,
            self.started,
            seconds,
            self._versions(parts, self._repeated),
        )

    def finish_in_front_of(self, earlier: Reading) -> Reading:
        """Returns an earlier reading with what came since in front: of equal change times, what was read last counts.

        Its `newest` stays: what is asked for beside a list is no sign that everything before it was read.
        """
        parts = (*self._parts, *earlier.parts)
        repeated = self._repeated | earlier.repeated.keys() | (self.keys & earlier.keys)
        return replace(
            earlier,
            parts=parts,
            keys=self.keys | earlier.keys,
            rows=self._rows + earlier.rows,
            repeated=self._versions(parts, repeated),
        )

    def _versions(self, parts: tuple[Part, ...], repeated: set[Key]) -> dict[Key, str]:
        """Returns the newest change time of each record that came more than once."""
        versions: dict[Key, str] = {}
        for part in parts if repeated else ():
            for record in _light(self._store, part, self._report):
                key = record_key(self._report, record, part.parent_id)
                if key in repeated:
                    versions[key] = max(versions.get(key, ""), _version_of(record))
        return versions


def versions_of(reading: Reading) -> dict[Key, datetime | None]:
    """Returns the key of every record of a list, with its newest `updated_at`."""
    versions: dict[Key, datetime | None] = {}
    for record in reading.iter_light():
        key, updated_at = (
            record_key(reading.report, record, None),
            instant_in(record.get("updated_at")),
        )
        known = versions.get(key)
        versions[key] = max(known, updated_at) if known and updated_at else updated_at or known
    return versions


def record_key(report: Report, record: Record, parent_id: int | None) -> Key:
    """Returns the key that the row of a record of the API will have: `Report.key_of` reads it from the row.

    Raises:
        RefusedError: the record has none; it could not be told from others, nor found again.
    """
    return tuple(
        parent_id if name == report.linked_by else _key_part(report, name, record.get(name))
        for name in report.key
    )


def _key_part(report: Report, name: str, value: Any) -> int:
    # as in every row ever seen, of which there may be a million
    if type(value) is int and 0 <= value < WIDEST_ID:
        return value
    try:
        return to_id(str(value) if isinstance(value, float) else value)
    except Unfit:
        raise RefusedError(
            f"Harvest sent a row of {report.name} without its key ({name}): none of them is loaded, the next run asks again"
        ) from None


def records_of(data: Any, report: Report) -> list[Record]:
    """Returns the records of an answer, of a page, or of the joined pages of one part."""
    if isinstance(data, list):
        return [record for page in data for record in records_of(page, report)]
    return [data] if report.rows_key is None else rows_of(data, report.rows_key)


def _light(store: PartStore, part: Part, report: Report) -> list[Record]:
    return records_of(parse_quick(store.body(part)), report)


def _version_of(record: Record) -> str:
    return str(clean_text(record.get("updated_at")) or "")  # as `iter_pages` gives it
