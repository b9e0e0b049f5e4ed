"""Reads the children of many parents in parallel: one request per parent, each kept in the spool as it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from harvest_source.api.client import HarvestClient
from harvest_source.api.net import stays_with_report
from harvest_source.api.parsing import parse_exact
from harvest_source.errors import HarvestError, NotAllowedError, NotFoundError, RefusedError
from harvest_source.reading.parents import ChildState, ParentPlan, current_hour, note_read
from harvest_source.reading.reading import Pages, record_key, records_of
from harvest_source.reading.spool import KEPT_HOURS, Spool

REFUSALS = 20  # after so many parents without one that may be read, the whole report may be refused
PROBES = 3  # parents read before that are asked whether it is
NOT_A_MANAGER = 422  # the answer for teammates of a user who manages nobody (Harvest API, users)


@dataclass
class ChildReading:
    """One report's children of all planned parents: done, or the error that ended it."""

    plan: ParentPlan
    kept: dict[int, tuple[str, int]]  # answers of an interrupted run: parent id: (version, hour)
    read_hours: dict[int, int] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)  # parents that Harvest no longer knows
    hidden: dict[int, NotAllowedError] = field(default_factory=dict)  # parents that Harvest does not show to the caller
    error: HarvestError | None = None
    seconds: float = 0.0
    _answered: bool = False  # whether any parent asked in this run was not refused
    _began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def done(self) -> frozenset[int]:
        """Returns the parents whose children are known now: read, or none since the parent is gone."""
        return frozenset(self.read_hours.keys() | self.gone)

    @property
    def still_hidden(self) -> set[int]:
        """Returns the parents that are refused: now, or in an earlier run and not asked since."""
        return self.plan.hidden - self.done | self.hidden.keys()

    def to_ask(self) -> list[int]:
        """Returns the parents that need a request: those without an answer kept from an interrupted run."""
        return [
            parent_id
            for parent_id, version in self.plan.parents.items()
            if not version or self.kept.get(parent_id, ("", 0))[0] != version
        ]

    def resume(self) -> None:
        """Takes over the answers that an interrupted run kept; the next run looks once more where their parents just changed."""
        taken = self.plan.parents.keys() - self.to_ask()
        self.read_hours |= {parent: self.kept[parent][1] for parent in taken}
        parents = self.plan.report.parent.report if self.plan.report.parent else ""
        for ids in self.plan.followed.get(parents, {}).values():
            ids[:] = [parent_id for parent_id in ids if parent_id not in taken]

    def ask(self, client: HarvestClient, spool: Spool, parent_id: int) -> None:
        """Reads and keeps the children of one parent; keeps the first error instead of raising it.

        A parent that is refused is passed over, unless the whole report is.
        """
        if self.error:
            return
        try:
            self._read(client, spool, parent_id)
        except NotAllowedError as error:
            with self._lock:
                self.hidden[parent_id] = error
                refusals = len(self.hidden)
            if refusals == REFUSALS:
                self.require_answer(client, spool)
        except HarvestError as error:
            self.error = error
        self.seconds = time.monotonic() - self._began

    def require_answer(self, client: HarvestClient, spool: Spool) -> None:
        """Keeps an error where every parent asked is refused, and parents that were read before are refused as well."""
        if self.error or self._answered or not self.hidden:
            return
        read_before = [parent_id for hour in sorted(self.plan.read, key=int, reverse=True) for parent_id in self.plan.read[hour]]
        others = [each for each in read_before if each not in self.plan.parents and each not in self.plan.hidden]
        for parent_id in others[:PROBES]:
            self.plan.parents[parent_id] = ""
            try:
                self._read(client, spool, parent_id)
            except NotAllowedError:
                continue
            except HarvestError as error:
                self.error = error
            return
        self.error = next(iter(self.hidden.values()))

    def _read(self, client: HarvestClient, spool: Spool, parent_id: int) -> None:
        with stays_with_report():
            self._read_children(client, spool, parent_id)

    def _read_children(self, client: HarvestClient, spool: Spool, parent_id: int) -> None:
        read_hour = current_hour()
        body = self._get(client, parent_id)
        if body is None:
            self.gone.add(parent_id)
        else:
            report = self.plan.report.name
            spool.keep_answer(self.plan.account_id, report, parent_id, self.plan.parents[parent_id], read_hour, body)
            with self._lock:
                self.read_hours[parent_id] = read_hour
        self._answered = True

    def _get(self, client: HarvestClient, parent_id: int) -> bytes | None:
        report, account_id = self.plan.report, self.plan.account_id
        path = report.path.format(parent_id=parent_id)
        try:
            answers = client.get_pages(account_id, path, report.rows_key or "", {}, report.name)
            for record in records_of([answer.data for answer in answers], report):
                record_key(report, record, parent_id)  # an answer that cannot be loaded is not kept for the next run
            return b"[" + b",".join(answer.body for answer in answers) + b"]"
        except NotFoundError:
            self._require_gone(client, parent_id)
            return None
        except RefusedError as error:
            if report.name == "teammates" and error.status == NOT_A_MANAGER:
                return b"[]"
            raise

    def _require_gone(self, client: HarvestClient, parent_id: int) -> None:
        """Raises unless the parent itself is unknown as well: a 404 alone is no proof that there is nothing."""
        parent = self.plan.report.parent
        assert parent is not None  # noqa: S101 - only child reports come here
        try:
            client.get(self.plan.account_id, f"{parent.report}/{parent_id}", ("id",), label=self.plan.report.name)
        except NotFoundError:
            return
        raise NotFoundError(f"Harvest knows {parent.report} {parent_id} but not its {self.plan.report.name}", 404)

    def finish(self, spool: Spool) -> Pages:
        """Returns the records of all parents.

        Raises:
            HarvestError: the children of a parent could not be read; no part of the report is used.
        """
        if self.error:
            raise self.error
        note_read(self.plan, self.read_hours, self.gone, self.still_hidden)
        return self.pages(spool, sorted(self.read_hours))

    def state(self, parents: Collection[int]) -> ChildState:
        """Returns what is kept once the children of some parents, all that were planned, are read."""
        read_hours = {parent_id: hour for parent_id, hour in self.read_hours.items() if parent_id in parents}
        note_read(self.plan, read_hours, self.gone, self.still_hidden)
        return self.plan.state()

    def pages(self, spool: Spool, parents: Iterable[int]) -> Pages:
        """Returns the records of some parents, of those that were read."""
        report, account_id = self.plan.report, self.plan.account_id
        read = [parent_id for parent_id in parents if parent_id in self.read_hours]

        def read_bodies() -> Iterator[tuple[int | None, bytes]]:
            for parent_id in read:
                yield parent_id, spool.answer(account_id, report.name, parent_id)

        pages = Pages(report, account_id, None, read_bodies, seconds=self.seconds)
        for parent_id, body in read_bodies():
            pages.add(records_of(parse_exact(body), report), parent_id)
        return pages


def start_child_reading(plan: ParentPlan, spool: Spool, *, resumes: bool) -> ChildReading:
    """Returns a reading that, where it `resumes`, has taken over what an interrupted run kept."""
    now_hour = current_hour()
    kept = spool.kept_answers(plan.account_id, plan.report.name, now_hour - KEPT_HOURS) if resumes else {}
    reading = ChildReading(plan, {parent: each for parent, each in kept.items() if each[1] <= now_hour})  # no clock was ahead
    reading.resume()
    return reading


def ask_all(readings: list[ChildReading], client: HarvestClient, spool: Spool, pool: ThreadPoolExecutor) -> list[Future[None]]:
    """Sends the requests of all readings to the pool, alternating between the reports."""
    waiting = [(reading, reading.to_ask()) for reading in readings]
    longest = max((len(parents) for _, parents in waiting), default=0)
    return [
        pool.submit(reading.ask, client, spool, parents[place])
        for place in range(longest)
        for reading, parents in waiting
        if place < len(parents)
    ]
