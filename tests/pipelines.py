"""dlt pipelines in a folder of the test's, and what they loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs import PluggableRunContext
from dlt.common.pipeline import PipelineContext

from harvest_source.destinations.defaults import apply_dlt_defaults, apply_load_workers

_fresh: list[Any] = []  # what dlt knew after it was made to forget


def forget_dlt() -> None:
    """Has dlt read its settings anew, and no longer know a pipeline."""
    if Container()[PipelineContext].is_active():
        dlt.pipeline().deactivate()
    Container()[PluggableRunContext].reload(str(Path.cwd()))
    _fresh[:] = _what_dlt_knows()


def forget_dlt_if_used() -> None:
    """Does the same where dlt knows anything else than then: reading settings takes longer than most tests of a module."""
    if _what_dlt_knows() != _fresh:
        forget_dlt()


def _what_dlt_knows() -> list[Any]:
    plugged = Container()[PluggableRunContext]
    providers = plugged.providers.providers
    return [
        Path.cwd(),
        plugged.context,
        vars(plugged.context).get("_runtime_config"),
        *providers,
        *(deepcopy(vars(provider).get("_config_doc")) for provider in providers),
        Container()[PipelineContext].is_active(),
    ]


def duckdb_file(folder: Path, name: str) -> Any:
    """Returns the destination of most tests: a DuckDB file in a folder."""
    return dlt.destinations.duckdb(str(folder / f"{name}.duckdb"))


Make = Callable[[Path, str], Any]
"""Gives the destination of a folder and a pipeline's name."""

_makes: list[Make] = [duckdb_file]  # the last one counts; threads of a test see it as well


@contextmanager
def loading_into(make: Make) -> Iterator[None]:
    """Has every pipeline of a test load into another destination; the fixture `load_into` is the way for most."""
    _makes.append(make)
    try:
        yield
    finally:
        _makes.remove(make)


def make_destination(folder: Path, name: str = "harvest_pipeline") -> Any:
    """Returns the destination into which the test loads."""
    return _makes[-1](folder, name)


def make_pipeline(
    folder: Path, name: str = "harvest_pipeline", state: str = "state"
) -> dlt.Pipeline:
    """Returns a pipeline whose database and state lie in a folder; another machine has a folder of another name for its state."""
    destination = make_destination(folder, name)
    apply_dlt_defaults()
    apply_load_workers(destination)
    return dlt.pipeline(
        name, destination=destination, dataset_name="harvest", pipelines_dir=str(folder / state)
    )


def rows(folder: Path, sql: str, name: str = "harvest_pipeline") -> list[tuple[Any, ...]]:
    """Returns the rows of a query on the database of `make_pipeline`."""
    with make_pipeline(folder, name).sql_client() as client:
        return [tuple(row) for row in client.execute_sql(sql) or []]
