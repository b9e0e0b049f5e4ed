"""Keeps the recent requests of every run in one file, so that the next run knows what they used up of the limits.

A request adds a line when it is sent, and one that replaces it when its answer came: a run that was killed counts, too.
Times are those of the wall clock, the only one that outlives a run; what lies in the future by it is passed over. The file is
advice: whatever is wrong with it costs foresight, never a run.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from harvest_source.clock import Clock
from harvest_source.file_modes import made_for_owner
from harvest_source.patience import OF_HARVEST

FILE_NAME = "recent_requests.txt"
MOST_BYTES = 64 * 1024  # in a larger file, lines that no longer count are taken out
MOST_BYTES_READ = 4 * MOST_BYTES  # some tokens may use up all limits at once
LONGEST_SECONDS = 1000.0  # no limit and no pause lasts longer; a line that says so is damaged
MARK_LENGTH = 8
REQUEST, PAUSE = "request", "pause"


class Entry(NamedTuple):
    """What a line says: that a request, or a pause that Harvest asked for, counts from an instant on for some seconds."""

    at: float  # seconds since 1970
    seconds: float
    mark: str  # of the token
    budget: str
    kind: str
    id: str  # of two lines with the same the later one counts

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """Returns what a line says, `None` where it is damaged."""
        try:
            at, seconds, mark, budget, kind, entry_id = line.decode("ascii").split(" ")
            entry = cls(float(at), float(seconds), mark, budget, kind, entry_id)
        except ValueError:
            return None
        return entry if 0 < entry.seconds <= LONGEST_SECONDS else None

    def line(self) -> bytes:
        """Returns the line that says this."""
        said = f"{self.at!r} {self.seconds!r} {self.mark} {self.budget} {self.kind} {self.id}\n"
        return said.encode("ascii")

    def counts(self, now: float) -> bool:
        """Returns whether this is not over yet; what lies in the future comes from a clock that was set back."""
        return self.at <= now < self.at + self.seconds


class RecentRequests:
    """The file; safe to use from any thread and from several programs at once."""

    def __init__(self, folder: Path, address: str, *, share_with_group: bool) -> None:
        """Looks at no file yet.

        Args:
            folder: where the file is; made with the first request.
            address: of the API, whose limits they are.
            share_with_group: the setting.
        """
        self._path = folder / FILE_NAME
        self._address = address
        self._share_with_group = share_with_group
        self._grows_to = MOST_BYTES
        self._lock = threading.Lock()

    def mark_of(self, token: str) -> str:
        """Returns what stands for a token in the file: the same for all of its accounts.

        So short that countless strings have it, so that no search leads back from it to the token. Where two tokens of one
        person have the same, by a chance of one in four billion, their requests count for each other.
        """
        digest = hashlib.sha256(f"{self._address}\0{token}".encode(errors="replace"))
        return digest.hexdigest()[:MARK_LENGTH]

    def used(self, mark: str, budget: str, now: float) -> list[Entry]:
        """Returns what earlier runs did that still counts.

        Args:
            mark: of the token.
            budget: its name.
            now: seconds since 1970.
        """
        with self._lock:
            entries = self._read(now)
        return [entry for entry in entries if (entry.mark, entry.budget) == (mark, budget)]

    def add(self, entry: Entry) -> None:
        """Adds a line, at once and in one piece."""
        with self._lock, suppress(OSError):
            if self._append(entry.line()) > self._grows_to:
                self._shorten(entry.at)

    def _read(self, now: float) -> list[Entry]:
        latest: dict[tuple[str, str], Entry] = {}
        with suppress(OSError), self._path.open("rb", buffering=0) as file:
            file.seek(max(os.fstat(file.fileno()).st_size - MOST_BYTES_READ, 0))
            for line in (file.read(MOST_BYTES_READ) or b"").splitlines():
                entry = Entry.parse(line)
                if entry is not None:
                    latest[entry.mark, entry.id] = entry
        return [entry for entry in latest.values() if entry.counts(now)]

    def _append(self, content: bytes, *, anew: bool = False) -> int:
        """Adds to the file, or to nothing if `anew`; returns its size. It stays the one that other programs write to."""
        how = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            file = os.open(self._path, how)
        except FileNotFoundError:
            with made_for_owner(share_with_group=self._share_with_group):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                file = os.open(self._path, how | os.O_CREAT, 0o666)
        try:
            if anew:
                os.ftruncate(file, 0)
            os.write(file, content)
            return os.fstat(file).st_size
        finally:
            os.close(file)

    def _shorten(self, now: float) -> None:
        counting = b"".join(entry.line() for entry in self._read(now))
        self._grows_to = max(2 * self._append(counting, anew=True), MOST_BYTES)


class Memory:
    """What one budget knows of earlier runs, and notes for later ones."""

    def __init__(
        self, recent: RecentRequests, budget: str, limit_seconds: float, clock: Clock
    ) -> None:
        self._recent = recent
        self._budget = budget
        self._limit_seconds = limit_seconds
        self._clock = clock
        self._known: set[str] = set()  # marks of tokens of which all that counts is known
        self._mark: str | None = None  # of the token that was sent last

    def recall(self, token: str) -> list[Entry]:
        """Returns what earlier runs used up with a token; the next time nothing new."""
        mark = self._recent.mark_of(token)
        if mark in self._known:
            return []
        self._known.add(mark)
        return self._recent.used(mark, self._budget, self._clock.wall())

    def sent(self, token: str) -> Callable[[], None]:
        """Notes that a request is sent with a token; returns what notes that its answer came."""
        self._mark = mark = self._recent.mark_of(token)
        self._known.add(mark)  # where it is new, whoever sends it notes it here
        request = secrets.token_hex(6)  # process ids come again, as in containers
        # without an answer nobody knows when it reached Harvest: when the connection stood, at the latest
        self._note(mark, REQUEST, request, self._limit_seconds + OF_HARVEST.connect_seconds)
        return lambda: self._note(mark, REQUEST, request, self._limit_seconds)

    def paused(self, seconds: float) -> None:
        """Notes that Harvest asked to wait."""
        if self._mark is not None and seconds > 0:
            self._note(self._mark, PAUSE, secrets.token_hex(6), seconds)

    def _note(self, mark: str, kind: str, entry_id: str, seconds: float) -> None:
        entry = Entry(self._clock.wall(), seconds, mark, self._budget, kind, entry_id)
        self._recent.add(entry)
