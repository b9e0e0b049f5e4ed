"""What many tests need: a sandbox with a source on it, a pipeline in a folder, and the account as rows to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dlt

from harvest_sandbox import Sandbox
from harvest_source.api.accounts import choose_accounts
from harvest_source.api.auth import PersonalToken
from harvest_source.api.client import HarvestClient
from harvest_source.api.limits import Budgets, Clock, Limit
from harvest_source.commands.workplace import apply_dlt_defaults
from harvest_source.reports.catalogue import NAMES
from harvest_source.reports.reader import Choice, Reader
from harvest_source.resources import HarvestSource, Run, build_source
from harvest_source.settings import HarvestSettings
from harvest_source.syncing import Summary, sync

TOKEN = "sandbox-token"


class FastClock(Clock):
    """A clock on which waiting takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped_seconds = 0.0

    def now(self) -> float:
        return super().now() + self.skipped_seconds

    def sleep(self, seconds: float) -> None:
        self.check()
        self.skipped_seconds += max(seconds, 0.0)


def make_settings(sandbox: Sandbox, **changes: Any) -> HarvestSettings:
    """Returns settings that lead to the sandbox."""
    settings = HarvestSettings(access_token=TOKEN, api_url=sandbox.api_url, id_url=sandbox.id_url)
    for name, value in changes.items():
        setattr(settings, name, value)
    return settings


def make_source(
    sandbox: Sandbox,
    *names: str,
    choice: Choice | None = None,
    folder: Path | None = None,
    clock: Clock | None = None,
    accounts: tuple[int, ...] | None = (),
    token: str = TOKEN,
    **changes: Any,
) -> HarvestSource:
    """Returns a source on the sandbox that never waits, of the given reports or all of them."""
    settings = make_settings(sandbox, **changes)
    clock = clock or FastClock()
    client = HarvestClient(settings, PersonalToken(token), clock, Budgets(clock, Limit(1_000_000, 15), Limit(1_000_000, 900)))
    reader = Reader(client, settings, choice or Choice(), folder=folder)
    return build_source(Run(reader, partial(choose_accounts, client, accounts)), [reader.report(name) for name in names or NAMES])


def make_pipeline(folder: Path, name: str = "harvest_pipeline") -> dlt.Pipeline:
    """Returns a pipeline whose database and state lie in a folder."""
    apply_dlt_defaults()
    return dlt.pipeline(
        name,
        destination=dlt.destinations.duckdb(str(folder / f"{name}.duckdb")),
        dataset_name="harvest",
        pipelines_dir=str(folder / "state"),
    )


def sync_once(folder: Path, sandbox: Sandbox, *names: str, **options: Any) -> Summary:
    """Runs once, as the command line does."""
    source = make_source(sandbox, *names, folder=folder / "spool", **options)
    return sync(make_pipeline(folder), source)


def rows(folder: Path, sql: str, name: str = "harvest_pipeline") -> list[tuple[Any, ...]]:
    """Returns the rows of a query on the database of `make_pipeline`."""
    with make_pipeline(folder, name).sql_client() as client:
        return [tuple(row) for row in client.execute_sql(sql) or []]


@contextmanager
def serving(*accounts: Any, **options: Any) -> Iterator[Sandbox]:
    """Serves accounts of the sandbox for the length of a test."""
    with Sandbox(list(accounts), token=TOKEN, **options) as sandbox:
        yield sandbox
