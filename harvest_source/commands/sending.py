"""Sends to addresses that a user set, within a bounded time; what fails there ends no run, and the address is never shown."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import requests
from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_fixed

from harvest_source.about import USER_AGENT
from harvest_source.api.connections import Connections, Session
from harvest_source.network import past_proxies
from harvest_source.patience import OF_WEBHOOK, PASSING_STATUSES, unsigned

WAIT_SECONDS = 1.0
NO_ANSWER = "no answer in time"
THREAD = "harvest-sending"


class Sending:
    """A request on its way, in the background."""

    def __init__(self, url: str, body: Any = None) -> None:
        """Sends, at once.

        Args:
            url: a secret.
            body: is posted as JSON; `None`: the address is only asked for (GET).
        """
        # at DEBUG it writes the path, which is a secret
        logging.getLogger("urllib3.connectionpool").addFilter(_is_of_others)
        self._url, self._body = url, body
        self._ended = threading.Event()
        self._reasons: list[str | None] = []
        self._until = time.monotonic() + OF_WEBHOOK.whole_seconds
        self._thread = threading.Thread(target=self._work, name=THREAD, daemon=True)
        self._thread.start()

    def end(self) -> str | None:
        """Waits for it, within a bounded time since it was begun; afterwards nothing is sent any more.

        Returns:
            why it failed, without the address; `None` where it did not.
        """
        # name servers know no time-out of their own
        self._thread.join(max(self._until - time.monotonic(), 0.0))
        self._ended.set()
        return self._reasons[0] if self._reasons else NO_ANSWER

    def _work(self) -> None:
        tries = Retrying(
            stop=stop_after_attempt(OF_WEBHOOK.times),
            wait=wait_fixed(WAIT_SECONDS),
            retry=retry_if_result(lambda sent: sent[1]),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        reason, _may_pass = tries(self._send)
        self._reasons.append(reason)

    def _send(self) -> tuple[str | None, bool]:
        """Sends once, unless nobody waits any more."""
        return (NO_ANSWER, False) if self._ended.is_set() else _send(self._url, self._body)


def _is_of_others(record: logging.LogRecord) -> bool:
    return record.threadName != THREAD


def _send(url: str, body: Any) -> tuple[str | None, bool]:
    """Sends once; returns why that failed, and whether another try may help."""
    try:
        with (
            Session(Connections(OF_WEBHOOK.whole_seconds)) as session,
            session.request(
                "GET" if body is None else "POST",
                url,
                json=body,
                headers={"User-Agent": USER_AGENT},
                auth=unsigned,
                timeout=OF_WEBHOOK.timeout,
                proxies=past_proxies(url),
                stream=True,  # the body of the answer is not read
            ) as response,
        ):
            status = response.status_code
    except requests.exceptions.SSLError:
        return "the secure connection failed", False
    except requests.ReadTimeout:
        return NO_ANSWER, False  # it may have arrived
    except requests.ConnectionError:
        return "the address cannot be reached", True
    except Exception as error:  # noqa: BLE001 - nothing sent here ends a run; the text of an error may hold the address
        return type(error).__name__, False
    if requests.codes.ok <= status < requests.codes.multiple_choices:
        return None, False
    return f"HTTP {status}", status in PASSING_STATUSES
