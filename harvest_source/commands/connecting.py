"""Gives commands the way to Harvest, which knows what the commands before used up of the limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil, inf
from typing import TYPE_CHECKING

from harvest_source.api.client import HarvestClient, tells_nobody
from harvest_source.commands.output import message
from harvest_source.commands.workplace import Workplace
from harvest_source.connection import Connection, connect
from harvest_source.settings import HarvestSettings

if TYPE_CHECKING:  # Arrow is imported with it
    from harvest_source.reading.reader import Choice


def connect_at(
    place: Workplace,
    settings: HarvestSettings,
    choice: Choice | None = None,
    *,
    sign_in: str | None = None,
) -> Connection:
    """Returns the way to Harvest of a command, which knows what the commands before it used up of the limits.

    Args:
        place: where it works.
        settings: of it.
        choice: as `connect` takes it.
        sign_in: as `connect` takes it.

    Raises:
        SettingError: as `connect`.
    """
    connection = connect(settings, place.account, choice, sign_in=sign_in)
    connection.client.keep_requests(place.states_folder)
    return connection


@contextmanager
def asking(client: HarvestClient, *, quiet: bool = False) -> Iterator[HarvestClient]:
    """Gives the client of a command that is no run; what keeps answers away, and waits, are said unless it is quiet."""
    say = tells_nobody if quiet else message
    said_until = -inf

    def tell_wait(seconds: float, why: str) -> None:
        nonlocal said_until
        until = client.clock.now() + seconds
        if until > said_until + 1:  # several threads may wait for the same
            said_until = until
            say(f"waiting {ceil(seconds)} s: {why}")

    with client, client.outages.told_to(say), client.budgets.told_to(tell_wait):
        yield client
