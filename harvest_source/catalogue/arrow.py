"""The tables of flat reports in Arrow's words."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from harvest_source.catalogue.columns.types import Kind
from harvest_source.catalogue.hints import DELETED_AT, PRECISION, SCALE
from harvest_source.catalogue.report import Report

ARROW_TYPES: dict[Kind, pa.DataType] = {
    Kind.ID: pa.int64(),
    Kind.DECIMAL: pa.decimal128(PRECISION, SCALE),
    Kind.TEXT: pa.string(),
    Kind.BOOL: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us", tz="UTC"),
}


def arrow_schema(report: Report, added: Mapping[str, Kind]) -> pa.Schema:
    """Returns the Arrow schema of a flat report's table: the documented columns, then those met since."""
    kinds = {column.name: column.kind for column in report.columns} | dict(added)
    fields = [
        pa.field(name, ARROW_TYPES[kind], nullable=name not in report.whole_key)
        for name, kind in kinds.items()
    ]
    return pa.schema([*fields, pa.field(DELETED_AT, ARROW_TYPES[Kind.TIMESTAMP])])
