"""Creates tables and columns before a run reads: those that are declared, and those that somebody dropped.

dlt compares tables with its schema only where that schema changed: what a hand took away would make every later load fail,
and what no row needs yet would not be made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import dlt
from dlt.common.destination.client import WithStagingDataset
from dlt.common.schema import Schema
from dlt.common.schema.typing import TTableSchema
from dlt.destinations.job_client_impl import SqlJobClientBase

from harvest_source.catalogue.lookup import ALL_NAMES
from harvest_source.catalogue.report import AccountReport, Report
from harvest_source.dlt_corners import LIST_INDEX, OF_DLT
from harvest_source.loading import calendar
from harvest_source.loading.declared import Declared
from harvest_source.loading.history import build_source
from harvest_source.loading.package import load
from harvest_source.loading.states import states_of
from harvest_source.loading.taken import refuse
from harvest_source.settings import SECTION

Known = dict[str, set[str]]
"""Tables that the destination was told to have, with their columns."""


@dataclass(frozen=True)
class Lack:
    """What the destination lacks of a table: columns, or all of it."""

    table: TTableSchema
    columns: tuple[str, ...]
    whole: bool

    @property
    def name(self) -> str:
        """Returns the name of the table."""
        return str(self.table["name"])

    @property
    def owner(self) -> str:
        """Returns the table whose rows it belongs to: itself, or that of which it holds a list."""
        return self.table.get("parent") or self.name

    @property
    def of_dlt(self) -> bool:
        """Returns whether it is nothing of Harvest's."""
        return all(
            name.startswith(OF_DLT) and name != LIST_INDEX
            for name in (self.columns if not self.whole else (self.name,))
        )

    @property
    def costs_rows(self) -> bool:
        """Returns whether the rows are gone, or cannot be told apart any more."""
        keys = {name for name, column in self.table["columns"].items() if column.get("primary_key")}
        return self.owner == self.name and (self.whole or bool(keys & {*self.columns}))

    def was_in(self, known: Known) -> bool:
        """Returns whether the destination had it."""
        return bool({*self.columns} & known.get(self.name, set()))

    def __str__(self) -> str:
        return (
            self.name
            if self.whole
            else ", ".join(f"{self.name}.{column}" for column in self.columns)
        )


def complete_tables(
    pipeline: dlt.Pipeline, declared: Declared, say: Callable[[str], None], when: str = ""
) -> bool:
    """Makes the tables of a run that the destination lacks, and the columns that they lack there.

    Before that, reports whose rows or values went along lose their bookmarks, for all accounts: they are read from the
    beginning, also where this run ends early.

    Args:
        pipeline: of the run; nothing is pending.
        declared: the tables that are meant.
        say: hears what was missing.
        when: says which run reads from the beginning, if not this one.

    Returns:
        whether the destination has tables; files have none.

    Raises:
        SettingError: a table there is another tool's.
    """
    with pipeline.destination_client() as client:
        if not isinstance(client, SqlJobClientBase):
            return False
        here = pipeline.schemas.get(SECTION)
        # the second where dlt's state was taken away there
        told = here or _stored_schema(client)
    known = _known_of(told)
    if not (here and declared.is_in(here)):
        pipeline.schemas.save_schema(declared.added_to(told))
    with _client_of(pipeline) as client:
        client.initialize_storage()
        lacks = _lacks(client, _tables_of(client.schema, declared.names))
        if not lacks:
            _renew_staging(client)
            return True
        if client.schema.version_table_name not in {lack.name for lack in lacks}:
            known = _known_of(_stored_schema(client)) or known
        refuse(pipeline, _foreign(lacks, known))
        to_read = _to_read(client, lacks, known, {pair.report for pair in states_of(pipeline)})
    _say(lacks, known, to_read, say, when)
    _fill(pipeline, lacks, to_read)
    return True


def _fill(pipeline: dlt.Pipeline, lacks: list[Lack], to_read: set[str]) -> None:
    """Makes what is missing; reports that must be read from the beginning lose their bookmarks before."""
    of_dlt = [lack for lack in lacks if lack.name.startswith(OF_DLT)]
    if to_read:  # a load is needed before the rest, and dlt's own tables for it
        with _client_of(pipeline) as client:
            _make(client, of_dlt)
        forget_bookmarks(pipeline, lambda pair: pair.report in to_read)
    with _client_of(pipeline) as client:
        _make(client, [lack for lack in lacks if not to_read or lack not in of_dlt])
        _renew_staging(client)


def was_loaded(pipeline: dlt.Pipeline, report: Report) -> bool:
    """Returns whether a report's table was made, as far as the pipeline knows."""
    schema = pipeline.schemas.get(SECTION)
    return bool(schema and report.name in schema.data_table_names(seen_data_only=True))


def forget_bookmarks(pipeline: dlt.Pipeline, is_lost: Callable[[AccountReport], bool]) -> None:
    """Has reports read from the beginning, by this run and by later ones of other accounts."""

    @dlt.resource(name="forgotten")
    def forget() -> Iterator[Any]:
        for name, kept in dlt.current.source_state().get("resources", {}).items():
            accounts = kept.get("accounts", {})
            for account_id in [
                each for each in accounts if is_lost(AccountReport(int(each), name))
            ]:
                del accounts[account_id]
        yield from ()

    load(pipeline, build_source([forget]))


def lack_by_hand(pipeline: dlt.Pipeline) -> bool:
    """Returns whether tables lack what the destination was told to have."""
    with pipeline.destination_client() as client:
        if not isinstance(client, SqlJobClientBase) or not client.is_storage_initialized():
            return False
        stored = _stored_schema(client)
        return bool(
            stored and _lacks(client, stored.data_tables(seen_data_only=True) + stored.dlt_tables())
        )


