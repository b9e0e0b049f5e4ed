"""An emulator of BigQuery for the tests: a server in an environment of its own, started and stopped by them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partialmethod
from pathlib import Path
from typing import Any

import dlt
import pytest
import requests
from google.cloud import bigquery
from google.oauth2.credentials import Credentials
from loopback import free_port

SECONDS = 2400  # the longest life of a server: whatever still waits for it then, fails soon after
START_SECONDS = 60
ANSWER_SECONDS = 60  # for one answer; a query that takes longer is asked for again
# for a server that is gone; Google's client would ask it for ten minutes and more
PATIENCE_SECONDS = 5
PROJECT = "local"
# the parts of DuckDB that the emulator uses, as files of its environment: it would fetch them from the network
EXTENSIONS = """
import duckdb_extensions
for name in ("icu", "json", "spatial", "ducklake"):
    duckdb_extensions.import_extension(name)
"""


@dataclass(frozen=True)
class BigQuery:
    """A running emulator."""

    address: str
    queries: list[str] = field(default_factory=list)  # what was asked since the list was emptied

    def destination(self, project: str = PROJECT) -> Any:
        """Returns the dlt destination of a project in it; every project has datasets of its own."""
        credentials: Any = self._credentials()  # dlt takes Google's own, and makes its own of them
        return dlt.destinations.bigquery(
            credentials,
            project_id=project,
            http_timeout=ANSWER_SECONDS,
            retry_deadline=PATIENCE_SECONDS,
        )

    def client(self) -> bigquery.Client:
        """Returns Google's own client on it."""
        return bigquery.Client(PROJECT, credentials=self._credentials())

    def write_settings(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        """Sets what a command line needs to find it, where a user would have a key of Google's."""
        key = folder / "made-up-key.json"
        made_up = {
            "type": "authorized_user",
            "client_id": "x",
            "client_secret": "x",
            "refresh_token": "x",
            "token": "x",
        }
        # a key without an expiry would be renewed at Google's address
        key.write_text(
            json.dumps({**made_up, "expiry": "2999-01-01T00:00:00Z", "quota_project_id": PROJECT}),
            encoding="utf-8",
        )
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        patch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
        patch.setenv("DESTINATION__BIGQUERY__RETRY_DEADLINE", str(PATIENCE_SECONDS))

    def _credentials(self) -> Credentials:
        return Credentials(token="made-up", quota_project_id=PROJECT)  # type: ignore[no-untyped-call]


@contextmanager
def running_bigquery(program: Path) -> Iterator[BigQuery]:
    """Gives a running emulator without a table; it and its files are gone afterwards.

    Args:
        program: `local-bigquery`, in an environment with the packages of DuckDB's extensions.
    """
    with (
        tempfile.TemporaryDirectory(prefix="harvest-bigquery-") as name,
        pytest.MonkeyPatch.context() as patch,
    ):
        folder = Path(name)
        port, unused_port = free_port(), free_port()
        address = f"http://127.0.0.1:{port}"
        # a home of its own, so that what this machine happens to have there proves nothing
        environment = {"PATH": os.environ["PATH"], "HOME": name}
        subprocess.run(
            [program.with_name("python"), "-c", EXTENSIONS],
            env=environment,
            timeout=START_SECONDS,
            check=True,
        )
        options = f"--host 127.0.0.1 --port {port} --grpc-port {unused_port} --project {PROJECT} --data-dir {folder / 'data'}"
        # `timeout` ends the server even where these tests are killed before they can
        command = [
            "timeout",
            "--signal=KILL",
            str(SECONDS),
            str(program),
            *options.split(),
            "serve",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            _wait(process, address, folder / "log")
            server = BigQuery(address)
            _adjust_client(patch, server)
            yield server
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(START_SECONDS)


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Returns when the server answers.

    Raises:
        RuntimeError: it ended, or does not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(requests.ConnectionError):
            if requests.get(
                f"{address}/bigquery/v2/projects/{PROJECT}/datasets", timeout=ANSWER_SECONDS
            ).ok:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the emulator did not start: {log.read_text(encoding='utf-8')[-2000:]}")


def _adjust_client(patch: pytest.MonkeyPatch, server: BigQuery) -> None:
    """Points Google's client to the server, shortens its patience, and keeps the queries of dlt and the product."""
    patch.setenv("BIGQUERY_EMULATOR_HOST", server.address)
    ask, load = bigquery.Client.query_and_wait, bigquery.Client.load_table_from_file
    retry = bigquery.DEFAULT_RETRY.with_timeout(PATIENCE_SECONDS)

    def ask_and_keep(client: bigquery.Client, query: str, **options: Any) -> Any:
        server.queries.append(query)
        return ask(
            client, query, **options, api_timeout=ANSWER_SECONDS, retry=retry, job_retry=retry
        )

    patch.setattr(bigquery.Client, "query_and_wait", ask_and_keep)
    patch.setattr(bigquery.Client, "load_table_from_file", partialmethod(load, num_retries=1))
