"""Credentials of a destination: what they open, and that no spelling of them is ever said."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psycopg2
import pytest
from bigquery_server import BigQuery
from command_line import Done, Type
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from destinations import started_postgres
from faults_support import tiny
from google.oauth2 import service_account
from loopback import Answering, Loopback
from mariadb_server import MariaDB
from postgres_server import PASSWORD, USER, Postgres
from psycopg2.sql import SQL, Identifier, Literal
from support import serving

from harvest_source.commands.workplace import Workplace

PASSWORDS = {
    "spaces": "made up pass word",
    "signs of an address": "p@ss/w:rd?#[%]&=+",
    "percent signs that encode": "made%20up%zz",
    "quotes": "made'up\"back\\slash $x",
    "beyond ascii": "größte Mühe €",
}
FIRST = next(iter(PASSWORDS))
SECTION = "DESTINATION__POSTGRES__CREDENTIALS"


def as_keys(**credentials: Any) -> dict[str, str]:
    """Returns the environment that has credentials as one key each."""
    return {f"{SECTION}__{name.upper()}": str(value) for name, value in credentials.items()}


@contextmanager
def role(postgres: Postgres, name: str, password: str, database: str) -> Iterator[None]:
    """Gives the server a role with a database of its own; both are gone afterwards."""
    with administrator(postgres) as cursor:
        cursor.execute(
            SQL("create role {} login password {}").format(Identifier(name), Literal(password))
        )
        cursor.execute(
            SQL("create database {} owner {}").format(Identifier(database), Identifier(name))
        )
        yield
        cursor.execute(SQL("drop database {} with (force)").format(Identifier(database)))
        cursor.execute(SQL("drop role {}").format(Identifier(name)))


@contextmanager
def administrator(postgres: Postgres) -> Iterator[Any]:
    """Gives a cursor of the server's owner."""
    connection = psycopg2.connect(postgres.address("postgres"))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def said_of(done: Done) -> str:
    return done.out + done.err


