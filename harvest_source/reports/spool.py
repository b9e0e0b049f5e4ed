"""Answers wait on disk until their report is read completely, so that large accounts need little memory.

The answers of child requests outlive the run: after a kill the next run goes on from them instead of asking again.
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

KEPT_HOURS = 24  # older answers of an interrupted run are asked for again

_TABLES = """
create table if not exists pages (reading integer, page integer, body blob, primary key (reading, page));
create table if not exists answers (
    account_id integer, report text, parent_id integer, version text, read_at integer, body blob,
    primary key (account_id, report, parent_id)
);
delete from pages;
"""


class Spool:
    """A file of answers, safe to use from any thread; a damaged or foreign file is started anew."""

    def __init__(self, folder: Path | None = None) -> None:
        """Opens the spool.

        Args:
            folder: where it outlives the run; `None` for a folder that goes with this object.
        """
        self._temporary = tempfile.TemporaryDirectory(prefix="harvest-") if folder is None else None
        self._path = Path(self._temporary.name if self._temporary else str(folder)) / "answers.db"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        try:
            self._open()
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            self._open()
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
        with self._lock:
            self._db.execute("insert or replace into pages values (?, ?, ?)", (reading, page, body))

    def iter_pages(self, reading: int) -> Iterator[bytes]:
        """Yields the pages of a reading in their order, one at a time in memory."""
        page = 0
        while True:
            with self._lock:
                found = self._db.execute("select body from pages where reading = ? and page = ?", (reading, page)).fetchone()
            if found is None:
                return
            yield found[0]
            page += 1

    def drop_reading(self, reading: int) -> None:
        """Forgets the pages of a reading."""
        with self._lock:
            self._db.execute("delete from pages where reading = ?", (reading,))

    def keep_answer(self, account_id: int, report: str, parent_id: int, version: str, read_hour: int, body: bytes) -> None:
        """Keeps the children of one parent, across runs, until `drop_answers`."""
        with self._lock:
            self._db.execute(
                "insert or replace into answers values (?, ?, ?, ?, ?, ?)",
                (account_id, report, parent_id, version, read_hour, body),
            )

    def kept_answers(self, account_id: int, report: str, since_hour: int) -> dict[int, tuple[str, int]]:
        """Returns parent id -> (version, hour of reading) of the answers kept since `since_hour`."""
        with self._lock:
            rows = self._db.execute(
                "select parent_id, version, read_at from answers where account_id = ? and report = ? and read_at >= ?",
                (account_id, report, since_hour),
            ).fetchall()
        return {parent_id: (version, hour) for parent_id, version, hour in rows}

    def answer(self, account_id: int, report: str, parent_id: int) -> bytes:
        """Returns the kept children of one parent."""
        with self._lock:
            row = self._db.execute(
                "select body from answers where account_id = ? and report = ? and parent_id = ?",
                (account_id, report, parent_id),
            ).fetchone()
        body: bytes = row[0]
        return body

    def drop_answers(self, account_id: int, report: str) -> None:
        """Forgets the kept children of a report, once they are loaded."""
        with self._lock:
            self._db.execute("delete from answers where account_id = ? and report = ?", (account_id, report))

    def close(self) -> None:
        """Closes the file, and removes it where it was temporary."""
        self._db.close()
        if self._temporary:
            self._temporary.cleanup()
