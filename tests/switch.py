"""A dead man's switch on this machine, as the services are: it keeps pings, and alarms where they fail to come."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from loopback import Answering, Loopback

PATH = "/ping/planted-heartbeat-path-4K9"
QUERY = "?create=1&key=a%2Fb"
SLOW_SECONDS = 20.0


class _Answering(Answering):
    owner: Switch

    def serve(self) -> None:
        switch = self.owner
        assert (self.command, self.sent()) == ("GET", b"")
        switch.asked.append(self.path)
        if switch.is_slow:
            switch.ended.wait(SLOW_SECONDS)
        path = urlsplit(self.path).path
        status = switch.statuses.get(path.removeprefix(PATH), HTTPStatus.OK)
        if status == HTTPStatus.OK:
            switch.pings.append((switch.hour, path.removeprefix(PATH)))
        self.answer(status)


@dataclass
class Switch(Loopback):
    """Keeps when which kind of ping came; what time it is, in hours, a test says."""

    answers = _Answering
    period_hours: float = 24
    grace_hours: float = 2
    hour: float = 0
    pings: list[tuple[float, str]] = field(default_factory=list)  # hour and kind: "" is a success
    asked: list[str] = field(default_factory=list)  # paths with their queries, in their order
    statuses: dict[str, int] = field(default_factory=dict)  # kind: of its answers; else 200
    is_slow: bool = False  # answers when the test ends
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return super().url + PATH.lstrip("/") + QUERY

    @property
    def kinds(self) -> list[str]:
        """Returns the kinds of the pings that came, in their order."""
        return [kind for _, kind in self.pings]

    @property
    def alarms(self) -> bool:
        """Returns whether it would alarm now: a failure came last, or no success within the period and its grace."""
        ends = [ping for ping in self.pings if ping[1] != "/start"]
        hours = [hour for hour, kind in ends if kind == ""]
        too_long = self.period_hours + self.grace_hours
        return not hours or ends[-1][1] == "/fail" or self.hour - hours[-1] > too_long

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        super().__exit__()
