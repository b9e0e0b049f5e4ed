"""Harvest (time tracking, invoicing) as a dlt source: every number equal to Harvest's, in any dlt destination."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

__all__ = ["HarvestSource", "harvest_source", "sync"]

# A program that has imported dlt gets all at once, so that the usage figures are off before dlt looks at a setting. Else the
# names are imported when they are asked for: the command line, whose `--help` must not wait for dlt, takes other ways.
if TYPE_CHECKING or "dlt" in sys.modules:
    from harvest_source.library import HarvestSource, harvest_source, sync
else:

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from harvest_source import library  # noqa: PLC0415 - as above

        return getattr(library, name)
