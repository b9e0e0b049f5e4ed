"""Brings the tables of Harvest's own reports up to date: asks for the spans that may have changed, and loads those that have.

Harvest allows 100 requests for reports in 15 minutes, so that a first run may take hours. What was read is loaded before each
wait, with how the spans stood: whatever ends the run, the next one goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from harvest_source.api.accounts import Account
from harvest_source.api.limits import Budget
from harvest_source.api.net import stays_with_report
from harvest_source.catalogue.access import Extent
from harvest_source.catalogue.columns.reports import FROM_DATE, TO_DATE
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, Report, Row, Spans
from harvest_source.clock import Clock
from harvest_source.destinations.failures import is_foreign
from harvest_source.destinations.scope import EVERY_ROW
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import AccessLostError, ApiError, HarvestError, in_own_words
from harvest_source.loading.callers import whose_rows
from harvest_source.loading.listener import Listener
from harvest_source.loading.loader import Loader
from harvest_source.loading.options import SyncOptions
from harvest_source.loading.report_prints import PROJECTS, Days, days_of
from harvest_source.loading.report_rows import Changes, changes_of, resource_of
from harvest_source.loading.report_spans import Asked, spans_to_ask
from harvest_source.loading.result import Tally, Verdict, Verified
from harvest_source.loading.summary import ReportResult
from harvest_source.reading.harvest_reports import TIME, ReportReader, sources_of
from harvest_source.reading.reader import Reader
from harvest_source.reading.shape import Shaper
from harvest_source.reading.spans import period_of
from harvest_source.reading.windows import Window

LOAD_SECONDS = 60.0  # what was read is loaded after so long, also where nothing has to wait
WAIT_SECONDS = 10.0  # and before a wait, unless it is shorter than this
MINUTE_SECONDS, HOUR_MINUTES = 60, 60


@dataclass
class Task:
    """What a run does for one report of one account."""

    report: Report
    account: Account
    asked: Asked
    days: Days | None = None  # None: the run has not loaded what it sums up
    spans: list[Window] = field(default_factory=list)  # to ask for
    read: dict[Window, list[Row]] = field(default_factory=dict)  # and not loaded yet
    before: dict[str, object] = field(default_factory=dict)  # its state in the destination
    done: int = 0  # of the spans
    tally: Tally = field(default_factory=Tally)
    gone: int = 0
    seconds: float = 0.0
    error: HarvestError | str | None = None

    @property
    def differing(self) -> int:
        """Returns how many rows were not as Harvest has them."""
        return self.tally.new + self.tally.changed + self.gone

    def fail(self, error: HarvestError) -> None:
        """Keeps why not all was read; what was read before stays."""
        rest = f"; {self.done} of {len(self.spans)} spans are up to date, the next run goes on from there"
        self.error = error.saying(f"{error.message}{rest}") if self.done else error


@dataclass
class ReportTables:
    """The tables of Harvest's own reports in one run; see the module."""

    reader: Reader
    loader: Loader
    names: list[str]
    options: SyncOptions
    listener: Listener
    day: date  # of the run
    tasks: list[Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reports = ReportReader(self.reader.client)
        self._shapers: dict[str, Shaper] = {}
        self._unloaded_since = 0.0  # when the first span was read that is not loaded yet

    @property
    def _clock(self) -> Clock:
        return self.reader.client.clock

    @property
    def _budget(self) -> Budget:
        return self.reader.client.budgets.reports

    def bring_up_to_date(self, accounts: list[Account], loaded: Collection[AccountReport]) -> None:
        """Asks for what may have changed and loads what has.

        Args:
            accounts: of the run.
            loaded: the lists that this run has loaded.

        Raises:
            AccessLostError: the token is refused; what was read before is loaded.
            LoadFailedError: the destination refused.
            CancelledError: the run was interrupted.
        """
        if not self.names:
            return
        self.listener.step("reading Harvest's reports")
        with self.loader.kept_open():
            self._begin(accounts, loaded)
        for task in self.tasks:
            self._plan(task)
        self._announce()
        try:
            for task in self.tasks:
                self._read(task)
        except AccessLostError:
            self._load()
            raise
        self._load()

    def _begin(self, accounts: list[Account], loaded: Collection[AccountReport]) -> None:
        """Makes a task for each report that is read, with what the tables and dlt's state say of it."""
        self._shapers = self.loader.shapers(self.names)
        states, period = self.loader.states(), self.reader.settings.report_period
        reports = [by_name(name) for name in self.names]
        with self.loader.warehouse() as warehouse:
            present = {report.name: _present(warehouse, report) for report in reports}
            for account in accounts:
                known: dict[tuple[str, ...], Days | None] = {}
                for report in reports:
                    if account.switched_off(report.module):
                        continue
                    asked = Asked(
                        report,
                        account.id,
                        period_of(report, period),
                        _sees(account, report),
                        present[report.name].get(account.id, {}),
                    )
                    task = Task(report, account, asked, before=states.get(asked.pair, {}))
                    asked.take_over(task.before)
                    tables = sources_of(report)
                    if tables not in known:
                        known[tables] = self._days(warehouse, tables, account.id, loaded)
                    task.days, task.error = known[tables], account.error
                    self.tasks.append(task)

    def _days(
        self,
        warehouse: Warehouse,
        tables: tuple[str, ...],
        account_id: int,
        loaded: Collection[AccountReport],
    ) -> Days | None:
        """Returns what the tables say of the days that a report sums up, `None` where this run did not load them."""
        needed = {AccountReport(account_id, name) for name in tables}
        if not needed or not needed <= {*loaded}:
            return None
        days = days_of(warehouse, tables, account_id)
        if TIME in tables and AccountReport(account_id, PROJECTS) not in self.loader.states():
            return Days(
                days.said, frozenset(days.said)
            )  # which projects have a fixed fee is not known
        return days

    def _plan(self, task: Task) -> None:
        """Finds the spans to ask for; where the run has not loaded what they sum up, Harvest says from when on there is some."""
        if task.error:
            return
        begins = self.reader.settings.begins_at
        with self._failing(task):
            ends = task.days.ends if task.days else None
            if task.days is None and task.report.spans is not Spans.PRESENT:
                ends = self._reports.days(task.report, task.account.id)
            task.spans = spans_to_ask(
                task.asked,
                task.days,
                ends,
                begins=begins.date() if begins else None,
                today=self.day,
                whole=self.reader.choice.reads_all,
            )
            self.listener.planned(*task.asked.pair, len(task.spans))

    def _announce(self) -> None:
        """Says what will take long, and why."""
        unknown = [
            task
            for task in self.tasks
            if task.days is None and task.report.spans is Spans.PERIODS and not task.error
        ]
        if unknown:
            lists = sorted({name for task in unknown for name in sources_of(task.report)})
            self.listener.note(
                f"every span of {_named(unknown)} is asked for, since this run does not load {' and '.join(lists)}, "
                "which would tell what changed"
            )
        limit = self._budget.limit
        requests = sum(len(task.spans) for task in self.tasks)
        if requests > limit.requests:
            minutes = round((requests - 1) // limit.requests * limit.seconds / MINUTE_SECONDS)
            self.listener.note(
                f"{_named([task for task in self.tasks if task.spans])}: {requests:,} spans, about {_duration(minutes)}, since "
                f"Harvest allows {limit.requests} requests for reports per {round(limit.seconds / MINUTE_SECONDS)} minutes. "
                "You may interrupt it: what was read stays, and the next run goes on from there"
            )

    def _read(self, task: Task) -> None:
        """Asks for the spans of a report; loads what was read before each wait."""
        began, rows = self._clock.now(), 0
        with self._failing(task):
            for span in task.spans if not task.error else ():
                is_due = self._clock.now() - self._unloaded_since >= LOAD_SECONDS
                if is_due or self._budget.seconds_until_free >= WAIT_SECONDS:
                    self._load()
                shaper = self._shapers[task.report.name]
                found = self._reports.rows(shaper, task.account.id, span)
                if not any(each.read for each in self.tasks):
                    self._unloaded_since = self._clock.now()
                task.read[span] = found
                task.done += 1
                rows += len(task.read[span])
        task.seconds = self._clock.now() - began
        self.listener.planned(*task.asked.pair, 0)
        self.listener.read(*task.asked.pair, rows, str(task.error) if task.error else None)

    @contextmanager
    def _failing(self, task: Task) -> Iterator[None]:
        """Keeps an error as that of the report, within a `with`; a refused token is none."""
        try:
            with stays_with_report(is_foreign):
                yield
        except AccessLostError:
            raise
        except ApiError as error:
            task.fail(error)

    def _load(self) -> None:
        """Loads what was read since the last load, as far as the tables do not have it, and how the spans stood."""
        tasks = [task for task in self.tasks if task.read]
        if not tasks:
            return
        with self.loader.kept_open():
            with self.loader.warehouse() as warehouse:
                changes = [changes_of(warehouse, task.asked, task.read) for task in tasks]
            for task, found in zip(tasks, changes, strict=True):
                task.tally += found.tally
                task.gone += found.gone
                self._note(task, found)
            if self.options.repairs:
                self._write(tasks, changes)
        for task in tasks:
            task.read = {}

    def _note(self, task: Task, found: Changes) -> None:
        """Notes how the spans stood that were read, and what the table has of them once they are loaded."""
        if not self.options.repairs:
            return
        for span in found.emptied:
            task.asked.present.pop(span, None)
        for span, rows in task.read.items():
            task.asked.note(span, task.days, len(rows))
            task.asked.present.pop(span, None)
            if rows:
                task.asked.present[span] = len(rows)

    def _write(self, tasks: list[Task], changes: list[Changes]) -> None:
        by_report: dict[str, list[Changes]] = {}
        for task, found in zip(tasks, changes, strict=True):
            state = task.asked.state
            if found.rows or found.replaced or state != task.before:
                by_report.setdefault(task.report.name, []).append(found)
                task.before = state
        if not by_report:
            return
        if not self.loader.rewrites:
            self._remove([found for each in by_report.values() for found in each])
        rest = self.loader.warehouse if self.loader.rewrites else None
        self.loader.load_own(
            *(
                resource_of(by_name(name), self.loader.hints(name), self._shapers[name], each, rest)
                for name, each in by_report.items()
            )
        )

    def _remove(self, changes: list[Changes]) -> None:
        """Takes out the rows that none take the place of, which a merge would leave."""
        if any(each.emptied for each in changes):
            self.loader.check_alone()
            with self.loader.warehouse() as warehouse:
                for each in changes:
                    for scope in each.scopes():
                        warehouse.remove(each.asked.report.name, scope)

    @property
    def loaded(self) -> set[AccountReport]:
        """Returns the reports whose tables are as Harvest answered."""
        return {task.asked.pair for task in self.tasks if not task.error}

    def results(self, requests: Counter[tuple[int | None, str]]) -> list[ReportResult]:
        """Returns the lines of the summary.

        Args:
            requests: that reports took, by account and report.
        """
        with self.loader.warehouse() as warehouse:
            return [
                self._result(
                    task,
                    warehouse.count(task.report.name, task.account.id, EVERY_ROW),
                    requests[task.asked.pair],
                )
                for task in self.tasks
            ]

    def _result(self, task: Task, total: int | None, requests: int) -> ReportResult:
        error, verified = task.error, self._verified(task)
        if not error and task.differing and not self.options.repairs:
            error = f"{task.differing} rows differ from Harvest; without --no-repair they are read again"
            verified = Verified(Verdict.NO, why=error)
        return ReportResult(
            task.report.name,
            task.account.id,
            new=task.tally.new,
            changed=task.tally.changed,
            repaired=verified.rows,
            total=total,
            requests=requests,
            seconds=round(task.seconds, 3),
            verified=str(verified),
            error=str(error) if error else None,
            reason=in_own_words(error) if error else None,
            loaded=task.error is None,
        )

    def _verified(self, task: Task) -> Verified:
        """Returns how a table stands: only `verify` compares all of it with what Harvest answers now."""
        whose = whose_rows(task.account, task.report)
        besides = (whose,) if whose else ()
        if task.error:
            return Verified(Verdict.NO)
        if not self.options.totals:
            is_whole = task.report.spans is Spans.PRESENT
            return Verified(Verdict.READ_AGO if is_whole else Verdict.AS_READ, besides=besides)
        verdict = Verdict.REPAIRED if task.differing else Verdict.YES
        return Verified(verdict, rows=task.differing, besides=besides)


def _present(warehouse: Warehouse, report: Report) -> dict[int, dict[Window, int]]:
    """Returns how many rows a table has of each span, by account."""
    columns: tuple[str, ...] = ("account_id",)
    if report.spans is not Spans.PRESENT:
        columns += (FROM_DATE.name, TO_DATE.name)
    found: dict[int, dict[Window, int]] = {}
    for (account_id, *days), (rows,) in warehouse.aggregates_by(
        report.name, columns, ("count(*)",), None
    ):
        found.setdefault(account_id, {})[Window(*days)] = int(rows)
    return found


def _sees(account: Account, report: Report) -> str:
    """Returns which rows the token sees, where not all: those of the caller, with the roles that he has."""
    extent = report.access.of(account.access_roles, account.claims)
    if extent in {Extent.ALL, Extent.UNKNOWN}:
        return ""
    return f"{account.caller.get('id')} {' '.join(account.access_roles)}"


def _named(tasks: list[Task]) -> str:
    """Returns the names of reports, each once."""
    return ", ".join(dict.fromkeys(task.report.name for task in tasks))


def _duration(minutes: int) -> str:
    """Returns a number of minutes as a person says it."""
    hours, rest = divmod(minutes, HOUR_MINUTES)
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{rest} min"] if rest else [])])
