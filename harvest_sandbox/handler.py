"""HTTP on the socket: reads a request, writes an answer, or spoils it where a fault is due."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qsl

from harvest_sandbox.answers import Answer
from harvest_sandbox.faults import Fault, Faults
from harvest_sandbox.requests import Headers, Request

_LINGER_NOT = struct.pack("ii", 1, 0)  # closing sends RST instead of FIN
_LOOK_SECONDS = 0.05


class Served(Protocol):
    """What stands behind the socket."""

    requests: list[Request]  # every one that came
    faults: Faults
    clock: Callable[[], float]
    closing: Event

    def answer(self, request: Request) -> Answer:
        """Answers a request."""


class Listener(ThreadingHTTPServer):
    """The listening socket and its open connections."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, sandbox: Served, port: int) -> None:
        """Listens on the loopback interface.

        Args:
            sandbox: what answers.
            port: 0 for a free one.
        """
        self.sandbox = sandbox
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serves one connection, and remembers it as long as it is open."""
        self._connections.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self._connections.discard(request)

    def server_close(self) -> None:
        """Closes the port and every connection: nobody is served after the end."""
        super().server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing about a caller who hung up; a fault of this program is still told."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # the whole answer goes out at once: 0.4 ms instead of 44
    disable_nagle_algorithm: ClassVar[bool] = True
    server: Listener

    def do_GET(self) -> None:
        """Answers a GET."""
        self._serve()

    do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = do_GET  # noqa: N815 - the base class names them so

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
        """Writes nothing to standard error."""

    def _serve(self) -> None:
        sandbox = self.server.sandbox
        request = self._read()
        sandbox.requests.append(request)
        fault = sandbox.faults.strike(request.path, request.raw_query)
        if fault is not None and fault.kind in {"reset", "timeout"}:
            self._drop(wait=fault.kind == "timeout")
            return
        answer = sandbox.answer(request) if fault is None or fault.kind == "cut" else fault.answer()
        request.status = answer.status
        self._write(answer, fault)

    def _read(self) -> Request:
        path, _, raw_query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return Request(
            method=self.command,
            path=path,
            query=dict(parse_qsl(raw_query, keep_blank_values=True)),
            headers=Headers(dict(self.headers.items())),
            at=self.server.sandbox.clock(),
            raw_query=raw_query,
            fields=_fields(body),
        )

    def _write(self, answer: Answer, fault: Fault | None) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault is not None and fault.kind == "cut":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
            return
        self.wfile.write(answer.body)

    def _drop(self, *, wait: bool) -> None:
        """Ends the connection without an answer, at once or when the caller has lost patience."""
        self.close_connection = True
        while wait and not self.server.sandbox.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], _LOOK_SECONDS)
            if readable:
                break
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.connection.close()


def _fields(body: bytes) -> dict[str, str]:
    """Returns the fields of a form or of a JSON object."""
    if not body:
        return {}
    text = body.decode(errors="replace")
    if text.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):
            return {name: str(value) for name, value in json.loads(text).items()}
    return dict(parse_qsl(text))
