"""A run without sockets and without a database: the sandbox answers in this process, tables are in memory.

Everything between is the product's own: client, reading, shape, comparison, removal, the order of a run.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from clocks import FastClock
from memory import Interrupted, MemoryLoader, Store
from requests.structures import CaseInsensitiveDict
from support import TOKEN, make_settings
from urllib3 import HTTPResponse

from harvest_sandbox import Account, Sandbox
from harvest_sandbox.requests import Headers, Request
from harvest_source.api import client
from harvest_source.api.client import HarvestClient
from harvest_source.api.connections import Connections
from harvest_source.api.limits import Budgets, Limit
from harvest_source.catalogue.reports import NAMES
from harvest_source.connection import Connection
from harvest_source.loading.listener import Listener
from harvest_source.loading.options import SyncOptions
from harvest_source.loading.run import Run
from harvest_source.loading.summary import Summary
from harvest_source.reading.reader import Choice, Reader
from harvest_source.signin.auth import PersonalToken

HERE = "http://127.0.0.1:9/"


def stay_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has no request of a test leave this process."""
    monkeypatch.setattr(client, "Session", NearSession)


class NearSandbox(Sandbox):
    """A sandbox that answers in this process."""

    @property
    def id_url(self) -> str:
        """Returns an address that nobody listens on."""
        return HERE

    def rows_of(self, account_id: int, path: str) -> Any:
        """Returns what it answers to whoever asks for a list without the product: all of it, in one page."""
        headers = Headers(
            {
                "Authorization": f"Bearer {TOKEN}",
                "Harvest-Account-Id": str(account_id),
                "User-Agent": "the tests",
            }
        )
        path, _, query = path.partition("?")
        query = f"{query}&per_page=2000".removeprefix("&")
        asked = Request("GET", f"/v2/{path}", dict(parse_qsl(query)), headers, self.clock(), query)
        answer = self.answer(asked)
        assert answer.status == requests.codes.ok, answer.body
        return json.loads(answer.body)


class NearConnections(Connections):
    """Hands requests to a sandbox, as its handler does with those that come over the socket."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self.sandbox = sandbox
        self.left: int | None = None  # so many requests are answered before a kill
        self.before: Callable[[Request], object] = lambda _asked: None

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Returns the sandbox's answer."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Interrupted
        address = urlsplit(str(request.url))
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        asked = Request(
            "GET",
            address.path,
            query,
            Headers(dict(request.headers)),
            self.sandbox.clock(),
            address.query,
        )
        self.sandbox.requests.append(asked)
        self.before(asked)
        fault = self.sandbox.faults.strike(asked.path, asked.raw_query)
        answer = self.sandbox.answer(asked) if fault is None else fault.answer()
        headers = {
            "Content-Type": answer.content_type,
            "Date": format_datetime(datetime.now(UTC), usegmt=True),
            **answer.headers,
        }
        raw = HTTPResponse(io.BytesIO(answer.body), headers, answer.status, preload_content=False)
        response = requests.Response()
        response.status_code, response.raw, response.url, response.request = (
            answer.status,
            raw,
            str(request.url),
            request,
        )
        response.headers.update(headers)
        return response

    def close(self) -> None:
        """Has nothing to close."""


class NearSession:
    """Stands for a session of requests, which takes longer over a request than the sandbox over its answer."""

    def __init__(self, connections: Connections, _check: Callable[[], None]) -> None:
        self._connections = connections
        self.headers: dict[str, str] = {}

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        auth: Callable[[requests.PreparedRequest], requests.PreparedRequest],
        **_: Any,
    ) -> requests.Response:
        """Returns the answer to a request."""
        request = requests.PreparedRequest()
        joined = "&" if urlsplit(url).query else "?"  # as requests does
        request.url = f"{url}{joined}{urlencode(params)}" if params else url
        request.headers = CaseInsensitiveDict({**self.headers, **headers})
        return self._connections.send(auth(request))


class Near:
    """Accounts that this process serves, and tables in memory that follow them."""

    def __init__(
        self, folder: Path, *accounts: Account, names: Iterable[str] = NAMES, **settings: Any
    ) -> None:
        """Begins with empty tables.

        Args:
            folder: where answers are kept that outlive a run.
            accounts: what is served; the caller is an administrator of all of them.
            names: of the reports that runs load.
            settings: of the source.
        """
        self.folder = folder
        self.accounts = accounts
        self.names = tuple(names)
        self.settings = settings
        self.sandbox = NearSandbox(accounts, token=TOKEN)
        self.near = NearConnections(self.sandbox)
        self.store = Store()
        self.heard: list[str] = []  # what the last run told a person
        self.client: HarvestClient | None = None  # one for all runs, as one source object has

    def make_client(self, clock: FastClock | None = None) -> HarvestClient:
        """Returns a client that never waits."""
        clock = clock or FastClock()
        budgets = Budgets(clock, Limit(1_000_000, 15), Limit(1_000_000, 900))
        settings = make_settings(self.sandbox)
        return HarvestClient(settings, PersonalToken(TOKEN), clock, budgets, self.near)

    def run(self, choice: Choice | None = None, *, sweep_days: int = 7, **options: Any) -> Summary:
        """Runs once."""
        settings = make_settings(self.sandbox, **self.settings, sweep_days=sweep_days)
        client, token = self.client or self.make_client(), PersonalToken(TOKEN)
        connection = Connection(settings, token, client, (), choice or Choice())
        self.heard = []
        listener = Listener(self.heard.append)
        return run_in_memory(self.store, connection, self.folder, self.names, listener, **options)


def run_in_memory(
    store: Store,
    connection: Connection,
    folder: Path,
    names: Iterable[str],
    listener: Listener,
    **options: Any,
) -> Summary:
    """Runs once, as `sync` does; what is kept on disk lies in a folder.

    Raises:
        Interrupted: the run was killed: nothing was put in order.
    """
    chosen = [name for name in NAMES if name in set(names)]
    connection = connection.for_run()
    reader: Reader = connection.reader(folder)
    how = SyncOptions(**options)
    reports = [reader.report(name) for name in chosen]
    loader = MemoryLoader(store, reports, connection.settings.keeps_deleted, how.repairs)
    run = Run(connection, reader, cast("Any", loader), chosen, how, listener)
    summary = run.execute()
    reader.close()
    return summary
