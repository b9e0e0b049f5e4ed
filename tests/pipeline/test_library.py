"""The three ways to use the source as a library, with settings from the environment as a user sets them."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import dlt
import duckdb
import pytest
from compare import assert_equal
from dlt.common import logger
from dlt.pipeline.exceptions import PipelineStepFailed
from pipelines import forget_dlt
from second_harvest import HandMade, by_hand, like

from harvest_sandbox import Sandbox
from harvest_source import HarvestSource, harvest_source, sync
from harvest_source.catalogue.lookup import DEFAULT_NAMES
from harvest_source.catalogue.reports import NAMES
from harvest_source.errors import HarvestError, SettingError, TokenRejectedError
from harvest_source.loading.listener import Listener

SINCE = "2026-07-01T00:00:00Z"
SOME = ("clients", "roles", "company", "time_entries", "invoices", "invoice_payments")


@pytest.fixture
def harvest(monkeypatch: pytest.MonkeyPatch) -> Iterator[HandMade]:
    """A small account, and the environment that leads to it; sixty-odd requests, so that no limit is met."""
    with by_hand(users=3, invoices=4, entries=12) as running:
        for name, value in {
            "API_URL": running.api_url,
            "ID_URL": running.id_url,
            "ACCESS_TOKEN": "SECRET-123",
        }.items():
            monkeypatch.setenv(f"SOURCES__HARVEST__{name}", value)
        forget_dlt()
        yield running


def pipeline() -> dlt.Pipeline:
    """Returns the pipeline of the documents, in this test's folder."""
    place = Path.cwd()
    database = dlt.destinations.duckdb(str(place / "harvest_pipeline.duckdb"))
    return dlt.pipeline(
        "harvest_pipeline",
        destination=database,
        dataset_name="harvest",
        pipelines_dir=str(place / "state"),
    )


def some(**options: Any) -> HarvestSource:
    """Returns the source with some of its resources chosen."""
    source = harvest_source(**options).with_resources(*SOME)
    assert isinstance(source, HarvestSource)
    return source


def query(sql: str) -> list[tuple[Any, ...]]:
    """Returns rows of the file, opened by somebody else."""
    with duckdb.connect("harvest_pipeline.duckdb", read_only=True) as database:
        return database.execute(sql).fetchall()


def tables() -> set[str]:
    """Returns the tables of the dataset."""
    return {
        name
        for (name,) in query(
            "select table_name from information_schema.tables where table_schema = 'harvest'"
        )
    }


def equal(harvest: HandMade, *names: str) -> None:
    """Asserts that the tables hold what the server answers."""
    assert_equal(Path.cwd(), cast("Sandbox", harvest), *names)


def bookmarks() -> dict[str, Any]:
    """Returns what dlt's state keeps of each report."""
    resources: dict[str, Any] = (
        pipeline().state.get("sources", {}).get("harvest", {}).get("resources", {})
    )
    return resources


def test_plain_dlt_loads_every_table(harvest: HandMade) -> None:
    """`pipeline.run(harvest_source())`: right rows, types, keys and cursors, without the command line or `sync`."""
    # the account lacks paid time off; dlt makes no table of children of whom it saw none, as `sync` does
    there = [name for name in NAMES if name != "pto_balances"]
    pipeline().run(harvest_source())
    equal(harvest, *there)
    assert set(there) <= tables()
    harvest.now = "2026-07-02T08:00:00Z"
    harvest.requests.clear()
    harvest.change("time_entries", harvest.tables["time_entries"][3]["id"], hours=7.125)
    harvest.change("invoices", harvest.tables["invoices"][2]["id"], line_items=[])
    harvest.tables["clients"].append(like("clients", 12, updated_at=harvest.now))
    pipeline().run(harvest_source())
    assert {asked.path for asked in harvest.requests if "updated_since" in asked.query} >= {
        "time_entries",
        "invoices",
        "clients",
    }
    equal(harvest, *there)


