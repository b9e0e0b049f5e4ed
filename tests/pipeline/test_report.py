"""`report`: its numbers are those of `show`, on Parquet files as in a database; what it says where something is not there."""

from __future__ import annotations

import json
import os
import shutil
import stat
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from command_line import Done, Type, command, environment
from faults_support import tiny
from figures_tables import figure_rows
from odd_names import HOSTILE, LONG, PROJECTS, RIGHT_TO_LEFT, give_odd_names
from page_reader import PageRead, Rows
from support import serving

from harvest_sandbox import Sandbox, Size, build_account
from harvest_source.catalogue.lookup import DEFAULT_NAMES
from harvest_source.commands.output import plain
from harvest_source.figures.figures import BY_NAME
from harvest_source.figures.sql import tables_needed
from harvest_source.page.sections import FIGURES, KINDS

OUT = "harvest_report.html"
FILE = "harvest_pipeline.duckdb"
MOST = 25
LOADED = ("clients", "projects", "users", "company", "tasks", "time_entries", "expenses")
EMPTY = Size(clients=0, users=0, projects=0, time_entries=0, expenses=0, invoices=0, estimates=0)


def load(folder: Path, sandbox: Sandbox, *options: str) -> Path:
    """Runs once in a folder; returns the file of its tables."""
    done = command(folder, "--no-views", "--account", "all", *options, env=environment(sandbox))
    assert done.returncode == 0, done.stderr
    return folder / FILE


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Two accounts, of several currencies."""
    with serving(tiny(), tiny(seed=9)) as serves:
        yield serves


@pytest.fixture(scope="module")
def accounts(sandbox: Sandbox) -> list[int]:
    """The ids of the two accounts."""
    return [account.id for account in sandbox.accounts]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Path:
    """The file with all tables of both."""
    return load(tmp_path_factory.mktemp("full"), sandbox)


@pytest.fixture
def loaded(tmp_path: Path, full: Path) -> Path:
    """Gives a folder with all tables of both accounts."""
    shutil.copy(full, tmp_path)
    return tmp_path


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has files lie in the folder of the test."""
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", (tmp_path / "files").as_uri())


def page_of(folder: Path, name: str = OUT) -> PageRead:
    """Returns the page in a folder, which a parser of HTML finds no fault with."""
    return PageRead((folder / name).read_text(encoding="utf-8"))


def figures(type_command: Type, *where: str) -> Rows:
    """Returns the rows of the figures that the page is made of, as `show` gives them."""
    return {
        figure.name: type_command("show", figure.name, "--json", *where).json()
        for figure in FIGURES
    }


def rows_in(folder: Path) -> Rows:
    """Returns the same rows from the file itself: quick, where `show` has been tried."""
    with duckdb.connect(str(folder / FILE), read_only=True) as database:
        rows = {figure.name: figure_rows(database.execute, figure, "duckdb") for figure in FIGURES}
    read: Rows = json.loads(json.dumps(rows, default=plain))
    return read


def wrong(page: PageRead, rows: Rows) -> list[Any]:
    """Returns the numbers of a page that are not those of the figures, each with what it must be."""
    shown = list(page.shown())
    assert shown
    return [(each, each.must_be(rows)) for each in shown if not each.is_right(rows)]


def assert_lists_are_right(page: PageRead, rows: Rows, account: int) -> None:
    """Asserts that the lists show the worst or largest of all rows, the rest of which is counted."""
    own = {
        name: [row for row in each if row["account_id"] == account] for name, each in rows.items()
    }
    budgets = [row for row in own["budget_burn"] if row["is_current"] and row["is_active"]]
    (table,) = page.section("budgets", account).iter("table")
    assert_list(page, table, budgets, "project_id", lambda row: _down(row["burn"]))
    for name, figure, key, rank, is_listed in LISTS:
        listed = [row for row in own[figure] if is_listed(row)]
        tables = list(page.section(name, account).iter("table"))
        for currency in {row["currency"] for row in listed}:
            of_it = [row for row in listed if row["currency"] == currency]
            (table,) = [
                each
                for each in tables
                if (page.lines(each) and key in page.lines(each)[0])
                and page.words(each.find("caption")).startswith(currency)
            ]
            assert_list(page, table, of_it, key, rank)


def assert_list(
    page: PageRead, table: Any, rows: Sequence[Any], key: str, rank: Callable[[Any], Any]
) -> None:
    """Asserts that a table has the first rows of an order; of those that are equal in it, any."""
    lines = page.lines(table)
    by_key = {row[key]: row for row in rows}
    assert len(lines) == min(len(rows), MOST)
    assert page.left_out(table) == len(rows) - len(lines)
    ranks = [rank(by_key[line[key]]) for line in lines]
    assert ranks == sorted(map(rank, rows))[:MOST]


