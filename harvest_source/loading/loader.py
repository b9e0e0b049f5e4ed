"""Brings deliveries into the destination of a pipeline, with dlt, and reads there what a run must know."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import Any

import dlt

from harvest_source.api.accounts import Account
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, Key, Report, Row
from harvest_source.destinations.abilities import can_merge
from harvest_source.destinations.comments import set_comments
from harvest_source.destinations.duckdb import Patience, kept_open
from harvest_source.destinations.indexes import add_indexes
from harvest_source.destinations.planner import analyze_tables
from harvest_source.destinations.scope import EVERY_ROW
from harvest_source.destinations.views import make_views
from harvest_source.destinations.warehouse import Elements, Warehouse
from harvest_source.errors import ApiError
from harvest_source.loading.apart import load_apart
from harvest_source.loading.calendar import calendar_resource, missing_days
from harvest_source.loading.changes import ChangeFilter
from harvest_source.loading.declared import declared
from harvest_source.loading.delivery import (
    Delivery,
    Package,
    empty_resource,
    package_source,
    with_items,
)
from harvest_source.loading.doubled import mend
from harvest_source.loading.figure_history import FiguresOfDay, complete_accounts, figures_of_day
from harvest_source.loading.history import (
    ACCOUNTS,
    ACCOUNTS_COLUMNS,
    ACCOUNTS_TABLE,
    account_rows,
    accounts_resource,
    load_report_resource,
)
from harvest_source.loading.list_elements import report_of
from harvest_source.loading.listener import Listener
from harvest_source.loading.own_columns import OwnColumns, told_lost
from harvest_source.loading.package import finish_pending, load
from harvest_source.loading.preparing import prepare
from harvest_source.loading.removals import deleted_rows_resource
from harvest_source.loading.result import Tally
from harvest_source.loading.rewriting import RestOfTable
from harvest_source.loading.states import kept_of, states_of
from harvest_source.loading.summary import ReportResult
from harvest_source.loading.tables import (
    complete_tables,
    forget_bookmarks,
    lack_by_hand,
    was_loaded,
)
from harvest_source.loading.taken import KEPT_TABLES, refuse_tables_of_others
from harvest_source.loading.ties import tie
from harvest_source.loading.trial import is_tested, try_out
from harvest_source.reading.shape import Notes, Shaper
from harvest_source.resources import kinds_in
from harvest_source.settings import SECTION, HarvestSettings


@dataclass(frozen=True)
class RunTimes:
    """Which run, for the product's own tables."""

    run_id: str
    started_at: datetime
    day: date  # on which it began, in this machine's time zone


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
        self._counted: dict[AccountReport, set[Key]] | None = None if self.repairs else {}
        # what is to be kept of reports of which the destination had all rows: the run's last load brings it
        self._waiting: dict[AccountReport, Delivery] = {}

    @property
    def rewrites(self) -> bool:
        """Returns whether a table that changes is written anew, since the destination cannot merge."""
        return self._package.rest_of is not None

    def warehouse(self, counted: Iterable[str] = (), *, lets_go: bool = False) -> Warehouse:
        """Returns the tables, to be asked within a `with`; see `Warehouse`."""
        return Warehouse(self.pipeline, counted, self.patience, lets_go=lets_go)

    def kept_open(self) -> AbstractContextManager[None]:
        """Keeps a DuckDB file open for a while in which Harvest is not waited for."""
        return kept_open(self.pipeline, self.patience)

    def states(self) -> dict[AccountReport, dict[str, Any]]:
        """Returns what dlt's state keeps of every account and report; empty before the first load."""
        waiting = {pair: dict(each.state or {}) for pair, each in self._waiting.items()}
        return states_of(self.pipeline) | waiting

    def is_kept(self, pair: AccountReport) -> bool:
        """Returns whether the destination has the state of a report that was loaded; else the run's last load brings it."""
        return pair not in self._waiting

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
        with self.kept_open():
            finished = prepare(self.pipeline, self.listener, drop_pending=drop_pending)
            known = {pair.report for pair in self.states()}
            schema = self.pipeline.schemas.get(SECTION)
            if known and schema:  # an older version made fewer
                known |= set(KEPT_TABLES) & set(schema.tables)
            own = (*(report.name for report in self.reports), *KEPT_TABLES)
            refuse_tables_of_others(self.pipeline, [name for name in own if name not in known])
            there = schema.data_table_names() if schema else ()
            self._package = replace(self._package, tables={*there, *own})
        if not is_tested(self.pipeline) and not self.states():
            self.listener.step("trying the destination")
            try_out(self.pipeline)
        return finished

    def complete_tables(self, when: str) -> None:
        """Makes what the destination lacks of the tables of the run, whatever becomes of the reports.

        Args:
            when: says which run reads from the beginning what lost its rows, if not this one.
        """
        with self.kept_open():
            self.check_alone()
            tables = declared(self._package, self.reports)
            if not complete_tables(self.pipeline, tables, self.listener.note, when):
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

    def count_elements(self) -> Elements | None:
        """Returns what hangs on the rows of the run's reports; then ties elements that were tied to no row, or removes them.

        Their reports are read from the beginning, by this run or by the next that can: a row may have them twice then.
        """
        if not self.repairs and lack_by_hand(self.pipeline):
            return None  # else what a hand took away was made anew before
        with self.warehouse() as warehouse:
            found = warehouse.count_elements([report.name for report in self.reports])
        loose = {report_of(table) for table, _ in found.loose} if found else set()
        if loose and self.repairs and not self.rewrites:
            self.check_alone()
            self.forget(pair for pair in self.states() if pair.report in loose)
            with self.warehouse() as warehouse:
                for name in sorted(loose):
                    tie(warehouse, by_name(name))
        return found

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
        """Loads what the destination lacks, and once more what dlt may have loaded twice: a key that stands twice has changed."""
        tallies, doubled = self._load_lacking(deliveries)
        reports = set(map(report_of, doubled))
        states = self.states() if reports else {}
        again = [
            replace(each, state=states.get(each.pair))
            for each in deliveries
            if each.pair.report in reports
        ]
        mend(self.pipeline, doubled)  # a run that is killed from here on has them read by the next
        if again:
            self._load_lacking(again, again=True)
        return tallies

    def _load_lacking(
        self, deliveries: list[Delivery], *, again: bool = False
    ) -> tuple[Mapping[AccountReport, Tally], frozenset[str]]:
        """Loads what the destination lacks; a package without a row is none, it would take as long as one with some.

        Args:
            deliveries: one for each account and report.
            again: what they remove is removed and written down already; where it is kept, it may stand twice.

        Returns:
            what was found of each delivery, and the tables that dlt may have loaded twice.
        """
        gone = not again or self.settings.keeps_deleted
        # copies, since a user's columns are taken out, and loads that fail are tried again
        by_pair = {
            each.pair: replace(each, removed=deepcopy(each.removed) if gone else ())
            for each in deliveries
        }
        names = {pair.report for pair in by_pair}
        removed = {pair: each.removed for pair, each in by_pair.items() if each.removed}
        keys = self._counted
        counted = None if keys is None else {pair: set(each) for pair, each in keys.items()}
        with self.kept_open():
            with self.warehouse(names) as warehouse:
                changes = ChangeFilter(warehouse, counted)
                if self.settings.keeps_deleted:
                    changes.leave_own_columns(removed)
                schema = self.pipeline.schemas.get(SECTION)
                known = kinds_in(schema.tables if schema else {})
                package = with_items(self._package, by_pair, self.reports, changes, known)
                if package.items:
                    package = replace(package, empty=_empty(package, changes, warehouse))
                    others = [] if again or not removed else [self._deleted_rows(removed)]
                    self.pipeline.extract(self._source(package, *others))
                if self.repairs:
                    changes.own_columns.keep()
            doubled = self._finish_package(changes) if package.items else frozenset()
        self._counted = changes.counted
        if self.repairs:
            self._let_wait(by_pair, package)
        return {pair: changes.tallies.get(pair, Tally()) for pair in by_pair}, doubled

    def _deleted_rows(self, removed: Mapping[AccountReport, Collection[Row]]) -> Any:
        """Returns the resource that writes down what is removed."""
        return deleted_rows_resource(removed, keeps=self.settings.keeps_deleted)

    def _finish_package(self, changes: ChangeFilter) -> frozenset[str]:
        """Loads what is extracted; returns the tables that dlt may have loaded twice."""
        if not self.repairs:
            self.pipeline.abort_packages()
            return frozenset()
        self.check_alone()
        doubled = finish_pending(self.pipeline)
        with self.warehouse() as warehouse:
            changes.own_columns.put_back(warehouse)
        self.notes.lost |= changes.own_columns.lost
        return doubled

    def _let_wait(self, deliveries: Mapping[AccountReport, Delivery], package: Package) -> None:
        """Keeps for the run's last load what dlt's state lacks of deliveries that changed no table; newer states count."""
        kept = states_of(self.pipeline)
        for pair, delivery in deliveries.items():
            if delivery.state is None:
                continue
            self._waiting.pop(pair, None)
            if pair not in package.items and delivery.state != kept.get(pair):
                self._waiting[pair] = Delivery(pair, state=delivery.state)

    def finish(self, *, views: bool) -> list[str]:
        """Makes what belongs to tables that are loaded.

        Args:
            views: whether views of the figures do.

        Returns:
            what the summary says of comments and views that are not made.
        """
        add_indexes(self.pipeline, [report.name for report in self.reports])
        if not self.repairs:
            return []
        self.check_alone()
        notes = set_comments(self.pipeline, declared(self._package, self.reports).comments)
        return [*notes, *(make_views(self.pipeline) if views else ())]

    def write_history(
        self,
        times: RunTimes,
        results: list[ReportResult],
        accounts: list[Account],
        kept: dict[str, dict[str, Any]],
    ) -> list[str]:
        """Writes the run's rows of the product's own tables, the days that `calendar` lacks, and what the next run must know.

        Figures count to the day of `accounts`: where that is another, it is loaded before them.

        Args:
            times: of the run.
            results: of the run.
            accounts: of which the run loaded a report.
            kept: by name of `states`: account id: what is kept of it.

        Returns:
            what the summary says of dates that `calendar` cannot have, of figures whose day is not kept, and of a user's columns.
        """
        finished_at = datetime.now(UTC)
        history = load_report_resource(times.run_id, times.started_at, finished_at, results, kept)
        package = replace(self._package, deliveries=self._waiting)
        with self.kept_open():
            with self.warehouse() as warehouse:
                own_columns = OwnColumns(warehouse)
                own = self._changed_accounts(own_columns, accounts, times.day)
                missing = missing_days(warehouse, times.day, whole=self.rewrites)
                complete = complete_accounts(warehouse, accounts, results, self.states().keys())
                own_columns.keep()
            if missing.rows:
                own.append(calendar_resource(missing.rows, whole=self.rewrites))
            if own and any(complete.values()):
                self._load_own(self._package, *own)
                own = []
            with self.warehouse() as warehouse:
                day = figures_of_day(warehouse, complete, times.day)
            own += self._days_of_figures(day)
            self._load_own(package, history, *own)
            if own_columns.waits:
                with self.warehouse() as warehouse:
                    own_columns.put_back(warehouse)
            analyze_tables(self.pipeline)  # now that the last one has its rows
        self._waiting = {}
        return missing.notes() + day.notes + told_lost(own_columns.lost)

    def load_own(self, *resources: Any) -> None:
        """Loads rows of tables that are no lists."""
        with self.kept_open():
            self._load_own(self._package, *resources)

    def hints(self, name: str) -> dict[str, Any]:
        """Returns what dlt is told of a report's table."""
        return self._package.hints(by_name(name))

    def shapers(self, names: Iterable[str]) -> dict[str, Shaper]:
        """Returns what makes rows of reports, each with the columns that its table has."""
        schema = self.pipeline.schemas.get(SECTION)
        known = kinds_in(schema.tables if schema else {})
        return {name: Shaper(by_name(name), known, self.notes) for name in names}

    def _load_own(self, package: Package, *resources: Any) -> None:
        """Loads rows of the product's own tables, and what is kept of reports."""
        self.check_alone()
        mend(self.pipeline, load(self.pipeline, self._source(package, *resources)))

    def _days_of_figures(self, day: FiguresOfDay) -> list[Any]:
        """Returns what loads the day's rows of the figures; takes out those that none take the place of."""
        merges = not self.rewrites
        for each in day.written:
            if each.emptied and merges:
                self.check_alone()
                with self.warehouse() as warehouse:
                    warehouse.remove(each.history.name, each.emptied)
        return [each.resource(self.pipeline, merges=merges) for each in day.written]

    def _changed_accounts(
        self, own_columns: OwnColumns, accounts: list[Account], day: date
    ) -> list[Any]:
        """Returns what loads the rows of `accounts`, where they are not there as they are."""
        by_id = itemgetter("account_id")
        found = own_columns.warehouse.rows(ACCOUNTS_TABLE)
        for row in found:
            own_columns.take(ACCOUNTS, ACCOUNTS_TABLE, by_id(row), [row], None)
        present = [{name: row.get(name) for name in ACCOUNTS_COLUMNS} for row in found]
        rows = account_rows(accounts, {by_id(row): row for row in present}, day)
        told = set(map(by_id, rows))
        of_run = [row for row in present if by_id(row) in told]
        rest = [row for row in present if by_id(row) not in told]
        if sorted(of_run, key=by_id) == sorted(rows, key=by_id):
            return []
        for account_id in told:
            own_columns.note_rewritten(ACCOUNTS, account_id, [None])
        return [accounts_resource(rows, rest if self.rewrites else None)]

    def _source(self, package: Package, *others: Any) -> Any:
        """Returns the source of a load: the reports of its deliveries, and other tables."""
        names = {pair.report for pair in package.deliveries}
        reports = [report for report in self.reports if report.name in names]
        return package_source(package, reports, *others)


def _empty(package: Package, changes: ChangeFilter, warehouse: Warehouse) -> frozenset[str]:
    """Returns the reports of a package whose tables have no row."""
    filled = {pair.report for pair in package.items if not changes.is_empty(pair)}
    names = {pair.report for pair in package.items} - filled
    # of one table alone: rows and their lists are added one after the other, and a kill in between would leave lists without rows
    return frozenset(
        name for name in names if by_name(name).arrow and not warehouse.count(name, None, EVERY_ROW)
    )
