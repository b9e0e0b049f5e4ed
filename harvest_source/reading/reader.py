"""Reads reports from Harvest, completely and in parallel, before a row of them is handed on.

A `Reader` holds what the readings of one run share: the client, the answers, and each list's reading, so that a list which
several reports need is read once.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeGuard

from harvest_source.api.client import HarvestClient, tells_nobody
from harvest_source.api.net import stays_with_report
from harvest_source.catalogue.access import Extent
from harvest_source.catalogue.lookup import by_name, reports_as_set
from harvest_source.catalogue.report import AccountReport, Report
from harvest_source.errors import (
    AccessLostError,
    ApiError,
    CancelledError,
    HarvestError,
    NotAllowedError,
    NotFoundError,
    OddAnswerError,
    RefusedError,
)
from harvest_source.instants import format_instant
from harvest_source.reading.children import Asking
from harvest_source.reading.fetch import Fetcher, alternating
from harvest_source.reading.lists import read_list
from harvest_source.reading.parts import KEPT_HOURS, PartStore
from harvest_source.reading.plan import (
    MEMBERS,
    Changes,
    ChildPlan,
    Rules,
    State,
    Wish,
    answered,
    lists_needed,
    plan_children,
    plan_oneself,
    projects_changed,
    since_of,
    state_of,
    with_sweep,
    without_following,
)
from harvest_source.reading.query import WINDOW_THREADS, ListQuery, list_params
from harvest_source.reading.reading import Reading
from harvest_source.reading.timers import with_timers
from harvest_source.settings import FREE_REQUESTS, HarvestSettings

Wishes = Mapping[AccountReport, Wish]


def is_passed_over(
    error: HarvestError | None, report: Report
) -> TypeGuard[NotAllowedError | NotFoundError]:
    """Returns whether an error is none of the run: Harvest does not have a report, or its module, for the caller."""
    return report.module_list is not None and isinstance(error, (NotAllowedError, NotFoundError))


@dataclass(frozen=True)
class Outcome:
    """What became of one report of one account: records to load and the state that then holds, or an error."""

    reading: Reading | None = None
    state: dict[str, Any] | None = None  # None: the state stays as it is
    error: HarvestError | None = None
    plan: ChildPlan | None = None
    parents: frozenset[int] = frozenset()  # whose children were read, or that are gone themselves
    # (list, id) of rows that Harvest has and refused when asked for them alone
    hidden: frozenset[tuple[str, int]] = frozenset()

    def followed_by(self, later: Outcome) -> Outcome:
        """Returns what became of a report of children of which some parents were read later in the same run."""
        hidden = self.hidden | later.hidden
        if later.error or not (self.reading and self.plan and later.reading and later.plan):
            return replace(later, hidden=hidden)
        reading = replace(self.reading, keys=self.reading.keys | later.reading.keys)
        plan = replace(later.plan, whole=self.plan.whole)
        return Outcome(
            reading, later.state, plan=plan, parents=self.parents | later.parents, hidden=hidden
        )


class Begun(NamedTuple):
    """Children that are asked for while lists are still read."""

    outcome: Outcome  # their plan
    asking: Asking
    futures: list[Future[None]]


class Mode(Enum):
    """How much of each report a run reads."""

    CHANGES = "what changed since the last run"
    ALL = "everything, as if for the first time"
    REPLACE = "everything, in place of all rows: those gone at Harvest go without doubt"


@dataclass(frozen=True)
class Choice:
    """What of each report a run reads."""

    since: datetime | None = None  # only rows changed since; the state is left alone
    mode: Mode = Mode.CHANGES

    @property
    def reads_all(self) -> bool:
        """Returns whether everything is read, whatever earlier runs read."""
        return self.mode is not Mode.CHANGES


@dataclass
class Reader:
    """Reads reports; see the module."""

    client: HarvestClient
    settings: HarvestSettings
    choice: Choice = field(default_factory=Choice)
    folder: Path | None = None  # where answers outlive an interrupted run
    # told how many requests a report still takes, as far as is known
    on_planned: Callable[[AccountReport, int], None] = tells_nobody
    on_read: Callable[[AccountReport, Outcome], None] = tells_nobody

    def __post_init__(self) -> None:
        self._reports = reports_as_set(self.settings.assignments)
        self._lists: dict[AccountReport, Reading] = {}
        self._list_errors: dict[AccountReport, ApiError] = {}
        self._reading_list: dict[AccountReport, threading.Lock] = {}
        self._begun: dict[AccountReport, Begun] = {}
        self._window_threads = WINDOW_THREADS()  # of all lists
        # what came of children whose parents could not be told when their lists were read
        self._unplanned: dict[AccountReport, Outcome] = {}
        self._store: PartStore | None = None
        # the complete readings of lists made in this run
        self.lists = MappingProxyType(self._lists)

    @property
    def store(self) -> PartStore:
        """Returns where answers wait on disk; to be asked for before there are threads."""
        if self._store is None:
            self._store = PartStore(self.folder, self.client.clock)
            self._store.drop_older(self.client.clock.hour() - KEPT_HOURS)
        return self._store

    @cached_property
    def fetcher(self) -> Fetcher:
        """Returns what sends the requests for parts; to be asked for before there are threads."""
        return Fetcher(self.client, self.store)

    def report(self, name: str) -> Report:
        """Returns a report as the settings have it: assignments are children of projects where so chosen."""
        return self._reports[name]

    def query(self, pair: AccountReport, since: datetime | None = None) -> ListQuery:
        """Returns a list as this run asks for it: what changed since an instant, from `start_date` on where that holds."""
        report = by_name(pair.report)  # the list of the account, also where a run reads by projects
        params = list_params(report, since, self.settings.begins_at)
        on_planned = partial(self.on_planned, pair)
        return ListQuery(
            self.client,
            self.store,
            report,
            pair.account_id,
            since,
            params,
            on_planned,
            window_threads=self._window_threads,
        )

    def read_lists(self, wishes: Wishes) -> dict[AccountReport, Outcome]:
        """Reads the lists that some reports are, or hang on; of none is read twice what was read in this run.

        Returns:
            what became of those that are lists themselves.

        Raises:
            AccessLostError: the token is dead; nothing more can be read.
            CancelledError: the run is being interrupted.
        """
        needs: dict[AccountReport, list[datetime | None]] = {}
        for pair, wish in wishes.items():
            if self._has_none_of_its_module(pair, wish):
                continue
            for name in lists_needed(self.report(pair.report)):
                needs.setdefault(AccountReport(pair.account_id, name), []).append(
                    self._since(pair, wish.state, name)
                )
        outcomes: dict[AccountReport, Outcome] = {}

        def read(pair: AccountReport) -> AccountReport:
            self._read_list(pair, _earliest(needs[pair]))
            return pair

        def finish(pair: AccountReport) -> None:
            if pair in wishes and not self.report(pair.report).parent:
                outcomes[pair] = self._settle(pair, partial(self._finish_list, pair, wishes[pair]))
            self._read_ahead(wishes)

        for pair in needs.keys() - self._lists.keys() - self._list_errors.keys():
            self.on_planned(pair, 1)
        # those that can be large come first: they take longest
        in_order = sorted(needs, key=lambda pair: not by_name(pair.report).date_column)
        # children that are begun meanwhile have time until all lists are read
        with self.client.preferring({pair.report for pair in needs}):
            self.fetcher.run([partial(read, pair) for pair in in_order], finish)
        return outcomes

    def _read_ahead(self, wishes: Wishes) -> None:
        """Begins with reports of children, all of which are asked for, whose own lists are read.

        Of others, how many of those that may wait can be asked is known when all lists are read.
        """
        for pair, wish in wishes.items():
            report = self.report(pair.report)
            if report.parent is None or pair in self._begun or pair in self._unplanned:
                continue
            needed = {AccountReport(pair.account_id, name) for name in lists_needed(report)}
            if not needed <= self._lists.keys() or self._since(
                pair, wish.state, report.parent.report
            ):
                continue
            outcome = self.plan(pair, wish)
            if outcome.plan is None:
                self._unplanned[pair] = outcome
                continue
            for asking in self.start([outcome.plan]):
                self.on_planned(pair, len(asking.to_ask))
                tasks = [partial(asking.ask, parent_id) for parent_id in asking.to_ask]
                self._begun[pair] = Begun(outcome, asking, self.fetcher.begin(tasks))

    def _since(self, pair: AccountReport, state: State, list_name: str) -> datetime | None:
        """Returns from when a report needs the changes of a list."""
        if self.choice.since or self.choice.reads_all:
            return self.choice.since
        return since_of(self.report(pair.report), state, list_name, self.settings.overlap_seconds)

    def _read_list(self, pair: AccountReport, since: datetime | None) -> None:
        """Reads a list into the memory of this reader, unless it is there; keeps an error of the list instead of raising it.

        A second thread that needs the same list waits for it, as dlt's may under `parallelize()`.
        """
        with self._reading_list.setdefault(pair, threading.Lock()):
            if pair in self._list_errors or (
                pair in self._lists and _reaches(self._lists[pair].since, since)
            ):
                return
            try:
                with stays_with_report():
                    self._require_module(pair)
                    query = replace(self.query(pair, since), kept_hours=self._kept_hours)
                    self._lists[pair] = read_list(query)
            except AccessLostError:
                raise
            except ApiError as error:
                self._list_errors[pair] = error

    def lacks_module(self, pair: AccountReport) -> bool:
        """Returns whether Harvest refused the list that tells whether an account has the module of a report."""
        name = by_name(pair.report).module_list
        error = self._list_errors.get(AccountReport(pair.account_id, name)) if name else None
        return name is not None and is_passed_over(error, by_name(name))

    def _asks_in_vain(self, pair: AccountReport) -> bool:
        """Returns whether an account lacks the module of a report; reads the list that tells, unless it is the report itself.

        That list is then the only one of the module that is asked for.
        """
        name = by_name(pair.report).module_list
        if name is None or name == pair.report:
            return False
        self._read_list(AccountReport(pair.account_id, name), self.choice.since)
        return self.lacks_module(pair)

    def _require_module(self, pair: AccountReport) -> None:
        """Raises what Harvest says of the list that tells whether an account has a module, where it has none."""
        name = by_name(pair.report).module_list
        if name and self._asks_in_vain(pair):
            raise self._list_errors[AccountReport(pair.account_id, name)]

    def _has_none_of_its_module(self, pair: AccountReport, wish: Wish) -> bool:
        """Returns whether children are of a module that an account lacks: no list need be read whole for their sake.

        Harvest is asked where one would be: where the children were never read.
        """
        parent = self.report(pair.report).parent
        if parent is None or self._since(pair, wish.state, parent.report):
            return False
        return self._asks_in_vain(pair)

    def _finish_list(self, pair: AccountReport, wish: Wish) -> Outcome:
        if pair in self._list_errors:
            raise self._list_errors[pair]  # of the report itself: it is not named again
        reading, refused = self._lists[pair], frozenset[int]()
        if wish.ran_before is not None and reading.since and not self.choice.since:
            reading, refused = with_timers(reading, self.query(pair), self.fetcher, wish.ran_before)
        newest = format_instant(reading.newest) if reading.newest else wish.state.get("updated_at")
        kept = (
            None
            if self.choice.since or not reading.report.takes_updated_since
            else {"updated_at": newest}
        )
        return Outcome(reading, kept, hidden=frozenset((pair.report, each) for each in refused))

    def _list(self, pair: AccountReport, since: datetime | None) -> Reading:
        """Returns the complete reading of what changed in a list since; reads it, or more of it, where needed."""
        self._read_list(pair, since)
        if pair in self._list_errors:
            error = self._list_errors[pair]
            raise error.saying(f"{pair.report}: {error.message}") from error
        return self._lists[pair]

    def read_children(
        self, wishes: Wishes, reserved_requests: int = 0
    ) -> dict[AccountReport, Outcome]:
        """Reads those of some reports that are children, once the lists that they hang on are read.

        Args:
            wishes: what is wanted of each.
            reserved_requests: of the free requests, kept for what follows the reading.

        Returns:
            what became of each.

        Raises:
            AccessLostError, CancelledError: as `read_lists`.
        """
        children = {pair: wish for pair, wish in wishes.items() if self.report(pair.report).parent}
        begun = {pair: self._begun.pop(pair) for pair in children if pair in self._begun}
        planned = {
            pair: self._unplanned.pop(pair) if pair in self._unplanned else self.plan(pair, wish)
            for pair, wish in children.items()
            if pair not in begun
        }
        outcomes = {pair: each.outcome for pair, each in begun.items()} | planned
        plans = [outcome.plan for outcome in planned.values() if outcome.plan]
        askings = self.start(plans, reserved_requests)
        tasks: list[Callable[[], None]] = alternating(
            [[partial(asking.ask, parent_id) for parent_id in asking.to_ask] for asking in askings]
        )
        for asking in askings:
            self.on_planned(asking.plan.pair, len(asking.to_ask))
        tasks += [future.result for each in begun.values() for future in each.futures]
        askings += [each.asking for each in begun.values()]

        def look_at_errors(_done: None) -> None:
            for asking in askings:
                if isinstance(asking.error, (AccessLostError, CancelledError)):
                    raise asking.error
                if asking.error:
                    self.on_planned(asking.plan.pair, 0)

        self.fetcher.run(tasks, look_at_errors)
        for asking in askings:
            asking.require_answer()
            self.on_planned(asking.plan.pair, 0)
            outcome = self._settle(asking.plan.pair, partial(self._finish_children, asking))
            hidden = frozenset((asking.plan.parent.report, each) for each in asking.hidden)
            outcomes[asking.plan.pair] = replace(outcome, hidden=hidden)
        return outcomes

    def plan(self, pair: AccountReport, wish: Wish) -> Outcome:
        """Returns which parents of a report are to be asked for their children, or an error. Raises as `read_lists`."""
        return self._settle(pair, partial(self._plan, pair, wish))

    def start(self, plans: Iterable[ChildPlan], reserved_requests: int = 0) -> list[Asking]:
        """Returns plans as they are asked now: with what an interrupted run kept, and with parents whose turn it is."""
        hours = self._kept_hours
        resumed = []
        for plan in plans:
            read_hours = answered(plan, self.store.kept(plan.pair, hours))
            resumed.append(
                (without_following(plan, read_hours) if read_hours else plan, read_hours)
            )
        asked = sum(
            len(plan.parents) + len(plan.due) - len(read_hours) for plan, read_hours in resumed
        )
        free = FREE_REQUESTS - reserved_requests - self.client.traffic.requests - asked
        # in turns: no report waits until another needs nothing
        waiting = [[place] * len(plan.waiting) for place, (plan, _) in enumerate(resumed)]
        taken = Counter(alternating(waiting)[: max(free, 0)])
        return [
            Asking(with_sweep(plan, taken[place]), self.fetcher, read_hours)
            for place, (plan, read_hours) in enumerate(resumed)
        ]

    @property
    def _kept_hours(self) -> range:
        """Returns the hours of which an answer counts that an interrupted run kept; where a clock was ahead, it does not."""
        now_hour = self.client.clock.hour()
        return range(0) if self.choice.reads_all else range(now_hour - KEPT_HOURS, now_hour + 1)

    def _plan(self, pair: AccountReport, wish: Wish) -> Outcome:
        report, settings = self.report(pair.report), self.settings
        rules = Rules(
            settings.overlap_seconds,
            settings.sweep_days,
            self.client.clock.hour(),
            only_changed=self.choice.since is not None,
        )
        lists: dict[str, Changes] = {}
        self._require_module(pair)
        try:
            for name in lists_needed(report):
                since = self._since(pair, wish.state, name)
                reading = self._list(AccountReport(pair.account_id, name), since)
                lists[name] = Changes(since, reading.iter_light, reading.newest, reading.started)
        except NotAllowedError:
            users = self._list_errors.get(AccountReport(pair.account_id, "users"))
            if report.access.member is not Extent.OWN or not isinstance(users, NotAllowedError):
                raise
            return Outcome(
                plan=plan_oneself(report, pair.account_id, wish.state, self._caller(pair))
            )
        projects = projects_changed(report, wish.state, lists, rules)
        members = (
            self._list(AccountReport(pair.account_id, MEMBERS), None).iter_light()
            if projects
            else ()
        )
        return Outcome(
            plan=plan_children(report, pair.account_id, wish, lists, rules, projects, members)
        )

    def _caller(self, pair: AccountReport) -> int:
        caller = self.client.get(pair.account_id, "users/me", ("id",), label=pair.report).data["id"]
        if type(caller) is not int:
            raise RefusedError(
                "Harvest does not say which user the token is of (users/me without its id)"
            )
        return caller

    def _finish_children(self, asking: Asking) -> Outcome:
        reading, plan = asking.reading(), asking.plan_after()
        return Outcome(
            reading, None if self.choice.since else state_of(plan), plan=plan, parents=asking.done
        )

    def _settle(self, pair: AccountReport, finish: Callable[[], Outcome]) -> Outcome:
        """Returns what became of a report; an error that concerns only this report becomes its outcome."""
        try:
            with stays_with_report():
                outcome = finish()
        except (AccessLostError, CancelledError):
            raise
        except HarvestError as error:
            outcome = Outcome(error=self._explained(pair.report, error))
            if isinstance(error, OddAnswerError):
                # the next run asks anew, instead of continuing from what cannot be read
                self.store.drop(pair)
        if outcome.reading or outcome.error:
            self.on_read(pair, outcome)
        return outcome

    def _explained(self, name: str, error: HarvestError) -> HarvestError:
        if isinstance(error, NotAllowedError):
            return error.saying(
                f"{error.message}; to read {name} one must be {self.report(name).access}"
            )
        return error

    def close(self) -> None:
        """Removes what is only kept for the run, and lets its threads go."""
        self._window_threads.shutdown(wait=False)
        if self._store:  # it stays: a thread that still works must get an error, not a new store
            self.fetcher.close()
            self._store.close()


def _earliest(bounds: list[datetime | None]) -> datetime | None:
    return None if None in bounds else min(bound for bound in bounds if bound)


def _reaches(asked: datetime | None, needed: datetime | None) -> bool:
    """Returns whether a reading from `asked` on holds everything from `needed` on."""
    return asked is None or (needed is not None and asked <= needed)
