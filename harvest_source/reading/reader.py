"""Reads reports from Harvest, completely and in parallel, before a row of them is handed on.

A `Reader` holds what the readings of one run share: the client, the spool, the chosen accounts, and each list's reading,
so that a list which several reports need is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from harvest_source.api.client import THREADS, HarvestClient
from harvest_source.api.net import stays_with_report
from harvest_source.catalogue.reports import AccountReport, Report, by_name, report_as_set
from harvest_source.errors import (
    AccessLostError,
    ApiError,
    CancelledError,
    HarvestError,
    NotAllowedError,
    OddAnswerError,
    RefusedError,
)
from harvest_source.reading.children import ChildReading, ask_all, start_child_reading
from harvest_source.reading.lists import read_list
from harvest_source.reading.parents import ChildState, ParentPlan, current_hour, lists_needed, mark_of, plan_parents
from harvest_source.reading.reading import Pages, format_instant, list_params, overlapped
from harvest_source.reading.spool import KEPT_HOURS, Spool
from harvest_source.settings import FREE_REQUESTS, HarvestSettings

OPEN_TO_ONESELF = "project_assignments"  # whoever asks may read their own (Harvest API, permissions)
States = Callable[[int, str], dict[str, Any]]
"""Gives what is kept of an account and report between runs; empty before the first."""


@dataclass
class Outcome:
    """What became of one report of one account: records to load and the state that then holds, or an error."""

    pages: Pages | None = None
    state: dict[str, Any] | None = None  # None: the state stays as it is
    error: HarvestError | None = None
    plan: ParentPlan | None = None
    parents: frozenset[int] = frozenset()  # whose children were read, or that are gone themselves

    def followed_by(self, later: Outcome) -> Outcome:
        """Returns what became of a report of children of which some parents were read later in the same run."""
        if later.error or not (self.pages and self.plan and later.pages and later.plan):
            return later
        self.pages.keys |= later.pages.keys
        later.plan.whole = self.plan.whole
        return Outcome(self.pages, later.state, plan=later.plan, parents=self.parents | later.parents)


@dataclass
class Choice:
    """What of each report a run reads."""

    since: datetime | None = None  # only rows changed since; the state is left alone
    full_refresh: bool = False  # everything, as if for the first time
    replaces: bool = False  # what is loaded takes the place of all rows: those gone at Harvest go without doubt


@dataclass
class Reader:
    """Reads reports; see the module."""

    client: HarvestClient
    settings: HarvestSettings
    choice: Choice = field(default_factory=Choice)
    folder: Path | None = None  # where child answers outlive an interrupted run
    reserved_requests: int = 0  # of the free requests, kept for what follows the reading
    known_parents: dict[AccountReport, frozenset[int]] = field(default_factory=dict)  # of child reports: parents in the tables
    suspects: dict[AccountReport, list[int]] = field(default_factory=dict)  # parents whose children do not add up in the tables
    doubled: dict[AccountReport, list[int]] = field(default_factory=dict)  # parents of children that stand twice: do not wait
    on_planned: Callable[[int], None] = lambda _requests: None  # told how many requests the children take
    on_read: Callable[[AccountReport, Outcome], None] = lambda _pair, _outcome: None
    outcomes: dict[AccountReport, Outcome] = field(default_factory=dict)
    hidden: dict[AccountReport, set[int]] = field(default_factory=dict)  # rows of lists that Harvest refused when asked alone
    _lists: dict[AccountReport, Pages] = field(default_factory=dict)
    _list_errors: dict[AccountReport, HarvestError] = field(default_factory=dict)
    _spool: Spool | None = None

    @property
    def spool(self) -> Spool:
        """Returns where answers wait on disk."""
        if self._spool is None:
            self._spool = Spool(self.folder)
            self._spool.drop_old_answers(current_hour() - KEPT_HOURS)
        return self._spool

    @property
    def readings(self) -> list[Pages]:
        """Returns the lists read so far."""
        return list(self._lists.values())

    def report(self, name: str) -> Report:
        """Returns a report as the settings have it: assignments are children of projects where so chosen."""
        return report_as_set(name, self.settings.assignments)

    def collect(self, names: Iterable[str], account_ids: Iterable[int], states: States) -> None:
        """Reads reports of accounts; afterwards `outcomes` has one entry for each.

        Raises:
            AccessLostError: the token is dead; nothing more can be read.
            CancelledError: the run is being interrupted.
        """
        pairs = [AccountReport(account_id, name) for account_id in account_ids for name in names]
        self.collect_lists(pairs, states)
        self.collect_children(pairs, states)

    def collect_lists(self, pairs: list[AccountReport], states: States) -> None:
        """Reads the lists that the given reports are, or hang on. Raises as `collect`."""
        with self._pool() as pool:
            self._collect_lists(pairs, states, pool)

    def collect_children(self, pairs: list[AccountReport], states: States) -> None:
        """Reads those of the given reports that are children, once their lists are read. Raises as `collect`."""
        with self._pool() as pool:
            self._collect_children([pair for pair in pairs if self.report(pair.report).parent], states, pool)

    @contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        self._spool = self.spool  # opened before there are threads
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="harvest")
        try:
            yield pool
        except BaseException:
            self.client.clock.cancel()
            pool.shutdown(wait=False, cancel_futures=True)  # an answer on its way is not waited for
            raise
        pool.shutdown()

    def collect_list(self, pair: AccountReport, state: dict[str, Any]) -> Outcome:
        """Returns what became of one list, of which nothing is read twice. Raises as `collect`."""
        since = self._since(self.report(pair.report), state, pair.report)
        read = self._lists.get(pair)
        if pair not in self._list_errors and (read is None or not _reaches(read.since, since)):
            self._read_list(pair, since)
        return self._settle(pair, partial(self._finish_list, pair, state))

    def plan_children(self, pair: AccountReport, state: ChildState) -> tuple[Outcome, ChildReading | None]:
        """Returns which parents of one report are asked for their children: a reading that has not begun, or an error."""
        outcome = self._settle(pair, partial(self._plan, *pair, state))
        if outcome.plan is None:
            return outcome, None
        reading = start_child_reading(outcome.plan, self.spool, resumes=not self.choice.full_refresh)
        self._add_sweep({pair: reading})
        return outcome, reading

    def _collect_lists(self, pairs: list[AccountReport], states: States, pool: ThreadPoolExecutor) -> None:
        needs: dict[AccountReport, list[datetime | None]] = {}
        for account_id, name in pairs:
            report, state = self.report(name), states(account_id, name)
            for needed in lists_needed(report) if report.parent else (name,):
                needs.setdefault(AccountReport(account_id, needed), []).append(self._since(report, state, needed))
        futures = {pool.submit(self._read_list, pair, _earliest(bounds)): pair for pair, bounds in needs.items()}
        for future in as_completed(futures):
            future.result()
            account_id, name = pair = futures[future]
            if pair in pairs and not self.report(name).parent:
                self._settle(pair, partial(self._finish_list, pair, states(account_id, name)))

    def _read_list(self, pair: AccountReport, since: datetime | None) -> None:
        """Reads a list into the memory of this reader; keeps an error of the list instead of raising it."""
        account_id, name = pair
        report = by_name(name)
        params = list_params(report, since, self.settings.begins_at)
        try:
            with stays_with_report():
                self._lists[pair] = read_list(self.client, self.spool, account_id, report, params, since)
        except ApiError as error:
            if isinstance(error, AccessLostError):
                raise
            self._list_errors[pair] = error

    def _since(self, report: Report, state: dict[str, Any], list_name: str) -> datetime | None:
        """Returns from when a report needs the changes of a list."""
        if self.choice.since or self.choice.full_refresh:
            return self.choice.since
        mark = mark_of(state, list_name) if report.parent else state.get("updated_at")
        return overlapped(mark, self.settings.overlap_seconds)

    def _finish_list(self, pair: AccountReport, state: dict[str, Any]) -> Outcome:
        if pair in self._list_errors:
            raise self._list_errors[pair]  # of the report itself: it is not named again
        pages = self._list(pair.account_id, pair.report, None if pair not in self._lists else self._lists[pair].since)
        newest = format_instant(pages.newest) if pages.newest else state.get("updated_at")
        kept = None if self.choice.since or not pages.report.takes_updated_since else {"updated_at": newest}
        return Outcome(pages, kept)

    def _list(self, account_id: int, name: str, since: datetime | None) -> Pages:
        """Returns the complete reading of what changed in a list since; reads it, or more of it, where needed."""
        pair = AccountReport(account_id, name)
        pages = self._lists.get(pair)
        if pair not in self._list_errors and (pages is None or not _reaches(pages.since, since)):
            self._read_list(pair, since)
        if pair in self._list_errors:
            error = self._list_errors[pair]
            raise type(error)(f"{name}: {error}", getattr(error, "status", None)) from error
        return self._lists[pair]

    def _collect_children(self, pairs: list[AccountReport], states: States, pool: ThreadPoolExecutor) -> None:
        readings: dict[AccountReport, ChildReading] = {}
        for pair in pairs:
            plan = self._settle(pair, partial(self._plan, *pair, states(*pair))).plan
            if plan:
                readings[pair] = start_child_reading(plan, self.spool, resumes=not self.choice.full_refresh)
        self._add_sweep(readings)
        futures = ask_all(list(readings.values()), self.client, self.spool, pool)
        self.on_planned(len(futures))
        for future in as_completed(futures):
            future.result()
            errors = (reading.error for reading in readings.values())
            lost = next((error for error in errors if isinstance(error, (AccessLostError, CancelledError))), None)
            if lost:
                raise lost
        for pair, reading in readings.items():
            reading.require_answer(self.client, self.spool)
            if reading.plan.report.parent:
                self.note_hidden(pair.account_id, reading.plan.report.parent.report, reading.still_hidden)
            self._settle(pair, partial(self._finish_children, reading))

    def note_hidden(self, account_id: int, list_name: str, ids: Iterable[int]) -> None:
        """Notes rows of a list that Harvest has and does not show to the caller: that they are missing proves nothing."""
        self.hidden.setdefault(AccountReport(account_id, list_name), set()).update(ids)

    def _plan(self, account_id: int, name: str, state: ChildState) -> Outcome:
        report = self.report(name)
        if self.choice.since:
            state = {**state, "followed": {}}  # what hangs on every change since then is asked for
        try:
            plan = plan_parents(
                report,
                account_id,
                state,
                lambda list_name: self._since(report, state, list_name),
                lambda list_name, since: self._list(account_id, list_name, since),
                known=frozenset() if self.choice.since else self.known_parents.get(AccountReport(account_id, name), frozenset()),
                overlap_seconds=self.settings.overlap_seconds,
                sweep_days=self.settings.sweep_days,
                sweeps=self.choice.since is None and report.project_path is None,
            )
        except NotAllowedError:
            users = AccountReport(account_id, "users")
            if name != OPEN_TO_ONESELF or not isinstance(self._list_errors.get(users), NotAllowedError):
                raise
            return Outcome(plan=self._plan_oneself(report, account_id, state))
        if not self.choice.since:
            self._put_first(plan)
        return Outcome(plan=plan)

    def _plan_oneself(self, report: Report, account_id: int, state: ChildState) -> ParentPlan:
        """Returns the plan of somebody who may not list users, and may read what hangs on themselves."""
        caller = self.client.get(account_id, "users/me", ("id",), label=report.name).data["id"]
        if type(caller) is not int:
            raise RefusedError("Harvest does not say which user the token is of (users/me without its id)")
        read = {hour: list(ids) for hour, ids in state.get("read", {}).items()}
        return ParentPlan(report, account_id, {caller: ""}, marks=dict(state.get("marks", {})), read=read)

    def _put_first(self, plan: ParentPlan) -> None:
        """Has parents not wait whose children stand twice; of those that may wait, puts the refused and the doubtful first."""
        pair = AccountReport(plan.account_id, plan.report.name)
        overdue, waiting = plan.due[: plan.overdue], plan.due[plan.overdue :]
        overdue += [each for each in self.doubled.get(pair, []) if each not in {*plan.parents, *overdue}]
        known = {*plan.parents, *overdue}
        suspects = sorted(plan.hidden) + self.suspects.get(pair, [])
        plan.due = overdue + [each for each in dict.fromkeys(suspects + waiting) if each not in known]
        plan.overdue = len(overdue)

    def _add_sweep(self, readings: dict[AccountReport, ChildReading]) -> None:
        """Adds parents unread for long: all that are overdue, others while requests are free."""
        asked = sum(len(reading.to_ask()) for reading in readings.values())
        free = FREE_REQUESTS - self.reserved_requests - self.client.traffic.requests - asked
        for reading in readings.values():
            overdue, due = reading.plan.due[: reading.plan.overdue], reading.plan.due[reading.plan.overdue :]
            free -= len(overdue)
            taken = overdue + due[: max(free, 0)]
            free -= len(taken) - len(overdue)
            reading.plan.parents |= dict.fromkeys(taken, "")

    def _finish_children(self, reading: ChildReading) -> Outcome:
        pages = reading.finish(self.spool)
        return Outcome(pages, None if self.choice.since else reading.plan.state(), plan=reading.plan, parents=reading.done)

    def _settle(self, pair: AccountReport, finish: Callable[[], Outcome]) -> Outcome:
        """Keeps what became of a report; an error that concerns only this report becomes its outcome."""
        try:
            with stays_with_report():
                outcome = finish()
        except (AccessLostError, CancelledError):
            raise
        except HarvestError as error:
            outcome = Outcome(error=self._explained(pair.report, error))
            if isinstance(error, OddAnswerError):
                self.spool.drop_answers(*pair)  # the next run asks anew, instead of going on from what cannot be read
        self.outcomes[pair] = outcome
        if outcome.pages or outcome.error:
            self.on_read(pair, outcome)
        return outcome

    def _explained(self, name: str, error: HarvestError) -> HarvestError:
        if isinstance(error, NotAllowedError):
            return NotAllowedError(f"{error}; to read {name} one must be {self.report(name).permission}", error.status)
        return error

    def close(self) -> None:
        """Removes what is only kept for the run."""
        if self._spool:
            self._spool.close()
            self._spool = None


def _earliest(bounds: list[datetime | None]) -> datetime | None:
    return None if None in bounds else min(bound for bound in bounds if bound)


def _reaches(asked: datetime | None, needed: datetime | None) -> bool:
    """Returns whether a reading from `asked` on holds everything from `needed` on."""
    return asked is None or (needed is not None and asked <= needed)
