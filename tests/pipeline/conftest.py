"""What tests of whole loads share: the destinations they go over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import support
from destinations import make_of, started_postgres
from postgres_server import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Gives a running Postgres server, one per process of the tests."""
    with started_postgres() as server:
        yield server


@pytest.fixture
def destination(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Has a test load into the destination that its parameter names; returns the name."""
    name: str = request.param
    monkeypatch.setattr(support, "make_destination", make_of(name, request))
    return name
