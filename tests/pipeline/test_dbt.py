"""The dbt project builds in dbt itself, in dbt's own environment: its models have the rows of the product's views."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dlt
import duckdb
import pytest
from command_line import ROOT, command
from destinations import fresh_postgres_address
from faults_support import errors_of, tiny
from large_tools import need
from pages import OF_DBT, blocks
from pipelines import Make, rows
from postgres_server import Postgres
from support import serving, sync_once

from harvest_source.catalogue.lookup import ALL_REPORTS, DEFAULT_NAMES
from harvest_source.catalogue.reports import REPORTS
from harvest_source.figures.figures import FIGURES
from harvest_source.figures.sql import TEXTS, select_of

PROJECT = ROOT / "dbt"
HOW_TO_GET_DBT = "run `.ci/install-dbt FOLDER`, with Python 3.13, and set DBT=FOLDER/bin/dbt"
SECONDS = 240  # after so long a process is stopped
TABLES, MODELS = "harvest", "harvest_dbt"  # schemas
OF_USERS = ("profiles.yml", "target", "logs", "dbt_packages")
# what is done to the tables, and the test that fails then
BROKEN = {
    "insert into clients by name select * from clients limit 1": "unique_together",
    "delete from invoices where id in (select invoice_id from invoice_payments)": "relationships",
}

pytestmark = pytest.mark.long


@dataclass
class Project:
    """A copy of the dbt project, beside whatever was loaded into a folder."""

    folder: Path

    def __post_init__(self) -> None:
        """Copies it, and sets it up by the first line that its README tells to type there."""
        self.program = need(os.environ.get("DBT"), HOW_TO_GET_DBT)
        shutil.copytree(PROJECT, self.place, ignore=shutil.ignore_patterns(*OF_USERS))
        set_up, build = blocks(OF_DBT, "sh")[1].splitlines()
        subprocess.run(["/bin/sh", "-c", set_up], cwd=self.place, check=True, timeout=SECONDS)
        assert build == "~/dbt/bin/dbt build"

    @property
    def place(self) -> Path:
        """Returns its folder."""
        return self.folder / "dbt"

    def call(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Runs dbt, to which warnings are errors, and which finds no settings of this machine; returns what it says."""
        done = subprocess.run(
            [self.program, "--warn-error", *arguments],
            cwd=self.place,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


def ask_demo(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Returns what the demo's file answers."""
    with duckdb.connect(str(folder / "harvest_demo.duckdb")) as connection:
        connection.execute(f"use {TABLES}")
        return connection.execute(query).fetchall()


def assert_models_are_the_views(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    """Asserts that each model has the columns, types and rows of the product's own view."""
    for figure in FIGURES:
        columns = f"""select column_name, data_type from information_schema.columns
            where table_name = '{figure.name}' and table_schema = '{{}}' order by ordinal_position"""
        assert ask(columns.format(MODELS)) == ask(columns.format(TABLES))
        view, model = (f"select * from {schema}.{figure.name}" for schema in (TABLES, MODELS))
        assert ask(f"{view} except all {model}") == []
        assert ask(f"{model} except all {view}") == []


def test_demo_builds_as_the_readme_says_with_the_rows_of_the_views(tmp_path: Path) -> None:
    """And dbt shows what the catalogue says of every table and column."""
    loaded = command(tmp_path, "--demo")
    assert loaded.returncode == 0, loaded.stderr
    project = Project(tmp_path)
    code, said = project.call("build")
    assert code == 0, said
    assert_models_are_the_views(lambda query: ask_demo(tmp_path, query))
    for figure in FIGURES:
        assert ask_demo(tmp_path, f"select count(*) > 0 from {MODELS}.{figure.name}") == [(True,)]

    manifest = json.loads((project.place / "target" / "manifest.json").read_bytes())
    assert manifest["metadata"]["send_anonymous_usage_stats"] is False
    models = {node["name"]: node for node in manifest["nodes"].values()}
    for figure in FIGURES:
        assert models[figure.name]["description"] == figure.meaning
        assert described(models[figure.name]) == {
            column.name: column.description for column in figure.columns
        }
    sources = {node["name"]: described(node) for node in manifest["sources"].values()}
    for report in REPORTS:
        assert sources[report.name].items() >= {
            (column.name, column.description) for column in report.columns
        }
    # dlt's own are left out, and what the demo does not load
    made = f"""select table_name, column_name from information_schema.columns join duckdb_tables() using (table_name)
        where table_schema = '{TABLES}' and schema_name = '{TABLES}' and not starts_with(table_name, '_dlt')
        and not starts_with(column_name, '_dlt')"""
    not_loaded = {report.name for report in ALL_REPORTS if report.only_when_named}
    assert {
        (name, column)
        for name, columns in sources.items()
        for column in columns
        if name not in not_loaded
    } == set(ask_demo(tmp_path, made))


def described(node: Any) -> dict[str, str]:
    """Returns what dbt shows of each column."""
    return {name: column["description"] for name, column in node["columns"].items()}


def test_what_is_wrong_in_the_tables_fails_the_tests_of_dbt(tmp_path: Path) -> None:
    assert command(tmp_path, "--demo").returncode == 0
    for statement in BROKEN:
        ask_demo(tmp_path, statement)
    tables = (
        "source:harvest.clients",
        "source:harvest.invoices",
        "source:harvest.invoice_payments",
    )
    code, said = Project(tmp_path).call("test", "--select", *tables)
    assert code == 1
    failed = re.findall(r"FAIL \d+ source_(\w+?)_harvest_", said)
    assert set(failed) == set(BROKEN.values()), said


def test_models_have_the_rows_of_the_views_in_postgres_too(
    tmp_path: Path, postgres: Postgres, load_into: Callable[[Make], None]
) -> None:
    """The next run is not disturbed by them, and they show what it loads."""
    address = fresh_postgres_address(postgres)
    load_into(lambda _folder, _name: dlt.destinations.postgres(address))
    account = tiny()
    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, *DEFAULT_NAMES)) == {}
        code, said = Project(tmp_path).call("build", "--target", "postgres", **libpq(address))
        assert code == 0, said
        assert_models_are_the_views(lambda query: rows(tmp_path, query))

        entry = next(iter(account.rows["time_entries"]))
        account.update("time_entries", entry, hours=7.25)
        assert errors_of(sync_once(tmp_path, sandbox, *DEFAULT_NAMES)) == {}
    assert_models_are_the_views(lambda query: rows(tmp_path, query))
    hours = f"select hours from {MODELS}.tracked_time where time_entry_id = {entry}"
    assert rows(tmp_path, hours) == [(Decimal("7.25"),)]


# dbt's own Jinja gives what dbt would send to a warehouse for which no adapter is installed here
RENDER = """
import json, sys, jinja2
macro, models = json.load(sys.stdin)
jinja = jinja2.Environment()
target = type("Target", (), {"type": "bigquery"})
given = {
    "harvest": jinja.from_string(macro, {"target": target}).module,
    "source": lambda _, table: table,
    "ref": str,
}
json.dump({name: jinja.from_string(text).render(given) for name, text in models.items()}, sys.stdout)
"""


def test_models_are_the_sql_that_bigquery_takes() -> None:
    program = need(os.environ.get("DBT"), HOW_TO_GET_DBT)
    macro = (PROJECT / "macros" / "decimal.sql").read_text(encoding="utf-8")
    models = {path.stem: path.read_text("utf-8") for path in (PROJECT / "models").rglob("*.sql")}
    done = subprocess.run(
        [program.with_name("python"), "-c", RENDER],
        input=json.dumps([macro, models]),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    rendered = {name: text.strip() for name, text in json.loads(done.stdout).items()}
    assert rendered == {
        name: select_of(name, str, "bigquery", {name: TEXTS[name]}).strip() for name in TEXTS
    }


def libpq(address: str) -> dict[str, str]:
    """Returns an address as the environment variables of Postgres's own programs."""
    parts = urlsplit(address)
    return {
        "PGHOST": str(parts.hostname),
        "PGPORT": str(parts.port),
        "PGUSER": str(parts.username),
        "PGPASSWORD": str(parts.password),
        "PGDATABASE": parts.path.removeprefix("/"),
    }
