"""The benchmark of speed: that it sees every difference, and counts time where it was spent."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import duckdb
import pytest
from compare import flat
from figures import SELECT, VIEW, Asked, Place, Times
from figures import missed as missed_figures
from pages import ROOT
from speed_load import Watch
from speed_page import FIRST, IGNORING, TARGETS, Figures, Key, missed, on, with_part
from speed_picture import Bars, picture
from speed_rows import Expected, differing_rows, write_rows
from speed_trials import PLAIN, Load, Way

from harvest_sandbox import Sandbox, Size, build_account
from harvest_source.figures.figures import FIGURES

ENTRIES = 60
TYPES = {bool: "boolean", int: "double", float: "double", str: "varchar"}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    """The entries of an account, and a table that was made of them without the benchmark's help."""
    account = build_account(Size(time_entries=ENTRIES), seed=1, today=date(2025, 6, 30))
    folder = tmp_path_factory.mktemp("entries")
    found = write_rows(Sandbox(account), folder / "entries.json")
    rows = [flat(row) for row in account.delivered("time_entries")]
    kinds = {name: TYPES[type(value)] for row in rows for name, value in row.items()}
    with duckdb.connect(str(folder / "made.duckdb")) as database:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
        database.execute(f"create table entries ({columns}, account_id bigint, _dlt_id varchar)")
        for row in rows:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" * len(row))
            database.execute(f"insert into entries ({names}) values ({marks})", [*row.values()])
    return found


@pytest.fixture
def database(expected: Expected) -> Iterator[duckdb.DuckDBPyConnection]:
    """The table that equals the account; what a test changes of it is forgotten."""
    with duckdb.connect(str(expected.file.parent / "made.duckdb")) as connection:
        connection.execute("begin")
        yield connection
        connection.execute("rollback")


FIRST_ID = "(select min(id) from entries)"


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ([], 0),
        ([f"delete from entries where id = {FIRST_ID}"], 1),
        (["delete from entries"], ENTRIES),
        (["insert into entries (id) values (5)"], 1),
        ([f"insert into entries select * from entries where id = {FIRST_ID}"], 1),
        ([f"update entries set id = 5 where id = {FIRST_ID}"], 2),
        ([f"update entries set hours = hours + 0.00001 where id = {FIRST_ID}"], 1),
        ([f"update entries set is_locked = null where id = {FIRST_ID}"], 1),
        (["update entries set client__name = client__name || ' '"], ENTRIES),
        (["update entries set updated_at = replace(updated_at, 'Z', '+01:00')"], ENTRIES),
        (["update entries set updated_at = replace(updated_at, 'Z', '+00:00')"], 0),
        (["alter table entries drop cost_rate"], ENTRIES),
        (["alter table entries add new varchar"], 0),
        (["alter table entries add new varchar", "update entries set new = 'x'"], ENTRIES),
        (["alter table entries rename hours to hours__v_double"], 0),
        (["update entries set account_id = 7, _dlt_id = 'x'"], 0),
    ],
)
def test_every_difference_from_the_account_is_counted(
    database: duckdb.DuckDBPyConnection, expected: Expected, changes: list[str], differing: int
) -> None:
    for change in changes:
        database.execute(change)
    assert differing_rows(database, "entries", expected) == differing


def test_a_field_of_which_one_entry_alone_has_a_value_is_expected(tmp_path: Path) -> None:
    """Inside an object, too, and where that entry is the first that has the object."""
    account = build_account(Size(time_entries=3), seed=1, today=date(2025, 6, 30))
    of_all = {"id": "1", "permalink": "https://example.com", "service": "s", "group_id": None}
    for number, key in enumerate([*account.rows["time_entries"]]):
        reference = of_all | {"account_id": None if number else "acme"}
        account.update("time_entries", key, external_reference=reference)
    found = write_rows(Sandbox(account), tmp_path / "entries.json")
    assert found.kinds["external_reference.account_id"] == "varchar"


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 10.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


def test_a_stage_within_another_counts_for_the_outer_one() -> None:
    clock = Seconds()
    watch = Watch(began_at=8.0, now=clock)
    clock.pass_by(1)
    with watch.stage("start"):
        clock.pass_by(2)
    clock.pass_by(4)
    with watch.stage("reading"):
        clock.pass_by(8)
        with watch.stage("load"):
            clock.pass_by(16)
    clock.pass_by(32)
    with watch.stage("load"):
        clock.pass_by(64)
    assert watch.seconds == {"start": 3 + 2 + 4, "reading": 8 + 16, "rest": 32, "load": 64}


