"""What tests of whole loads share: the destinations they go over, commands typed within this process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from command_line import Done, Type, without_announcement
from destinations import make_of, started_mariadb, started_postgres
from loads import Loads, loads_of_a_client
from mariadb_server import MariaDB
from pipelines import Make, forget_dlt, loading_into
from postgres_server import Postgres
from support import TOKEN, Harvest

from harvest_source.commands.cli import main


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Gives a running Postgres server, one per process of the tests."""
    with started_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """Gives a running MariaDB server, one per process of the tests."""
    with started_mariadb() as server:
        yield server


@pytest.fixture
def load_into() -> Iterator[Callable[[Make], None]]:
    """Gives what has the rest of a test load into another destination; the last one that is given counts."""
    with ExitStack() as stack:
        yield lambda make: stack.enter_context(loading_into(make))


@pytest.fixture
def destination(request: pytest.FixtureRequest, load_into: Callable[[Make], None]) -> str:
    """Has a test load into the destination that its parameter names; returns the name."""
    name: str = request.param
    load_into(make_of(name, request))
    return name


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[Loads]:
    """Gives loads of clients, of whom one is there."""
    with loads_of_a_client(tmp_path) as loads:
        yield loads


@pytest.fixture
def ctrl_c_heard() -> Iterator[None]:
    """Has this process hear Ctrl-C, also where whoever started the tests has it ignored (`nohup`, `&`)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def type_command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Type:
    """Runs commands in this process, in the test's folder: as `command`, without the seconds that a program needs to start."""

    def type_in(*arguments: str, harvest: Harvest | None = None, **settings: str) -> Done:
        where = (
            {"API_URL": harvest.api_url, "ID_URL": harvest.id_url, "ACCESS_TOKEN": TOKEN}
            if harvest
            else {}
        )
        with monkeypatch.context() as patch:
            for name, value in {**where, **settings}.items():
                patch.setenv(f"SOURCES__HARVEST__{name}", value)
            forget_dlt()
            capfd.readouterr()
            code = main(list(arguments))
            written = capfd.readouterr()
        errors = without_announcement(written.err)
        return Done(code, written.out, errors, announced=errors != written.err)

    return type_in
