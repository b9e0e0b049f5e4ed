"""Makes dlt resources of the catalogue's reports: one per report, those of children as transformers fed by their parents.

A resource asks Harvest when it is iterated, never before, and yields the rows of a reading that is complete; then the report's
mark moves. `dlt.sources.incremental` carries it for one account. Beside it the state keeps a mark for each account, since dlt has
one per resource name, which would lose the rows of a second account.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self, cast

import dlt
import pyarrow as pa
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ContextDefaultCannotBeCreated
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.schema import Schema
from dlt.extract import DltResource
from dlt.extract.exceptions import CurrentSourceSchemaNotAvailable

from harvest_source.api.accounts import Account
from harvest_source.api.net import LOGGER, stays_with_report
from harvest_source.catalogue.columns.types import Kind
from harvest_source.catalogue.hints import (
    DELETED_AT,
    KIND_OF_TYPE,
    UPDATED_AT,
    Added,
    added_hints,
    arrow_schema,
    resource_hints,
    table_hints,
)
from harvest_source.catalogue.lookup import reports_as_set
from harvest_source.catalogue.report import AccountReport, Report, Row
from harvest_source.connection import Connection
from harvest_source.dlt_corners import OF_DLT, has_seen_rows
from harvest_source.errors import NotAllowedError, SettingError
from harvest_source.reading.children import Asking
from harvest_source.reading.plan import ChildPlan, Wish, state_of
from harvest_source.reading.reader import Reader
from harvest_source.reading.reading import Reading
from harvest_source.reading.shape import Notes, Shaper
from harvest_source.settings import SECTION, HarvestSettings

BATCH_ROWS = 2000
INSERT_VALUES: Any = "insert_values"  # dlt's name of files of SQL


@dataclass
class Extraction:
    """What the resources of a source share while dlt extracts it once: lists are read once, nothing stays for the next time."""

    connection: Connection
    notes: Notes = field(default_factory=Notes)
    planned: dict[AccountReport, Planned] = field(default_factory=dict)
    told_hidden: set[AccountReport] = field(default_factory=set)
    _accounts: list[Account] | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()  # resources may be extracted in parallel
        self.reader: Reader = self.connection.reader()
        self.fetcher = self.reader.fetcher  # its store is opened before there are threads

    @property
    def accounts(self) -> list[Account]:
        """Returns the accounts to load; asks Harvest the first time."""
        with self._lock:
            if self._accounts is None:
                self._accounts = self.connection.accounts()
            return self._accounts

    def tell_hidden(self, pair: AccountReport, parent: str, error: NotAllowedError) -> None:
        """Says, once for a report and account, that children of some parents are refused; plain dlt has no summary that would."""
        with self._lock:
            is_told = pair in self.told_hidden
            self.told_hidden.add(pair)
        if not is_told:
            logging.getLogger(LOGGER).warning(
                "%s of account %s: those of %s are not read (%s); it may be the same with others, which are not named",
                pair.report,
                pair.account_id,
                parent,
                error,
            )


class Extractions:
    """Gives each extraction of dlt its own: a source that is run twice reads twice."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._state: Any = None
        self._latest: Extraction | None = None
        self._lock = threading.Lock()

    def current(self) -> Extraction:
        """Returns what belongs to the extraction that is under way: each has a state of its own."""
        state = dlt.current.source_state()
        with self._lock:
            if self._latest is None or state is not self._state:
                self.connection.client.begin()
                self._state, self._latest = state, Extraction(self.connection)
            return self._latest


def build_resources(connection: Connection) -> Resources:
    """Returns the resources of all reports; parents of children are unselected resources of their own."""
    extractions = Extractions(connection)
    resources: list[DltResource] = []
    for report in reports_as_set(connection.settings.assignments).values():
        resources += (
            _child_resources(extractions, report)
            if report.parent
            else [_list_resource(extractions, report)]
        )
    return Resources(connection, resources)


