"""A real Postgres server for the tests, started and stopped by them: Debian's, as root through the user `postgres`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from loopback import free_port

SECONDS = 60  # the longest that one of the server's own commands may take
USER, PASSWORD = "loader", "made-up-password"
# a test's server need not outlive a power cut
SETTINGS = (
    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c listen_addresses=127.0.0.1"
)


def programs() -> Path | None:
    """Returns the folder of the newest server's programs, `None` where no server is installed."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    return found[-1].parent if found else None


class Postgres:
    """A server with one database; `with` starts and stops it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self.port = 0

    def start(self) -> None:
        """Starts on a free port of the loopback interface; a server that was stopped goes on with its data."""
        if not (self._folder / "data").exists():
            password = self._folder / "password"
            password.write_text(PASSWORD, encoding="utf-8")
            self._run(
                "initdb",
                "-D",
                "data",
                "-U",
                USER,
                "-A",
                "scram-sha-256",
                "--pwfile",
                "password",
                "-E",
                "UTF8",
                "-N",
            )
        self.port = self.port or free_port()
        self._run(
            "pg_ctl",
            "-D",
            "data",
            "-w",
            "-l",
            "log",
            "-o",
            f"{SETTINGS} -p {self.port} -k {self._folder}",
            "start",
        )

    def stop(self, how: str = "fast") -> None:
        """Stops: `fast` cuts connections, `immediate` is a crash."""
        self._run("pg_ctl", "-D", "data", "-m", how, "-w", "stop")

    def make_database(self, name: str, how: str = "", owner_limit: int | None = None) -> str:
        """Makes a database of its own for a test; returns its address.

        Args:
            name: of the database.
            how: options of `create database`, such as its encoding.
            owner_limit: makes a role for it that may open so many connections, named as the database.
        """
        connection = psycopg2.connect(self.address("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f'create database "{name}" {how}')
                if owner_limit is not None:
                    cursor.execute(
                        f"create role \"{name}\" login password '{PASSWORD}' connection limit {owner_limit}"
                    )
                    cursor.execute(f'grant create on database "{name}" to "{name}"')
        finally:
            connection.close()
        return self.address(name, USER if owner_limit is None else name)

    def speak_tls_only(self, name: str = "localhost") -> Path:
        """Has the server refuse connections without TLS; returns the certificate of who signed for its name."""
        data = self._folder / "data"
        (self._folder / "names").write_text(f"subjectAltName=DNS:{name}", encoding="utf-8")
        authority = ["-CA", "authority.crt", "-CAkey", "authority.key", "-CAcreateserial"]
        new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj"]
        self._run_here(
            *new,
            "/CN=nobody",
            "-x509",
            "-days",
            "30",
            "-keyout",
            "authority.key",
            "-out",
            "authority.crt",
        )
        self._run_here(*new, f"/CN={name}", "-keyout", "data/server.key", "-out", "server.csr")
        signing = [
            "-in",
            "server.csr",
            "-days",
            "30",
            "-extfile",
            "names",
            "-out",
            "data/server.crt",
        ]
        self._run_here("openssl", "x509", "-req", *authority, *signing)
        with (data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write("ssl = on\n")
        (data / "pg_hba.conf").write_text(
            "hostssl all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8"
        )
        self.stop()
        self.start()
        return self._folder / "authority.crt"

    def address(self, database: str, user: str = USER) -> str:
        """Returns a database's address, as users write it into their settings."""
        return f"postgresql://{user}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        self._run_here(str(self._programs / program), *arguments)

    def _run_here(self, *command: str) -> None:
        if os.geteuid() == 0:  # the server refuses to run as root
            command = ("runuser", "-u", "postgres", "--", *command)
        # the server keeps what it inherits: a pipe would never end
        with (self._folder / "output").open("ab") as output:
            done = subprocess.run(
                command,
                cwd=self._folder,
                stdout=output,
                stderr=output,
                timeout=SECONDS,
                check=False,
            )
        if done.returncode != 0:
            raise RuntimeError(
                f"{command}: {(self._folder / 'output').read_text(encoding='utf-8')[-2000:]}"
            )


@contextmanager
def running_postgres(programs: Path) -> Iterator[Postgres]:
    """Gives a running server with an empty data folder; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="harvest-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        server = Postgres(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
