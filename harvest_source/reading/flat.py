"""Answers of flat lists as Arrow tables, read by Arrow's own reader of JSON: no value becomes an object of Python.

Only what needs no closer look goes this way. An answer with a value that is not as documented goes record by record, as those
of all other lists do; both ways give the same rows. Fields that nobody documented are parsed beside the table.

Of the ways to read 2,000 time entries, orjson and columns of its objects took 43 ms and 25 MB, Arrow's reader 9 ms and 2 MB.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from harvest_source.catalogue.arrow import ARROW_TYPES, arrow_schema
from harvest_source.catalogue.columns.types import Column, Kind
from harvest_source.catalogue.hints import DELETED_AT, UPDATED_AT
from harvest_source.catalogue.report import Report
from harvest_source.dlt_corners import OF_DLT

Record = dict[str, Any]
Documented = Mapping[str, Any]
"""Fields as the API names them: the kind of each, or the fields within it."""

REST = "rest"  # a column beside those of the table: what nobody documented of a record, as JSON
MOST_UNKNOWN = 100  # fields of one answer that nobody documented
# becomes a column of the same name, of one word after another
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# a text may have it, and no database stores it; Arrow's reader refuses what is no UTF-8, no JSON, or a number as JSON has none
_NUL = rb"\u0000"
# a negative exponent of two digits or more: Arrow takes the number for 0, or ends the process (pyarrow 26.0.1)
_TINY = re.compile(rb"[0-9][eE]-0*[1-9][0-9]")
# no year of Harvest's; Arrow takes it for one before the common era, which no date of Python is
_YEAR_0 = b'"0000-'
# of a page of 2,000 rows some 16,000 are: each costs memory, however little stands in it
_MOST_OBJECTS = 200_000
# with a point, 15 digits or fewer, which a float keeps; a longer text may be another number than the float
_DIGITS = bytes(ord("0") if byte in b"0123456789." else ord(" ") for byte in range(256))
_LONG_NUMBER = b"0" * 17
# ends the process where a body begins otherwise, with `null` (pyarrow 26.0.1)
_BEGIN = b"{"
# beside the rows of a page (Harvest API, pagination)
_ENVELOPE = pa.schema(
    [
        *(
            pa.field(name, pa.int64())
            for name in (
                "per_page", "total_pages", "total_entries", "next_page", "previous_page", "page",
            )
        ),
        pa.field(
            "links",
            pa.struct([pa.field(name, pa.string()) for name in ("first", "next", "previous", "last")]),
        ),
    ]
)  # fmt: skip
_INSTANT_LENGTH = len("2026-07-01T12:00:00Z")
_STREAM = b"\xff\xff\xff\xff"  # with which an Arrow stream begins, and no JSON
_WRITING = pa.ipc.IpcWriteOptions(compression="lz4")


class _OddError(Exception):
    """A value needs a closer look."""


@dataclass(frozen=True)
class Packed:
    """The rows of an answer as it is kept, and what is asked of it meanwhile: no table stays in memory."""

    body: bytes  # an Arrow stream
    ids: array[int]
    days: tuple[date | None, ...]
    newest: datetime | None  # the largest `updated_at`

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, report: Report, table: pa.Table) -> Packed:
        """Returns a table packed."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=_WRITING) as writer:
            writer.write_table(table)
        return cls(
            sink.getvalue().to_pybytes(),
            array("q", table["id"].to_pylist()),
            tuple(table[report.date_column or ""].to_pylist()),  # every flat list has one
            pc.max(table[UPDATED_AT]).as_py(),
        )

    def since(self, report: Report, day: date) -> Packed:
        """Returns the rows of some days."""
        table: Any = unpack(self.body)
        return Packed.of(report, table.filter(pc.greater_equal(table[report.date_column], day)))


def pack(report: Report, account_id: int, body: bytes) -> tuple[dict[str, Any], Packed] | None:
    """Returns what an answer of a flat list holds beside its rows, and its rows; `None` where one of them needs a closer look.

    Args:
        report: of the list.
        account_id: whose records.
        body: of the answer, as it was sent.
    """
    if (
        not body.startswith(_BEGIN)
        or _NUL in body
        or _YEAR_0 in body
        or _TINY.search(body)
        or body.count(_BEGIN) > _MOST_OBJECTS
    ):
        return None
    try:
        try:
            data, records = _read(report, body)
        except pa.ArrowInvalid:  # perhaps only of a field that nobody documented
            _, records = _read(report, body, unknown="ignore")
            table = _table(report, account_id, records)
            data, rests = _unknown_of(report, body)
            if rests.null_count < len(rests):
                table = table.append_column(REST, rests)
        else:
            table = _table(report, account_id, records)
        return data, Packed.of(report, table)
    # those of Arrow and orjson are such, and what is no UTF-8
    except (_OddError, ValueError, OverflowError, pa.ArrowException, orjson.JSONEncodeError):
        return None


def unpack(body: bytes) -> pa.Table | None:
    """Returns the table that was packed; `None` where an answer was kept as it was sent."""
    return pa.ipc.open_stream(body).read_all() if body.startswith(_STREAM) else None


def light_records(report: Report, table: pa.Table) -> Iterator[Record]:
    """Yields of each row its id, its date and when it changed, as the API writes them."""
    changed = pc.strftime(table[UPDATED_AT].cast(pa.timestamp("s", "UTC")), "%Y-%m-%dT%H:%M:%SZ")
    columns = {name: table[name] for name in report.key} | {UPDATED_AT: changed}
    day = report.date_column or ""
    columns[day] = table[day].cast(pa.string())
    for values in zip(*(column.to_pylist() for column in columns.values()), strict=True):
        yield dict(zip(columns, values, strict=True))


