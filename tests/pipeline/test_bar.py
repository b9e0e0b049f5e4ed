"""What a person sees of a run on a terminal: a bar while it works, the summary and one line in the end."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import environment
from second_harvest import Asked, HandMade, by_hand
from support import TOKEN
from terminal import on_terminal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there is no pseudo-terminal")

CHOSEN = ("--reports", "clients,time_entries,estimate_item_categories")
NAMES = ["clients", "time_entries", "estimate_item_categories"]
LONG = pytest.mark.long
BAR = re.compile(r"━+ (\d+)/(\d+) until \d\d:\d\d:\d\d reading \w+")
OTHER = 78


def environment_of(harvest: HandMade) -> dict[str, str]:
    """Returns an environment in which a command asks this server."""
    return environment(API_URL=harvest.api_url, ID_URL=harvest.id_url, ACCESS_TOKEN=TOKEN)


@contextmanager
def holding_a_page() -> Iterator[tuple[HandMade, threading.Event]]:
    """Gives an account of three pages of time entries, of which the second comes once the event is set."""
    go_on = threading.Event()
    with by_hand(invoices=1, entries=12) as harvest:

        def answer(asked: Asked) -> None:
            asked_before = sum(each.path == "time_entries" for each in harvest.requests) > 1
            if asked.path == "time_entries" and asked_before:
                go_on.wait(300)

        harvest.spoil = answer
        try:
            yield harvest, go_on
        finally:
            go_on.set()


@pytest.mark.parametrize("columns", [60, 80, pytest.param(120, marks=LONG)])
def test_bar_stands_in_one_line_and_goes_before_the_summary_comes(
    tmp_path: Path, columns: int
) -> None:
    """Requests and expected end are known while it reads; names are whole; the last line says where the tables are."""
    with (
        holding_a_page() as (harvest, go_on),
        on_terminal(tmp_path, *CHOSEN, columns=columns, env=environment_of(harvest)) as command,
    ):
        command.until(r"\d/\d+ until \S+ reading \w")
        go_on.set()
        assert command.finish() == 0
    screen = command.screen
    seen = [found for line in screen.erased if (found := BAR.search(line))]
    assert [0 < int(found[1]) < int(found[2]) for found in seen] == [True] * len(seen) != []
    assert screen.shows_cursor
    assert not [line for line in screen.lines if "━" in line]
    head = next(place for place, line in enumerate(screen.lines) if line.startswith("report "))
    assert [line.split()[0] for line in screen.lines[head + 1 : head + 4]] == NAMES
    assert ("requests" in screen.lines[head]) == (columns >= 80)
    last = "".join(screen.lines[head + 4 :])
    assert re.search(
        r"complete after \d+ s; the tables are in harvest_pipeline\.duckdb, dataset ", last
    )


def test_ctrl_c_takes_the_bar_away(tmp_path: Path) -> None:
    """And gives the cursor back; one line says what became of it."""
    with (
        holding_a_page() as (harvest, _),
        on_terminal(tmp_path, *CHOSEN, columns=80, env=environment_of(harvest)) as command,
    ):
        command.until(r"\d/\d+ until \S+ reading \w")
        command.process.send_signal(signal.SIGINT)
        assert command.finish() == 130
    screen = command.screen
    assert screen.shows_cursor
    assert not [line for line in screen.lines if "━" in line]
    said = "interrupted: what was complete is loaded, the next run continues from here"
    assert screen.lines[-2:] == [said, ""]


def test_errors_stand_above_the_bar_and_json_alone_on_standard_output(tmp_path: Path) -> None:
    """With their account, where there are several; the last line counts them."""
    with by_hand(invoices=1, entries=3) as harvest:
        accounts = [
            {"id": each, "name": "One", "product": "harvest"} for each in (harvest.id, OTHER)
        ]

        def answer(asked: Asked) -> tuple[int, bytes] | None:
            if asked.path == "api/v2/accounts":
                return 200, json.dumps({"accounts": accounts}).encode()
            is_other = asked.headers.get("harvest-account-id") == str(OTHER)
            return (422, b"{}") if is_other and asked.path == "time_entries" else None

        harvest.spoil = answer
        typed = (*CHOSEN, "--account", "all", "--json", "--verbose")
        with (
            (tmp_path / "out").open("w+b") as out,
            on_terminal(
                tmp_path, *typed, columns=120, env=environment_of(harvest), out=out
            ) as command,
        ):
            assert command.finish() == 1
            out.seek(0)
            assert json.loads(out.read())["exit_code"] == 1
    lines = command.screen.lines
    told = [
        line
        for line in lines
        if line.startswith(f"time_entries (account {OTHER}): Harvest refused")
    ]
    assert len(told) == 1
    assert [line for line in lines if line.startswith("incomplete after ")] == [
        line for line in lines if ": 1 of 6 reports, see above; the tables are in " in line
    ]
    assert not [line for line in lines if "━" in line], lines


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [(["--quiet"], {}, False), pytest.param([], {"TERM": "dumb"}, True, marks=LONG)],
    ids=["quiet", "a terminal that moves no cursor"],
)
def test_no_bar_where_nobody_wants_one_or_none_can_be_drawn(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], *, says: bool
) -> None:
    with by_hand(invoices=1, entries=3) as harvest:
        env = {**environment_of(harvest), **settings}
        with on_terminal(tmp_path, *CHOSEN, *arguments, columns=100, env=env) as command:
            assert command.finish() == 0
    assert not re.search(r"\x1b\[[\d;?]*[A-Zhl]|━", command.written)
    assert ("time_entries: 3 rows read, 1 request\r\n" in command.written) == says
    assert ("complete after " in command.written) == says