def _down(number: str | None) -> tuple[bool, float]:
    return number is None, -float(number or 0)


LISTS: list[tuple[str, str, str, Callable[[Any], Any], Callable[[Any], bool]]] = [
    (
        "uninvoiced",
        "uninvoiced_work",
        "project_id",
        lambda row: _down(row["uninvoiced_amount"]),
        lambda row: row["uninvoiced_amount"] is None or float(row["uninvoiced_amount"]) != 0,
    ),
    (
        "receivables",
        "receivables",
        "invoice_id",
        lambda row: (-row["days_overdue"], -float(row["due_amount"])),
        bool,
    ),
    (
        "rates",
        "effective_rate",
        "project_id",
        lambda row: (row["effective_rate"] is None, float(row["effective_rate"] or 0)),
        lambda row: float(row["hours"]) != 0,
    ),
]


def assert_page_is_that_of_show(
    folder: Path, type_command: Type, accounts: list[int], *where: str
) -> None:
    """Asserts that each figure is on the page, that numbers are equal, and lists as they must be."""
    done = type_command("report", *where)
    assert (done.code, done.out, done.err) == (0, "", f"the report is in {OUT}\n")
    page, rows = page_of(folder), figures(type_command, *where)
    assert wrong(page, rows) == []
    assert {each.figure for each in page.shown()} == {figure.name for figure in FIGURES}
    for account in accounts:
        assert_lists_are_right(page, rows, account)
    assert (
        f"All {2 * len(DEFAULT_NAMES)} tables of 2 accounts equal Harvest, loaded " in page.words()
    )
    assert page.missing() == set()
    assert page.all("ul", "remarks") == []
    months = {str(each.key["month"]) for each in page.shown() if "month" in each.key}
    assert len(months) > 1


def test_every_number_is_that_of_show(
    loaded: Path, type_command: Type, accounts: list[int]
) -> None:
    """Without views."""
    assert_page_is_that_of_show(loaded, type_command, accounts)


@pytest.mark.long
@pytest.mark.usefixtures("files")
def test_every_number_is_that_of_show_on_parquet_files(
    tmp_path: Path, type_command: Type, sandbox: Sandbox, accounts: list[int]
) -> None:
    where = ("--destination", "filesystem")
    assert type_command("--account", "all", *where, harvest=sandbox).code == 0
    assert_page_is_that_of_show(tmp_path, type_command, accounts, *where)


def test_names_are_text_and_two_accounts_stand_apart(
    loaded: Path, type_command: Type, accounts: list[int]
) -> None:
    """Markup, writing from the right, 200 letters; 300 projects, of which the worst are listed; no secret, no address."""
    one, other = accounts
    give_odd_names(loaded / FILE, one, other)
    assert type_command("report").code == 0
    page, rows = page_of(loaded), rows_in(loaded)
    assert wrong(page, rows) == []
    for account in accounts:
        assert_lists_are_right(page, rows, account)
    budgets = next(iter(page.section("budgets", one).iter("table")))
    assert page.left_out(budgets) > PROJECTS - MOST
    words = page.words()
    assert RIGHT_TO_LEFT in words
    assert LONG in words
    assert HOSTILE.replace("\x01", "\N{REPLACEMENT CHARACTER}") in words
    assert page.all("script") == []
    assert "planted" not in page.text
    assert "@" not in page.text.replace("@media", "").replace("@page", "")
    assert "of 2 accounts equal Harvest" in words

    assert type_command("report", "--account", str(other), "--out", "other.html").code == 0
    alone = page_of(loaded, "other.html")
    assert {each.key["account_id"] for each in alone.shown()} == {other}
    assert alone.words(alone.all("h1")[0]) == RIGHT_TO_LEFT
    done = type_command("report", "--account", "5")
    assert (done.code, done.err) == (
        2,
        "error: nothing is loaded yet of this account: run the pipeline first\n",
    )


def test_what_is_not_known_is_said_and_never_0(loaded: Path, type_command: Type) -> None:
    """Of accounts whose entries show no rate."""
    with duckdb.connect(FILE) as database:
        database.execute("update harvest.time_entries set billable_rate = null, cost_rate = null")
        database.execute("update harvest.projects set fee = null, budget = null where is_fixed_fee")
    assert type_command("report").code == 0
    page, rows = page_of(loaded), rows_in(loaded)
    assert wrong(page, rows) == []
    hidden = {(each.figure, each.column, each.text) for each in page.shown() if each.value is None}
    assert {
        ("billable_amount", "billable_amount", "not known"),
        ("uninvoiced_work", "uninvoiced_amount", "not known"),
        ("effective_rate", "effective_rate", "not known"),
    } <= hidden
    assert all(row["billable_amount"] is None for row in rows["billable_amount"])


