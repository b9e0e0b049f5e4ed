"""What a destination can do: be read back, merge, and take rows without changing them."""

from __future__ import annotations

from pathlib import Path

import dlt
from dlt.common.schema.typing import TTableSchema

from harvest_source.api.errors import SettingError
from harvest_source.syncing.places import refuse_folders
from harvest_source.syncing.taken import refuse_name_of_file
from harvest_source.syncing.warehouse import Warehouse

STRATEGY = "delete-insert"  # the way of merging that all reports ask dlt for
PROJECT_FOLDER = Path(__file__).parents[2]


def check_abilities(pipeline: dlt.Pipeline) -> None:
    """Refuses a destination in which the tables could not equal Harvest.

    Raises:
        SettingError: a folder does not do, file and dataset have one name, dlt cannot read it back, or would bring rows there as
            CSV, in which an empty text becomes a null (seen with dlt 1.31 and Postgres where the package adbc-driver-postgresql
            is missing).
    """
    refuse_folders(pipeline)
    refuse_name_of_file(pipeline)
    Warehouse(pipeline)
    capabilities = pipeline.destination_client().capabilities
    preferred, formats = capabilities.preferred_loader_file_format, capabilities.supported_loader_file_formats or []
    if preferred and capabilities.loader_file_format_selector:
        table: TTableSchema = {"name": "any", "file_format": "parquet"}
        _, formats = capabilities.loader_file_format_selector(preferred, formats, table_schema=table)
    if "csv" in formats and "parquet" not in formats:
        name = pipeline.destination.destination_name if pipeline.destination else ""
        raise SettingError(f"destination {name} needs packages by which rows arrive as they are: {install_line(name)}")


def install_line(destination: str) -> str:
    """Returns the command that installs what a destination needs."""
    requirements = PROJECT_FOLDER / f"requirements-{destination}.txt"
    return f"pip install -r {requirements.name}" if requirements.is_file() else f"pip install 'dlt[{destination}]'"


def can_merge(pipeline: dlt.Pipeline) -> bool:
    """Returns whether a destination lets rows take the place of those with the same key."""
    capabilities = pipeline.destination_client().capabilities
    strategies = capabilities.supported_merge_strategies or []
    if capabilities.merge_strategies_selector:
        strategies = list(capabilities.merge_strategies_selector(strategies, table_schema={"name": "any"}))
    return STRATEGY in strategies
