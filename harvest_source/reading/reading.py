"""Complete readings: all records of a report that were asked for, kept on disk, and what was learned while they came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from harvest_source.api.answers import Answer, rows_of
from harvest_source.api.bodies import MIB
from harvest_source.api.parsing import clean_text, needs_cleaning, parse_exact, parse_quick
from harvest_source.catalogue.report import AccountReport, Key, Report, value_at
from harvest_source.errors import RefusedError
from harvest_source.instants import instant_in
from harvest_source.reading.flat import Packed, light_records, unpack
from harvest_source.reading.ids import IdKeys
from harvest_source.reading.parts import Part, PartStore
from harvest_source.reading.values import WIDEST_ID, Unfit, to_id

MOST_BYTES_OF_A_READING = 16 * 1024 * MIB  # on disk: ten million time entries
FIRST_YEAR = 1970  # a change time before it is no bookmark: there was no Harvest
Record = dict[str, Any]
Page: TypeAlias = list[Record] | pa.Table
"""Records of one answer: as the API sent them, or, of a flat list, as rows of its table."""


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
    settled: bool = (
        True  # whether none of the records was gone when the last was read, as far as counts tell
    )

    @property
    def pair(self) -> AccountReport:
        """Returns whose records they are."""
        return AccountReport(self.account_id, self.report.name)

    def iter_pages(self) -> Iterator[tuple[int | None, Page]]:
        """Yields (parent id, records) answer by answer, exact numbers, each key once and newest."""
        left = dict(self.repeated)
        for part in self.parts:
            body = self.store.body(part)
            table = unpack(body)
            if table is not None:
                yield part.parent_id, self._newest_rows(table, left)
                continue
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

    def _newest_rows(self, table: pa.Table, left: dict[Key, str]) -> pa.Table:
        if not pc.any(_has_one(table, self.repeated)).as_py():
            return table
        kept = [self._is_newest(row, None, left) for row in light_records(self.report, table)]
        return table.filter(pa.array(kept))

    def _is_newest(self, record: Record, parent_id: int | None, left: dict[Key, str]) -> bool:
        key = record_key(self.report, record, parent_id)
        if key not in self.repeated:
            return True
        if left.get(key) != _version_of(record):
            return False
        del left[key]
        return True


@dataclass
class Taken:
    """What came of a reading so far."""

    parts: list[Part] = field(default_factory=list)
    rows: int = 0
    keys: set[Any] = field(default_factory=set)  # of flat lists the bare ids
    repeated: set[Key] = field(default_factory=set)
    newest: datetime | None = None
    bytes: int = 0


class Draft:
    """A reading in the making, by one thread: answers are kept as they come."""

    def __init__(
        self,
        store: PartStore,
        report: Report,
        account_id: int,
        since: datetime | None = None,
        started: datetime | None = None,
        kept_as: Part | None = None,
    ) -> None:
        """Begins without an answer.

        Args:
            store: keeps the answers.
            report: whose records come.
            account_id: whose account.
            since: what is asked for.
            started: the server's clock where the reading began before this draft; default: at its first answer.
            kept_as: what the answers are parts of, where they outlive the run.
        """
        self.number = store.new_number()
        self.started = started
        self._store = store
        self._report = report
        self._account_id = account_id
        self._since = since
        self._kept_as = kept_as
        self.taken = Taken()

    def add(self, answer: Answer, since: date | None = None) -> None:
        """Keeps one answer of a list.

        Args:
            answer: one page.
            since: a day before which its rows need not be kept, since they come again.

        Raises:
            RefusedError: one of its records has no key, or the answers of a list are too large together.
        """
        self.started = self.started or answer.server_time
        packed, records = answer.packed, list[Record]()
        if packed is None:
            records = records_of(answer.data, self._report)
        elif since:
            packed = packed.since(self._report, since)
        if not records and not packed:
            return
        body = answer.body if packed is None else packed.body
        self.taken.bytes += len(body)
        if self.taken.bytes > MOST_BYTES_OF_A_READING:
            most = f"{MOST_BYTES_OF_A_READING // MIB:,} MiB"
            raise RefusedError(f"the pages of {self._report.name} are larger than {most} together")
        part = self._page(len(self.taken.parts) + 1)
        self._store.keep(part, body, self._store.clock.hour())
        if packed is None:
            self._take(part, records)
        else:
            self._note(part, packed.ids, packed.newest)

    def _page(self, number: int) -> Part:
        if self._kept_as:
            return replace(self._kept_as, key=f"{self._kept_as.key} page {number}")
        return Part(
            AccountReport(self._account_id, self._report.name), f"{self.number} page {number}"
        )

    def take_pages(self, count: int) -> None:
        """Adds answers that an interrupted run kept."""
        for number in range(1, count + 1):
            self.take(self._page(number))

    def take(self, part: Part) -> None:
        """Adds a part whose answer is kept already."""
        body = self._store.body(part)
        table = unpack(body)
        if table is None:
            self._take(part, records_of(parse_quick(body), self._report))
        else:
            packed = Packed.of(self._report, table)
            self._note(part, packed.ids, packed.newest)

    def _take(self, part: Part, records: list[Record]) -> None:
        keys = [record_key(self._report, record, part.parent_id) for record in records]
        changed = (instant_in(record.get("updated_at")) for record in records)
        self._note(
            part,
            [key[0] for key in keys] if self._report.arrow else keys,
            max((each for each in changed if each), default=None),
        )

    def _note(self, part: Part, keys: Sequence[Any], newest: datetime | None) -> None:
        self.taken.parts.append(part)
        self.taken.rows += len(keys)
        came = {*keys}
        if len(came) < len(keys) or not came.isdisjoint(self.taken.keys):
            twice = [each for each, times in Counter(keys).items() if times > 1]
            again = {*twice, *(came & self.taken.keys)}
            self.taken.repeated |= {(each,) for each in again} if self._report.arrow else again
        self.taken.keys |= came
        if newest and newest.year >= FIRST_YEAR:
            self.taken.newest = max(newest, self.taken.newest or newest)

    def merge(self, other: Draft) -> None:
        """Adds what another draft of the same list took."""
        self.taken.parts += other.taken.parts
        self.taken.rows += other.taken.rows
        self.taken.bytes += other.taken.bytes
        again = self.taken.keys & other.taken.keys
        self.taken.repeated |= other.taken.repeated | (
            {(each,) for each in again} if self._report.arrow else again
        )
        self.taken.keys |= other.taken.keys
        started = [each for each in (self.started, other.started) if each]
        newest = [each for each in (self.taken.newest, other.taken.newest) if each]
        self.started, self.taken.newest = min(started, default=None), max(newest, default=None)

    @property
    def pages(self) -> int:
        """Returns how many answers with rows came so far."""
        return len(self.taken.parts)

    @property
    def has_changed(self) -> bool:
        """Returns whether a row came that changed after the reading began."""
        return bool(self.taken.newest and self.started and self.taken.newest >= self.started)

    def may_have_shifted(self, totals: set[int | None]) -> bool:
        """Returns whether a row may have slipped onto a page already read while a list paged by number was read.

        That is so where the count changed or is not met, a row came twice, or a row came that changed meanwhile. Nothing of it
        is seen where rows came and went on pages already read.

        Args:
            totals: Harvest's counts, as the pages gave them.
        """
        return bool(self.taken.repeated) or self.has_changed or totals not in ({None}, {self.count})

    @property
    def keys(self) -> AbstractSet[Key]:
        """Returns the keys of what came so far."""
        return IdKeys(self.taken.keys) if self._report.arrow else self.taken.keys

    @property
    def count(self) -> int:
        """Returns how many different keys came so far."""
        return len(self.taken.keys)

    def finish(self, seconds: float = 0.0) -> Reading:
        """Returns what came as a reading that is complete.

        `newest` does not pass the moment it began: a row that moved to a page already read, while later pages showed newer
        changes, is then asked for next time.

        Args:
            seconds: that it took.
        """
        parts = tuple(self.taken.parts)
        return Reading(
            self._report,
            self._account_id,
            self._since,
            self._store,
            parts,
            self.keys,
            self.taken.rows,
            min(self.taken.newest, self.started)
            if self.taken.newest and self.started
            else self.taken.newest,
            self.started,
            seconds,
            self._versions(parts, self.taken.repeated),
        )

    def finish_in_front_of(self, earlier: Reading) -> Reading:
        """Returns an earlier reading with what came since in front: of equal change times, what was read last counts.

        Its `newest` stays: what is asked for beside a list is no sign that everything before it was read.
        """
        parts = (*self.taken.parts, *earlier.parts)
        repeated = self.taken.repeated | earlier.repeated.keys() | (self.keys & earlier.keys)
        return replace(
            earlier,
            parts=parts,
            keys=self.keys | earlier.keys,
            rows=self.taken.rows + earlier.rows,
            repeated=self._versions(parts, repeated),
        )

    def _versions(self, parts: tuple[Part, ...], repeated: set[Key]) -> dict[Key, str]:
        """Returns the newest change time of each record that came more than once."""
        versions: dict[Key, str] = {}
        for part in parts if repeated else ():
            for record in _light(self._store, part, self._report, repeated):
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
        parent_id if name == report.linked_by else _key_part(report, name, value_at(record, name))
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


def _light(
    store: PartStore, part: Part, report: Report, keys: AbstractSet[Key] | None = None
) -> Iterable[Record]:
    """Returns the records of a part with what tells them apart; of a flat list, where keys are given, those alone."""
    body = store.body(part)
    table = unpack(body)
    if table is None:
        return records_of(parse_quick(body), report)
    return light_records(report, table if keys is None else table.filter(_has_one(table, keys)))


def _has_one(table: pa.Table, keys: Iterable[Key]) -> pa.Array:
    """Returns of each row of a flat list whether its key is among some."""
    return pc.is_in(table["id"], pa.array([key[0] for key in keys], pa.int64()))


def _version_of(record: Record) -> str:
    return str(clean_text(record.get("updated_at")) or "")  # as `iter_pages` gives it
