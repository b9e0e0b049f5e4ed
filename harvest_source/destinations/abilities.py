"""What a destination can do: be read back, merge, and take rows without changing them."""

from __future__ import annotations

import shlex

import dlt
import duckdb
from dlt.common.schema.typing import TTableSchema

from harvest_source.about import FOLDER, needed_for
from harvest_source.destinations.clients import client_to_ask, forget_client
from harvest_source.destinations.credentials import settle_credentials
from harvest_source.destinations.places import refuse_folders, refuse_name_of_file
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import SettingError, first_line

DUCKLAKE = "dlt.destinations.ducklake"
EXTENSION = ("install ducklake", "load ducklake")  # the first does nothing where the extension is there
MYSQL_FAMILY = ("mysql", "mariadb")  # dialects of SQLAlchemy
STRATEGY = "delete-insert"  # the way of merging that all reports ask dlt for


def settle_destination(pipeline: dlt.Pipeline) -> None:
    """Makes a pipeline's destination ready to be opened: its credentials are read, its texts are exact and without a limit.

    Raises:
        SettingError: see `settle_credentials`.
    """
    settle_credentials(pipeline)
    if pipeline.destination and client_to_ask(pipeline).capabilities.sqlglot_dialect in MYSQL_FAMILY:
        from harvest_source.destinations.mariadb import ExactTexts  # noqa: PLC0415 - only these need the package SQLAlchemy

        pipeline.destination.caps_params["type_mapper"] = ExactTexts
        forget_client(pipeline)


def check_abilities(pipeline: dlt.Pipeline) -> None:
    """Refuses a destination in which the tables could not equal Harvest.

    Raises:
        SettingError: a folder does not do, file and dataset have one name, dlt cannot read it back, or would bring rows there as
            CSV, in which an empty text becomes a null (seen with dlt 1.31 and Postgres where the package adbc-driver-postgresql
            is missing).
    """
    refuse_folders(pipeline)
    refuse_name_of_file(pipeline)
    if pipeline.destination and pipeline.destination.destination_type == DUCKLAKE:
        _check_extension()
    Warehouse(pipeline)
    capabilities = client_to_ask(pipeline).capabilities
    preferred, formats = capabilities.preferred_loader_file_format, capabilities.supported_loader_file_formats or []
    if preferred and capabilities.loader_file_format_selector:
        table: TTableSchema = {"name": "any", "file_format": "parquet"}
        _, formats = capabilities.loader_file_format_selector(preferred, formats, table_schema=table)
    if "csv" in formats and "parquet" not in formats:
        name = pipeline.destination.destination_name if pipeline.destination else ""
        raise SettingError(f"destination {name} needs packages by which rows arrive as they are: {install_line(name)}")


def _check_extension() -> None:
    """Loads DuckDB's extension for DuckLake, and fetches it first where it is not there.

    Raises:
        SettingError: it cannot be had.
    """
    with duckdb.connect() as database:
        try:
            for statement in EXTENSION:
                database.execute(statement)
        except duckdb.Error as error:
            raise SettingError(
                f"destination ducklake needs the extension ducklake of DuckDB {duckdb.__version__}, which cannot be loaded: "
                f"{first_line(error)[:200]}"
            ) from error


def install_line(destination: str) -> str:
    """Returns the command that installs what a destination needs."""
    requirements = FOLDER / f"requirements-{destination}.txt"
    if requirements.is_file():
        return f"pip install -r {requirements.name}"
    return shlex.join(["pip", "install", *(needed_for(destination) or [f"dlt[{destination}]"])])


def can_merge(pipeline: dlt.Pipeline) -> bool:
    """Returns whether a destination lets rows take the place of those with the same key."""
    capabilities = client_to_ask(pipeline).capabilities
    strategies = capabilities.supported_merge_strategies or []
    if capabilities.merge_strategies_selector:
        strategies = list(capabilities.merge_strategies_selector(strategies, table_schema={"name": "any"}))
    return STRATEGY in strategies
