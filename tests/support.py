"""What most tests need: a sandbox that serves accounts, and a source on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from clocks import FastClock
from pipelines import make_pipeline

from harvest_sandbox import Account, Sandbox
from harvest_source.api.limits import Budgets, Limit
from harvest_source.catalogue.reports import NAMES
from harvest_source.clock import Clock
from harvest_source.connection import connect
from harvest_source.loading.summary import Summary
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice
from harvest_source.resources import HarvestSource, source_of
from harvest_source.settings import HarvestSettings

TOKEN = "sandbox-token"


class Harvest(Protocol):
    """Whatever answers as Harvest does: the sandbox, or a server made by hand."""

    @property
    def api_url(self) -> str:
        """Returns the address of the API."""

    @property
    def id_url(self) -> str:
        """Returns the address of the identity host."""


def stop_timers(account: Account, *, quiet: bool = False) -> None:
    """Stops the timers of an account, whose hours would grow while a test compares; quietly: without a change time."""
    for entry in [entry for entry in account.rows["time_entries"].values() if entry["is_running"]]:
        account.update(
            "time_entries", entry["id"], quiet=quiet, is_running=False, timer_started_at=None
        )


def make_settings(sandbox: Harvest, **changes: Any) -> HarvestSettings:
    """Returns settings that lead to the sandbox."""
    return HarvestSettings(
        **{"access_token": TOKEN, "api_url": sandbox.api_url, "id_url": sandbox.id_url, **changes}
    )


def make_source(
    sandbox: Harvest,
    *names: str,
    choice: Choice | None = None,
    clock: Clock | None = None,
    accounts: tuple[int, ...] | None = (),
    token: str = TOKEN,
    **changes: Any,
) -> HarvestSource:
    """Returns a source on the sandbox that never waits, of the given reports or all of them."""
    settings = make_settings(sandbox, access_token=token, **changes)
    clock = clock or FastClock()
    budgets = Budgets(clock, Limit(1_000_000, 15), Limit(1_000_000, 900))
    connection = connect(settings, accounts, choice, clock=clock, budgets=budgets)
    return source_of(connection).with_resources(*(names or NAMES))


def sync_once(folder: Path, sandbox: Harvest, *names: str, **options: Any) -> Summary:
    """Runs once, as the command line does."""
    source = make_source(sandbox, *names, **options)
    return sync(make_pipeline(folder), source)


def notes_on_rows(summary: Summary) -> list[str]:
    """Returns what a run says beside that a few reports are not enough for the views of all figures."""
    return [note for note in summary.notes if not note.startswith("views not made")]


@contextmanager
def serving(*accounts: Any, **options: Any) -> Iterator[Sandbox]:
    """Serves accounts of the sandbox for the length of a test."""
    with Sandbox(list(accounts), token=TOKEN, **options) as sandbox:
        yield sandbox
