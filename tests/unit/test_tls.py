"""Which connections to Postgres are asked for TLS by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from harvest_source.destinations.tls import with_sslmode
from harvest_source.errors import SettingError

HERE = [
    "localhost",
    "LocalHost",
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "/var/run/postgresql",
    "localhost,127.0.0.1",
]
ELSEWHERE = [
    "warehouse.example", "10.0.0.5", "192.168.1.2", "fd00::2", "fe80::1%eth0", "::", "db", "localhost.example",
    "127.0.0.1.example", "", "localhost,10.0.0.5", "10.0.0.5,localhost",
]  # fmt: skip
NAMED = {"sslmode": "require"}

SAYINGS: dict[str, tuple[str, dict[str, Any], dict[str, str], dict[str, Any]]] = {
    "a mode in the query": (
        "db",
        {"sslmode": "disable"},
        {"PGSSLMODE": "verify-full"},
        {"sslmode": "disable"},
    ),
    "a mode in the environment": ("db", {}, {"PGSSLMODE": "prefer"}, {}),
    "an empty one there, which libpq would refuse": ("db", {}, {"PGSSLMODE": ""}, NAMED),
    "JDBC's word for it": ("db", {"ssl": "true"}, {}, {"ssl": "true"}),
    "the system's authorities, with which libpq checks all": (
        "db",
        {"sslrootcert": "system"},
        {},
        {"sslrootcert": "system"},
    ),
    "the same in the environment": ("db", {}, {"PGSSLROOTCERT": "system"}, {}),
    "a file of authorities": (
        "db",
        {"sslrootcert": "/ca"},
        {"PGSSLROOTCERT": "system"},
        {"sslrootcert": "/ca", **NAMED},
    ),
    "an address behind a name": ("db", {"hostaddr": "127.0.0.1"}, {}, {"hostaddr": "127.0.0.1"}),
    "an address elsewhere behind a name": (
        "localhost",
        {"hostaddr": "10.0.0.5"},
        {},
        {"hostaddr": "10.0.0.5", **NAMED},
    ),
    "the same in the environment, which counts too": (
        "localhost",
        {},
        {"PGHOSTADDR": "10.0.0.5"},
        NAMED,
    ),
    "an address for one of two": (
        "a,b",
        {"hostaddr": "127.0.0.1,"},
        {},
        {"hostaddr": "127.0.0.1,", **NAMED},
    ),
    "a host in the query": ("localhost", {"host": "db"}, {}, {"host": "db", **NAMED}),
    "a service beside a mode": (
        "db",
        {"service": "x", "sslmode": "disable"},
        {},
        {"service": "x", "sslmode": "disable"},
    ),
}


@pytest.mark.parametrize("host", HERE)
def test_this_machine_is_asked_for_nothing(host: str) -> None:
    assert with_sslmode(host, {"keepalives": "1"}, {}) == {"keepalives": "1"}


@pytest.mark.parametrize("host", ELSEWHERE)
def test_any_other_machine_is_asked_for_tls(host: str) -> None:
    assert with_sslmode(host, {"keepalives": "1"}, {}) == {"keepalives": "1", **NAMED}


@pytest.mark.parametrize("name", SAYINGS)
def test_what_somebody_said_counts(name: str) -> None:
    host, query, environment, expected = SAYINGS[name]
    assert with_sslmode(host, query, environment) == expected


@pytest.mark.parametrize(
    ("query", "environment"), [({"service": "x"}, {}), ({}, {"PGSERVICE": "x"})]
)
def test_service_whose_file_might_say_anything_needs_a_mode_beside_it(
    query: dict[str, str], environment: dict[str, str]
) -> None:
    """Also with a host of this machine: the file may name another address."""
    with pytest.raises(SettingError, match="set sslmode beside it"):
        with_sslmode("localhost", query, environment)