def test_account_without_rows_has_a_page(tmp_path: Path, type_command: Type) -> None:
    """So has one of a single month."""
    with serving(build_account(EMPTY, seed=1), build_account(Size(days=7), seed=2)) as both:
        empty, young = both.accounts
        load(tmp_path, both)
    rows = rows_in(tmp_path)
    assert type_command("report", "--account", str(empty.id)).code == 0
    page = page_of(tmp_path)
    assert wrong(page, rows) == []
    assert len(page.all("p", "empty")) == len(KINDS)
    assert page.all("table") == []
    assert type_command("report", "--account", str(young.id)).code == 0
    page = page_of(tmp_path)
    assert wrong(page, rows) == []
    months = {each.key["month"] for each in page.shown() if isinstance(each.key.get("month"), str)}
    assert 1 <= len(months) <= 2


def test_exceptions_stand_below_the_line(
    loaded: Path, type_command: Type, accounts: list[int]
) -> None:
    """Of the last run of each report and account: what was never loaded, failed, or is not compared."""
    hands = {
        "clients": ("verified = 'no: the table has 3 rows, Harvest 4', error = 'the table has …'"),
        "tasks": ("verified = 'no', error = '/home/jane/secret says no'"),
        "users": ("verified = 'not compared'"),
        "projects": ("verified = 'part'"),
        "expenses": ("verified = 'module off'"),
        "invoices": ("verified = 'yes, only rows of Jane Doe, a member'"),
        "estimates": ("verified = 'repaired 3'"),
    }
    with duckdb.connect(FILE) as database:
        for name, change in hands.items():
            database.execute(f"update harvest.load_report set {change} where report = '{name}'")
        database.execute("delete from harvest.load_report where report in ('roles', 'teammates')")
    assert type_command("report", "--account", str(accounts[0])).code == 0
    page = page_of(loaded)
    assert [page.words(each) for each in page.all("li")] == [
        "never loaded: roles, teammates",
        "not loaded by the last run: tasks",
        "not equal to Harvest: clients",
        "not compared with Harvest: users",
        "compared with Harvest for some dates only: projects",
        "module off: expenses",
        "only rows of Jane Doe, a member: invoices",
    ]
    proof = page.words(page.all("p", "proof")[0])
    assert (
        f"{len(DEFAULT_NAMES) - 7} of {len(DEFAULT_NAMES) - 1} tables equal Harvest, loaded "
        in proof
    )
    assert "jane" not in page.text


def assert_the_rest_is_there(folder: Path, type_command: Type, there: set[str]) -> str:
    """Asserts that figures that lack a table are named, and that the others have their numbers; returns the words of the page."""
    done = type_command("report")
    assert (done.code, done.err) == (0, f"the report is in {OUT}\n")
    page = page_of(folder)
    expected = {figure.name for figure in FIGURES if set(tables_needed(figure.name)) - there}
    assert page.missing() == expected
    shown = [figure for figure in FIGURES if figure.name not in expected]
    rows = {each.name: type_command("show", each.name, "--json").json() for each in shown}
    assert {each.figure for each in page.shown()} == rows.keys()
    assert wrong(page, rows) == []
    return page.words()


def test_figure_of_which_a_hand_dropped_a_table_is_named_with_all_that_it_needs(
    loaded: Path, type_command: Type
) -> None:
    with duckdb.connect(FILE) as database:
        database.execute("drop table harvest.invoices")
    needed = {table for figure in FIGURES for table in tables_needed(figure.name)}
    words = assert_the_rest_is_there(loaded, type_command, needed - {"invoices"})
    of_receivables = ", ".join(tables_needed("receivables"))
    assert f"the figure receivables needs the tables {of_receivables}, which" in words


@pytest.mark.long
def test_figure_whose_tables_were_never_loaded_is_named_with_them(
    tmp_path: Path, type_command: Type, sandbox: Sandbox
) -> None:
    load(tmp_path, sandbox, "--reports", ",".join(LOADED))
    there = {*LOADED, "accounts", "calendar"}
    words = assert_the_rest_is_there(tmp_path, type_command, there)
    assert "the figure receivables needs the tables invoices, which" in words


def test_tables_that_begin_at_a_date_are_said_to_be_too_small(
    loaded: Path, type_command: Type
) -> None:
    assert type_command("report", START_DATE="2025-06-01").code == 0
    page = page_of(loaded)
    said = [each for each in page.all("p", "missing") if "1 Jun 2025" in page.words(each)]
    assert len(said) == 2 * sum(BY_NAME[name].counts_to_date for name in COUNTS_TO_DATE)


