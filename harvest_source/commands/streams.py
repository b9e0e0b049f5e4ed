"""Standard output and standard error as they are found: closed, with a reader that goes away, of an encoding that lacks signs."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import IO

from harvest_source.errors import HarvestError


class OutputLostError(HarvestError):
    """Standard output takes nothing more: its disk is full, for example."""

    def __init__(self, cause: OSError) -> None:
        super().__init__("standard output cannot be written: {}", quoted=(cause.strerror,))


def write_nowhere(stream: IO[str]) -> None:
    """Has what is still written to a stream, and what waits in it, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def make_outputs_writable() -> None:
    """Has `?` stand for signs that an output's encoding lacks, and a closed output go nowhere, where Python would fail."""
    nowhere = Path(os.devnull)
    # `None` where it is closed (`>&-`)
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def write(text: str) -> None:
    """Writes to standard output, as long as somebody reads it.

    Raises:
        OutputLostError: it cannot be written.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        write_nowhere(sys.stdout)
    except OSError as error:
        write_nowhere(sys.stdout)
        raise OutputLostError(error) from error


def flush() -> None:
    """Writes what waits to be written, as long as somebody reads it."""
    write("")