def _list_resource(extractions: Extractions, report: Report) -> DltResource:
    connection = extractions.connection
    hints = _hints(connection, report)
    return table_resource(
        report, connection.settings, hints, lambda: _iter_list(extractions.current(), report)
    )


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

        return described(dlt.resource(items, **hints), report)
    cursor: Any = dlt.sources.incremental(
        UPDATED_AT, lag=settings.overlap_seconds, on_cursor_value_missing="include"
    )

    def rows(updated_at: Any = cursor) -> Iterator[Any]:
        _require_as_made(updated_at, cursor, report)
        updated_at.advance(None)  # Harvest was asked for the right rows: dlt lets them pass
        yield from iter_items()
        _move_mark(updated_at, report)

    return described(dlt.resource(rows, incremental=cursor, **hints), report)


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


def _iter_list(extraction: Extraction, report: Report) -> Iterator[Any]:
    """Yields the rows of a list, account by account, and moves the mark of each behind its rows."""
    is_empty = True
    shaper = Shaper(report, known_kinds, extraction.notes)
    for account in extraction.accounts:
        pair = AccountReport(account.id, report.name)
        outcome = extraction.reader.read_lists(
            {pair: Wish(account_state(report.name, account.id))}
        )[pair]
        if outcome.reading is None:
            raise outcome.error or AssertionError(report.name)
        for item, _rows in iter_items(report, shaper, iter_rows(shaper, outcome.reading)):
            is_empty = False
            yield item
        if outcome.state is not None:
            accounts_state(report.name)[str(account.id)] = outcome.state
    if is_empty and not _has_table(report):
        yield _table_without_rows(report, _hints(extraction.connection, report))


def _child_resources(extractions: Extractions, report: Report) -> list[DltResource]:
    def parents() -> Iterator[Row]:
        yield from _iter_parents(extractions.current(), report)

    def children(parent: Any) -> Iterator[Callable[[], Any]]:
        asking = _Asking(extractions.current(), report)
        for each in _parents_in(parent):
            yield partial(asking.ask, each)

    name = f"{report.name}_parents"
    asked = dlt.resource(parents, name=name, selected=False)
    rows = dlt.transformer(children, data_from=asked, **_hints(extractions.connection, report))
    return [asked, described(rows, report)]


def _parents_in(item: Any) -> Iterable[Any]:
    """Returns the parents that an item of any resource holds: a page of rows, an Arrow table, or one parent."""
    if isinstance(item, (pa.Table, pa.RecordBatch)):
        rows: list[Any] = item.to_pylist()
        return rows
    return item if isinstance(item, (list, tuple)) else [item]


def _iter_parents(extraction: Extraction, report: Report) -> Iterator[Row]:
    """Yields the parents whose children this run asks for: `id`, and `updated_at` where it tells a change."""
    for account in extraction.accounts:
        pair = AccountReport(account.id, report.name)
        outcome = extraction.reader.plan(pair, Wish(account_state(report.name, account.id)))
        if outcome.plan is None:
            raise outcome.error or AssertionError(report.name)
        (asking,) = extraction.reader.start([outcome.plan])
        keeps = None if extraction.connection.choice.since else accounts_state(report.name)
        planned = extraction.planned[pair] = Planned(asking, keeps)
        for parent_id, version in planned.versions.items():
            yield {"account_id": account.id, "id": parent_id, UPDATED_AT: version or None}
        planned.all_are_named()


@dataclass
class Planned:
    """The parents that a run asks of one account, and the state that is kept once all of them are read."""

    asking: Asking
    keeps: dict[str, Any] | None  # of the report, by account; None: the state stays as it is

    def __post_init__(self) -> None:
        self.versions = self.asking.plan.parents
        self._waiting = set(self.versions)
        self._named = False
        self._lock = threading.Lock()

    def all_are_named(self) -> None:
        """Notes that every parent was handed on: a source may be cut by `add_limit`."""
        with self._lock:
            self._named = True
            self._keep_state()

    def is_read(self, parent_id: int) -> None:
        """Notes that a parent's children were read, or that it is gone or hidden."""
        with self._lock:
            self._waiting.discard(parent_id)
            self._keep_state()

    def _keep_state(self) -> None:
        if self._named and not self._waiting and self.keeps is not None:
            self.keeps[str(self.asking.plan.account_id)] = state_of(
                self.asking.plan_after(self.versions)
            )


