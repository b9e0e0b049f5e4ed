"""The only place that prints: tables and JSON on standard output, messages and progress on standard error."""

from __future__ import annotations

import csv
import io
import json
import logging
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harvest_source.api.net import LOGGER
from harvest_source.catalogue.lookup import SECRET_COLUMNS
from harvest_source.commands.streams import OutputLostError, write, write_nowhere
from harvest_source.rounding import rounded
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


def visible(text: str) -> str:
    """Returns a text with what would steer a terminal made visible."""
    return text.translate(VISIBLE)


def stdout_console() -> Console:
    """Returns the console of results."""
    return PatientConsole(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def stderr_console() -> Console:
    """Returns the console of messages."""
    return PatientConsole(
        stderr=True, width=None if sys.stderr.isatty() else PIPE_WIDTH, highlight=False
    )


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    title: str | None = None,
    decimals: int | None = None,
) -> None:
    """Prints rows as a table, numbers to the right; where it is too wide, texts of several words are wrapped first.

    Args:
        columns: heads of the columns.
        rows: a value for each column.
        title: stands above the table.
        decimals: to so many exact decimals are rounded; `None`: not at all.
    """
    console = stdout_console()
    rows = [list(row) for row in rows]
    texts = _texts(columns, rows, decimals)
    if title:
        console.print(Text(visible(title), style="bold"))
    widths, wraps = _widths(texts), _wraps(texts)
    gap = 2 if sum(widths) + 2 * len(widths) <= console.width else 1
    whole = _fits(texts)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, gap, 0, 0))
    for place, column in enumerate(texts[0]):
        numeric = all(
            isinstance(row[place], (int, float, Decimal)) or row[place] is None for row in rows
        )
        justify: Any = "right" if numeric and rows else "left"
        table.add_column(
            Text(column), justify=justify, overflow="fold", no_wrap=whole and not wraps[place]
        )
    for row in texts[1:]:
        table.add_row(*map(Text, row))
    console.print(table)


def print_blocks(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], decimals: int | None = None
) -> None:
    """Prints rows one below another, a line for each value: for tables that are too wide. Arguments as of `print_table`."""
    console = stdout_console()
    heads, *blocks = _texts(columns, rows, decimals)
    if not blocks:
        console.print(Text(f"no rows of {', '.join(heads)}"))
    for number, values in enumerate(blocks, 1):
        console.print(Text(f"row {number} of {len(blocks)}", style="bold"))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for head, value in zip(heads, values, strict=True):
            table.add_row(Text(head), Text(value))
        console.print(table)


def fits(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], decimals: int | None = None
) -> bool:
    """Returns whether standard output is wide enough for a table of which only texts of several words are wrapped."""
    return _fits(_texts(columns, rows, decimals))


def _fits(texts: list[list[str]]) -> bool:
    widths = zip(_widths(texts), _wraps(texts), strict=True)
    narrowest = sum(1 + (min(width, NARROW) if wraps else width) for width, wraps in widths)
    return narrowest <= stdout_console().width


def _texts(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], decimals: int | None
) -> list[list[str]]:
    """Returns what a table shows: the heads, then the rows."""
    return [
        [visible(name) for name in columns],
        *([visible(shown(value, decimals)) for value in row] for row in rows),
    ]


def _widths(texts: list[list[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*texts, strict=True)]


def _wraps(texts: list[list[str]]) -> list[bool]:
    return [any(" " in text for text in column) for column in zip(*texts, strict=True)]


def shown(value: Any, decimals: int | None = None) -> str:
    """Returns a value as a person reads it; exact decimals are rounded half up to so many, `None`: not at all."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal) and decimals is not None:
        return rounded(value, decimals)
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


def message(text: str, style: str = "") -> None:
    """Prints one message on standard error."""
    stderr_console().print(Text(visible(text), style=style), soft_wrap=True)
