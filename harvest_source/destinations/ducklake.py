"""DuckLake: DuckDB writes Parquet files, and a catalogue of them, by an extension."""

from __future__ import annotations

import dlt

from harvest_source.destinations.facts import Facts
from harvest_source.errors import SettingError, first_line

EXTENSION = (
    "install ducklake",
    "load ducklake",
)  # the first does nothing where the extension is there


def check_extension(_: dlt.Pipeline) -> None:
    """Loads DuckDB's extension for DuckLake, and fetches it first where it is not there.

    Raises:
        SettingError: it cannot be had.
    """
    import duckdb  # noqa: PLC0415 - only where DuckLake is chosen

    with duckdb.connect() as database:
        try:
            for statement in EXTENSION:
                database.execute(statement)
        except duckdb.Error as error:
            raise SettingError(
                f"destination ducklake needs the extension ducklake of DuckDB {duckdb.__version__}, which cannot be loaded: {{}}",
                quoted=(first_line(error)[:200],),
            ) from error


FACTS = Facts(load_workers=1, check=check_extension)
