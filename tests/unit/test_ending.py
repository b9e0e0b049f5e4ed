"""What a run says at its end: the summary, also where it is too wide for a terminal, and one line of the whole."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import dlt
import pytest

from harvest_source.commands import output
from harvest_source.commands.ending import duration, last_line, print_summary
from harvest_source.commands.workplace import Workplace
from harvest_source.loading.summary import ReportResult, Summary

NAMES = ("clients", "estimate_item_categories", "time_entries")
HEADS = ["report", "new", "changed", "deleted", "total", "requests", "seconds", "verified"]
SHORT = ["report", "new", "chg", "del", "total", "verified"]


def printed(
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    *,
    verified: str = "read today",
    rows: int = 1200,
    accounts: int = 1,
) -> list[str]:
    """Returns the lines of a summary on a terminal of some width."""
    console = output.PatientConsole(file=io.StringIO(), width=width)
    monkeypatch.setattr(output, "stdout_console", lambda: console)
    results = [
        ReportResult(name, 1001 + number, new=rows, total=rows, requests=8, verified=verified)
        for number in range(accounts)
        for name in NAMES
    ]
    print_summary(Summary(results))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize(
    ("width", "verified", "rows", "heads", "lines_each"),
    [
        (200, "read 2 days ago", 1200, HEADS, 1),
        (85, "read 2 days ago", 1200, HEADS, 1),
        (80, "read today", 1200, HEADS, 1),
        (80, "read 2 days ago", 1200, HEADS, 2),
        (79, "read today", 1200, SHORT, 1),
        (60, "read today", 1_200_000, SHORT, 1),
        (60, "yes, only rows of Zoe", 1_200_000, SHORT, 2),
    ],
)
def test_names_of_reports_are_whole_on_a_usual_terminal(
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    verified: str,
    rows: int,
    heads: list[str],
    lines_each: int,
) -> None:
    """Where all columns do not fit, `verified` takes several lines, then columns are shorter and fewer."""
    lines = printed(monkeypatch, width, verified=verified, rows=rows)
    assert lines[0].split() == heads
    assert [line.split()[0] for line in lines[1:] if not line.startswith(" ")] == list(NAMES)
    assert len(lines) == 1 + lines_each * len(NAMES)
    assert sum(str(rows) in line for line in lines) == len(NAMES)


@pytest.mark.parametrize(("width", "heads"), [(90, HEADS), (80, HEADS), (60, SHORT)])
def test_several_accounts_have_a_table_each_where_one_is_too_wide(
    monkeypatch: pytest.MonkeyPatch, width: int, heads: list[str]
) -> None:
    """Before columns are left out; the account stands above, in place of a column."""
    lines = printed(monkeypatch, width, accounts=2)
    if width == 90:
        assert lines[0].split() == ["account", *HEADS]
        assert [line.split()[:2] for line in lines[1:]] == [
            [account, name] for account in ("1001", "1002") for name in NAMES
        ]
        return
    first, second = lines[:5], lines[5:]
    for account, (title, head, *rows) in (("1001", first), ("1002", second)):
        assert title == f"account {account}"
        assert head.split() == heads
        assert [row.split()[0] for row in rows] == list(NAMES)


def test_very_narrow_terminal_loses_no_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and numbers are folded there."""
    narrow, wide = (printed(monkeypatch, width) for width in (40, 60))
    assert sorted("".join(narrow).replace(" ", "")) == sorted("".join(wide).replace(" ", ""))


LOADED = ReportResult("tasks", 1001, total=3)
EMPTY = ReportResult("roles", 1001, total=0)
FAILED = ReportResult("clients", 1001, error="Harvest answered 500", loaded=False)
STALE = ReportResult("clients", 1001, total=2, error="the table has 2 rows, Harvest 3")
SHOW = "look at them: harvest-pipeline show"


@pytest.mark.parametrize(
    ("place", "results", "said"),
    [
        (
            Workplace(),
            [EMPTY, LOADED],
            f'complete after 1 min 2 s; the tables are in here.duckdb, dataset harvest; {SHOW} "select count(*) from tasks"',
        ),
        (
            Workplace(demo=True),
            [STALE, LOADED],
            (
                "incomplete after 1 min 2 s: 1 of 2 reports, see above; the tables are in here.duckdb, dataset harvest; "
                f'{SHOW} --demo "select name, currency from clients"'
            ),
        ),
        (
            Workplace(destination="postgres", dataset="My Data"),
            [LOADED],
            (
                "complete after 1 min 2 s; the tables are in postgres, dataset my_data; "
                f"{SHOW} --destination postgres --dataset 'My Data' \"select count(*) from tasks\""
            ),
        ),
        (Workplace(), [FAILED], "incomplete after 1 min 2 s: 1 of 1 reports, see above"),
        (Workplace(), [EMPTY], "complete after 1 min 2 s"),
    ],
)
def test_last_line_says_what_became_of_it_and_where_it_is(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    place: Workplace,
    results: list[ReportResult],
    said: str,
) -> None:
    """A table that was loaded and has rows is shown; where there is none, nothing is said of tables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harvest_source.commands.ending.COMMAND", "harvest-pipeline")
    destination = (
        dlt.destinations.duckdb(str(tmp_path / "here.duckdb"))
        if place.destination == "duckdb"
        else place.destination
    )
    pipeline = dlt.pipeline("ends", pipelines_dir=str(tmp_path / "state"), destination=destination)
    line = last_line(place, pipeline, Summary(results), 62.4)
    assert line == said
    if "show" in said:
        words = shlex.split(line.partition("harvest-pipeline ")[2])
        assert (words[0], words[-1].split()[0]) == ("show", "select")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (90_061, "25 h 1 min 1 s"),
    ],
)
def test_durations_are_said_in_whole_seconds(seconds: float, said: str) -> None:
    assert duration(seconds) == said
