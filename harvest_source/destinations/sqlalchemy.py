"""What SQLAlchemy opens: SQLite, MariaDB, MySQL and more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt

from harvest_source.destinations.clients import client_to_ask, forget_client
from harvest_source.destinations.facts import Facts

SQLITE = "sqlite"  # a dialect
MYSQL_FAMILY = ("mysql", "mariadb")  # dialects
WARNINGS = (
    # what SQLite lacks is made up for when rows are read back; dlt writes its merges in an older way
    r"Dialect sqlite\+pysqlite does \*not\* support Decimal",
    "Coercing Subquery object into a select",
    "implicitly coercing SELECT object to scalar subquery",
)


def has_concat(dialect: str | None) -> bool:
    """Returns whether SQL of a dialect knows the function `concat`; SQLite does since 3.44 only."""
    return dialect != SQLITE


def make_texts_exact(pipeline: dlt.Pipeline) -> None:
    """Has MariaDB and MySQL keep texts as they are, and without a limit."""
    if (
        pipeline.destination
        and client_to_ask(pipeline).capabilities.sqlglot_dialect in MYSQL_FAMILY
    ):
        from harvest_source.destinations.exact_texts import ExactTexts  # noqa: PLC0415 - only these need the package SQLAlchemy

        pipeline.destination.caps_params["type_mapper"] = ExactTexts
        forget_client(pipeline)


def sqlite_file(pipeline: dlt.Pipeline) -> Path | None:
    """Returns the file of a SQLite database; `None` for other databases, and for one in memory."""
    credentials: Any = client_to_ask(pipeline).config.credentials
    if not str(credentials.drivername).startswith(SQLITE) or not credentials.database:
        return None
    file = Path(credentials.database).absolute()
    # dlt gives each dataset a file beside it
    own = file.with_name(f"{file.stem}__{pipeline.dataset_name}{file.suffix}")
    return own if own.exists() else file


# SQLite takes one writer
FACTS = Facts(load_workers=1, warnings=WARNINGS, settle=make_texts_exact, place=sqlite_file)
