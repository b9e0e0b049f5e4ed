"""Servers of a test's own on the loopback interface."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Answering(BaseHTTPRequestHandler):
    """Answers the requests of one connection for a server made by hand."""

    def __init__(self, owner: Any, *arguments: Any) -> None:
        self.owner = owner
        super().__init__(*arguments)

    def serve(self) -> None:
        """Answers a request, of whatever method."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Answers a request."""
        self.serve()

    do_POST = do_DELETE = do_CONNECT = do_GET  # noqa: N815 - the base class names them so

    def sent(self) -> bytes:
        """Returns the body that came with the request."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """Sends an answer, JSON where nothing else is said."""
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
        """Writes nothing to standard error."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that hang up; a failed assertion about a request is told."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Loopback:
    """A server on the loopback interface, within a `with`."""

    answers: ClassVar[type[Answering]]  # is given the server as its owner
    context: ssl.SSLContext | None = None  # for TLS
    port = 0

    @property
    def url(self) -> str:
        """Returns its address."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def id_url(self) -> str:
        """Returns the address of the identity host, where it stands for Harvest."""
        return self.url

    @property
    def api_url(self) -> str:
        """Returns the address of the API, where it stands for Harvest."""
        return f"{self.url}v2/"

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), partial(self.answers, self))
        if self.context:
            self._server.socket = self.context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
