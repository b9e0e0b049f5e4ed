"""Pings a dead man's switch: at the start of a run, after a complete one, and after one that is not.

Whoever listens there notices what no run can tell: that none took place. A run that a person or a scheduler stops (Ctrl-C,
SIGTERM) pings nothing more: no success comes, and a service that heard of the start waits for its end in vain.
"""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from harvest_source.commands.output import message
from harvest_source.commands.sending import Sending
from harvest_source.exit_codes import COMPLETE
from harvest_source.loading.summary import Summary

START, SUCCESS, FAIL = "/start", "", "/fail"


class Heartbeat:
    """The pings of one command."""

    def __init__(self, url: str, *, quiet: bool) -> None:
        """Pings the start, in the background.

        Args:
            url: to be pinged after a complete run; a secret.
            quiet: does not tell that a service takes no ping of the start, as long as it takes the last one.
        """
        self._url, self._quiet = url, quiet
        self._start = Sending(ping_url(url, START))

    def done(self, summary: Summary) -> None:
        """Pings a success where the exit code is 0, else a failure."""
        self._end(SUCCESS if summary.exit_code == COMPLETE else FAIL)

    def ended_early(self, _error: Exception, _exit_code: int) -> None:
        """Pings a failure."""
        self._end(FAIL)

    def _end(self, kind: str) -> None:
        """Sends the last ping, once nothing can be heard of the start any more: it would seem to begin another run."""
        at_start = self._start.end()
        at_end = Sending(ping_url(self._url, kind)).end()
        if at_end:
            message(f"the heartbeat could not be sent: {at_end}")
        elif at_start and not self._quiet:
            message(f"the heartbeat of the start could not be sent: {at_start}")


def ping_url(url: str, kind: str) -> str:
    """Returns the address of a kind of pings: its path has one word more, and its query stays."""
    if kind == SUCCESS:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + kind))
