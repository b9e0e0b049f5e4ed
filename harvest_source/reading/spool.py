"""Answers wait on disk until their report is read completely, so that large accounts need little memory.

The answers of child requests outlive a run that is not complete: the next one goes on from them instead of asking again.
Answers hold all that Harvest sent, keys of public pages among it, so none stays on disk once it is loaded.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harvest_source.errors import HarvestError

KEPT_HOURS = 24  # older answers of an interrupted run are asked for again

_TABLES = """
create table if not exists pages (reading integer, page integer, body blob, primary key (reading, page));
create table if not exists answers (
    account_id integer, report text, parent_id integer, version text, read_at integer, body blob,
    primary key (account_id, report, parent_id)
);
delete from pages;
"""


class SpoolError(HarvestError):
    """Answers cannot be kept on disk."""


class Spool:
    """A file of answers, safe to use from any thread; a damaged or foreign file is started anew."""

    def __init__(self, folder: Path | None = None) -> None:
        """Opens the spool.

        Args:
            folder: where it outlives the run; `None` for a folder that goes with this object.
        """
        kept_in = folder or Path(tempfile.mkdtemp(prefix="harvest-"))
        self._remove = None if folder else weakref.finalize(self, shutil.rmtree, kept_in, ignore_errors=True)
        self._path = kept_in / "answers.db"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        try:
            self._open()
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            try:
                self._open()
            except sqlite3.Error as error:
                raise self._error(error) from error
        self._readings = 0

    def _open(self) -> None:
        self._db = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")  # a kill loses nothing, a power cut the last answers at most
        self._db.executescript(_TABLES)

    def new_reading(self) -> int:
        """Returns a number under which the pages of one reading are kept."""
        with self._lock:
            self._readings += 1
            return self._readings

    def add_page(self, reading: int, page: int, body: bytes) -> None:
        """Keeps one page of a reading."""
        self._run("insert or replace into pages values (?, ?, ?)", reading, page, body)

    def iter_pages(self, reading: int) -> Iterator[bytes]:
        """Yields the pages of a reading in their order, one at a time in memory."""
        page = 0
        while True:
            found = self._run("select body from pages where reading = ? and page = ?", reading, page)
            if not found:
                return
            yield found[0][0]
            page += 1

    def keep_answer(self, account_id: int, report: str, parent_id: int, version: str, read_hour: int, body: bytes) -> None:
        """Keeps the children of one parent, across runs, until `drop_answers`."""
        values = (account_id, report, parent_id, version, read_hour, body)
        self._run("insert or replace into answers values (?, ?, ?, ?, ?, ?)", *values)

    def kept_answers(self, account_id: int, report: str, since_hour: int) -> dict[int, tuple[str, int]]:
        """Returns parent id -> (version, hour of reading) of the answers kept since `since_hour`."""
        query = "select parent_id, version, read_at from answers where account_id = ? and report = ? and read_at >= ?"
        rows = self._run(query, account_id, report, since_hour)
        return {parent_id: (version, hour) for parent_id, version, hour in rows}

    def answer(self, account_id: int, report: str, parent_id: int) -> bytes:
        """Returns the kept children of one parent."""
        query = "select body from answers where account_id = ? and report = ? and parent_id = ?"
        body: bytes = self._run(query, account_id, report, parent_id)[0][0]
        return body

    def drop_answers(self, account_id: int, report: str) -> None:
        """Forgets the kept children of a report, once they are loaded."""
        self._run("delete from answers where account_id = ? and report = ?", account_id, report)

    def drop_old_answers(self, since_hour: int) -> None:
        """Forgets the kept children that were read before `since_hour`: nobody goes on from them any more."""
        self._run("delete from answers where read_at < ?", since_hour)

    def close(self) -> None:
        """Closes the file, and removes it unless the next run continues from it; threads that still work get an error."""
        with self._lock:
            keeps = not self._remove and self._leave_only_answers()
            self._db.close()
        if self._remove:
            self._remove()
        elif not keeps:
            for path in self._path.parent.glob(f"{self._path.name}*"):
                path.unlink(missing_ok=True)

    def _leave_only_answers(self) -> bool:
        """Takes the pages out, also of the places that SQLite keeps for new ones; returns whether answers are left."""
        try:
            ((keeps,),) = self._db.execute("select exists (select 1 from answers)").fetchall()
            if keeps:
                self._db.execute("delete from pages")
                self._db.execute("vacuum")
        except sqlite3.Error:  # a full disk: the next run takes them out
            return True
        return bool(keeps)

    def _run(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Returns the rows of a statement.

        Raises:
            SpoolError: the file cannot be read or written, or is closed since the run ends.
        """
        try:
            with self._lock:
                return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: sqlite3.Error) -> SpoolError:
        return SpoolError(f"answers cannot be kept in {self._path.parent}: {error}; is there room on the disk?")