def test_chosen_resources_since_a_date_leave_bookmarks_alone(harvest: HandMade) -> None:
    """`harvest_source(since=...).with_resources(...)`: those rows only, no other table; a plain run loads everything later."""
    harvest.now = "2026-07-02T08:00:00Z"
    changed = harvest.tables["time_entries"][3]["id"]
    harvest.change("time_entries", changed)
    pipeline().run(harvest_source(since=SINCE).with_resources("time_entries", "invoices"))
    assert query("select id from harvest.time_entries") == [(changed,)]
    assert query("select count(*) from harvest.invoices") == [(0,)]
    assert not {"clients", "users", "invoice_payments"} & tables()
    assert bookmarks().keys() <= {"time_entries", "invoices"}
    assert not any(state for state in bookmarks().values() if state.get("accounts"))
    pipeline().run(harvest_source().with_resources("time_entries", "invoices"))
    equal(harvest, "time_entries", "invoices")


def test_sync_does_what_the_command_does(harvest: HandMade) -> None:
    """`sync(pipeline, source)` returns what the summary shows, and counts what is new, changed and gone."""
    source = some()
    summary = sync(pipeline(), source)
    assert summary.exit_code == 0
    assert [result.report for result in summary.results] == [name for name in NAMES if name in SOME]
    assert {result.verified for result in summary.results} <= {"yes", "read today"}
    equal(harvest, *SOME)
    harvest.now = "2026-07-02T08:00:00Z"
    harvest.change("clients", harvest.tables["clients"][1]["id"], address="anew")
    harvest.tables["time_entries"].pop()
    summary = sync(pipeline(), some())
    told = {
        result.report: (result.new, result.changed, result.deleted) for result in summary.results
    }
    assert told == {
        name: {"clients": (0, 1, 0), "time_entries": (0, 0, 1)}.get(name, (0, 0, 0))
        for name in told
    }
    equal(harvest, *SOME)


@pytest.mark.parametrize("refused", [False, True])
def test_sync_brings_the_settings_of_the_command_and_takes_them_away(
    harvest: HandMade, monkeypatch: pytest.MonkeyPatch, *, refused: bool
) -> None:
    """What the program has set itself counts; afterwards, also where sync raised, dlt logs, loads and warns as before."""
    names = (
        "load.workers",
        "runtime.log_level",
        "load.delete_completed_jobs",
        "sources.data_writer.file_max_items",
    )
    monkeypatch.setenv("SOURCES__DATA_WRITER__FILE_MAX_ITEMS", "5000")
    seen: list[list[Any]] = []

    class Looking(Listener):
        def step(self, what: str) -> None:
            if what == "reading":
                seen.append([*map(dlt.config.get, names), logger.LOGGER and logger.LOGGER.level])

    dlt.current.run_context().initialize_runtime()
    before: list[Any] = [*map(dlt.config.get, names), logger.LOGGER and logger.LOGGER.level]
    filters = list(warnings.filters)
    assert before == [None, None, None, "5000", logging.WARNING]
    harvest.spoil = lambda asked: (401, b"{}") if refused and asked.path == "roles" else None
    with pytest.raises(TokenRejectedError) if refused else nullcontext():
        assert sync(pipeline(), some().with_resources("roles"), listener=Looking()).exit_code == 0
    assert seen == [[1, "CRITICAL", True, "5000", logging.CRITICAL]]
    assert [*map(dlt.config.get, names), logger.LOGGER and logger.LOGGER.level] == before
    assert warnings.filters == filters
    assert len(harvest.requests) > 0


def test_sync_says_in_one_line_what_is_wrong_with_a_destination(harvest: HandMade) -> None:
    """As the command does: dlt's own error has a dozen."""
    place = dlt.pipeline(
        "harvest_pipeline", destination="postgres", dataset_name="harvest", pipelines_dir="state"
    )
    with pytest.raises(SettingError, match=r"^destination postgres is not set up: ") as raised:
        sync(place, some())
    assert len(str(raised.value).splitlines()) == 1
    assert harvest.requests == []


@pytest.mark.long
def test_plain_dlt_and_sync_may_take_turns(harvest: HandMade) -> None:
    """Both keep the same bookmarks and the same tables."""
    pipeline().run(some())
    summary = sync(pipeline(), some())
    assert sum(result.new + result.changed + result.deleted for result in summary.results) == 0
    harvest.now = "2026-07-02T08:00:00Z"
    harvest.change("time_entries", harvest.tables["time_entries"][0]["id"], hours=1.5)
    pipeline().run(some())
    equal(harvest, *SOME)


