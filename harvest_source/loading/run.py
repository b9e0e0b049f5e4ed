"""Keeps the tables equal to Harvest: one run, from what an earlier one left to its line in `load_report`.

What a report's failure means is decided here: it stays that report's own.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import dlt

from harvest_source.api.accounts import Account, look_up_all
from harvest_source.api.net import stays_with_report
from harvest_source.catalogue.lookup import ALL_NAMES, by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.connection import Connection
from harvest_source.destinations.abilities import check_abilities, settle_destination
from harvest_source.destinations.duckdb import Patience, left_only_with_rows
from harvest_source.destinations.failures import GOES_ON, explained, is_foreign
from harvest_source.destinations.places import run_made_for_owner
from harvest_source.destinations.postgres import only_machine
from harvest_source.destinations.scope import LIVE
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.dlt_corners import destinations_resolved_once, schemas_read_once
from harvest_source.errors import AccessLostError, ApiError
from harvest_source.loading import timers
from harvest_source.loading.alone import alone
from harvest_source.loading.callers import callers_after
from harvest_source.loading.delivery import Delivery
from harvest_source.loading.late_parents import known_parents
from harvest_source.loading.list_elements import elements_to_keep, with_other_elements
from harvest_source.loading.listener import Listener
from harvest_source.loading.loader import Loader, RunTimes
from harvest_source.loading.looking_back import MOST_REQUESTS
from harvest_source.loading.options import SyncOptions
from harvest_source.loading.own_columns import told_lost
from harvest_source.loading.passed_over import pass_over_refused
from harvest_source.loading.proof import Proof
from harvest_source.loading.report_tables import ReportTables
from harvest_source.loading.result import Result, Verdict, Verified
from harvest_source.loading.rewriting import lost
from harvest_source.loading.states import CALLERS, LIST_ELEMENTS, LOOKED, bookmark_of
from harvest_source.loading.summary import ReportResult, Summary
from harvest_source.loading.totals import Totals
from harvest_source.reading.plan import Wish, read_parents
from harvest_source.reading.reader import Outcome, Reader
from harvest_source.settings import PER_PAGE


def run_alone(
    pipeline: dlt.Pipeline,
    connection: Connection,
    reader: Reader,
    names: list[str],
    options: SyncOptions,
    listener: Listener,
) -> Summary:
    """Runs once, while no other run works on the pipeline or its destination. Raises as `Run.execute`."""
    settle_destination(pipeline)
    check_abilities(pipeline)
    runs: list[Run] = []
    with (
        explained(GOES_ON, lambda: any(run.has_begun for run in runs)),
        run_made_for_owner(pipeline, share_with_group=reader.settings.share_with_group),
        alone(pipeline),
        destinations_resolved_once(pipeline),
        schemas_read_once(pipeline),
        only_machine(pipeline) as check_alone,
        left_only_with_rows(pipeline),
    ):
        reports = [reader.report(name) for name in names]
        patience = Patience(reader.client.clock, listener.note)
        loader = Loader(
            pipeline,
            reader.settings,
            reports,
            listener,
            patience,
            check_alone,
            repairs=options.repairs,
        )
        runs.append(Run(connection, reader, loader, names, options, listener))
        return runs[0].execute()


@dataclass
class Run:
    """One run; see the module."""

    connection: Connection
    reader: Reader
    loader: Loader
    names: list[str]  # of the chosen reports; those that are lists, once it begins
    options: SyncOptions
    listener: Listener
    summary: Summary = field(default_factory=Summary)
    # of every account and report that is read
    results: dict[AccountReport, Result] = field(default_factory=dict)
    has_begun: bool = False  # to load
    # whose lists or children are not as the last run left them
    _other_elements: set[AccountReport] = field(default_factory=set)
    _times: RunTimes = field(init=False)
    _report_tables: ReportTables = field(init=False)

    def __post_init__(self) -> None:
        day = self.reader.client.clock.today()
        self._times = RunTimes(uuid.uuid4().hex, datetime.now(UTC), day)
        own = [name for name in self.names if by_name(name).spans]
        self._report_tables = ReportTables(
            self.reader, self.loader, own, self.options, self.listener, day
        )
        self.names = [name for name in self.names if name not in own]

    def execute(self) -> Summary:
        """Runs, and returns the summary.

        Raises:
            SettingError: nothing was loaded since a setting is wrong, or the destination does not fit.
            AccessLostError: Harvest refuses the token; what was complete before is loaded.
            LoadFailedError: the destination refused; the next run finishes what is pending.
            CancelledError: the run was interrupted.
        """
        self.summary.pending_loaded = self.loader.prepare(drop_pending=self.options.drop_pending)
        self.has_begun = True
        accounts = look_up_all(self.reader.client, self.connection.accounts())
        self._begin(accounts)
        with self.loader.kept_open():
            self._complete_tables()
            self._take_over(self.loader.states())
            self._forget_lost(accounts)
            self._pass_over_failed(accounts)
            wishes = self._wishes(self._to_read())
            reserved_requests = self._reserved_requests(wishes)
        self._read_and_load(wishes, reserved_requests)
        proof = self._compare(accounts)
        for pair in self.reader.lists:  # also of those that only tell whose children to ask
            self.reader.store.release(pair)
        self._judge()
        self._report_tables.bring_up_to_date(accounts, self._loaded)
        requests = self.reader.client.traffic.by_label.copy()
        if self.options.totals:
            self._compare_totals(accounts)
        with self.loader.kept_open():
            self._summarize(requests)
            if self.options.repairs:
                self._write_history(accounts, proof)
            self.summary.notes += self.loader.finish(views=self.options.views)
        return self.summary

    @property
    def _loaded(self) -> set[AccountReport]:
        """Returns the lists of which what Harvest answered is in the tables."""
        return {pair for pair, result in self.results.items() if result.is_loaded}

    def _complete_tables(self) -> None:
        if self.options.repairs:
            self.loader.complete_tables(self._when_all_is_read())

    def _when_all_is_read(self) -> str:
        """Returns which run reads from the beginning, where it is not this one."""
        return " by the next run without a date" if self.reader.choice.since else ""

    def _read_and_load(self, wishes: Mapping[AccountReport, Wish], reserved_requests: int) -> None:
        """Reads and loads all that is wanted: lists are loaded while children are read."""
        self._read_lists(wishes)
        with self._children_being_read(wishes, reserved_requests):
            self._load_read(pair for pair in wishes if not self._is_child(pair))
        self._load_read(pair for pair in wishes if self._is_child(pair))
        pass_over_refused(self.results, self.reader, self.summary)

    def _compare(self, accounts: list[Account]) -> Proof:
        """Compares what was loaded with Harvest and repairs what differs; returns what was found."""
        proof = self._proof(accounts)
        self.listener.step("comparing with Harvest")
        proof.choose()
        self._repair(proof.compare())
        self._repair(proof.look_back())
        if proof.have_parents_changed():
            self._read_late_parents(proof.children())
        proof.confirm()
        return proof

    def _begin(self, accounts: list[Account]) -> None:
        """Makes a result for all that is read; a report whose module is off is complete, since there is nothing to load."""
        for account in accounts:
            chosen = [*self.names, *self._report_tables.names]
            off = [name for name in chosen if account.switched_off(by_name(name).module)]
            if off:
                verified = str(Verified(Verdict.MODULE_OFF))
                self.summary.results += [
                    ReportResult(name, account.id, verified=verified) for name in off
                ]
                self.summary.notes.append(
                    f"skipped, since their module is switched off in account {account.id}: {', '.join(off)}"
                )
            lists = [AccountReport(account.id, name) for name in self.names if name not in off]
            self.results |= {pair: Result(pair) for pair in lists}

    def _take_over(self, states: Mapping[AccountReport, Mapping[str, Any]]) -> None:
        for pair, result in self.results.items():
            result.state = states.get(pair, {})

    def _forget_lost(self, accounts: list[Account]) -> None:
        """Has tables read as if for the first time that lost rows outside a run, or whose list elements are others."""
        with self.loader.warehouse(self.names) as warehouse:
            found = (
                lost(warehouse, self.names)
                if self.loader.rewrites and self.options.repairs
                else set()
            )
        kept = self.loader.kept(LIST_ELEMENTS)
        others = (
            with_other_elements(self.loader.count_elements(), self.results.keys(), kept) - found
        )
        if found:
            self.loader.forget(found)
            self._take_over(self.loader.states())
        chosen = {account.id for account in accounts}
        for pair in sorted(found):
            when = "" if pair.account_id in chosen else " when that account is loaded"
            self.listener.note(
                f"{pair.report} of account {pair.account_id} lost rows since the last run: it is read from the beginning{when}"
            )
        # of a table made anew it is said already
        for pair in sorted(pair for pair in others if self.results[pair].state):
            self.listener.note(
                f"{pair.report} of account {pair.account_id} is not as it was last counted: "
                f"it is read from the beginning{self._when_all_is_read()}"
            )
            self.results[pair].state = {}
        self._other_elements = others

    def _pass_over_failed(self, accounts: list[Account]) -> None:
        """Keeps the error of an account of which nothing can be read as that of each of its reports."""
        for account in accounts:
            if account.error:
                self.listener.note(str(account.error))
                for name in self.names:
                    self.results[AccountReport(account.id, name)].outcome = Outcome(
                        error=account.error
                    )

    def _to_read(self) -> list[AccountReport]:
        """Returns what is to be read, lists first."""
        waiting = [pair for pair, result in self.results.items() if result.outcome is None]
        return sorted(waiting, key=self._is_child)

    def _is_child(self, pair: AccountReport) -> bool:
        return self.reader.report(pair.report).parent is not None

    def _read_lists(self, wishes: Mapping[AccountReport, Wish]) -> None:
        """Reads the lists that are chosen or that children hang on."""
        self.listener.step("reading")
        for pair, outcome in self.reader.read_lists(wishes).items():
            self.results[pair].outcome = outcome

    def _reserved_requests(self, pairs: Iterable[AccountReport]) -> int:
        """Returns how many requests the comparison of lists takes: one count each, and a look back at the longer ones."""
        lists = [pair for pair in pairs if not self._is_child(pair)]
        with self.loader.warehouse(self.names) as warehouse:
            longer = [
                pair
                for pair in lists
                if (warehouse.count(pair.report, pair.account_id) or 0) > PER_PAGE
            ]
        return len(lists) + MOST_REQUESTS * len(longer)

    def _wishes(self, pairs: list[AccountReport]) -> dict[AccountReport, Wish]:
        """Returns what is wanted of reports, with what the tables say of those that were read before.

        Of lists that is whose timers ran; of children, which parents stand there, whose children stand twice and whose payments
        do not add up. Of others, what hangs on all parents is read.
        """
        wishes = {pair: Wish(self.results[pair].state) for pair in pairs}
        read_before = [pair for pair in pairs if self.results[pair].state]
        if not read_before:
            return wishes
        with self.loader.warehouse() as warehouse:
            children = {pair.report for pair in read_before if self._is_child(pair)}
            doubled = (
                warehouse.doubled_children([by_name(name) for name in children]) if children else {}
            )
            parents = known_parents(warehouse, self.reader, read_before)
            for pair in read_before:
                ran_before = suspects = None
                report = by_name(pair.report)
                if report.running:
                    ran_before = timers.running_ids(
                        warehouse, report, pair.account_id, self.reader.settings.begins_at
                    )
                if report.settling and report.parent and report.parent.column:
                    settling, parent = report.settling, report.parent.report
                    counted = LIVE.where("state", "<>", settling.but_state)
                    added = (report.name, settling.column, report.parent.column)
                    suspects = warehouse.ids_off_sum(
                        parent, settling.of_parent, added, pair.account_id, counted
                    )
                wishes[pair] = replace(
                    wishes[pair],
                    known_parents=parents[pair],
                    suspects=tuple(suspects or ()),
                    doubled=tuple(doubled.get(pair, ())),
                    ran_before=ran_before,
                )
        return wishes

    @contextmanager
    def _children_being_read(
        self, wishes: Mapping[AccountReport, Wish], reserved_requests: int
    ) -> Iterator[None]:
        """Reads children in the background for the length of a `with`, and until they are read."""
        background = ThreadPoolExecutor(1, thread_name_prefix="harvest-children")
        reading = background.submit(self.reader.read_children, wishes, reserved_requests)
        try:
            yield
            for pair, outcome in reading.result().items():
                self.results[pair].outcome = outcome
        except BaseException:
            self.reader.client.clock.cancel()
            background.shutdown(wait=False)
            raise
        background.shutdown()

    def _load_read(self, chosen: Iterable[AccountReport]) -> None:
        """Loads the reports that were read completely; one whose rows cannot be loaded is not loaded."""
        outcomes = ((pair, self.results[pair].outcome) for pair in chosen)
        deliveries = [
            Delivery(pair, outcome.reading, outcome.state)
            for pair, outcome in outcomes
            if outcome and outcome.reading
        ]
        for pair, error in self._load(deliveries).items():
            read = self.results[pair].outcome
            self.results[pair].outcome = Outcome(
                error=error, hidden=read.hidden if read else frozenset()
            )

    def _repair(self, deliveries: list[Delivery]) -> None:
        """Loads what the comparison found; what cannot be loaded is not proved."""
        before = {each.pair: self.results[each.pair].loaded_rows for each in deliveries}
        errors = self._load(deliveries)
        for delivery in deliveries:
            result = self.results[delivery.pair]
            if error := errors.get(delivery.pair):
                result.fail(error)
            else:
                result.repaired += (
                    result.loaded_rows - before[delivery.pair] + len(delivery.removed)
                )

    def _load(self, deliveries: list[Delivery]) -> dict[AccountReport, ApiError]:
        """Loads deliveries and counts what they changed; returns the errors of those whose rows cannot be loaded."""
        if not deliveries:
            return {}
        self.listener.step(f"loading {len({each.pair.report for each in deliveries})} reports")
        removed = {delivery.pair: len(delivery.removed) for delivery in deliveries}
        errors = {}
        for pair, found in self.loader.load(deliveries):
            if isinstance(found, ApiError):
                errors[pair] = found
                self.loader.notes.forget(pair.report)
                self.reader.store.drop(pair)  # the next run asks for them anew
                self.listener.read(*pair, 0, str(found))
                continue
            self.results[pair].tally += found
            if self.options.repairs:
                self.results[pair].removed += removed[pair]
            if self.loader.is_kept(pair):
                self.reader.store.release(pair)
        return errors

    def _proof(self, accounts: list[Account]) -> Proof:
        looked = {
            AccountReport(int(account_id), name): hour
            for account_id, hours in self.loader.kept(LOOKED).items()
            for name, hour in hours.items()
        }
        return Proof(
            self.reader,
            self.results,
            accounts,
            self._open_compared,
            self.loader.kept(CALLERS),
            looked,
            accept_deletions=self.options.accept_deletions,
        )

    @contextmanager
    def _open_compared(self) -> Iterator[Warehouse]:
        """Gives the tables for a comparison, in which Harvest is waited for: a DuckDB file is let go then."""
        with (
            self.loader.warehouse(self.names, lets_go=True) as warehouse,
            self.reader.client.waited_for_without(warehouse.let_go),
        ):
            yield warehouse

    def _read_late_parents(self, children: list[AccountReport]) -> None:
        """Reads what hangs on parents that the comparison brought: no list of changes names them."""
        choice = self.reader.choice
        if not self.options.repairs or choice.since or choice.reads_all:
            return
        self._take_over(self.loader.states())
        wishes = self._wishes(children)
        late = {
            pair: wish
            for pair, wish in wishes.items()
            if wish.known_parents.keys() - read_parents(wish.state)
        }
        before = {pair: self.results[pair].outcome or Outcome() for pair in late}
        for pair, outcome in self.reader.read_children(late).items():
            self.results[pair].outcome = outcome
        self._load_read(late)
        for pair, earlier in before.items():
            self.results[pair].outcome = earlier.followed_by(
                self.results[pair].outcome or Outcome()
            )

    def _judge(self) -> None:
        """Says of tables that were only looked at, and of those whose rows `verify` compared, what was found to differ."""
        for result in self.results.values():
            differing = result.differing_rows()
            if not differing or result.error or not result.is_loaded:
                continue
            if not self.options.repairs:
                result.fail(
                    f"{differing} rows differ from Harvest; without --no-repair they are read again"
                )
            elif self.options.totals and result.verified.verdict is not Verdict.NOT_COMPARED:
                result.verified = replace(result.verified, verdict=Verdict.REPAIRED, rows=differing)

    def _compare_totals(self, accounts: list[Account]) -> None:
        """Notes the months in which a sum differs from Harvest's report; a report that cannot be read is said."""
        self.listener.step("comparing sums with Harvest's reports")
        outcomes = {
            pair: result.outcome
            for pair, result in self.results.items()
            if result.outcome and result.is_loaded
        }
        with self._open_compared() as warehouse:
            for account in accounts:
                try:
                    with stays_with_report(is_foreign):
                        months = list(
                            Totals(self.reader, outcomes, warehouse, account.id).differing_months()
                        )
                except AccessLostError:
                    raise
                except ApiError as error:
                    self.summary.notes.append(
                        f"sums of account {account.id} are not compared with Harvest's reports: {error}"
                    )
                    continue
                for month in months:
                    self.summary.notes.append(str(month))
                    self.results[month.pair].fail(self.results[month.pair].error or month.error)

    def _summarize(self, requests: Counter[tuple[int | None, str]]) -> None:
        """Puts together what the run did.

        Args:
            requests: that reports took, by account and report; those for sums are none of theirs.
        """
        states = self.loader.states()
        with self.loader.warehouse(self.names) as warehouse:
            for pair, result in self.results.items():
                total = warehouse.count(pair.report, pair.account_id)
                self.summary.results.append(
                    result.told(total, requests[pair], bookmark_of(states.get(pair, {})))
                )
        self.summary.results += self._report_tables.results(requests)
        order = {name: place for place, name in enumerate(ALL_NAMES)}
        self.summary.results.sort(key=lambda line: (line.account_id, order[line.report]))
        self.summary.waits = self.reader.client.traffic.waits
        notes = self.loader.notes
        self.summary.new_fields = sorted(notes.new_fields)
        for what, columns in (
            ("more than six decimals, rounded", notes.rounded),
            ("of another type, kept as text", notes.misfits),
        ):
            if columns:
                self.summary.notes.append(f"values {what}: {', '.join(sorted(columns))}")
        self.summary.notes += told_lost(notes.lost)

    def _write_history(self, accounts: list[Account], proof: Proof) -> None:
        """Writes the run's rows of the product's own tables, and what the next run must know."""
        loaded = self._loaded
        lines = [
            each
            for each in self.summary.results
            if AccountReport(each.account_id, each.report) in loaded
        ]
        callers = callers_after(
            accounts, lines, self.loader.kept(CALLERS), compared=proof.compares_whole_tables
        )
        mended = {
            pair for pair in loaded if not self.results[pair].error and not self.reader.choice.since
        }
        # children go with their parents, also where they could not be read themselves
        removed = {pair for pair, result in self.results.items() if result.removed}
        with self.loader.warehouse() as warehouse:
            settled = (loaded | removed) - (self._other_elements - mended)
            now = warehouse.count_elements(self.names)
            elements = elements_to_keep(now, settled, self.loader.kept(LIST_ELEMENTS))
        kept = {CALLERS: callers, LIST_ELEMENTS: elements, LOOKED: proof.looks()}
        waiting = [pair for pair in self.results if not self.loader.is_kept(pair)]
        of_loaded = {pair.account_id for pair in loaded | self._report_tables.loaded}
        told = [account for account in accounts if account.id in of_loaded]
        self.summary.notes += self.loader.write_history(
            self._times, self.summary.results, told, kept
        )
        for pair in waiting:
            self.reader.store.release(pair)
