"""dlt's settings as this product was measured with; each counts only where the user has not set it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dlt

LOG_LEVEL = "runtime.log_level"
DEFAULTS: dict[str, object] = {
    LOG_LEVEL: "CRITICAL",  # what concerns a person is said by this product
    "load.delete_completed_jobs": True,  # loaded files are copies of the rows: they would pile up
    "sources.data_writer.file_max_items": 100_000,  # bounds the memory of a load
    "normalize.data_writer.file_max_items": 100_000,
}
VERBOSE = {LOG_LEVEL: "WARNING"}  # dlt's own
LOAD_WORKERS = "load.workers"
SERVER_LOAD_WORKERS = 4  # a server takes several files at once: with one after another, most of the time is waiting
FILE_LOAD_WORKERS = 1  # DuckDB and SQLite take one writer; twenty files at once, dlt's default, cost memory
FILE_DESTINATIONS = frozenset({"duckdb", "ducklake", "filesystem", "sqlalchemy"})
WARNINGS_WITHOUT_MEANING = (
    # of Google's client: another way to read, which needs one more right and is slower where answers are small
    "Cannot create BigQuery Storage client",
    # of SQLAlchemy: what SQLite lacks is made up for when rows are read back; dlt writes its merges in an older way
    r"Dialect sqlite\+pysqlite does \*not\* support Decimal",
    "Coercing Subquery object into a select",
    "implicitly coercing SELECT object to scalar subquery",
)


def apply_dlt_defaults(*, verbose: bool = False) -> None:
    """Sets the defaults for the rest of the process, as a command does before it looks at a destination."""
    _set({**DEFAULTS, **(VERBOSE if verbose else {})})
    _silence()


def apply_load_workers(destination_type: str) -> None:
    """Sets how many files are loaded at once for the rest of the process."""
    _set({LOAD_WORKERS: _workers(destination_type)})


@contextmanager
def dlt_defaults(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Has the defaults hold for the length of a `with`; afterwards the process goes on with its own."""
    with dlt.config.values({}), warnings.catch_warnings():  # both put back what is set meanwhile
        _set({**DEFAULTS, LOAD_WORKERS: _workers(pipeline.destination.destination_type)})
        _silence()
        try:
            yield
        finally:
            level: object = dlt.config.get(LOG_LEVEL)
    if dlt.config.get(LOG_LEVEL) != level:
        dlt.current.run_context().initialize_runtime()


def _workers(destination_type: str) -> int:
    return FILE_LOAD_WORKERS if destination_type.rpartition(".")[2] in FILE_DESTINATIONS else SERVER_LOAD_WORKERS


def _set(defaults: dict[str, object]) -> None:
    unset = {name: value for name, value in defaults.items() if dlt.config.get(name) is None}
    for name, value in unset.items():
        dlt.config[name] = value
    if LOG_LEVEL in unset:
        dlt.current.run_context().initialize_runtime()  # dlt has begun to log before, at its own level


def _silence() -> None:
    for beginning in WARNINGS_WITHOUT_MEANING:
        warnings.filterwarnings("ignore", beginning)
