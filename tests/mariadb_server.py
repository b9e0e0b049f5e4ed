"""A real MariaDB server for the tests, started and stopped by them: Debian's."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pymysql
from loopback import free_port

SECONDS = 60
USER, PASSWORD = "loader", "made-up word"
# a test's server need not outlive a power cut
SETTINGS = (
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-log-bin",
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--innodb-buffer-pool-size=64M",
)


def program() -> str | None:
    """Returns the server's program, `None` where none is installed; it lies where only root's PATH looks."""
    return shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class MariaDB:
    """A running server with one user."""

    def __init__(self, port: int) -> None:
        self.port = port

    def make_database(self, name: str) -> str:
        """Makes an empty database for a test, and takes its staging one away; returns its address, as SQLAlchemy has it."""
        with self._connect() as connection, connection.cursor() as cursor:
            for each in (name, f"{name}_staging"):
                cursor.execute(f"drop database if exists `{each}`")
            cursor.execute(f"create database `{name}`")
        return f"mysql+pymysql://{USER}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/{name}"

    def _connect(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        return pymysql.connect(host="127.0.0.1", port=self.port, user=USER, password=PASSWORD)


@contextmanager
def running_mariadb(program: str) -> Iterator[MariaDB]:
    """Gives a running server with an empty data folder; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="harvest-mariadb-") as name:
        folder, port = Path(name), free_port()
        as_user = []
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(folder, "mysql")
            as_user = ["--user=mysql"]
        (folder / "init.sql").write_text(
            f"create user '{USER}'@'127.0.0.1' identified by '{PASSWORD}';\ngrant all on *.* to '{USER}'@'127.0.0.1';\n",
            encoding="utf-8",
        )
        data = f"--datadir={folder / 'data'}"
        with (folder / "output").open("wb") as output:
            make = ["mariadb-install-db", "--no-defaults", data, "--skip-test-db", *as_user]
            subprocess.run(make, stdout=output, stderr=output, timeout=SECONDS, check=True)
            places = [
                data,
                f"--port={port}",
                f"--socket={folder / 's'}",
                f"--init-file={folder / 'init.sql'}",
            ]
            command = [program, "--no-defaults", *places, *SETTINGS, *as_user]
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            server = MariaDB(port)
            _wait(process, server, folder / "output")
            yield server
        finally:
            process.kill()
            process.wait(SECONDS)


def _wait(process: subprocess.Popen[bytes], server: MariaDB, output: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(pymysql.Error), server._connect():  # noqa: SLF001 - of this file
            return
        time.sleep(0.1)
    raise RuntimeError(f"MariaDB did not start: {output.read_text(encoding='utf-8')[-2000:]}")