@pytest.mark.parametrize(
    ("path", "status"), [("time_entries", 403), ("clients", 404), ("invoices/", 422)]
)
def test_plain_dlt_raises_where_a_report_fails_and_loads_nothing(
    harvest: HandMade, path: str, status: int
) -> None:
    """No part of any report, no table of a first run, no pending load; the next run brings it all."""
    harvest.spoil = lambda asked: (status, b"{}") if asked.path.startswith(path) else None
    with pytest.raises(PipelineStepFailed) as caught:
        pipeline().run(some())
    cause: BaseException | None = caught.value
    while cause is not None and not isinstance(cause, HarvestError):
        cause = cause.__cause__ or cause.__context__
    assert isinstance(cause, HarvestError)
    assert str(status) in str(cause)
    assert "SECRET-123" not in str(caught.value)
    assert not pipeline().has_pending_data
    assert not Path("harvest_pipeline.duckdb").exists() or not tables() & set(NAMES)
    harvest.spoil = lambda _asked: None
    pipeline().run(some())
    equal(harvest, *SOME)


@pytest.mark.long
def test_failing_report_of_a_later_plain_run_leaves_rows_and_bookmarks(harvest: HandMade) -> None:
    """Bookmarks of reports that were read well stay too, since their rows were not loaded."""
    pipeline().run(some())
    before, state = query("select * from harvest.clients order by id"), bookmarks()
    harvest.now = "2026-07-02T08:00:00Z"
    harvest.change("clients", harvest.tables["clients"][1]["id"], address="anew")
    harvest.change("time_entries", harvest.tables["time_entries"][1]["id"], hours=2.25)
    harvest.spoil = lambda asked: (403, b"{}") if asked.path == "time_entries" else None
    with pytest.raises(PipelineStepFailed):
        pipeline().run(some())
    assert query("select * from harvest.clients order by id") == before
    assert bookmarks() == state
    harvest.spoil = lambda _asked: None
    pipeline().run(some())
    equal(harvest, *SOME)
    assert query("select hours from harvest.time_entries where hours = 2.25") == [
        (Decimal("2.25"),)
    ]


def test_missing_and_malformed_settings_raise_before_anything_is_asked(
    harvest: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line each; nothing is sent."""
    for changes in ({"since": "yesterday"}, {"account_id": "North"}, {"assignments": "both"}):
        with pytest.raises(SettingError):
            harvest_source(**cast("dict[str, Any]", changes))
    monkeypatch.setenv("SOURCES__HARVEST__ACCESS_TOKEN", "")
    forget_dlt()
    with pytest.raises(SettingError, match="no access token"):
        harvest_source()
    monkeypatch.setenv("SOURCES__HARVEST__DELETED_ROW", "keep")
    with pytest.raises(SettingError, match="did you mean SOURCES__HARVEST__DELETED_ROWS"):
        harvest_source()
    assert harvest.requests == []


def test_unknown_account_and_refused_token_raise(harvest: HandMade) -> None:
    """From within dlt's own failure, as what they are."""
    with pytest.raises(SettingError, match="account 999 is not one of: 77 By Hand"):
        sync(pipeline(), harvest_source(account_id=999))
    harvest.spoil = lambda _asked: (401, b"{}")
    with pytest.raises(TokenRejectedError, match="refuses the token"):
        sync(pipeline(), harvest_source())


def test_source_shows_its_resources_without_asking_harvest(harvest: HandMade) -> None:
    """Looking at a source costs no request; every report is a resource, and no other name is."""
    source = harvest_source()
    assert set(source.selected_resources) == set(DEFAULT_NAMES)
    assert harvest.requests == []


def test_plain_run_leaves_no_folder_to_the_garbage_collector(harvest: HandMade) -> None:
    """What waited on disk goes with the source, without a warning."""
    assert harvest.requests == []
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        pipeline().run(harvest_source().with_resources("clients"))
        gc.collect()
    assert [str(each.message) for each in caught if "TemporaryDirectory" in str(each.message)] == []
