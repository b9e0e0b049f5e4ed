"""Loads of given rows: what a run brings into a destination, without Harvest and without the rest of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from clocks import FastClock
from dlt.destinations.exceptions import DatabaseTransientException
from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob
from faults_support import Ears
from pipelines import make_pipeline, rows

from harvest_source.api.answers import Answer
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.destinations.duckdb import Patience
from harvest_source.errors import ApiError
from harvest_source.loading.delivery import Delivery
from harvest_source.loading.loader import Loader
from harvest_source.loading.result import Tally
from harvest_source.reading.parts import PartStore
from harvest_source.reading.reading import Draft, Reading
from harvest_source.settings import HarvestSettings

ACCOUNT = 7
CLIENTS = AccountReport(ACCOUNT, "clients")
FIRST_DAY, SECOND_DAY = "2026-07-01T08:00:00Z", "2026-07-02T08:00:00Z"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
Row = dict[str, Any]


class Loads:
    """Brings rows into a pipeline's tables, as a run does."""

    def __init__(self, folder: Path, *names: str, state: str = "state", **settings: Any) -> None:
        """Begins with what is in a folder.

        Args:
            folder: of the database.
            names: of the reports.
            state: name of the folder of the working state, of which each machine has its own.
            settings: of the source.
        """
        self.folder = folder
        self.names = names
        self.state = state
        self.settings = HarvestSettings(**settings)
        self.heard: list[str] = []
        self.repairs = True
        self.checked = 0  # so many times it was made sure that no other machine has come in
        self._store = PartStore()

    @property
    def loader(self) -> Loader:
        """Returns what a new run begins with."""
        pipeline = make_pipeline(self.folder, state=self.state)
        self._ears = Ears()
        self.heard = self._ears.notes
        reports = [by_name(name) for name in self.names]
        patience = Patience(FastClock(), self._ears.note)
        return Loader(
            pipeline, self.settings, reports, self._ears, patience, self._check, self.repairs
        )

    def _check(self) -> None:
        self.checked += 1

    def begun(self, *, drop_pending: bool = False, when: str = "") -> Loader:
        """Returns what a run loads with once it has put in order what an earlier one left."""
        loader = self.loader
        self.pending_loaded = loader.prepare(drop_pending=drop_pending)
        loader.complete_tables(when)
        loader.count_elements()
        return loader

    def reading(self, name: str, *records: Row, account_id: int = ACCOUNT) -> Reading:
        """Returns records as they were read from Harvest."""
        report = by_name(name)
        draft = Draft(self._store, report, account_id)
        pages = [{report.rows_key: [*records]}] if report.rows_key else records
        for page in pages:
            draft.add(Answer(json.dumps(page).encode(), page, NOON))
        return draft.finish()

    def delivery(
        self, name: str, *records: Row, account_id: int = ACCOUNT, **more: Any
    ) -> Delivery:
        """Returns records to load, and a bookmark."""
        pair = AccountReport(account_id, name)
        newest = max((record["updated_at"] for record in records), default="2026-01-01T00:00:00Z")
        reading = self.reading(name, *records, account_id=account_id)
        return Delivery(pair, **{"reading": reading, "state": {"updated_at": newest}, **more})

    def load(self, *deliveries: Delivery) -> dict[AccountReport, Tally | ApiError]:
        """Loads in a run of its own."""
        return dict(self.begun().load([*deliveries]))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        return rows(self.folder, sql)

    def close(self) -> None:
        """Removes the answers."""
        self._store.close()


def client(row_id: int, day: int = 1, **more: Any) -> Row:
    """Returns a client as Harvest sends it, changed on a day of July."""
    return {"id": row_id, "updated_at": f"2026-07-{day:02}T08:00:00Z", **more}


@contextmanager
def loads_of_a_client(folder: Path) -> Iterator[Loads]:
    """Gives loads of clients, of whom one is there."""
    loads = Loads(folder, "clients")
    first = loads.delivery("clients", client(1, 1, address="first"))
    assert loads.load(first) == {CLIENTS: Tally(1)}
    yield loads
    loads.close()


class Killed(BaseException):
    """The machine goes."""


@contextmanager
def killed_at(owner: Any, name: str, error: BaseException | None = None) -> Iterator[None]:
    """Has a run end where a function is called, in place of which an error is raised."""

    def die(*_: Any, **__: Any) -> None:
        raise error or Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, die)
        with pytest.raises(type(error) if error else Killed):
            yield


def raising(error: Exception) -> Callable[..., None]:
    """Returns what stands for a function that fails."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


class AnswerLost(DatabaseTransientException):
    """The way to the database went after a commit."""


def lose_answers(monkeypatch: pytest.MonkeyPatch, tables: Iterable[str]) -> set[str]:
    """Has the database load a file of each table and lose the answer, so that dlt loads it again; returns those still to come."""
    load, left = DuckDbCopyJob.run, {*tables}

    def load_and_lose_the_answer(job: DuckDbCopyJob) -> None:
        load(job)
        table = job.job_file_info().table_name
        if table in left:
            left.remove(table)
            raise AnswerLost(ConnectionError("lost"))

    monkeypatch.setattr(DuckDbCopyJob, "run", load_and_lose_the_answer)
    return left
