"""dlt's settings as this product was measured with; each counts only where the user has not set it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import dlt
from dlt.common.destination import Destination

from harvest_source.destinations import KNOWN, of, of_destination
from harvest_source.dlt_corners import take_short_cuts

LOG_LEVEL = "runtime.log_level"
DEFAULTS: dict[str, object] = {
    LOG_LEVEL: "CRITICAL",  # what concerns a person is said by this product
    "load.delete_completed_jobs": True,  # loaded files are copies of the rows: they would pile up
    "sources.data_writer.file_max_items": 100_000,  # bounds the memory of a load
    "normalize.data_writer.file_max_items": 100_000,
}
VERBOSE = {LOG_LEVEL: "WARNING"}  # dlt's own
LOAD_WORKERS = "load.workers"


def apply_dlt_defaults(*, verbose: bool = False) -> None:
    """Sets the defaults for the rest of the process, as a command does before it looks at a destination."""
    _set({**DEFAULTS, **(VERBOSE if verbose else {})})
    _silence()
    take_short_cuts()


def apply_load_workers(destination: Destination[Any, Any]) -> None:
    """Sets how many files are loaded at once for the rest of the process."""
    _set({LOAD_WORKERS: of_destination(destination).load_workers})


@contextmanager
def dlt_defaults(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Has the defaults hold for the length of a `with`; afterwards the process goes on with its own."""
    take_short_cuts()
    has_own_level = dlt.config.get(LOG_LEVEL) is not None
    try:
        # both put back what is set meanwhile
        with dlt.config.values({}), warnings.catch_warnings():
            _set({**DEFAULTS, LOAD_WORKERS: of(pipeline).load_workers})
            _silence()
            yield
    finally:
        if not has_own_level:
            dlt.current.run_context().initialize_runtime()


def _set(defaults: dict[str, object]) -> None:
    unset = {name: value for name, value in defaults.items() if dlt.config.get(name) is None}
    for name, value in unset.items():
        dlt.config[name] = value
    if LOG_LEVEL in unset:
        # dlt has begun to log before, at its own level
        dlt.current.run_context().initialize_runtime()


def _silence() -> None:
    for beginning in chain.from_iterable(facts.warnings for facts in KNOWN.values()):
        warnings.filterwarnings("ignore", beginning)