def test_requests_side_by_side_are_waited_for_once() -> None:
    clock = Seconds()
    watch = Watch(began_at=8.0, now=clock)
    with watch.request():
        clock.pass_by(1)
        with watch.request():
            clock.pass_by(2)
        clock.pass_by(4)
    clock.pass_by(8)
    with watch.request():
        clock.pass_by(16)
    assert watch.waiting_seconds == 1 + 2 + 4 + 16


def load(seconds: float, differing_rows: int = 0) -> Load:
    """Returns what a load took; as many megabytes as seconds."""
    return Load(seconds, 0.0, 0.0, seconds, 5.0, 3, {}, differing_rows)


PLAIN_LOAD = Key(100_000, FIRST, Way(PLAIN, "duckdb"))


@pytest.mark.parametrize(
    ("figures", "ratio", "is_missed"),
    [
        ({on(100_000): [load(1)], PLAIN_LOAD: [load(100)]}, 0.01, False),
        ({on(100_000): [load(10)], PLAIN_LOAD: [load(100)]}, 0.1, True),
        # pair by pair: one noisy round does not count
        ({on(100_000): [load(4), load(4), load(90)], PLAIN_LOAD: [load(100)] * 3}, 0.04, False),
        ({on(100_000): [load(1, 1)], PLAIN_LOAD: [load(100)]}, None, True),
        ({on(100_000): [load(1)], PLAIN_LOAD: [load(100, 1)]}, None, True),
        ({on(5_000): [load(90)]}, None, False),
        ({on(5_000, way=IGNORING): [load(90, 1)]}, None, True),
    ],
)
def test_a_load_that_does_not_end_equal_has_no_time(
    figures: Figures, ratio: float | None, *, is_missed: bool
) -> None:
    assert TARGETS[0].measured(figures) == ratio
    assert missed(figures) is is_missed


def test_tables_are_written_between_their_marks() -> None:
    page = "before\n<!-- speed: generated by benchmarks/speed.py --markdown -->\nold\n<!-- end of what is generated -->\nafter\n"
    once = with_part(page, "speed", "new")
    assert "\n\nnew\n\n" in once
    assert "old" not in once
    assert (once.startswith("before\n<!-- speed"), once.endswith("-->\nafter\n")) == (True, True)
    assert with_part(once, "speed", "new") == once
    with pytest.raises(ValueError, match="no place for stages"):
        with_part(page, "stages", "new")


def test_the_longest_bar_of_a_group_is_the_largest_value() -> None:
    svg = picture([Bars("a & b", {"<small>": 1, "large": 20}), Bars("c", {"d": 3})])
    shown = ET.fromstring(svg)  # noqa: S314 - made here
    bars = shown.findall("{http://www.w3.org/2000/svg}rect")[1:]
    small, large, alone = (float(each.attrib["width"]) for each in bars)
    assert small * 20 == pytest.approx(large, rel=0.02)  # widths have one decimal
    assert alone == large


@pytest.mark.long
def test_the_command_loads_and_compares(tmp_path: Path) -> None:
    """Its targets are for larger accounts."""
    small = ["--pairs", "1", "--entries", "60", "--alone", "90", "--slow", "0"]
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "speed.py"),
        *small,
        "--destinations",
        "duckdb",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(", equal\n") == 3 + 3 + 4
    assert "| 60 | plain dlt | duckdb | 2 |" in done.stdout


def took(seconds: float) -> Times:
    """Returns what it takes to ask for figures: each of them the same in each of three rounds, but for one slow answer."""
    usual = [Asked(seconds, 7), Asked(seconds, 7), Asked(900, 7)]
    return {(figure.name, way): usual for figure in FIGURES for way in (SELECT, VIEW)}


@pytest.mark.parametrize(
    ("seconds", "is_missed"), [(15 / 12 - 0.01, False), (15 / 12 + 0.01, True)]
)
def test_all_figures_together_may_take_so_long(seconds: float, *, is_missed: bool) -> None:
    assert len(FIGURES) == 12
    times = {Place(5, "duckdb"): took(100), Place(100_000, "postgres"): took(seconds)}
    assert missed_figures(times) is is_missed


@pytest.mark.long
def test_the_figures_are_asked_for_by_select_and_view(tmp_path: Path) -> None:
    """The target is for a larger account."""
    small = ["--rounds", "1", "--entries", "60", "--alone", "0", "--destinations", "duckdb"]
    command = [sys.executable, str(ROOT / "benchmarks" / "figures.py"), *small]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| `tracked_time` | 58 |" in done.stdout
    assert len(re.findall(r"^\| `", done.stdout, re.MULTILINE)) == len(FIGURES)
