"""What the resources of a source share while dlt extracts it once, and what dlt's state keeps of a report."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import dlt
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext, StateInjectableContext
from dlt.common.storages.exceptions import CurrentLoadPackageStateNotAvailable
from dlt.extract.exceptions import CurrentSourceNotAvailable

from harvest_source.api.accounts import Account
from harvest_source.api.net import LOGGER
from harvest_source.catalogue.report import AccountReport, Report
from harvest_source.connection import Connection
from harvest_source.destinations.clients import client_to_ask
from harvest_source.destinations.postgres import is_postgres
from harvest_source.destinations.views import make_way
from harvest_source.errors import CancelledError, HarvestError, NotAllowedError
from harvest_source.reading.children import Asking
from harvest_source.reading.plan import Wish, state_of
from harvest_source.reading.reader import Reader, is_passed_over
from harvest_source.reading.shape import KnownKinds, Notes, Shaper

COMPANY = "company"  # the report that says which modules are switched off
EXCHANGING = "staging-optimized"  # dlt's way to replace rows in which it drops the table


@dataclass
class Extraction:
    """What the resources of a source share while dlt extracts it once: lists are read once, nothing stays for the next time."""

    connection: Connection
    notes: Notes = field(default_factory=Notes)
    planned: dict[AccountReport, Planned] = field(default_factory=dict)
    told_hidden: set[AccountReport] = field(default_factory=set)
    _feeds: dict[str, Feed] = field(default_factory=dict)
    _accounts: list[Account] | None = None
    _failure: BaseException | None = None

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

    def feed(self, report: Report, known: KnownKinds) -> Feed:
        """Returns what the parents of the resource that dlt extracts now share; each resource has its own.

        Args:
            report: of children.
            known: gives the columns of earlier runs, in any thread.
        """
        name = dlt.current.resource_name()
        with self._lock:
            if name not in self._feeds:
                self._feeds[name] = Feed(Shaper(report, known, self.notes))
            return self._feeds[name]

    def is_off(self, account: Account, report: Report, error: HarvestError | None) -> bool:
        """Returns whether a report is refused since its module is switched off; asks for the company only then."""
        if is_passed_over(error, report):
            return True
        if report.module is None or not isinstance(error, NotAllowedError):
            return False
        pair = AccountReport(account.id, COMPANY)
        company = self.reader.read_lists({pair: Wish()})[pair].reading
        for record in company.iter_light() if company else ():
            account.company = record
        return account.switched_off(report.module)

    @property
    def has_failed(self) -> bool:
        """Returns whether dlt gives it up."""
        return self._failure is not None

    @contextmanager
    def failing_as_one(self) -> Iterator[None]:
        """Ends what other threads still ask once something fails within a `with`: dlt then gives up the whole extraction.

        What they raise is then the first error, since dlt shows that of any of them. The answers go at once: what failed
        lives as long as its traceback.
        """
        try:
            yield
        except GeneratorExit:  # dlt wants no more of one resource
            raise
        except BaseException as error:
            with self._lock:
                if not isinstance(error, CancelledError):
                    self._failure = self._failure or error
                first = self._failure or error
            self.reader.client.clock.cancel()
            self.reader.close()
            if first is error:
                raise
            raise first from first.__cause__

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
        self._running: dict[int, Extraction] = {}  # by the id of dlt's context of it
        self._lock = threading.Lock()

    def current(self) -> Extraction:
        """Returns what belongs to the extraction that is under way: it goes when dlt's context of that extraction goes."""
        context = Container()[StateInjectableContext]
        with self._lock:
            if id(context) not in self._running:
                pipeline = active_pipeline()
                if pipeline is not None:
                    self.connection.client.keep_requests(Path(pipeline.pipelines_dir))
                    _make_way(pipeline)
                for key, each in self._running.copy().items():
                    if each.has_failed:  # what it holds leads to its context
                        self._running.pop(key, None)
                self._running[id(context)] = Extraction(self.connection.for_run())
                weakref.finalize(context, _end, weakref.ref(self), id(context))
            return self._running[id(context)]

    def end(self, context_id: int) -> None:
        """Removes what an extraction kept; without the lock, since Python collects garbage whenever it likes."""
        if extraction := self._running.pop(context_id, None):
            extraction.reader.close()


def _end(extractions: weakref.ref[Extractions], context_id: int) -> None:
    """Ends an extraction whose context is gone; holds neither, since the traceback of one that failed leads to its context."""
    if found := extractions():
        found.end(context_id)


def _make_way(pipeline: dlt.Pipeline) -> None:
    """Has views make way for tables that dlt drops before it loads what is extracted now, or when it is loaded."""
    if dropped := {*_refreshed(), *_exchanged(pipeline)}:
        for text in make_way(pipeline, dropped):
            logging.getLogger(LOGGER).warning(text)


def _refreshed() -> Iterator[str]:
    """Yields the tables that dlt drops since `refresh` asks for it."""
    with suppress(CurrentLoadPackageStateNotAvailable):  # rows are read without a pipeline
        for table in dlt.current.load_package_state()["state"].get("dropped_tables") or ():
            yield str(table["name"])


def _exchanged(pipeline: dlt.Pipeline) -> set[str]:
    """Returns the tables in whose place dlt puts those of the staging dataset, where it is set to replace rows so."""
    try:
        extracted = dlt.current.source().resources.extracted
    except CurrentSourceNotAvailable:  # as above
        return set()
    replaced = {str(each.table_name) for each in extracted if each.write_disposition == "replace"}
    if not (replaced and is_postgres(pipeline)):
        return set()
    return replaced if client_to_ask(pipeline).config.replace_strategy == EXCHANGING else set()


def active_pipeline() -> dlt.Pipeline | None:
    """Returns the pipeline of the program: the one that runs, else the last one that was made; `None` where there is none."""
    context = Container()[PipelineContext]
    return cast("dlt.Pipeline", context.pipeline()) if context.is_active() else None


@dataclass
class Feed:
    """What the parents of one resource share: their rows have the same columns, and none is asked twice."""

    shaper: Shaper
    asked: set[tuple[int, int]] = field(default_factory=set)  # account and parent
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_new(self, account_id: int, parent_id: int) -> bool:
        """Returns whether a parent comes for the first time."""
        with self.lock:
            is_new = (account_id, parent_id) not in self.asked
            self.asked.add((account_id, parent_id))
            return is_new


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
