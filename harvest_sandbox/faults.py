"""Faults on demand: what an unlucky network or a tired server makes of an answer."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Literal

from harvest_sandbox.answers import HTML, JSON, Answer, page
from harvest_sandbox.encode import encode

Kind = Literal["status", "html", "cut", "empty", "reset", "timeout", "wrong_shape"]
_GOOD = 200


@dataclass
class Fault:
    """Spoils requests whose path matches.

    Attributes:
        path: Regular expression, searched in the path.
        kind: `status` answers with a status and a body; `html` with a page; `empty` with no body; `wrong_shape` with
            JSON that nobody expects; `cut` ends the real answer in the middle; `reset` drops the connection; `timeout`
            never answers.
        status: Else 500 for `status` and 200 for the others.
        times: How often; None is for ever.
        retry_after: A Retry-After header.
        after: So many matching requests pass first.
        body: Instead of the usual body.
        query: Regular expression, searched in the query as sent; None is any.
        headers: More headers.
        hits: How often it has struck.
    """

    path: str
    kind: Kind = "status"
    status: int | None = None
    times: int | None = 1
    retry_after: str | None = None
    after: int = 0
    body: bytes | str | None = None
    query: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hits: int = 0

    def matches(self, path: str, query: str) -> bool:
        """Tells whether a request is one of those meant."""
        return bool(re.search(self.path, path)) and (
            self.query is None or bool(re.search(self.query, query))
        )

    def answer(self) -> Answer:
        """Returns what the caller gets instead."""
        status = self.status or (500 if self.kind == "status" else _GOOD)
        body, content_type = b"", HTML
        if self.kind == "wrong_shape":
            body, content_type = encode({"unexpected": [{"id": 1}]}), JSON
        elif self.kind == "html" or (self.kind == "status" and status >= 429):
            body = page("Something went wrong")
        elif self.kind == "status":
            body, content_type = encode({"message": f"Error {status}"}), JSON
        if self.body is not None:
            body = self.body.encode() if isinstance(self.body, str) else self.body
            content_type = JSON if body[:1] in {b"{", b"["} else content_type
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = self.retry_after
        return Answer(status, body, content_type, headers)


class Faults(list[Fault]):
    """The faults that wait for a request."""

    def __init__(self) -> None:
        """Begins with none."""
        super().__init__()
        self._lock = threading.Lock()

    def strike(self, path: str, query: str) -> Fault | None:
        """Returns the first fault that is due for a request, and counts it."""
        with self._lock:
            for fault in self:
                if not fault.matches(path, query):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                elif fault.times is None or fault.hits < fault.times:
                    fault.hits += 1
                    return fault
        return None
