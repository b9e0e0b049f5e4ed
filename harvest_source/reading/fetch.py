"""Asks for parts, in one pool of threads for all reports, and keeps the answers; what makes a reading whole it does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from harvest_source.api.client import THREADS, HarvestClient
from harvest_source.api.envelopes import settle_of
from harvest_source.catalogue.report import Report
from harvest_source.errors import NotAllowedError, NotFoundError, RefusedError
from harvest_source.reading.parts import Part, PartStore
from harvest_source.reading.reading import record_key, records_of

T = TypeVar("T")


@dataclass(frozen=True)
class Fetcher:
    """Fills a store with the answers to parts; see the module."""

    client: HarvestClient
    store: PartStore
    _ahead: ThreadPoolExecutor = field(
        default_factory=partial(ThreadPoolExecutor, THREADS, "harvest-ahead"), repr=False
    )

    def run(self, tasks: Iterable[Callable[[], T]], done: Callable[[T], None]) -> None:
        """Runs tasks in threads and hands on what they return, as it comes; where one fails, no other is waited for."""
        waiting = list(tasks)
        # in this thread: where it fails there is nothing to cancel, and the client lives on
        if len(waiting) == 1:
            done(waiting[0]())
            return
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="harvest")
        try:
            for future in as_completed([pool.submit(task) for task in waiting]):
                done(future.result())
        except BaseException:
            self.client.clock.cancel()
            pool.shutdown(wait=False, cancel_futures=True)  # an answer on its way is not waited for
            raise
        pool.shutdown()

    def begin(self, tasks: Iterable[Callable[[], T]]) -> list[Future[T]]:
        """Has tasks run in threads that all that is begun shares, and does not wait for them."""
        return [self._ahead.submit(task) for task in tasks]

    def close(self) -> None:
        """Lets threads go as soon as what was begun is done."""
        self._ahead.shutdown(wait=False)

    def fetch(self, part: Part, report: Report) -> int:
        """Asks for all rows of a part and keeps them as one answer; returns the hour in which they were read.

        Raises:
            ApiError: they could not be read, or could not be loaded; nothing is kept for the next run.
        """
        read_hour = self.client.clock.hour()
        answers = self.client.get_pages(
            part.pair.account_id,
            part.path,
            report.rows_key or "",
            dict(part.params),
            report.name,
            settle_of(report),
        )
        for record in records_of([answer.data for answer in answers], report):
            record_key(report, record, part.parent_id)
        self.store.keep(part, b"[" + b",".join(answer.body for answer in answers) + b"]", read_hour)
        return read_hour

    def fetch_children(self, part: Part, report: Report) -> int | None:
        """Does the same for one parent's children; returns `None` where the parent is gone.

        Raises:
            ApiError: as `fetch`; also where Harvest knows the parent, but not its children.
        """
        try:
            return self.fetch(part, report)
        except NotFoundError:
            self._require_gone(part, report)
            return None
        except RefusedError as error:
            only = report.parent.only if report.parent else None
            if only is None or error.status != only.status:
                raise
            read_hour = self.client.clock.hour()
            self.store.keep(part, b"[]", read_hour)
            return read_hour

    def _require_gone(self, part: Part, report: Report) -> None:
        """Raises unless the parent itself is unknown as well: a 404 alone is no proof that there is nothing."""
        parent = report.parent.report if report.parent else ""
        try:
            self.client.get(
                part.pair.account_id, f"{parent}/{part.parent_id}", ("id",), label=report.name
            )
        except NotFoundError:
            return
        # where a module may be switched off, there may be none for some of its users, as if they were hidden
        kind = NotAllowedError if report.module_list else NotFoundError
        raise kind(
            f"Harvest knows {parent} {{}} but not its {report.name}", 404, quoted=(part.parent_id,)
        )

    def fetch_row(self, part: Part, report: Report) -> None:
        """Asks for one row of a list and keeps it as a page of it. Raises as `fetch`."""
        answer = self.client.get(part.pair.account_id, part.path, ("id",), label=report.name)
        self.store.keep(part, b'{"%b":[%b]}' % ((report.rows_key or "").encode(), answer.body))


def alternating(queues: Sequence[Sequence[T]]) -> list[T]:
    """Returns what several queues hold, one of each in turn."""
    longest = max((len(queue) for queue in queues), default=0)
    return [queue[place] for place in range(longest) for queue in queues if place < len(queue)]
