"""Tries a destination that is not tested here: rows with a value of each kind are written, changed, deleted and read back.

What fails would else be found in the user's tables, or never: an empty text that becomes a null, letters that are lost, a list
that keeps elements which are gone.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import dlt
import pyarrow as pa

from harvest_source.catalogue.arrow import ARROW_TYPES
from harvest_source.catalogue.columns.types import Column, Kind, NestedList
from harvest_source.catalogue.hints import DELETED_AT, resource_hints
from harvest_source.catalogue.report import Paging, Report, Row, parent_id_column
from harvest_source.destinations import of
from harvest_source.destinations.abilities import can_merge
from harvest_source.destinations.failures import is_gone, reason
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import HarvestError, SettingError
from harvest_source.loading.delivery import replacing
from harvest_source.loading.history import build_source
from harvest_source.loading.package import load

NAME = "harvest_trial"
ACCOUNT = 1
COLUMNS = tuple(Column(f"of_{kind.name.lower()}", kind, "A value of each kind.") for kind in Kind)
ELEMENTS = NestedList("parts", COLUMNS, "A list.")


def _report(name: str, *fields: Column | NestedList, arrow: bool) -> Report:
    keys = (Column("account_id", Kind.ID, "Account."), Column("id", Kind.ID, "Id."))
    return Report(
        name,
        None,
        "",
        None,
        Paging.PAGE,
        False,  # noqa: FBT003
        ("id",),
        (*keys, *fields),
        "A trial.",
        arrow=arrow,
    )


FLAT, WITH_LIST = (
    _report("flat", *COLUMNS, arrow=True),
    _report("with_list", *COLUMNS, ELEMENTS, arrow=False),
)
INSTANT = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
FULL = (
    2**53 + 1,
    Decimal("99999999.990001"),
    'Zoë\'s "日本" 😀 \\ %s :x\r\n\t.',
    True,
    date(1999, 12, 31),
    INSTANT,
)
EMPTY = (0, Decimal("-0.1"), "", False, date(2026, 2, 28), datetime(1970, 1, 1, tzinfo=UTC))
NULLS = (None,) * len(Kind)


def _values(values: tuple[Any, ...]) -> Row:
    return dict(zip((column.name for column in COLUMNS), values, strict=True))


def _row(number: int, values: tuple[Any, ...], *parts: tuple[Any, ...]) -> Row:
    parents = {"account_id": ACCOUNT, parent_id_column(WITH_LIST): number}
    elements = [{**parents, **_values(each)} for each in parts]
    return {"account_id": ACCOUNT, "id": number, **_values(values), ELEMENTS.name: elements}


FIRST = [
    _row(1, FULL, FULL, EMPTY, NULLS),
    _row(2, EMPTY, FULL),
    _row(3, NULLS),
    _row(4, FULL, EMPTY),
]
CHANGED, GONE = (
    [_row(1, EMPTY, EMPTY), _row(2, NULLS), _row(3, FULL, FULL, EMPTY), _row(5, FULL, NULLS)],
    4,
)


def is_tested(pipeline: dlt.Pipeline) -> bool:
    """Returns whether this product is tested with a destination, so that it need not be tried."""
    return of(pipeline).is_tested


def try_out(pipeline: dlt.Pipeline) -> None:
    """Tries the destination of a pipeline, in a dataset of its own that is gone afterwards.

    Raises:
        SettingError: rows do not come back as they were written, or it refuses what a load does.
    """
    name = pipeline.destination.destination_name if pipeline.destination else ""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="harvest-trial-") as folder,
            _trial_pipeline(pipeline, folder) as trial,
        ):
            merges = can_merge(trial)
            for rows, gone in ((FIRST, None), (CHANGED, GONE)):
                load(trial, _source(rows, gone, merges=merges))
                _compare(trial, rows, name)
    except HarvestError:
        raise
    except Exception as error:  # of dlt, or of a driver, which has classes of its own
        if is_gone(error):
            raise
        raise SettingError(
            f"destination {name} fails the self-test of a load: {{}}", quoted=(reason(error),)
        ) from error


@contextmanager
def _trial_pipeline(pipeline: dlt.Pipeline, folder: str) -> Iterator[dlt.Pipeline]:
    dataset = f"{pipeline.dataset_name}_trial_{secrets.token_hex(4)}"  # nobody's: it is dropped
    trial = dlt.pipeline(
        NAME, destination=pipeline.destination, dataset_name=dataset, pipelines_dir=folder
    )
    try:
        yield trial
    finally:
        # what was made is taken away as far as the destination lets us; the trial's own error counts
        with suppress(Exception):
            _remove(trial)
        pipeline.activate()


def _remove(trial: dlt.Pipeline) -> None:
    with trial.sql_client() as client:
        with client.with_staging_dataset():
            if client.has_dataset():
                client.drop_dataset()
        if client.has_dataset():
            client.drop_dataset()


def _source(rows: list[Row], gone: int | None, *, merges: bool) -> Any:
    """Returns the source of one load: rows that are new or changed, and, where the destination merges, a mark on the one gone."""

    def items(report: Report) -> Iterator[Any]:
        marked = (
            [{"account_id": ACCOUNT, "id": gone, DELETED_AT: INSTANT}]
            if gone is not None and merges
            else []
        )
        wanted = [
            {name: value for name, value in row.items() if report.lists or name != ELEMENTS.name}
            for row in rows
        ]
        if not merges:
            yield replacing(report)
        if report.arrow:
            fields = [pa.field(column.name, ARROW_TYPES[column.kind]) for column in report.columns]
            schema = pa.schema([*fields, pa.field(DELETED_AT, ARROW_TYPES[Kind.TIMESTAMP])])
            yield pa.Table.from_pylist([*wanted, *marked], schema=schema)
        else:
            yield [*wanted, *marked]

    hints = {
        report: resource_hints(report, keep_deleted=False, merges=merges)
        for report in (FLAT, WITH_LIST)
    }
    return build_source([dlt.resource(items, **each)(report) for report, each in hints.items()])


def _compare(trial: dlt.Pipeline, rows: list[Row], destination: str) -> None:
    """Raises `SettingError` where what is read back is not what was written."""
    with Warehouse(trial) as warehouse:
        for report in (FLAT, WITH_LIST):
            found = {row["id"]: row for row in warehouse.rows(report.name, ACCOUNT)}
            _check(destination, "the rows", set(found), {row["id"] for row in rows})
            lists = warehouse.lists_of(report, [each.name for each in report.lists], ACCOUNT, found)
            for row in rows:
                _check_values(destination, row, found[row["id"]])
                for name, elements in lists.items():
                    parts = elements.get(row["id"], [])
                    _check(destination, "the elements of a list", len(parts), len(row[name]))
                    for wanted, part in zip(row[name], parts, strict=True):
                        _check_values(destination, wanted, part)


def _check_values(destination: str, wanted: Row, found: Row) -> None:
    for column in COLUMNS:
        _check(
            destination,
            f"a {column.kind.name.lower()}",
            found.get(column.name),
            wanted[column.name],
        )


def _check(destination: str, what: str, found: Any, wanted: Any) -> None:
    if found != wanted or isinstance(found, float):
        raise SettingError(
            f"destination {destination} does not give back what a load writes, so tables there would not equal Harvest: {what} "
            f"{wanted!r} came back as {{}}",
            quoted=(repr(found),),
        )
