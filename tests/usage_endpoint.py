"""A server in place of the one to which dlt sends usage figures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class UsageEndpoint:
    """What came to the server."""

    url: str = ""
    asked: int = 0

    @property
    def variables(self) -> dict[str, str]:
        """Returns the environment in which dlt would send the figures here."""
        return {"RUNTIME__DLTHUB_TELEMETRY_ENDPOINT": self.url}


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, endpoint: UsageEndpoint, *arguments: Any) -> None:
        self.endpoint = endpoint
        super().__init__(*arguments)

    def do_POST(self) -> None:
        self.endpoint.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
        """Writes nothing to standard error."""


@contextmanager
def usage_endpoint() -> Iterator[UsageEndpoint]:
    """Serves for the length of a `with`."""
    endpoint = UsageEndpoint()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, endpoint)) as server:
        server.daemon_threads = True
        endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield endpoint
        server.shutdown()
