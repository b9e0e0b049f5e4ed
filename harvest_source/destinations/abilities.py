"""What a destination can do: be read back, merge, and take rows without changing them."""

from __future__ import annotations

import shlex

import dlt
from dlt.common.schema.typing import TTableSchema

from harvest_source.about import FOLDER, needed_for
from harvest_source.destinations import of
from harvest_source.destinations.clients import client_to_ask
from harvest_source.destinations.credentials import settle_credentials
from harvest_source.destinations.places import refuse_folders
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import SettingError

STRATEGY = "delete-insert"  # the way of merging that all reports ask dlt for


def settle_destination(pipeline: dlt.Pipeline) -> None:
    """Makes a pipeline's destination ready to be opened: its credentials are read, its texts are exact and without a limit.

    Raises:
        SettingError: see `settle_credentials`.
    """
    settle_credentials(pipeline)
    of(pipeline).settle(pipeline)


def check_abilities(pipeline: dlt.Pipeline) -> None:
    """Refuses a destination in which the tables could not equal Harvest.

    Raises:
        SettingError: a folder does not do, file and dataset have one name, dlt cannot read it back, or would bring rows there as
            CSV, in which an empty text becomes a null (seen with dlt 1.31 and Postgres where the package adbc-driver-postgresql
            is missing).
    """
    refuse_folders(pipeline)
    of(pipeline).check(pipeline)
    Warehouse(pipeline)
    capabilities = client_to_ask(pipeline).capabilities
    preferred, formats = (
        capabilities.preferred_loader_file_format,
        capabilities.supported_loader_file_formats or [],
    )
    if preferred and capabilities.loader_file_format_selector:
        table: TTableSchema = {"name": "any", "file_format": "parquet"}
        _, formats = capabilities.loader_file_format_selector(
            preferred, formats, table_schema=table
        )
    if "csv" in formats and "parquet" not in formats:
        name = pipeline.destination.destination_name if pipeline.destination else ""
        raise SettingError(
            f"destination {name} needs packages by which rows arrive as they are: {install_line(name)}"
        )


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
        strategies = list(
            capabilities.merge_strategies_selector(strategies, table_schema={"name": "any"})
        )
    return STRATEGY in strategies
