"""A command on a terminal of its own: what stood on its screen, and what stands there in the end."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from command_line import SCRIPT, hear_ctrl_c

SECONDS = 120.0  # no text is waited for longer
# what is written to a terminal: a control sequence, the move to the next line or to the start of this one, text
WRITTEN = re.compile(r"\x1b\[([\d;?]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


class Screen:
    """A screen as wide as its terminal and as long as need be, which knows the sequences that rich writes."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines = [""]
        self.erased: list[str] = []  # lines that stood there for a while
        self.shows_cursor = True
        self._row = self._column = 0

    def write(self, text: str) -> None:
        """Shows what a program writes."""
        for numbers, letter, start, following, signs in WRITTEN.findall(text):
            if start:
                self._column = 0
            elif following:
                self._next_line()
            elif letter == "A":
                self._row -= int(numbers or 1)
            elif (numbers, letter) == ("2", "K"):
                self.erased.append(self.lines[self._row].rstrip())
                self.lines[self._row] = ""
            elif numbers == "?25":
                self.shows_cursor = letter == "h"
            else:
                assert letter in {"", "m"}, f"rich writes {numbers}{letter} as well"
            for sign in signs:
                if self._column == self.columns:
                    self._column = 0
                    self._next_line()
                line = self.lines[self._row].ljust(self._column)
                self.lines[self._row] = line[: self._column] + sign + line[self._column + 1 :]
                self._column += 1

    def _next_line(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")


class OnTerminal:
    """A command that is under way on a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int, columns: int) -> None:
        self.process = process
        self._terminal = terminal
        self._columns = columns
        self._written = b""

    @property
    def screen(self) -> Screen:
        """Returns the screen as it is now."""
        screen = Screen(self._columns)
        screen.write(self._written.decode())
        return screen

    @property
    def written(self) -> str:
        """Returns what was written, with all control sequences."""
        return self._written.decode(errors="replace")

    def until(self, pattern: str) -> None:
        """Waits until something is written."""
        while not re.search(pattern, self.written):
            assert self._read(), f"{pattern} did not come: {self.written}"

    def finish(self) -> int:
        """Waits for the end; returns the exit code."""
        while self._read():
            pass
        return self.process.wait(SECONDS)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], SECONDS)
        assert ready, f"nothing more came: {self.written}"
        try:
            more = os.read(self._terminal, 65536)
        except OSError:  # EIO: nobody writes any more
            more = b""
        self._written += more
        return bool(more)


@contextmanager
def on_terminal(
    folder: Path, *arguments: str, columns: int, env: dict[str, str], out: IO[Any] | None = None
) -> Iterator[OnTerminal]:
    """Starts the command line on a terminal; it does not outlive the `with`.

    Args:
        folder: in which it works.
        arguments: that are typed.
        columns: of the terminal.
        env: all of its environment, but for the kind of the terminal.
        out: where standard output goes; default: to the terminal, too.
    """
    # not there on Windows
    import pty  # noqa: PLC0415
    import termios  # noqa: PLC0415

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=folder,
        env={"TERM": "xterm-256color", **env},
        stdin=subprocess.DEVNULL,
        stdout=out or theirs,
        stderr=theirs,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - as in command_line
    )
    os.close(theirs)
    try:
        yield OnTerminal(process, ours, columns)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
