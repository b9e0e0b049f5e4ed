"""Google's own analyser accepts every figure, as it is put together for BigQuery, and gives its columns the catalogue's types."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from figures_tables import COLUMNS
from large_tools import need

from harvest_source.catalogue.columns.types import Kind
from harvest_source.figures.figures import BY_NAME, FIGURES
from harvest_source.figures.sql import select_of

HOW_TO_GET_IT = (
    "run `.ci/install-zetasql FOLDER`, with Python 3.13, and set ZETASQL_PYTHON=FOLDER/bin/python"
)
SECONDS = 240  # after so long a process is stopped
DATASET = "harvest"
TYPES = {
    Kind.ID: "INT64",
    Kind.DECIMAL: "NUMERIC",
    Kind.TEXT: "STRING",
    Kind.BOOL: "BOOL",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP",
}
# each is right in another database: the analyser sees something
WRONG = {
    "an unknown column": "select e.hour from `harvest`.`time_entries` as e",
    "an unknown table": "select e.hours from `harvest`.`entries` as e",
    "a cast of Postgres": "select e.hours::decimal as hours from `harvest`.`time_entries` as e",
    "days between dates": "select e.spent_date - date '2026-01-01' > 3 as late from `harvest`.`time_entries` as e",
    "a function of DuckDB": "select date_trunc('month', e.spent_date) as month from `harvest`.`time_entries` as e",
    "a text that is a number": "select e.hours + '1' as hours from `harvest`.`time_entries` as e",
    "a double that is money": "select e.hours / 3 + e.notes as hours from `harvest`.`time_entries` as e",
}


def name_of(table: str) -> str:
    return f"`{DATASET}`.`{table}`"


@pytest.mark.long
def test_google_accepts_every_figure_with_the_types_of_the_catalogue_and_refuses_what_is_wrong() -> (
    None
):
    figures = {name: select_of(name, name_of, "bigquery") for name in BY_NAME}
    answers = analysed(figures | WRONG)
    assert {name for name, answer in answers.items() if "error" in answer} == WRONG.keys()
    assert {name: answers[name]["columns"] for name in figures} == {
        figure.name: [[column.name, TYPES[column.kind]] for column in figure.columns]
        for figure in FIGURES
    }


def analysed(statements: dict[str, str]) -> dict[str, Any]:
    """Returns what the analyser says of statements, which read the tables of the catalogue; it needs half a minute to start."""
    python = need(os.environ.get("ZETASQL_PYTHON"), HOW_TO_GET_IT)
    tables = {
        table: {column.name: TYPES[column.kind] for column in columns}
        for table, columns in COLUMNS.items()
    }
    order = {"dataset": DATASET, "tables": tables, "statements": statements}
    done = subprocess.run(
        [python, Path(__file__).with_name("analyse.py")],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers
