"""`show` with the name of a figure: from the tables alone, rounded for the eye, exact for programs, as wide as the terminal."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from command_line import Type, environment
from faults_support import tiny
from support import serving
from terminal import on_terminal

from harvest_sandbox import Sandbox
from harvest_source.commands.output import shown
from harvest_source.figures.figures import BY_NAME, FIGURES
from harvest_source.figures.sql import select_of, tables_of

TO_FILES = ("--destination", "filesystem")
DESTINATIONS = {"duckdb": (), "filesystem": TO_FILES}
ROUNDED = re.compile(r"-?\d{1,3}(,\d{3})*\.\d\d")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serving(tiny()) as serves:
        yield serves


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has files lie in the folder of the test."""
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", (tmp_path / "files").as_uri())


@pytest.mark.long
@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("destination", ["duckdb", "filesystem"])
def test_every_figure_is_shown_without_a_view(
    type_command: Type, sandbox: Sandbox, destination: str
) -> None:
    """With the rows of its select, exact in CSV and JSON, on Parquet files as in a database."""
    where = DESTINATIONS[destination]
    assert type_command("--no-views", *where, harvest=sandbox).code == 0
    for figure in FIGURES:
        shown = type_command("show", figure.name, "--json", *where)
        assert (shown.code, shown.err) == (0, ""), figure.name
        columns, found = [each.name for each in figure.columns], shown.json()
        assert all(list(row) == columns for row in found)
        select = select_of(figure.name, lambda table: f"harvest.{table}", "duckdb")
        # behind `--`, since some begin with a comment
        by_sql = type_command("show", "--json", *where, "--", select).json()
        assert sorted(found, key=json.dumps) == sorted(by_sql, key=json.dumps)
        as_csv = csv.reader(io.StringIO(type_command("show", figure.name, "--csv", *where).out))
        assert next(as_csv) == columns
        assert len(list(as_csv)) == len(found)
    assert type_command("show", "tracked_time", "--json", *where).json()
    assert "does not exist" in type_command("show", "select * from tracked_time", *where).err


def test_numbers_are_rounded_in_the_table_alone(type_command: Type, sandbox: Sandbox) -> None:
    """Half up, with two decimals; those of a query stay as they are."""
    assert type_command("--no-views", harvest=sandbox).code == 0
    exact = type_command("show", "utilisation", "--json").json()
    ratios = [row["utilisation"] for row in exact if row["utilisation"]]
    assert any(len(ratio.partition(".")[2].rstrip("0")) > 2 for ratio in ratios)
    table = type_command("show", "utilisation").out
    for row in exact:
        for name in ("hours", "utilisation"):
            if row[name] is not None:
                cents = (Decimal(row[name]) * 100 + Decimal("0.5")).__floor__()
                assert f"{Decimal(cents) / 100:,.2f}" in table
    assert ROUNDED.search(table)
    by_sql = type_command("show", "select cast(1.234500 as decimal(20, 6)) as n from clients").out
    assert "1.2345" in by_sql


def test_heads_are_shown_where_there_are_no_rows(type_command: Type, sandbox: Sandbox) -> None:
    """Also of a table that is wider than the place for it, of which rows would stand one below another."""
    assert type_command("--no-views", "--reports", "time_entries", harvest=sandbox).code == 0
    done = type_command("show", "select * from time_entries where 1 = 0")
    assert (done.code, done.err) == (0, "")
    assert " ".join(done.out.split()).startswith("no rows of account_id, id, spent_date, ")


@pytest.mark.long
def test_rows_of_a_figure_stand_in_the_order_of_its_key(
    type_command: Type, sandbox: Sandbox
) -> None:
    assert type_command("--no-views", harvest=sandbox).code == 0
    rows = type_command("show", "tracked_time", "--json").json()
    keys = [tuple(row[name] for name in BY_NAME["tracked_time"].key) for row in rows]
    assert len(keys) > 1
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("-0.001", "0.00"),
        ("-0.005", "-0.01"),
        ("1234.565", "1,234.57"),
        ("1" * 30, f"{int('1' * 30):,}.00"),
    ],
)
def test_number_is_rounded_half_up_and_no_zero_has_a_sign(value: str, text: str) -> None:
    assert shown(Decimal(value), 2) == text


def test_alone_it_lists_the_figures(type_command: Type) -> None:
    """A line each, where nothing is loaded too."""
    done = type_command("show")
    assert (done.code, done.err) == (0, "")
    head, *lines = done.out.splitlines()
    assert head.split() == ["figure", "question"]
    assert [line.rstrip().split(maxsplit=1) for line in lines] == [
        [figure.name, figure.question] for figure in FIGURES
    ]
    assert type_command("show", "--json").json() == [
        {"figure": figure.name, "question": figure.question} for figure in FIGURES
    ]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("recievables", "there is no figure recievables; did you mean receivables?"),
        ("projectmargin", "did you mean project_margin?"),
        ("nonsense", "show only reads: it takes a figure, such as receivables, or a query"),
        ("receivables", "nothing is loaded yet"),
    ],
)
def test_name_that_is_none_and_figure_of_nothing_are_one_line(
    type_command: Type, sandbox: Sandbox, typed: str, said: str
) -> None:
    if typed != "receivables":
        type_command("--reports", "roles", harvest=sandbox)
    done = type_command("show", typed)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_figure_whose_tables_are_not_there_names_them(type_command: Type, sandbox: Sandbox) -> None:
    type_command("--reports", "clients", harvest=sandbox)
    done = type_command("show", "receivables")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].endswith(
        f"; receivables needs these tables: {', '.join(tables_of('receivables'))}"
    )


@pytest.mark.long
def test_start_date_is_said_where_a_figure_counts_all_that_ever_was(
    type_command: Type, sandbox: Sandbox
) -> None:
    setting = {"START_DATE": "2025-06-01"}
    assert type_command(harvest=sandbox, **setting).code == 0
    for figure in FIGURES:
        done = type_command("show", figure.name, **setting)
        said = "the tables begin at 2025-06-01 (start_date)" in done.err
        assert (done.code, said) == (0, figure.counts_to_date), figure.name
    assert type_command("show", "budget_burn", "--quiet", **setting).err == ""
    assert type_command("show", "budget_burn").err == ""


@pytest.mark.long
@pytest.mark.parametrize("columns", [60, 100])
@pytest.mark.parametrize("asked", ["project_margin", "select * from invoices"])
def test_wide_rows_fit_the_terminal(
    tmp_path: Path, type_command: Type, sandbox: Sandbox, asked: str, columns: int
) -> None:
    """Each value stands on one line with its name, where a table would be too wide; numbers of a figure stay whole."""
    assert type_command(harvest=sandbox).code == 0
    found = type_command("show", asked, "--json").json()
    with on_terminal(tmp_path, "show", asked, columns=columns, env=environment()) as shown:
        assert shown.finish() == 0
        lines = [line.rstrip() for line in shown.screen.lines]
    assert max(map(len, lines)) <= columns
    assert lines[0] == f"row 1 of {len(found)}"
    words = {line.split()[0] for line in lines if line}
    assert words >= found[0].keys()
    if asked in BY_NAME:
        hours = [line.split()[1] for line in lines if line.startswith("hours ")]
        assert len(hours) == len(found)
        assert all(ROUNDED.fullmatch(each) for each in hours)