@pytest.mark.parametrize(
    "name",
    [FIRST, *(pytest.param(name, marks=pytest.mark.long) for name in PASSWORDS if name != FIRST)],
)
def test_any_password_opens_what_check_and_a_load_open(
    postgres: Postgres, type_command: Type, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By single keys and as one address, in `check` and in a load; the names of role and database may be just as strange."""
    password = PASSWORDS[name]
    with role(postgres, "strange role@x", password, "strange /base?x"), serving(tiny()) as sandbox:
        given = as_keys(
            host="127.0.0.1",
            port=postgres.port,
            username="strange role@x",
            password=password,
            database="strange /base?x",
        )
        for key, value in given.items():
            monkeypatch.setenv(key, value)
        for arguments in (["check"], ["run", "--reports", "clients,roles"]):
            done = type_command(*arguments, "--destination", "postgres", "--quiet", harvest=sandbox)
            assert done.code == 0, said_of(done)
    for key in given:
        monkeypatch.delenv(key)
    with role(postgres, "plain", password, "plain"), serving(tiny()) as sandbox:
        monkeypatch.setenv(
            SECTION,
            f"postgresql://plain:{quote(password, safe='')}@127.0.0.1:{postgres.port}/plain",
        )
        done = type_command(
            "run", "--reports", "clients", "--destination", "postgres", "--quiet", harvest=sandbox
        )
        assert done.code == 0, said_of(done)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded but for spaces": lambda text: quote(text, safe=" +"),
    "as in a form": quote_plus,
    "in quotes of Python": repr,
    "in quotes of JSON": json.dumps,
    "as a value of libpq": lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
}


@pytest.mark.parametrize("name", PASSWORDS)
def test_password_is_cut_out_of_whatever_a_driver_says(
    type_command: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """On every command that opens the destination, with `--verbose` too; what else the driver says is shown."""
    password = PASSWORDS[name]
    for key, value in as_keys(
        host="127.0.0.1", port=9, username="loader", password=password, database="base"
    ).items():
        monkeypatch.setenv(key, value)

    def refuse(*_: Any, **__: Any) -> None:
        raise psycopg2.OperationalError(
            "; ".join(f"{spell(password)} is no good" for spell in SPELLINGS.values())
        )

    monkeypatch.setattr(psycopg2, "connect", refuse)
    with serving(tiny()) as sandbox:
        for arguments in (
            ["run", "--reports", "clients"],
            ["check", "--json"],
            ["status"],
            ["show", "select 1"],
        ):
            done = type_command(
                *arguments, "--destination", "postgres", "--verbose", harvest=sandbox
            )
            assert done.code != 0
            assert "*** is no good" in said_of(done), arguments
            for how, spell in SPELLINGS.items():
                assert spell(password) not in said_of(done), (arguments, how)
    assert not [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and password.encode() in path.read_bytes()
    ]


UNREADABLE = ("q7q@zz%w9w", "q7q@z5z:y8y", "q7q@z5z/y8y", "q7q@z5z@y8y", "q7q@z5z?y8y")


@pytest.mark.parametrize("password", UNREADABLE)
def test_address_that_cannot_be_read_is_refused_without_showing_it(
    type_command: Type, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """Of `p@ss%w@host` dlt takes `ss%w@host` for the host, and the driver's message would show it."""
    monkeypatch.setenv(SECTION, f"postgresql://loader:{password}@127.0.0.1:9/warehouse")
    with serving(tiny()) as sandbox:
        for arguments in (["run"], ["check", "--quiet"], ["status"]):
            done = type_command(*arguments, "--destination", "postgres", harvest=sandbox)
            assert done.code == 2, said_of(done)
            assert not [part for part in re.findall(r"\w+", password) if part in said_of(done)]
            assert done.err.count("\n") == 1
            if arguments == ["run"]:
                assert len(sandbox.requests) == 0


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "password": ({"password": "not the password"}, "password authentication failed"),
    "role": ({"username": "nobody"}, "authentication failed"),
    "database": ({"database": "nowhere"}, 'database "nowhere" does not exist'),
    "TLS that the server does not speak": (
        {"query": '{"sslmode": "require"}'},
        "server does not support SSL",
    ),
    "option of the driver": (
        {"query": '{"sslmod": "require"}'},
        'invalid URI query parameter: "sslmod"',
    ),
    "key that dlt passes over": (
        {"sslmode": "require"},
        "sslmode in destination.postgres.credentials has no effect",
    ),
    "encoding": ({"client_encoding": "LATIN1"}, "client_encoding is always UTF8"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_credentials_end_with_2_whatever_opens_the_destination(
    postgres: Postgres, type_command: Type, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """`check`, `run` and `status` agree; a run asks Harvest nothing, and each says one line."""
    wrong, words = WRONG[name]
    right = {
        "host": "127.0.0.1",
        "port": postgres.port,
        "username": USER,
        "password": PASSWORD,
        "database": "postgres",
    }
    for key, value in as_keys(**{**right, **wrong}).items():
        monkeypatch.setenv(key, value)
    with serving(tiny()) as sandbox:
        for arguments in (["run"], ["status"], ["check", "--quiet"]):
            done = type_command(*arguments, "--destination", "postgres", harvest=sandbox)
            assert done.code == 2, said_of(done)
            assert words in done.err
            assert done.err.count("\n") == 1
            assert PASSWORD not in said_of(done)
            assert arguments == ["check", "--quiet"] or len(sandbox.requests) == 0


def test_key_without_effect_is_found_in_a_file_too(type_command: Type, tmp_path: Path) -> None:
    """Its value is not shown; the line says where the driver's own options go."""
    (tmp_path / ".dlt").mkdir()
    given = {
        "host": "127.0.0.1",
        "username": USER,
        "password": PASSWORD,
        "database": "postgres",
        "sslrotcert": "/made/up",
    }
    lines = [f'{name} = "{value}"' for name, value in given.items()]
    (tmp_path / ".dlt" / "secrets.toml").write_text(
        "\n".join(["[destination.postgres.credentials]", *lines]), encoding="utf-8"
    )
    with serving(tiny()) as sandbox:
        done = type_command("run", "--destination", "postgres", harvest=sandbox)
    assert done.code == 2
    assert "sslrotcert in destination.postgres.credentials has no effect" in done.err
    assert 'query = { sslrotcert = "…" }' in done.err
    assert "/made/up" not in done.err


# another machine, for whoever judges by the address; Linux connects to this one
ELSEWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound to it


@contextmanager
def server_without_tls(heard: list[bytes]) -> Iterator[int]:
    """Gives the port of a server that says no to TLS and keeps what it hears."""

    class SaysNo(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            heard.append(self.request.recv(8))
            self.request.sendall(b"N")
            heard.append(self.request.recv(1000))

    with socketserver.TCPServer(("127.0.0.1", 0), SaysNo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_nothing_is_sent_in_clear_to_another_machine(
    type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither name nor password: exit 2 and one line that names the setting, and Harvest is asked nothing."""
    heard = list[bytes]()
    with server_without_tls(heard) as port, serving(tiny()) as sandbox:
        for given in (
            as_keys(
                host=ELSEWHERE, port=port, username=USER, password=PASSWORD, database="postgres"
            ),
            {SECTION: f"postgresql://{USER}:{PASSWORD}@{ELSEWHERE}:{port}/postgres"},
            {SECTION: f"postgresql://{USER}:{PASSWORD}@localhost:{port}/postgres?host={ELSEWHERE}"},
        ):
            with monkeypatch.context() as patch:
                for key, value in given.items():
                    patch.setenv(key, value)
                for arguments in (["run"], ["status"], ["show", "select 1"], ["check", "--quiet"]):
                    done = type_command(*arguments, "--destination", "postgres", harvest=sandbox)
                    assert done.code == 2, said_of(done)
                    assert done.err.count("\n") == 1
                    assert "server does not support SSL" in done.err
                    assert 'query = { sslmode = "disable" }' in done.err
                    assert arguments == ["check", "--quiet"] or len(sandbox.requests) == 0
            sandbox.requests.clear()
    assert len(heard) >= 2 * 3 * 4
    assert {*heard[0::2]} == {b"\x00\x00\x00\x08\x04\xd2\x16\x2f"}, (
        "libpq's question whether there is TLS"
    )
    assert {*heard[1::2]} == {b""}


@pytest.mark.parametrize("how", ["query", "PGSSLMODE"])
def test_server_without_tls_is_loaded_where_somebody_said_so(
    postgres: Postgres, type_command: Type, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """`check` tells that the way is open, also on the machine itself, where nothing has to be said."""
    where = {
        "host": ELSEWHERE,
        "port": postgres.port,
        "username": USER,
        "password": PASSWORD,
        "database": "postgres",
    }
    for key, value in as_keys(**where).items():
        monkeypatch.setenv(key, value)
    with serving(tiny()) as sandbox:
        with monkeypatch.context() as patch:
            patch.setenv(
                *(
                    ("PGSSLMODE", "disable")
                    if how == "PGSSLMODE"
                    else (f"{SECTION}__QUERY", '{"sslmode": "disable"}')
                )
            )
            done = type_command("check", "--destination", "postgres", "--json", harvest=sandbox)
        assert (done.code, done.json()["destination"].partition("dataset harvest, ")[2]) == (
            0,
            "without TLS (sslmode=disable)",
        )
        monkeypatch.setenv(f"{SECTION}__HOST", "127.0.0.1")
        done = type_command("check", "--destination", "postgres", "--json", harvest=sandbox)
        assert (done.code, done.json()["destination"].partition("dataset harvest, ")[2]) == (
            0,
            "without TLS (sslmode=prefer)",
        )


def test_certificate_of_the_server_is_checked_as_the_example_says(
    type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By both drivers: `verify-full` takes the name that was signed, and refuses others, or another authority, with a line."""
    with started_postgres() as server, serving(tiny()) as sandbox:
        authority = server.speak_tls_only("warehouse.example")
        full = {"sslmode": "verify-full", "sslrootcert": str(authority), "hostaddr": "127.0.0.1"}
        nobody = {**full, "sslrootcert": "/etc/ssl/certs/ca-certificates.crt"}

        def ask(command: str, option: str, host: str, query: dict[str, str]) -> Done:
            where = {
                "host": host,
                "port": server.port,
                "username": USER,
                "password": PASSWORD,
                "database": "postgres",
            }
            for key, value in as_keys(**where, query=json.dumps(query)).items():
                monkeypatch.setenv(key, value)
            return type_command(command, "--destination", "postgres", option, harvest=sandbox)

        for host, query, tells in (
            (
                "warehouse.example",
                full,
                "sslmode=verify-full: the server's certificate and name are checked",
            ),
            (
                "other.example",
                {**full, "sslmode": "verify-ca"},
                "sslmode=verify-ca: the server's certificate is checked, its name",
            ),
            (ELSEWHERE, {}, "sslmode=require: that it is the right server is not checked"),
        ):
            done = ask("check", "--json", host, query)
            assert done.code == 0, said_of(done)
            assert re.search(rf"dataset harvest, TLSv1\.\d \({tells}", done.json()["destination"])
        for host, query, tells in (
            (
                "other.example",
                full,
                'certificate for "warehouse.example" does not match host name "other.example"',
            ),
            ("warehouse.example", nobody, "certificate verify failed"),
            (
                "warehouse.example",
                {**full, "sslrootcert": "/made/up"},
                'root certificate file "/made/up" does not exist',
            ),
            ("127.0.0.1", {"sslmode": "disable"}, "no encryption"),
        ):
            for command in ("check", "run"):
                done = ask(command, "--quiet", host, query)
                assert done.code == 2, said_of(done)
                assert tells in done.err
                assert done.err.count("\n") == 1


def test_redshift_is_asked_for_tls_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same driver opens it."""
    monkeypatch.setenv(
        "DESTINATION__REDSHIFT__CREDENTIALS",
        "redshift://loader:made-up@cluster.example:5439/warehouse",
    )
    client: Any = Workplace(destination="redshift").pipeline().destination_client()
    assert "sslmode=require" in client.config.credentials.to_native_representation()


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg2"])
def test_postgres_is_asked_for_tls_by_way_of_sqlalchemy_as_well(
    driver: str, type_command: Type
) -> None:
    """Its password goes in clear to another machine only where somebody said so."""
    heard = list[bytes]()
    with server_without_tls(heard) as port, pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "DESTINATION__SQLALCHEMY__CREDENTIALS",
            f"{driver}://{USER}:{PASSWORD}@{ELSEWHERE}:{port}/postgres",
        )
        done = type_command("status", "--destination", "sqlalchemy")
    assert done.code == 2, said_of(done)
    assert heard[1::2] == [b""] * (len(heard) // 2)
    assert len(heard) > 0


def test_mariadb_without_tls_is_refused_where_an_authority_is_named(
    mariadb: MariaDB, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 2, as Postgres: no later run would get further."""
    address = mariadb.make_database("harvest")
    monkeypatch.setenv(
        "DESTINATION__SQLALCHEMY__CREDENTIALS",
        f"{address}?ssl_ca=/etc/ssl/certs/ca-certificates.crt",
    )
    with serving(tiny()) as sandbox:
        for arguments in (["run"], ["check", "--quiet"]):
            done = type_command(*arguments, "--destination", "sqlalchemy", harvest=sandbox)
            assert (done.code, done.err.count("\n")) == (2, 1), said_of(done)
            assert "SSL is required but the server doesn't support it" in done.err


@pytest.mark.long
def test_tls_that_is_asked_for_is_used_by_both_drivers(
    type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that refuses everything else takes a load with `sslmode`, as a key `query` and in an address."""
    with started_postgres() as server:
        server.speak_tls_only()
        where = {
            "host": "127.0.0.1",
            "port": server.port,
            "username": USER,
            "password": PASSWORD,
            "database": "postgres",
        }
        plain = {**where, "query": '{"sslmode": "disable"}'}
        address = f"{server.address('postgres')}?sslmode=require"
        with serving(tiny()) as sandbox:
            keys = as_keys(**where, query='{"sslmode": "require"}')
            for given, code in ((as_keys(**plain), 2), (keys, 0), ({SECTION: address}, 0)):
                with monkeypatch.context() as patch:
                    for key, value in given.items():
                        patch.setenv(key, value)
                    done = type_command(
                        "run", "--reports", "clients", "--destination", "postgres", harvest=sandbox
                    )
                assert done.code == code, said_of(done)


def google_key() -> str:
    """Returns a made-up key, as Google's file of a service account has it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


ONE_LINE: dict[str, Callable[[str], str]] = {
    "lines": str,
    "one line, as in the key file": lambda key: key.replace("\n", "\\n"),
    "in quotes, which Docker keeps": lambda key: f'"{key.replace(chr(10), chr(92) + "n")}"',
}


@pytest.mark.parametrize("name", ONE_LINE)
def test_key_of_google_may_stand_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """Files of environments, as Docker and systemd read them, have no lines within a value."""
    key = google_key()
    given = {
        "PROJECT_ID": "made-up",
        "CLIENT_EMAIL": "loader@made-up.example",
        "PRIVATE_KEY": ONE_LINE[name](key),
    }
    for field, value in given.items():
        monkeypatch.setenv(f"DESTINATION__BIGQUERY__CREDENTIALS__{field}", value)
    monkeypatch.chdir(tmp_path)
    client: Any = Workplace(destination="bigquery").pipeline().destination_client()
    credentials = client.config.credentials.to_native_credentials()
    assert credentials.signer.sign(b"x") == service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        {"client_email": "x", "token_uri": "x", "private_key": key}
    ).signer.sign(b"x")


class NoBilling(Answering):
    """BigQuery in a project without billing: tables are made and taken away, rows are not deleted."""

    def say(self, status: int, body: dict[str, Any]) -> None:
        """Sends JSON."""
        self.answer(status, json.dumps(body).encode())

    def serve(self) -> None:
        if self.command != "POST":
            self.say(
                *(
                    (404, {"error": {"code": 404, "message": "Not found: Dataset"}})
                    if self.command == "GET"
                    else (200, {})
                )
            )
            return
        asked = json.loads(self.sent())
        query = str(asked.get("query", "")).strip().lower()
        if query.startswith("delete"):
            said = "Billing has not been enabled for this project. DML queries are not allowed in the free tier."
            self.say(
                403,
                {
                    "error": {
                        "code": 403,
                        "message": said,
                        "errors": [{"reason": "billingNotEnabled", "message": said}],
                    }
                },
            )
        elif query:
            reference = {"projectId": "local", "jobId": "1", "location": "US"}
            self.say(
                200,
                {
                    "jobComplete": True,
                    "jobReference": reference,
                    "totalRows": "0",
                    "schema": {"fields": []},
                    "rows": [],
                },
            )
        else:
            self.say(200, asked)


class WithoutBilling(Loopback):
    """Such a project."""

    answers = NoBilling


def test_check_finds_bigquery_without_billing(
    type_command: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It takes tables and rows, and refuses what every later run does: to delete rows."""
    with WithoutBilling() as server:
        address = server.url.rstrip("/")
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", address)
        BigQuery(address).write_settings(tmp_path, monkeypatch)
        with serving(tiny()) as sandbox:
            done = type_command("check", "--destination", "bigquery", "--quiet", harvest=sandbox)
    assert done.code == 2
    assert "Billing has not been enabled for this project" in done.err
