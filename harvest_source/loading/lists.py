"""Asks Harvest for lists and their counts, to compare them with the tables."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from harvest_source.api.answers import next_link, total_of
from harvest_source.api.client import THREADS
from harvest_source.api.net import stays_with_report
from harvest_source.catalogue.report import AccountReport, Report
from harvest_source.errors import AccessLostError, ApiError
from harvest_source.reading.lists import read_list
from harvest_source.reading.query import ListQuery
from harvest_source.reading.reader import Outcome, Reader
from harvest_source.reading.reading import Reading


@dataclass(frozen=True)
class Asked:
    """What one answer tells of a list."""

    total: int | None  # Harvest's count of its rows, `None` where it gives none
    # the rows, where they were asked for and the answer holds them all
    reading: Reading | None = None


@dataclass
class Lists:
    """The lists of one run at Harvest, under the filters of the run."""

    reader: Reader
    _ahead: dict[AccountReport, Asked | ApiError] = field(default_factory=dict)

    def ask_ahead(self, needed: Mapping[AccountReport, bool]) -> None:
        """Asks at once for what `asked_ahead` then gives.

        Args:
            needed: lists, and whether their rows are asked for, or their number alone.

        Raises:
            AccessLostError: Harvest refuses the token.
        """
        with ThreadPoolExecutor(THREADS, thread_name_prefix="harvest-counts") as pool:
            futures = {
                pair: pool.submit(self._ask_safely, pair, rows=rows)
                for pair, rows in needed.items()
            }
        for pair, future in futures.items():
            try:
                self._ahead[pair] = future.result()
            except AccessLostError:
                raise
            except ApiError as error:
                self._ahead[pair] = error

    def _ask_safely(self, pair: AccountReport, *, rows: bool) -> Asked:
        with stays_with_report():
            return self.ask(pair, rows=rows)

    def asked_ahead(self, pair: AccountReport) -> Asked | None:
        """Returns what was asked ahead, once; `None` from then on.

        Raises:
            ApiError: which was met then: it is not asked for again.
        """
        asked = self._ahead.pop(pair, None)
        if isinstance(asked, ApiError):
            raise asked
        return asked

    def read_ahead(self) -> list[AccountReport]:
        """Returns the lists whose rows were asked ahead and not taken yet."""
        return [
            pair
            for pair, asked in self._ahead.items()
            if isinstance(asked, Asked) and asked.reading
        ]

    def is_whole(self, outcome: Outcome) -> bool:
        """Returns whether the run read a whole list: then that is Harvest's list itself."""
        reading = outcome.reading
        return bool(
            reading
            and reading.settled
            and not reading.report.parent
            and reading.since == self.reader.choice.since
        )

    @property
    def began(self) -> datetime | None:
        """Returns the server's time when lists began to be read in this run: what changed since is the next run's."""
        return min(
            (reading.started for reading in self.reader.lists.values() if reading.started),
            default=None,
        )

    def bound(self, report: Report, since: datetime | None = None) -> datetime | None:
        """Returns from which second on a list is compared, of what changed since; `None` for all of it."""
        bounds = [
            bound
            for bound in (self.reader.choice.since, since)
            if bound and report.takes_updated_since
        ]
        if self.reader.settings.begins_at and report.from_start_date:
            bounds.append(self.reader.settings.begins_at)
        # as Harvest is asked for it
        return max((bound.replace(microsecond=0) for bound in bounds), default=None)

    def query(self, pair: AccountReport, since: datetime | None = None) -> ListQuery:
        """Returns a list under the filters of the run, of what changed since."""
        return self.reader.query(
            pair, max(filter(None, (self.reader.choice.since, since)), default=None)
        )

    def read(self, pair: AccountReport) -> Reading:
        """Reads a whole list."""
        return read_list(self.query(pair))

    def ask(self, pair: AccountReport, since: datetime | None = None, *, rows: bool) -> Asked:
        """Asks for a list, of what changed since, with one request: for all its rows, or for their number alone."""
        query = self.query(pair, since)
        if not rows:
            return Asked(query.total())
        answer = next(query.answers())
        total, draft = total_of(answer.data), query.draft()
        draft.add(answer)
        if next_link(answer.data, query.client.api_url) or total not in {None, draft.count}:
            return Asked(total)
        return Asked(draft.count, draft.finish())
