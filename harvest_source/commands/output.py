"""The only place that prints: tables and JSON on standard output, messages and progress on standard error."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harvest_source.api.net import LOGGER
from harvest_source.catalogue.lookup import SECRET_COLUMNS
from harvest_source.errors import HarvestError
from harvest_source.loading.summary import Summary
from harvest_source.secrecy import without_secrets

NARROW = 10  # characters that are left to a text which is wrapped
PIPE_WIDTH = 200  # a pipe has no width: tables are not wrapped
HIDDEN = "(hidden)"

# what moves a terminal's cursor, changes its colours or turns the direction of writing, as it can be seen: names hold anything
STEERING = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
VISIBLE = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - two digits or four
    for code in STEERING
    if chr(code) not in "\n\t"
}


class OutputLostError(HarvestError):
    """Standard output takes nothing more: its disk is full, for example."""

    def __init__(self, cause: OSError) -> None:
        super().__init__("standard output cannot be written: {}", quoted=(cause.strerror,))


class PatientConsole(Console):
    """A console whose reader may go away (`run | head`): what was loaded decides how a command ends, not who looked on."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Prints; messages that cannot be written are lost and end nothing, results that cannot are an `OutputLostError`."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            self.on_broken_pipe()
            if not self.stderr:
                raise OutputLostError(error) from error

    def on_broken_pipe(self) -> None:
        """Writes nothing more, where rich would end the program."""
        self.quiet = True
        write_nowhere(self.file)


class _Log(logging.Handler):
    """Writes the product's own log to standard error, without secrets."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(without_secrets(self.format(record)) + "\n")


def show_log(*, shown: bool) -> None:
    """Has the product's own log, which holds the whole of errors that reports keep, stand on standard error, or nowhere."""
    logger = logging.getLogger(LOGGER)
    logger.handlers[:] = [_Log()] if shown else []
    logger.setLevel(logging.DEBUG if shown else logging.NOTSET)


def write_nowhere(stream: IO[str]) -> None:
    """Has what is still written to a stream, and what waits in it, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def visible(text: str) -> str:
    """Returns a text with what would steer a terminal made visible."""
    return text.translate(VISIBLE)


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


def stdout_console() -> Console:
    """Returns the console of results."""
    return PatientConsole(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def stderr_console() -> Console:
    """Returns the console of messages."""
    return PatientConsole(
        stderr=True, width=None if sys.stderr.isatty() else PIPE_WIDTH, highlight=False
    )


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None
) -> None:
    """Prints rows as a table, numbers to the right; where it is too wide, texts of several words are wrapped first."""
    console = stdout_console()
    rows = [list(row) for row in rows]
    texts = [
        [visible(column) for column in columns],
        *([visible(shown(value)) for value in row] for row in rows),
    ]
    if title:
        console.print(Text(visible(title), style="bold"))
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    wraps = [any(" " in text for text in column) for column in zip(*texts, strict=True)]
    gap = 2 if sum(widths) + 2 * len(widths) <= console.width else 1
    narrowest = sum(
        min(width, NARROW) if wrap else width for width, wrap in zip(widths, wraps, strict=True)
    )
    fits = narrowest + gap * len(widths) <= console.width
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, gap, 0, 0))
    for place, column in enumerate(texts[0]):
        numeric = all(
            isinstance(row[place], (int, float, Decimal)) or row[place] is None for row in rows
        )
        justify: Any = "right" if numeric and rows else "left"
        table.add_column(
            Text(column), justify=justify, overflow="fold", no_wrap=fits and not wraps[place]
        )
    for row in texts[1:]:
        table.add_row(*map(Text, row))
    console.print(table)


def shown(value: Any) -> str:
    """Returns a value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return str(value)


def hide_secrets(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Returns the rows with the values of columns that must not be printed replaced."""
    hidden = {place for place, name in enumerate(columns) if name.lower() in SECRET_COLUMNS}
    return [
        [HIDDEN if place in hidden and value else value for place, value in enumerate(row)]
        for row in rows
    ]


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints rows as CSV."""
    text = csv_of(columns, rows)
    if not _can_hold(text):
        message(
            f"some characters are not in {sys.stdout.encoding}, the encoding of this output, and appear as ?: set PYTHONUTF8=1"
        )
    write(text)


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Returns rows as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([["" if value is None else plain(value) for value in row] for row in rows])
    return text.getvalue()


def print_json(value: Any) -> None:
    """Prints a value as one JSON document."""
    text = json.dumps(value, ensure_ascii=False, default=plain)
    write((text if _can_hold(text) else json.dumps(value, default=plain)) + "\n")


def _can_hold(text: str) -> bool:
    """Returns whether standard output's encoding has every sign of a text."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def plain(value: Any) -> Any:
    """Returns a value for machines: exact decimals as text, instants in ISO 8601."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value) if not isinstance(value, (int, float, str, bool)) else value


def print_summary(summary: Summary) -> None:
    """Prints what a run did, a line per report."""
    accounts = {result.account_id for result in summary.results}
    several = len(accounts) > 1
    columns = [
        *(["account"] if several else []),
        "report",
        "new",
        "changed",
        "deleted",
        "total",
        "requests",
        "seconds",
        "verified",
    ]
    print_table(
        columns,
        [
            [
                *([result.account_id] if several else []),
                result.report,
                result.new,
                result.changed,
                result.deleted,
                result.total,
                result.requests,
                Decimal(f"{result.seconds:.1f}"),
                ("no" if result.loaded else "FAILED") if result.error else result.verified,
            ]
            for result in summary.results
        ],
    )


def message(text: str, style: str = "") -> None:
    """Prints one message on standard error."""
    stderr_console().print(Text(visible(text), style=style), soft_wrap=True)