class _Asking:
    """Asks for the children of parents, in dlt's threads."""

    def __init__(self, extraction: Extraction, report: Report) -> None:
        self._extraction = extraction
        self._report = report
        tables = _current_tables()
        # other threads have no schema
        self._shaper = Shaper(report, lambda table: _kinds(tables.get(table)), extraction.notes)
        self._shaping = threading.Lock()  # columns that nobody documented are met there

    def ask(self, parent: Any) -> Any:
        """Returns the children of one parent: rows, those with new columns described; `None` where there are none.

        Args:
            parent: its id, or a row with `id`, and with `account_id` where the source has several accounts.
        """
        parent_id, account_id = self._identify(parent)
        planned = self._extraction.planned.get(AccountReport(account_id, self._report.name))
        if planned and parent_id not in planned.versions:
            planned = None
        plan = ChildPlan(self._report, account_id, {parent_id: ""})
        asking = planned.asking if planned else Asking(plan, self._extraction.fetcher)
        asking.ask(parent_id)
        if planned is None or len(asking.refused) == len(planned.versions):
            asking.require_answer()
        if refusal := asking.refused.get(parent_id):
            self._extraction.tell_hidden(
                asking.plan.pair, f"{asking.plan.parent.singular} {parent_id}", refusal
            )
        reading = asking.reading([parent_id])
        with self._shaping:
            rows = [row for batch in iter_rows(self._shaper, reading) for row in batch]
            item = (
                next((item for item, _rows in iter_items(self._report, self._shaper, [rows])), None)
                if rows
                else None
            )
        if planned:
            planned.is_read(parent_id)
        return item

    def _identify(self, parent: Any) -> tuple[int, int]:
        row = parent if isinstance(parent, Mapping) else {"id": parent}
        account_id = row.get("account_id")
        if not (_is_id(row.get("id")) and (account_id is None or _is_id(account_id))):
            raise SettingError(
                f"{self._report.name}: a parent is an id, or a row with id and account_id; this is {{}}",
                quoted=(repr(parent)[:80],),
            )
        if account_id is None:
            accounts = self._extraction.accounts
            if len(accounts) > 1:
                raise SettingError(
                    f"{self._report.name}: a parent has no account_id, and the source has several accounts"
                )
            account_id = accounts[0].id
        return int(row["id"]), int(account_id)


def _is_id(value: Any) -> bool:
    text = str(value)
    return text.isascii() and text.isdigit()


def _hints(connection: Connection, report: Report) -> dict[str, Any]:
    return resource_hints(report, keep_deleted=connection.settings.keeps_deleted, merges=True)


def described(resource: DltResource, report: Report) -> DltResource:
    """Returns a resource with what dlt is told of its table beside the columns."""
    with_hints: DltResource = resource.apply_hints(additional_table_hints=table_hints(report))
    return with_hints


def _move_mark(updated_at: Any, report: Report) -> None:
    """Has dlt's incremental keep the mark of a report as long as rows of one account only were ever loaded."""
    states = list(accounts_state(report.name).values())
    if len(states) == 1 and states[0].get(UPDATED_AT):
        updated_at.advance(states[0][UPDATED_AT])


def accounts_state(report_name: str) -> dict[str, Any]:
    """Returns what dlt's state keeps of a report by account, from within a running extract; to be written to."""
    states: dict[str, Any] = dlt.current.resource_state(report_name).setdefault("accounts", {})
    return states


def account_state(report_name: str, account_id: int) -> dict[str, Any]:
    """Returns what dlt's state keeps of a report and account, from within a running extract."""
    state: dict[str, Any] = (
        dlt.current.resource_state(report_name).get("accounts", {}).get(str(account_id), {})
    )
    return state


def iter_rows(shaper: Shaper, reading: Reading) -> Iterator[list[Row]]:
    """Yields the rows of a reading in lists of some thousand: a page may hold one payment, or 2,000 entries."""
    batch: list[Row] = []
    with stays_with_report():
        for parent_id, records in reading.iter_pages():
            batch += [shaper.shape(record, reading.account_id, parent_id) for record in records]
            if len(batch) >= BATCH_ROWS:
                yield batch
                batch = []
        if batch:
            yield batch


