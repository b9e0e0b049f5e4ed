"""The children of one report's parents while they are asked for: one request per parent, from any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping

from harvest_source.api.net import stays_with_report
from harvest_source.errors import HarvestError, NotAllowedError
from harvest_source.reading.fetch import Fetcher
from harvest_source.reading.plan import PROBES, ChildPlan, carried_out, part_of, probes_of
from harvest_source.reading.reading import Draft, Reading

REFUSALS = 20  # after so many parents without one that may be read, the whole report may be refused


class Asking:
    """What became of the parents of a plan: read, gone, refused, or the error that ended it."""

    def __init__(
        self, plan: ChildPlan, fetcher: Fetcher, read_hours: Mapping[int, int] | None = None
    ) -> None:
        """Begins with what an interrupted run kept.

        Args:
            plan: which parents to ask.
            fetcher: sends the requests and keeps the answers.
            read_hours: parents whose children are kept already: the hour in which they were read.
        """
        self.plan = plan
        self.error: HarvestError | None = None
        self.seconds = 0.0
        self.read_hours = dict(read_hours or {})
        self.to_ask = [parent_id for parent_id in plan.parents if parent_id not in self.read_hours]
        self.refused: dict[int, NotAllowedError] = {}
        self._fetcher = fetcher
        self._gone: set[int] = set()
        self._answered = False  # whether any parent asked in this run was not refused
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._deciding = threading.Lock()  # whether the whole report is refused

    @property
    def done(self) -> frozenset[int]:
        """Returns the parents whose children are known now: read, or none since the parent is gone."""
        return frozenset(self.read_hours.keys() | self._gone)

    @property
    def hidden(self) -> frozenset[int]:
        """Returns the parents that are refused: now, or in an earlier run and not asked since."""
        return self.plan.hidden - self.done | self.refused.keys()

    def _is_known(self, parent_id: int) -> bool:
        return parent_id in self.read_hours or parent_id in self._gone

    def ask(self, parent_id: int) -> None:
        """Reads and keeps the children of one parent; keeps the first error instead of raising it.

        A parent that is refused is passed over, unless the whole report is.
        """
        with self._deciding:  # else all threads would go on meanwhile
            pass
        if self.error or self._is_known(parent_id):
            return
        try:
            self._read(parent_id)
        except NotAllowedError as error:
            with self._lock:
                self.refused[parent_id] = error
                refusals = len(self.refused)
            if refusals == REFUSALS:
                with self._deciding:
                    self.require_answer()
        except HarvestError as error:
            self.error = error
        self.seconds = time.monotonic() - self._began

    def require_answer(self) -> None:
        """Keeps an error where every parent asked is refused, and others are as well: read before, or not asked yet."""
        if self.error or self._answered or not self.refused:
            return
        for parent_id in probes_of(self.plan) or self._not_asked():
            try:
                self._read(parent_id)
            except NotAllowedError:
                continue
            except HarvestError as error:
                self.error = error
            return
        self.error = next(iter(self.refused.values()))

    def _not_asked(self) -> list[int]:
        """Returns a few parents whose turn is still to come, spread over all of them: neighbours may be hidden together."""
        left = [
            parent_id
            for parent_id in self.to_ask
            if parent_id not in self.refused and not self._is_known(parent_id)
        ]
        places = {len(left) * turn // PROBES for turn in range(1, PROBES + 1)} - {0}
        return [left[place - 1] for place in sorted(places)]

    def _read(self, parent_id: int) -> None:
        with stays_with_report():
            read_hour = self._fetcher.fetch_children(
                part_of(self.plan, parent_id), self.plan.report
            )
        with self._lock:
            if read_hour is None:
                self._gone.add(parent_id)
            else:
                self.read_hours[parent_id] = read_hour
            self._answered = True

    def plan_after(self, parents: Collection[int] | None = None) -> ChildPlan:
        """Returns the plan as it was carried out, as far as some parents go; default: all that were read."""
        read_hours = {
            each: hour
            for each, hour in self.read_hours.items()
            if parents is None or each in parents
        }
        now_hour = self._fetcher.client.clock.hour()
        return carried_out(self.plan, read_hours, self._gone, self.hidden, now_hour)

    def reading(self, parents: Iterable[int] | None = None) -> Reading:
        """Returns the records of some parents, of those that were read; default: all of them.

        Raises:
            HarvestError: the children of a parent could not be read; no part of the report is used.
        """
        if self.error:
            raise self.error
        draft = Draft(self._fetcher.store, self.plan.report, self.plan.account_id)
        for parent_id in sorted(self.read_hours) if parents is None else parents:
            if parent_id in self.read_hours:
                draft.take(part_of(self.plan, parent_id))
        return draft.finish(self.seconds)