def _client_of(pipeline: dlt.Pipeline) -> SqlJobClientBase:
    client = pipeline.destination_client(SECTION)
    assert isinstance(client, SqlJobClientBase)  # noqa: S101 - the caller has looked
    return client


def _tables_of(schema: Schema, names: set[str]) -> list[TTableSchema]:
    """Returns the named tables of a schema, with those of all lists in them that it knows, and dlt's own."""
    return [
        table for table in schema.data_tables() if (table.get("parent") or table["name"]) in names
    ] + schema.dlt_tables()


def _stored_schema(client: SqlJobClientBase) -> Schema | None:
    """Returns the schema that the destination was told last, `None` where it was told none, or keeps none any more."""
    stored = client.get_stored_schema(SECTION)
    return Schema.from_dict(json.loads(stored.schema)) if stored else None


def _known_of(schema: Schema | None) -> Known:
    return (
        {
            str(table["name"]): {*table["columns"]}
            for table in schema.data_tables(seen_data_only=True)
        }
        if schema
        else {}
    )


def _lacks(client: SqlJobClientBase, tables: Iterable[TTableSchema]) -> list[Lack]:
    wanted = {str(table["name"]): table for table in tables}
    fold = str if client.capabilities.generates_case_sensitive_identifiers() else str.casefold
    found = []
    for name, there in client.get_storage_tables(wanted):
        present = {fold(column) for column in there}
        missing = tuple(
            column
            for column, hints in wanted[name]["columns"].items()
            if hints.get("data_type") and fold(column) not in present
        )
        if missing:
            found.append(Lack(wanted[name], missing, whole=not there))
    return found


def _foreign(lacks: list[Lack], known: Known) -> list[str]:
    """Returns the tables that lack a key which they never had: another tool made them, and nothing in them may be touched."""
    return [
        lack.name for lack in lacks if lack.costs_rows and not lack.whole and not lack.was_in(known)
    ]


def _to_read(
    client: SqlJobClientBase, lacks: list[Lack], known: Known, read_before: set[str]
) -> set[str]:
    """Returns the reports of which Harvest has rows or values for what is missing.

    Those that were read before and have no table are among them: their rows went elsewhere, such as into a user's own table.
    """
    tables_gone = {lack.name for lack in lacks if lack.whole}
    found = set()
    for lack in lacks:
        if lack.of_dlt or lack.owner not in ALL_NAMES:
            continue
        if lack.owner in tables_gone:
            had_rows = lack.owner in known or lack.owner in read_before
        else:
            name = client.sql_client.make_qualified_table_name(
                lack.owner if lack.whole else lack.name
            )
            ((rows,),) = client.sql_client.execute_sql(f"select count(*) from {name}") or [(0,)]
            had_rows = rows > 0
        if had_rows:
            found.add(lack.owner)
    return found


def _say(
    lacks: list[Lack], known: Known, to_read: set[str], say: Callable[[str], None], when: str
) -> None:
    """Says what was taken away, and what is read from the beginning."""
    for lack in lacks:
        if lack.was_in(known) or lack.owner in to_read:
            say(_said(lack, known, to_read) + (when if lack.owner in to_read else ""))


def _said(lack: Lack, known: Known, to_read: set[str]) -> str:
    """Returns what a person reads of something that is made."""
    what = (
        f"{lack} was taken away in the destination: made anew"
        if lack.was_in(known)
        else f"{lack} is new"
    )
    if lack.owner in to_read:
        return f"{what}, and {lack.owner} is read from the beginning"
    is_lost = lack.whole and lack.name != calendar.TABLE  # its days are computed
    return f"{what}; what stood in it is lost" if is_lost else what


def _make(client: SqlJobClientBase, lacks: list[Lack]) -> None:
    """Makes what is missing.

    Columns come into tables that have rows as columns that may be empty: no database takes others.
    """
    if not lacks:
        return
    _empty(client, lacks)
    altered = client.schema.clone().to_dict()
    for lack in lacks:
        for column in lack.columns if not lack.whole else ():
            altered["tables"][lack.name]["columns"][column]["nullable"] = True
    client.schema = Schema.from_dict({**altered})
    client.update_stored_schema(only_tables=[lack.name for lack in lacks], force=True)
    for lack in lacks:
        if not lack.whole and LIST_INDEX in lack.columns:
            _set(client, lack.name, f"{LIST_INDEX} = 0")  # the order comes with the rows


def _empty(client: SqlJobClientBase, lacks: list[Lack]) -> None:
    """Takes out rows that nobody can tell apart any more, and list elements of which the rows are gone."""
    costly = {lack.name for lack in lacks if lack.costs_rows}
    tables_gone = {lack.name for lack in lacks if lack.whole}
    names = [
        str(table["name"])
        for table in client.schema.data_tables()
        if {table.get("parent"), table["name"]} & costly
    ]
    client.sql_client.truncate_tables(*(name for name in names if name not in tables_gone))


def _set(client: SqlJobClientBase, table: str, what: str) -> None:
    name = client.sql_client.make_qualified_table_name(table)
    client.sql_client.execute_sql(f"update {name} set {what} where account_id is not null")


def _renew_staging(client: SqlJobClientBase) -> None:
    """Takes the staging dataset away where it lacks something: it holds nothing, and the next load makes it anew."""
    assert isinstance(client, WithStagingDataset)  # noqa: S101 - as each of dlt's that speaks SQL
    tables = [
        table
        for table in client.schema.data_tables(seen_data_only=True)
        if client.should_load_data_to_staging_dataset(str(table["name"]))
    ]
    if not tables:
        return
    with client.with_staging_dataset():
        if client.is_storage_initialized() and _lacks(client, tables):
            client.sql_client.drop_dataset()
