"""What differs from one destination to another: `of` tells it, from one file for each kind.

Offers how a destination is opened, what it can do, what its failures mean, and the questions that a run asks of its tables.
May import the catalogue and what stands below it; knows nothing of how Harvest is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import dlt
from dlt.common.destination import Destination

from harvest_source.destinations import bigquery, duckdb, ducklake, files, postgres, sqlalchemy
from harvest_source.destinations.facts import Facts, kind_of

KNOWN: Mapping[str, Facts] = MappingProxyType(
    {
        "bigquery": bigquery.FACTS,
        "duckdb": duckdb.FACTS,
        "ducklake": ducklake.FACTS,
        "filesystem": files.FACTS,
        "postgres": postgres.FACTS,
        "sqlalchemy": sqlalchemy.FACTS,
    }
)
OTHERS = Facts()


def of(pipeline: dlt.Pipeline) -> Facts:
    """Returns the facts of a pipeline's destination."""
    return of_destination(pipeline.destination)


def of_destination(destination: Destination[Any, Any] | None) -> Facts:
    """Returns the facts of a destination that no pipeline has yet."""
    return KNOWN.get(kind_of(destination), OTHERS)