def iter_items(
    report: Report, shaper: Shaper, batches: Iterable[list[Row]]
) -> Iterator[tuple[Any, list[Row]]]:
    """Yields rows as dlt takes them, Arrow tables or dicts, each with the rows in it; undocumented columns are described."""
    described: Added = {}
    for rows in batches:
        if report.arrow:
            yield pa.Table.from_pylist(rows, schema=arrow_schema(report, shaper.root.added)), rows
        elif any(shaper.added.values()) and shaper.added != described:
            described = shaper.added
            yield dlt.mark.with_hints(rows, added_hints(described)), rows
        else:
            yield rows, rows


def _current_tables() -> Any:
    try:
        return dlt.current.source_schema().tables
    except CurrentSourceSchemaNotAvailable:
        return {}


def _kinds(table: Any) -> Mapping[str, Kind]:
    types = (
        {name: column.get("data_type") or "" for name, column in table["columns"].items()}
        if table
        else {}
    )
    return {
        name: KIND_OF_TYPE[kind]
        for name, kind in types.items()
        if kind in KIND_OF_TYPE and not name.startswith(OF_DLT)
    }


def known_kinds(table: str) -> Mapping[str, Kind]:
    """Returns the columns that a table has from earlier runs, as far as their kind is one of ours."""
    return _kinds(_current_tables().get(table))


def known_arrow_schema(report: Report) -> pa.Schema:
    """Returns the Arrow schema of a flat report's table as earlier runs left it."""
    documented = {column.name for column in report.columns} | {DELETED_AT}
    return arrow_schema(
        report,
        {name: kind for name, kind in known_kinds(report.name).items() if name not in documented},
    )


def _has_table(report: Report) -> bool:
    return has_seen_rows(_current_tables().get(report.name) or {})


def _table_without_rows(report: Report, hints: dict[str, Any]) -> Any:
    """Returns an item without a row, from which dlt makes a table, in a file of which the destination takes an empty one."""
    with suppress(ContextDefaultCannotBeCreated):
        # Postgres fails at Parquet
        if (
            Container()[DestinationCapabilitiesContext].preferred_loader_file_format
            == INSERT_VALUES
        ):
            own = {
                **hints,
                "file_format": INSERT_VALUES,
                "additional_table_hints": table_hints(report),
            }
            own["table_name"] = own.pop("name")
            return dlt.mark.with_hints(
                empty_item(report), dlt.mark.make_hints(**own), create_table_variant=True
            )
    return empty_item(report)


def empty_item(report: Report) -> Any:
    """Returns an item without a row, from which dlt makes the table of a report."""
    return (
        arrow_schema(report, {}).empty_table()
        if report.arrow
        else dlt.mark.materialize_table_schema()
    )


class Resources(list[DltResource]):
    """The resources of a source, with the way to Harvest that they share."""

    def __init__(self, connection: Connection, resources: list[DltResource]) -> None:
        super().__init__(resources)
        self.connection = connection


class HarvestSource(dlt.sources.DltSource):
    """The dlt source of Harvest, with the way to Harvest at hand for `sync`."""

    connection: Connection

    @classmethod
    def from_data(cls, schema: Schema, section: str, data: Any) -> Self:
        """Returns the source of resources; dlt calls it with what the decorated function returns."""
        source = super().from_data(schema, section, data)
        source.connection = data.connection
        return source

    def clone(self, with_name: str | None = None) -> HarvestSource:
        """Returns a copy, as dlt makes one for every choice of resources."""
        copy = HarvestSource(
            self.schema.clone(with_name=with_name or self.name),
            self.section,
            list(self.resources.values()),
        )
        copy.connection = self.connection
        return copy

    def __deepcopy__(self, _memo: Any) -> HarvestSource:
        return self.clone()  # the way to Harvest is shared: its connections and locks have no copy

    def with_resources(self, *resource_names: str) -> HarvestSource:
        """Returns a copy with only the named resources selected."""
        return cast("HarvestSource", super().with_resources(*resource_names))


def source_of(connection: Connection) -> HarvestSource:
    """Returns the source of a way to Harvest that is there already; `harvest_source` makes one from settings."""
    source = HarvestSource.from_data(Schema(SECTION), SECTION, build_resources(connection))
    source.root_key = True
    return source
