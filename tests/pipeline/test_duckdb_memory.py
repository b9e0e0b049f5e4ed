"""DuckDB makes do with little memory while it loads, and takes more where a load needs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from compare import assert_equal
from pipelines import Make, make_pipeline
from support import make_source, serving, stop_timers

from harvest_sandbox import SIZES, Account, Sandbox, build_account
from harvest_source.destinations import duckdb as module
from harvest_source.loading.syncing import sync

SETTINGS = "select current_setting('memory_limit'), current_setting('threads')"
NAMES = ("time_entries", "users")


def account(size: str) -> Account:
    """Returns an account without running timers: their hours grow between a load and the look at it."""
    made = build_account(SIZES[size], seed=3)
    stop_timers(made)
    return made


def settings(connection: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = connection.execute(SETTINGS).fetchone()
    return found


@pytest.fixture
def in_loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The settings of DuckDB in each call of dlt's load, as another connection to the file sees them."""
    seen: list[tuple[Any, ...]] = []
    load = dlt.Pipeline.load

    def look(pipeline: dlt.Pipeline, *args: Any, **kwargs: Any) -> Any:
        with pipeline.sql_client() as client:
            seen.extend(tuple(row) for row in client.execute_sql(SETTINGS) or ())
        return load(pipeline, *args, **kwargs)

    monkeypatch.setattr(dlt.Pipeline, "load", look)
    return seen


def loaded(folder: Path, sandbox: Sandbox) -> None:
    summary = sync(make_pipeline(folder), make_source(sandbox, *NAMES))
    assert [result.error for result in summary.results] == [None] * len(NAMES)
    assert_equal(folder, sandbox, *NAMES)


def test_a_load_takes_little_memory_and_leaves_the_settings_as_they_were(
    tmp_path: Path, in_loads: list[tuple[Any, ...]]
) -> None:
    """Also those of a connection that somebody else in this process has to the file."""
    with serving(account("demo")) as sandbox:
        make_pipeline(tmp_path).sync_destination()
        with duckdb.connect(str(tmp_path / "harvest_pipeline.duckdb")) as other:
            own = settings(other)
            loaded(tmp_path, sandbox)
            assert settings(other) == own
    threads = min(own[1], module.MOST_THREADS)
    ((memory, threads_in_loads),) = {*in_loads}
    assert threads_in_loads == threads
    assert float(memory.removesuffix(" MiB")) == pytest.approx(
        threads * module.THREAD_MB * 1e6 / 2**20, abs=0.1
    )


def test_a_load_that_needs_more_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_loads: list[tuple[Any, ...]]
) -> None:
    """And loads every row once."""
    monkeypatch.setattr(module, "THREAD_MB", 1)
    with serving(account("default")) as sandbox:
        loaded(tmp_path, sandbox)
    assert len({memory for memory, _threads in in_loads}) > 1, "it got more"


def test_what_a_user_set_stays(
    tmp_path: Path, in_loads: list[tuple[Any, ...]], load_into: Callable[[Make], None]
) -> None:
    """Of memory and of threads."""
    with serving(account("demo")) as sandbox:
        own = {"memory_limit": "300MiB", "threads": 3}
        credentials = {"database": str(tmp_path / "own.duckdb"), "global_config": own}
        load_into(lambda _folder, _name: dlt.destinations.duckdb(credentials))
        loaded(tmp_path, sandbox)
    assert {*in_loads} == {("300.0 MiB", 3)}


def test_an_open_connection_that_somebody_hands_in_is_left_as_it_is(
    tmp_path: Path, in_loads: list[tuple[Any, ...]], load_into: Callable[[Make], None]
) -> None:
    """Also without any limit."""
    with (
        serving(account("demo")) as sandbox,
        duckdb.connect(str(tmp_path / "own.duckdb")) as own,
    ):
        own.execute("set memory_limit = '-1'")
        before = settings(own)
        load_into(lambda _folder, _name: dlt.destinations.duckdb(own))
        loaded(tmp_path, sandbox)
        assert {*in_loads} == {before} == {settings(own)}


@pytest.mark.long
@pytest.mark.parametrize("limit", ["-1", "100MB", "3GB"])
def test_settings_of_another_connection_come_back(
    tmp_path: Path, in_loads: list[tuple[Any, ...]], limit: str
) -> None:
    """And a limit that is lower is not raised."""
    with serving(account("demo")) as sandbox:
        make_pipeline(tmp_path).sync_destination()
        with duckdb.connect(str(tmp_path / "harvest_pipeline.duckdb")) as other:
            other.execute(f"set memory_limit = '{limit}'; set threads = 2")
            before = settings(other)
            loaded(tmp_path, sandbox)
            after = settings(other)
        assert after[1] == before[1]
        assert limit == "-1" or after[0] == before[0]
        assert limit != "-1" or after[0].endswith("PiB"), "there is no limit again"
        lowest = min(float(memory.split()[0]) for memory, _threads in in_loads)
        assert lowest == pytest.approx(95.3 if limit == "100MB" else 122.0, abs=0.1)
