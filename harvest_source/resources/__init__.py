"""Makes dlt resources of the catalogue's reports: one per report, those of children as transformers fed by their parents.

A resource asks Harvest when it is iterated, never before, and yields the rows of a reading that is complete; then the report's
mark moves. May import reading and what lies below it; knows nothing of loading.
"""

from harvest_source.resources.extraction import accounts_state, active_pipeline
from harvest_source.resources.items import (
    BATCH_ROWS,
    Batch,
    empty_item,
    iter_batches,
    iter_items,
    kinds_in,
    known_arrow_schema,
    only_rows,
    rows_in,
)
from harvest_source.resources.lists import table_resource
from harvest_source.resources.source import HarvestSource, build_resources, source_of

__all__ = [
    "BATCH_ROWS",
    "Batch",
    "HarvestSource",
    "accounts_state",
    "active_pipeline",
    "build_resources",
    "empty_item",
    "iter_batches",
    "iter_items",
    "kinds_in",
    "known_arrow_schema",
    "only_rows",
    "rows_in",
    "source_of",
    "table_resource",
]
