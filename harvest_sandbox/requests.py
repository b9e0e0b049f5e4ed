"""The log of requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


class Headers(Mapping[str, str]):
    """Headers of a request; the case of a name does not matter."""

    def __init__(self, sent: Mapping[str, str]) -> None:
        """Keeps what was sent.

        Args:
            sent: Names in any case.
        """
        self._sent = {name.lower(): value for name, value in sent.items()}

    def __getitem__(self, name: str) -> str:
        """Returns a header."""
        return self._sent[name.lower()]

    def __iter__(self) -> Iterator[str]:
        """Yields the names in lower case."""
        return iter(self._sent)

    def __len__(self) -> int:
        """Returns the number of headers."""
        return len(self._sent)


@dataclass
class Request:
    """A request that arrived.

    Attributes:
        method: GET, POST ...
        path: Without the query.
        query: The parameters, decoded.
        headers: As sent; the case of a name does not matter.
        at: When it came, by the sandbox's clock.
        raw_query: The query as sent.
        fields: Of a posted form or JSON object.
        status: Of the answer; 0 while there is none, and for a dropped connection.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: Headers
    at: float
    raw_query: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    status: int = 0
