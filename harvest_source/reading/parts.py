"""Parts: atomic questions to Harvest, and the file in which their answers wait until what they are part of is whole.

The answers to parts that outlive the run stay when it is interrupted: the next run continues from them instead of asking again.
Answers hold all that Harvest sent, keys of public pages among it, so none stays on disk once it is loaded.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harvest_source.catalogue.report import AccountReport
from harvest_source.clock import Clock
from harvest_source.errors import HarvestError

TEMPORARY = ""  # SQLite's name of a file that it removes itself, on POSIX as soon as it is open
KEPT_HOURS = 24  # older answers of an interrupted run are asked for again

_TABLE = """
create table if not exists parts (
    account_id integer, report text, key text, version text, read_hour integer, outlives_run integer, body blob,
    primary key (account_id, report, key)
);
delete from parts where not outlives_run;
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One question to Harvest, whose answer is one moment: it is kept whole or not at all."""

    pair: AccountReport
    key: str  # what of the report is asked for: `7 page 3`, `invoices 70`, `running`
    path: str = ""  # below the API address
    params: tuple[tuple[str, str], ...] = ()
    version: str = ""  # of what is asked about; a kept answer counts for this version only
    parent_id: int | None = None
    outlives_run: bool = False  # whether the key means the same tomorrow: a page number does not


class Kept(NamedTuple):
    """Says how fresh a kept answer is."""

    version: str
    read_hour: int  # since 1970


class StoreError(HarvestError):
    """Answers cannot be kept on disk."""


class PartStore:
    """A file of answers, safe to use from any thread; one that is damaged, or of another form, is started anew."""

    def __init__(self, folder: Path | None = None, clock: Clock | None = None) -> None:
        """Opens the file.

        Args:
            folder: where it outlives the run; `None` for a temporary file, which has no name and goes however the run ends.
            clock: tells when an answer came.
        """
        self._path = folder / "answers.db" if folder else None
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()  # garbage may be collected here, and a store be closed by it
        self._numbers = itertools.count(1)
        self.clock = clock or Clock()
        try:
            self._open()
        except sqlite3.DatabaseError:
            self._unlink()
            try:
                self._open()
            except sqlite3.Error as error:
                raise self._error(error) from error

    def _open(self) -> None:
        self._db = sqlite3.connect(
            self._path or TEMPORARY, check_same_thread=False, isolation_level=None
        )
        try:
            if self._db.execute(
                "select 1 from sqlite_master where type = 'table' and name <> 'parts'"
            ).fetchall():
                raise sqlite3.DatabaseError("a file of an earlier form")
            self._db.execute("pragma journal_mode = wal")
            # a kill loses nothing, a power cut the last answers at most
            self._db.execute("pragma synchronous = normal")
            self._db.executescript(_TABLE)
        except sqlite3.Error:
            self._db.close()
            raise

    def new_number(self) -> int:
        """Returns a number that tells the parts of one reading from those of another."""
        return next(self._numbers)

    def keep(self, part: Part, body: bytes, read_hour: int = 0) -> None:
        """Keeps the answer to a part, in place of an earlier one."""
        values = (*part.pair, part.key, part.version, read_hour, part.outlives_run, body)
        self._run("insert or replace into parts values (?, ?, ?, ?, ?, ?, ?)", *values)

    def body(self, part: Part) -> bytes:
        """Returns the answer to a part."""
        query = "select body from parts where account_id = ? and report = ? and key = ?"
        body: bytes = self._run(query, *part.pair, part.key)[0][0]
        return body

    def kept(self, pair: AccountReport, hours: Collection[int]) -> dict[str, Kept]:
        """Returns how fresh the answers are that an earlier run left, by the keys of their parts.

        Args:
            pair: whose.
            hours: in which they were read; those of other hours do not count.
        """
        query = "select key, version, read_hour from parts where account_id = ? and report = ? and outlives_run"
        return {
            key: Kept(version, hour)
            for key, version, hour in self._run(query, *pair)
            if hour in hours
        }

    def drop(self, pair: AccountReport) -> None:
        """Forgets the answers of a report that outlive the run."""
        self._run("delete from parts where account_id = ? and report = ? and outlives_run", *pair)

    def release(self, pair: AccountReport) -> None:
        """Has the answers of a report go with the run, once they are loaded."""
        self._run(
            "update parts set outlives_run = 0 where account_id = ? and report = ? and outlives_run",
            *pair,
        )

    def drop_older(self, since_hour: int) -> None:
        """Forgets what was read before an hour and outlives the run: nobody continues from it any more."""
        self._run("delete from parts where outlives_run and read_hour < ?", since_hour)

    def close(self) -> None:
        """Closes the file, and removes it unless the next run continues from it; threads that still work get an error."""
        with self._lock:
            keeps = self._path is not None and self._leave_only_what_outlives()
            self._db.close()
        if not keeps:
            self._unlink()

    def _unlink(self) -> None:
        for path in self._path.parent.glob(f"{self._path.name}*") if self._path else ():
            path.unlink(missing_ok=True)

    def _leave_only_what_outlives(self) -> bool:
        """Takes out what goes with the run, also of the places that SQLite keeps for new answers; returns whether any is left."""
        try:
            self._db.execute("delete from parts where not outlives_run")
            ((keeps,),) = self._db.execute("select exists (select 1 from parts)").fetchall()
            if keeps:
                self._db.execute("vacuum")
        except sqlite3.Error:  # a full disk: the next run takes them out
            return True
        return bool(keeps)

    def _run(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Returns the rows of a statement.

        Raises:
            StoreError: the file cannot be read or written, or is closed since the run ends.
        """
        try:
            with self._lock:
                return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: sqlite3.Error) -> StoreError:
        place = self._path.parent if self._path else "a temporary file"
        return StoreError(
            "answers cannot be kept in {}: {}; is there room on the disk?", quoted=(place, error)
        )
