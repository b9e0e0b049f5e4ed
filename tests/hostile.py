"""A server on the loopback interface that answers with whatever bytes a test gives, status line and headers included."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from clocks import FastClock
from loopback import Answering, Loopback
from second_harvest import Asked

from harvest_source.api.client import HarvestClient
from harvest_source.api.limits import Budgets, Limit
from harvest_source.settings import HarvestSettings
from harvest_source.signin.auth import PersonalToken

MIB = 1024 * 1024
TOKEN = "TOKEN-OF-TESTS"  # of which no answer has a part by chance
Raw = Iterable[bytes]


class _Answering(Answering):
    protocol_version = "HTTP/1.1"
    owner: Hostile

    def serve(self) -> None:
        path, _, query = self.path.partition("?")
        asked = Asked(
            path.lstrip("/").removeprefix("v2/"), dict(parse_qsl(query)), dict(self.headers.items())
        )
        self.owner.requests.append(asked)
        self.close_connection = True
        try:
            for part in self.owner.answer(asked):
                self.wfile.write(part)
        except OSError:
            pass  # whoever asked has seen enough


@dataclass
class Hostile(Loopback):
    """Answers each request with what `answer` gives, and then ends the connection."""

    answers = _Answering
    answer: Callable[[Asked], Raw]
    requests: list[Asked] = field(default_factory=list)


def http(body: bytes, *headers: str, status: str = "200 OK") -> Raw:
    """Returns an answer with a body."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return ["\r\n".join([*lines, "", ""]).encode("latin-1") + body]


def page(rows_key: str, rows: list[Any], following: Any = None, **others: Any) -> bytes:
    """Returns a page of a list."""
    return json.dumps({rows_key: rows, "links": {"next": following}, **others}).encode()


def bomb(mib: int, packing: str = "gzip") -> bytes:
    """Returns the beginning of a page of clients that unpacks to so many MiB; one block of blanks is packed once."""
    packer = zlib.compressobj(9, zlib.DEFLATED, {"gzip": 31, "deflate": 15}[packing])
    first = packer.compress(b'{"clients": [') + packer.flush(zlib.Z_FULL_FLUSH)
    return first + mib * (packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH))


def client_of(harvest: Hostile) -> HarvestClient:
    """Returns a client that never waits."""
    clock = FastClock()
    settings = HarvestSettings(api_url=harvest.api_url, id_url=harvest.id_url)
    return HarvestClient(
        settings,
        PersonalToken(TOKEN),
        clock,
        Budgets(clock, Limit(1_000_000, 15), Limit(1_000_000, 900)),
    )
