"""Brings deliveries into the destination of a pipeline, with dlt, and reads there what a run must know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import dlt

from harvest_source.api.accounts import Account
from harvest_source.catalogue.report import AccountReport, Report
from harvest_source.destinations.abilities import can_merge
from harvest_source.destinations.duckdb import Patience, kept_open
from harvest_source.destinations.indexes import add_indexes
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import ApiError
from harvest_source.loading.apart import load_apart
from harvest_source.loading.changes import ChangeFilter
from harvest_source.loading.delivery import Delivery, Package, empty_resource, package_source
from harvest_source.loading.history import (
    ACCOUNTS_TABLE,
    accounts_resource,
    build_source,
    load_report_resource,
)
from harvest_source.loading.listener import Listener
from harvest_source.loading.package import finish_pending, load
from harvest_source.loading.preparing import prepare
from harvest_source.loading.removals import deleted_rows_resource
from harvest_source.loading.result import Tally
from harvest_source.loading.rewriting import RestOfTable
from harvest_source.loading.states import kept_of, states_of
from harvest_source.loading.summary import ReportResult
from harvest_source.loading.tables import complete_tables, forget_bookmarks, was_loaded
from harvest_source.loading.taken import KEPT_TABLES, refuse_tables_of_others
from harvest_source.loading.trial import is_tested, try_out
from harvest_source.reading.shape import Notes
from harvest_source.settings import HarvestSettings


@dataclass(frozen=True)
class RunTimes:
    """Which run, for `load_report`."""

    run_id: str
    started_at: datetime


@dataclass
class Loader:
    """The destination of one run; without `repairs` a load only counts what it would change."""

    pipeline: dlt.Pipeline
    settings: HarvestSettings
    reports: list[Report]  # of the run, as the settings have them
    listener: Listener
    patience: Patience  # with a DuckDB file that another program has open
    check_alone: Callable[[], None]  # raises where another machine may have come in
    repairs: bool = True
    notes: Notes = field(default_factory=Notes)

    def __post_init__(self) -> None:
        rest_of = None if can_merge(self.pipeline) else RestOfTable(self.pipeline)
        self._package = Package(self.settings, rest_of=rest_of, notes=self.notes)

    @property
    def rewrites(self) -> bool:
        """Returns whether a table that changes is written anew, since the destination cannot merge."""
        return self._package.rest_of is not None

    def warehouse(self, counted: Iterable[str] = (), *, lets_go: bool = False) -> Warehouse:
        """Returns the tables, to be asked within a `with`; see `Warehouse`."""
        return Warehouse(self.pipeline, counted, self.patience, lets_go=lets_go)

    def states(self) -> dict[AccountReport, dict[str, Any]]:
        """Returns what dlt's state keeps of every account and report; empty before the first load."""
        return states_of(self.pipeline)

    def kept(self, name: str) -> dict[str, Any]:
        """Returns what dlt's state keeps of each account under a name of `states`."""
        return kept_of(self.pipeline, name)

    def prepare(self, *, drop_pending: bool) -> bool:
        """Finishes what an earlier run left, and makes sure that the destination is this product's and does.

        Returns:
            whether a pending load was finished.

        Raises:
            SettingError: tables there are another tool's, or rows do not come back as they were written.
        """
        with self._kept_open():
            finished = prepare(self.pipeline, self.listener, drop_pending=drop_pending)
            known = {pair.report for pair in self.states()}
            own = (*(report.name for report in self.reports), *(() if known else KEPT_TABLES))
            refuse_tables_of_others(self.pipeline, [name for name in own if name not in known])
        if not is_tested(self.pipeline) and not self.states():
            self.listener.step("trying the destination")
            try_out(self.pipeline)
        return finished

    def complete_tables(self, when: str) -> None:
        """Makes what the destination lacks of the tables of the run, whatever becomes of the reports.

        Args:
            when: says which run reads from the beginning what lost its rows, if not this one.
        """
        now = datetime.now(UTC)
        own = [
            deleted_rows_resource({}),
            accounts_resource([], None),
            load_report_resource("", now, now, [], {}),
        ]
        with self._kept_open():
            self.check_alone()
            source = package_source(self._package, self.reports, *own)
            if not complete_tables(self.pipeline, source, self.listener.note, when):
                lacking = [
                    report for report in self.reports if not was_loaded(self.pipeline, report)
                ]
                names = {report.name for report in lacking}
                elsewhere = [
                    pair for pair in self.states() if pair.report in names
                ]  # their rows are in no table of ours
                if elsewhere:
                    self.forget(elsewhere)
                empty = [empty_resource(self._package, report) for report in lacking]
                if empty:
                    load(self.pipeline, package_source(self._package, [], *empty))

    def forget(self, lost: Iterable[AccountReport]) -> None:
        """Has reports read from the beginning, by this run and by later ones."""
        forget_bookmarks(self.pipeline, frozenset(lost).__contains__)

    def load(self, deliveries: list[Delivery]) -> Iterator[tuple[AccountReport, Tally | ApiError]]:
        """Loads deliveries, in one package where all goes well.

        Yields:
            each with what was found of it, as soon as it is loaded, or with why its rows cannot be loaded.

        Raises:
            LoadFailedError: the destination refused; the next run finishes what is pending.
        """
        return load_apart(self.pipeline, deliveries, self._load_package)

    def _load_package(self, deliveries: list[Delivery]) -> Mapping[AccountReport, Tally]:
        names = {each.pair.report for each in deliveries}
        reports = [report for report in self.reports if report.name in names]
        removed = {each.pair: each.removed for each in deliveries if each.removed}
        others = [deleted_rows_resource(removed)] if removed else []
        with self._kept_open():
            with self.warehouse(names) as warehouse:
                changes = ChangeFilter(warehouse)
                package = replace(
                    self._package,
                    deliveries={each.pair: each for each in deliveries},
                    changes=changes,
                )
                if self.settings.keeps_deleted:
                    changes.leave_own_columns(removed)
                self.pipeline.extract(package_source(package, reports, *others))
                if self.repairs:
                    changes.own_columns.keep()
            if self.repairs:
                self.check_alone()
                finish_pending(self.pipeline)
                with self.warehouse() as warehouse:
                    changes.own_columns.put_back(warehouse)
            else:
                self.pipeline.abort_packages()
        return {each.pair: changes.tallies.get(each.pair, Tally()) for each in deliveries}

    def finish(self) -> None:
        """Makes what belongs to tables that are loaded."""
        add_indexes(self.pipeline, [report.name for report in self.reports])

    def write_history(
        self,
        times: RunTimes,
        results: list[ReportResult],
        accounts: list[Account],
        kept: dict[str, dict[str, Any]],
    ) -> None:
        """Writes the run's rows of `load_report` and `accounts`, and what the next run must know.

        Args:
            times: of the run.
            results: of the run.
            accounts: of the run.
            kept: by name of `states`: account id: what is kept of it.
        """
        history = load_report_resource(
            times.run_id, times.started_at, datetime.now(UTC), results, kept
        )
        present = None
        if self.rewrites:
            with self.warehouse() as warehouse:
                present = warehouse.rows(ACCOUNTS_TABLE)
        with self._kept_open():
            self.check_alone()
            load(self.pipeline, build_source([history, accounts_resource(accounts, present)]))

    def _kept_open(self) -> AbstractContextManager[None]:
        """Keeps a DuckDB file open for a while in which Harvest is not waited for."""
        return kept_open(self.pipeline, self.patience)