def _read(
    report: Report, body: bytes, unknown: str = "error"
) -> tuple[dict[str, Any], pa.StructArray]:
    """Returns what an answer holds beside its rows, and its rows.

    Raises:
        ArrowInvalid: a value is not of the documented kind, or none of JSON.
        _OddError: it is no page of the list.
    """
    parsing = arrow_json.ParseOptions(
        explicit_schema=_schema(report), newlines_in_values=True, unexpected_field_behavior=unknown
    )
    # one block, or what spans two is no JSON; threads read the answers side by side
    reading = arrow_json.ReadOptions(use_threads=False, block_size=len(body) + 1)
    answer = arrow_json.read_json(pa.BufferReader(body), reading, parsing)
    rows = answer[report.rows_key]
    if len(answer) != 1 or rows.null_count:
        raise _OddError
    data: dict[str, Any] = answer.drop_columns([report.rows_key]).to_pylist()[0]
    return data, rows.chunk(0).flatten()


@cache
def _schema(report: Report) -> pa.Schema:
    rows = pa.field(report.rows_key, pa.list_(_type_of(_documented(report.columns))))
    return _ENVELOPE.append(rows)


def _type_of(field: Kind | Documented) -> pa.DataType:
    """Returns the type as which a documented field is read: dates and instants as the texts that they are."""
    if not isinstance(field, Kind):
        return pa.struct([pa.field(name, _type_of(below)) for name, below in field.items()])
    return pa.string() if field in _CONVERTERS else ARROW_TYPES[field]


def _table(report: Report, account_id: int, records: pa.StructArray) -> pa.Table:
    """Returns records as the rows that the table of a report has of them.

    Raises:
        _OddError, ArrowInvalid: a value needs a closer look.
    """
    columns = {"account_id": pa.repeat(pa.scalar(account_id, pa.int64()), len(records))}
    _fill(_documented(report.columns), "", records, columns)
    if any(columns[name].null_count for name in report.whole_key):
        raise _OddError
    schema = arrow_schema(report, {})
    table = pa.Table.from_arrays(
        [
            columns[field.name] if field.name in columns else pa.nulls(len(records), field.type)
            for field in schema
        ],
        schema=schema,
    )
    table.validate(
        full=True
    )  # of texts that they are UTF-8, of numbers that they have no digit too many
    return table


@cache
def _documented(columns: tuple[Column, ...]) -> Documented:
    fields: dict[str, Any] = {}
    for column in columns:
        *objects, name = column.name.split("__")
        place = fields
        for each in objects:
            place = place.setdefault(each, {})
        place[name] = column.kind
    del fields["account_id"]  # of this product
    return fields


def _fill(
    fields: Documented, prefix: str, objects: pa.StructArray, columns: dict[str, pa.Array]
) -> None:
    """Makes the columns of objects, some of which may be absent."""
    for (name, field), values in zip(fields.items(), objects.flatten(), strict=True):
        if not isinstance(field, Kind):
            _fill(field, f"{prefix}{name}__", values, columns)
        else:
            convert = _CONVERTERS.get(field)
            columns[prefix + name] = convert(values) if convert else values


def _days(texts: pa.StringArray) -> pa.Array:
    return texts.cast(ARROW_TYPES[Kind.DATE])


def _instants(texts: pa.StringArray) -> pa.Array:
    """Returns instants that are written as Harvest does, so that they can be written again in the same way."""
    as_harvest = pc.and_(
        pc.equal(pc.binary_length(texts), _INSTANT_LENGTH), pc.ends_with(texts, "Z")
    )
    if not pc.all(as_harvest, min_count=0).as_py():
        raise _OddError
    return texts.cast(ARROW_TYPES[Kind.TIMESTAMP])


_CONVERTERS = {Kind.DATE: _days, Kind.TIMESTAMP: _instants}


def _unknown_of(report: Report, body: bytes) -> tuple[dict[str, Any], pa.Array]:
    """Returns what an answer holds beside its rows, and of each of them what nobody documented, as JSON.

    What is documented is known to be as it should.

    Raises:
        _OddError: it needs a closer look.
        JSONDecodeError, JSONEncodeError: it is no JSON, or nested too deep.
    """
    if _LONG_NUMBER in body.translate(_DIGITS):
        raise _OddError
    fields = _documented(report.columns)
    data: dict[str, Any] = orjson.loads(body)
    records = data.pop(report.rows_key or "")
    _require_plain(fields, "", records)
    rests = [orjson.dumps(rest).decode() if rest else None for rest in _rests(fields, records)]
    return data, pa.array(rests, pa.string())


def _require_plain(fields: Documented, prefix: str, records: list[Any]) -> None:
    """Looks at the names of what nobody documented.

    Raises:
        _OddError: one needs a closer look, or there are very many.
    """
    unknown = {name for record in records if record for name in record} - fields.keys()
    own = {"account_id", DELETED_AT} if not prefix else set()
    if len(unknown) > MOST_UNKNOWN or any(
        not _PLAIN_NAME.fullmatch(name) or name in own or name.startswith(OF_DLT)
        for name in unknown
    ):
        raise _OddError
    for name, field in fields.items():
        if not isinstance(field, Kind):
            below = [each and each.get(name) for each in records]
            _require_plain(field, f"{prefix}{name}__", below)


def _rests(fields: Documented, records: list[Any]) -> Iterator[Record]:
    """Yields what nobody documented of each object, without what holds nothing."""
    objects = [(name, field) for name, field in fields.items() if not isinstance(field, Kind)]
    for record in records:
        rest = {
            name: value
            for name, value in (record or {}).items()
            if name not in fields and value is not None
        }
        for name, field in objects:
            if record and (below := next(_rests(field, [record.get(name)]))):
                rest[name] = below
        yield rest