COUNTS_TO_DATE = ("budget_burn", "uninvoiced_work", "utilisation", "effective_rate")


def said(done: Done) -> tuple[int, str]:
    """Returns the exit code and the one line of a command that failed."""
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    return done.code, done.err.strip()


def test_nothing_loaded_is_one_line(tmp_path: Path, type_command: Type) -> None:
    """No file is left."""
    for options in ([], ["--demo"]):
        done = type_command("report", *options)
        assert said(done) == (2, "error: nothing is loaded yet: run the pipeline first")
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".html"]


@pytest.mark.long
def test_demo_shows_the_account_of_the_sandbox(tmp_path: Path, type_command: Type) -> None:
    assert type_command("--demo").code == 0
    done = type_command("report", "--demo")
    assert (done.code, done.err) == (0, f"the report is in {OUT}\n")
    rows = {
        figure.name: type_command("show", "--demo", figure.name, "--json").json()
        for figure in FIGURES
    }
    assert wrong(page_of(tmp_path), rows) == []


BUILT = "<!DOCTYPE html><title>ü</title>"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives a folder; the page is put together, whatever is loaded."""
    monkeypatch.setattr("harvest_source.commands.report._page", lambda _place: BUILT)
    return tmp_path


def test_file_that_cannot_be_written_is_one_line(
    built: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier file stays whole, and nothing lies beside it."""
    (built / "folder").mkdir()
    (built / "file").write_text("kept")
    os.mkfifo(built / "pipe")
    for name, why in {
        "folder": "error: folder is a folder: give the name of a file",
        "": "error: '' is a folder: give the name of a file",
        "gone/page.html": f"error: there is no folder {built / 'gone'}: make it, or name another file",
        "file/page.html": f"error: there is no folder {built / 'file'}: make it, or name another file",
        "pipe": "error: pipe is no file that could be replaced",
        "/dev/null": "error: /dev/null is no file that could be replaced",
        "x" * 300: f"error: {'x' * 300}: File name too long",
    }.items():
        assert said(type_command("report", "--out", name)) == (2, why)
    before = sorted(built.iterdir())

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkstemp", refuse)
        line = f"error: cannot write in {built}: Permission denied"
        assert said(type_command("report", "--out", "file")) == (2, line)

    def fill(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fill)
        line = f"error: cannot write {built / 'file'}: No space left on device"
        assert said(type_command("report", "--out", "file")) == (1, line)
    assert (built / "file").read_text() == "kept"
    assert sorted(built.iterdir()) == before


def test_file_is_the_owners_and_one_that_was_there_is_for_whom_it_was(
    built: Path, type_command: Type
) -> None:
    """A link leads to the file that is replaced."""

    def mode(name: str) -> int:
        return stat.S_IMODE((built / name).stat().st_mode)

    assert type_command("report").code == 0
    assert mode(OUT) == 0o600
    assert type_command("report", "--out", "shared.html", SHARE_WITH_GROUP="true").code == 0
    assert mode("shared.html") == 0o640
    (built / "public.html").write_text("earlier")
    (built / "public.html").chmod(0o644)
    (built / "link.html").symlink_to("public.html")
    assert type_command("report", "--out", "link.html", "--quiet").err == ""
    assert (built / "link.html").is_symlink()
    assert mode("public.html") == 0o644
    assert (built / "public.html").read_text(encoding="utf-8") == BUILT


def test_browser_opens_at_a_terminal_with_a_display_only(
    built: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    for at_terminal, display, options, opens in (
        (True, True, [], True),
        (True, True, ["--no-open"], False),
        (False, True, [], False),
        (True, False, [], False),
    ):
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout.isatty", lambda here=at_terminal: here)
            if display:
                patch.setenv("DISPLAY", ":0")
            opened.clear()
            assert type_command("report", *options).code == 0
            assert opened == ([(built / OUT).as_uri()] if opens else [])


def test_page_holds_no_script_and_asks_for_nothing(
    loaded: Path, type_command: Type, accounts: list[int]
) -> None:
    """By its own words; what a browser does with it is tried in tests/browser."""
    assert type_command("report").code == 0
    page = page_of(loaded)
    policy = [each.get("content") for each in page.all("meta") if each.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    asking = {"src", "href", "srcset", "action", "data", "poster", "background"}
    found = {each.get(name, "") for each in page.root.iter() for name in asking & set(each.attrib)}
    assert found == {f"#account-{account}" for account in accounts}
    assert "url(" not in page.text
    assert "@import" not in page.text
    assert not [name for each in page.root.iter() for name in each.attrib if name.startswith("on")]
