"""The rules of trying again, for everything that sends requests: how often, after which answers, and how long each may take."""

from __future__ import annotations

from dataclasses import dataclass

import requests

PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 531)})


@dataclass(frozen=True)
class Tries:
    """The patience with one kind of requests."""

    times: int
    connect_seconds: float
    read_seconds: float  # until the first byte comes, and between any two
    whole_seconds: float  # of one answer; servers that drip know no other end

    @property
    def timeout(self) -> tuple[float, float]:
        """Returns what `requests` takes."""
        return self.connect_seconds, self.read_seconds


# the first and six more, which with the waits between stay below four minutes; the largest page comes in a few seconds, a line
# that takes longer for it is asked for a smaller one
OF_HARVEST = Tries(times=7, connect_seconds=10, read_seconds=25, whole_seconds=120)
OF_TOKENS = Tries(times=3, connect_seconds=10, read_seconds=25, whole_seconds=60)
# the last for all tries together
OF_WEBHOOK = Tries(times=3, connect_seconds=3, read_seconds=5, whole_seconds=10)


def unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Signs nothing: without an `auth` of its own a request would take a password from a .netrc file."""
    return request
