"""Whom `run` and `verify` tell how they ended, beside the person who typed them: a webhook, a dead man's switch, a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from harvest_source.commands.heartbeat import Heartbeat
from harvest_source.commands.metrics import Metrics
from harvest_source.commands.notify import Alerts
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations.failures import is_interrupted
from harvest_source.errors import CancelledError, exit_code_of
from harvest_source.loading.summary import Summary
from harvest_source.settings import load_heartbeat_url, load_notify_url


class Listener(Protocol):
    """Hears how a command ended; it never raises, and takes a bounded time."""

    def done(self, summary: Summary) -> None:
        """Hears what was done."""

    def ended_early(self, error: Exception, exit_code: int) -> None:
        """Hears why there is no summary."""


class Told:
    """All who listen to one command."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    def done(self, summary: Summary) -> None:
        """Tells what was done; the last thing that a command does, so that a success is one."""
        for each in self.listeners:
            each.done(summary)


@contextmanager
def telling(
    place: Workplace,
    command: str,
    *,
    notify: str | None,
    heartbeat: str | None,
    metrics: str | None,
) -> Iterator[Told]:
    """Gives what tells how the command ended; an error that ends it early is told here, a person's Ctrl-C is not.

    Args:
        place: where it works.
        command: its name.
        notify: the option.
        heartbeat: the option.
        metrics: the option.

    Raises:
        SettingError: one of them is wrong; those before it are told.
    """
    told = Told()
    try:
        told.listeners.append(Alerts(load_notify_url(notify), place, command))
        # the demo's success says nothing of the user's own tables
        if heartbeat is not None or not place.demo:
            url = load_heartbeat_url(heartbeat)
            told.listeners += [Heartbeat(url, quiet=place.quiet)] if url else []
        told.listeners += [Metrics(metrics, place)] if metrics is not None else []
        yield told
    except CancelledError:
        raise
    except Exception as error:
        if not is_interrupted(error):
            for each in told.listeners:
                each.ended_early(error, exit_code_of(error))
        raise
