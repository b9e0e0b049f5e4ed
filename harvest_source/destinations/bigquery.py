"""BigQuery; how it lays out its tables is told to dlt with their columns (`catalogue.hints`)."""

from __future__ import annotations

from harvest_source.destinations.facts import Facts

# needs one more right, and is slower where answers are small
ANOTHER_WAY_TO_READ = "Cannot create BigQuery Storage client"

FACTS = Facts(
    is_tested=True,
    keeps_own_columns=True,
    computes_columns=False,
    warnings=(ANOTHER_WAY_TO_READ,),
)
