"""The command `report`: one page of HTML with the figures, to look at, print or send."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationUndefinedEntity

from harvest_source.catalogue.hints import DLT_TYPES
from harvest_source.catalogue.lookup import DEFAULT_NAMES
from harvest_source.commands.beginning import settings_of_command
from harvest_source.commands.browser import has_browser
from harvest_source.commands.output import message
from harvest_source.commands.reading import reading
from harvest_source.commands.show import NOTHING_LOADED, answer
from harvest_source.commands.whole_file import checked_path, write_whole
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations.read_back import as_declared
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import SettingError
from harvest_source.figures.figure import Figure
from harvest_source.figures.sql import tables_needed
from harvest_source.loading.history import ACCOUNTS_TABLE, AS_OF, last_runs
from harvest_source.page.accounts import Account
from harvest_source.page.cells import Row
from harvest_source.page.freshness import freshness
from harvest_source.page.page import Answers, build_page
from harvest_source.page.sections import FIGURES
from harvest_source.settings import parse_account_ids
from harvest_source.settings_files import shown_path

NOTHING_OF_ACCOUNT = "nothing is loaded yet of this account: run the pipeline first"


def report(place: Workplace, *, out: str, no_open: bool) -> int:
    """Writes the page, of the accounts of the option or all, and opens it if a person sits at a terminal with a display.

    Args:
        place: where it works.
        out: the file.
        no_open: only writes it.

    Raises:
        SettingError: the file cannot be written, or nothing is loaded yet.
        HarvestError: the destination cannot be read, or the disk is full.
    """
    path = checked_path(out)
    write_whole(path, _page(place), share_with_group=place.shares_with_group)
    if not place.quiet:
        message(f"the report is in {shown_path(str(path))}")
    if not no_open and sys.stdout.isatty() and has_browser():
        webbrowser.open(path.as_uri())
    return 0


def _page(place: Workplace) -> str:
    begins_at = None if place.demo else settings_of_command().begins_at
    wanted = parse_account_ids(place.account)
    with reading(place) as pipeline:
        if pipeline is None or not pipeline.state.get("sources"):
            raise SettingError(NOTHING_LOADED)
        with Warehouse(pipeline) as warehouse:
            runs = last_runs(warehouse)
            accounts = [
                account
                for account in _accounts(warehouse, runs)
                if not wanted or account.id in wanted
            ]
            lacking = {
                figure: [name for name in tables_needed(figure.name) if not warehouse.columns(name)]
                for figure in FIGURES
            }
        if not accounts:
            why = NOTHING_OF_ACCOUNT if wanted else NOTHING_LOADED
            raise SettingError(why)
        answers = _answers(pipeline, lacking)
    return build_page(accounts, answers, freshness(accounts, DEFAULT_NAMES, runs), begins_at)


def _accounts(warehouse: Warehouse, runs: Sequence[Mapping[str, Any]]) -> Iterator[Account]:
    """Yields the accounts that were loaded, by name; one that has no day of its data has that of its last run."""
    days = {run["account_id"]: run["started_at"].date() for run in runs}
    rows = warehouse.rows(ACCOUNTS_TABLE)
    for row in sorted(rows, key=lambda row: (row["name"] or "", row["account_id"])):
        number, as_of = row["account_id"], row.get(AS_OF) or days.get(row["account_id"])
        if as_of:
            yield Account(number, row["name"] or f"Account {number}", as_of)


def _answers(pipeline: dlt.Pipeline, lacking: Mapping[Figure, Sequence[str]]) -> Answers:
    """Returns the rows of all figures whose tables are there.

    Args:
        pipeline: whose destination is asked.
        lacking: which tables of each figure were never loaded.
    """
    rows: dict[str, list[Row]] = {}
    missing: dict[str, Sequence[str]] = {}
    for figure, tables in lacking.items():
        try:
            if tables:
                missing[figure.name] = tables
            else:
                rows[figure.name] = _typed(figure, *answer(pipeline, figure))
        except SettingError as error:
            # a table that a hand dropped since
            if not isinstance(error.__cause__, DestinationUndefinedEntity):
                raise
            missing[figure.name] = tables_needed(figure.name)
    return Answers(rows, missing)


def _typed(figure: Figure, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Row]:
    """Returns rows of a figure with values of the types that its columns declare: some databases have no type for them."""
    types = {column.name: DLT_TYPES[column.kind]["data_type"] for column in figure.columns}
    return [
        {name: as_declared(value, types.get(name)) for name, value in zip(names, row, strict=True)}
        for row in rows
    ]
