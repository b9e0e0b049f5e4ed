"""dlt's private corners: what this product needs of dlt and finds in no public place, each with its reason; seen with dlt 1.31.

Nothing else in this package touches one (`tests/unit/test_dlt_corners.py` looks), so that a release of dlt that moves them is
followed here. One more stands where it must, at the decorated function: `_impl_cls` of `dlt.source`, which dlt documents there,
lets `sync` find the way to Harvest in a source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import dlt
import dlt.common.destination.client
import dlt.normalize.worker
import tomlkit
from dlt.common import jsonpath, validation
from dlt.common.configuration import resolve
from dlt.common.configuration.providers import environ
from dlt.common.configuration.providers.toml import SettingsTomlProvider
from dlt.common.destination.client import StateInfo
from dlt.common.normalizers.json.relational import DataItemNormalizer
from dlt.common.schema import schema, utils
from dlt.common.schema.typing import (
    C_DLT_ID,
    C_DLT_LOAD_ID,
    DLT_NAME_PREFIX,
    LOADS_TABLE_NAME,
    PIPELINE_STATE_TABLE_NAME,
)
from dlt.common.schema.utils import has_table_seen_data
from dlt.common.storages import LoadStorage, NormalizeStorage
from dlt.common.storages.load_package import PackageStorage
from dlt.extract import incremental
from dlt.extract.incremental import transform

# How the names of dlt's own tables and columns begin: such columns are no fields of Harvest, and such tables no reports.
OF_DLT = DLT_NAME_PREFIX

# dlt's columns: of a row, and of an element of a list in it. A comparison passes them by; tables are made ahead with them.
LOAD_ID, ROW_ID = C_DLT_LOAD_ID, C_DLT_ID
ROOT_ID, PARENT_ID, LIST_INDEX = (
    DataItemNormalizer.C_DLT_ROOT_ID,
    DataItemNormalizer.C_DLT_PARENT_ID,
    DataItemNormalizer.C_DLT_LIST_IDX,
)

# dlt's tables of its loads and states: whether a load was completed, and whether a state is in the destination.
LOADS_TABLE, STATES_TABLE = LOADS_TABLE_NAME, PIPELINE_STATE_TABLE_NAME
COMPLETED = 0  # the status of a load there

# A pipeline's working folder: files that hold JSON, rows that wait to be loaded, and versions. After a power cut one may be
# unreadable or empty; of what is loaded nothing is read again.
JSON_FILES = (
    "state.json",
    "schemas/*.json",
    "load/normalized/*/**/*.json",
    "normalize/extracted/*/**/*.json",
)
WAITING_ROWS = ("load/normalized/*/*_jobs/*", "normalize/extracted/*/new_jobs/*")
VERSION_FILES = ("load/.version", "normalize/.version")

# Under this name a pipeline keeps, on its machine only, from where relative paths count: it outlives a state that is forgotten.
FIRST_FOLDER = "initial_cwd"

# What dlt works out of a type or a path alone, anew for every setting that it looks for, every table that it checks and every
# cursor: a module and a function in it.
STAYS_TRUE: tuple[tuple[Any, str], ...] = (
    (incremental, "compile_path"),
    (jsonpath, "compile_path"),
    (transform, "compile_path"),
    (environ, "is_secret_hint"),
    (resolve, "is_secret_hint"),
    (resolve, "is_union_type"),
    (resolve, "extract_inner_hint"),
    (validation, "get_type_hints"),
    (validation, "is_literal_type"),
    (validation, "is_optional_type"),
    (validation, "is_union_type"),
)
MOST_ANSWERS = 10_000  # of a function, that are remembered

# Where dlt copies tables of its schemas, each column of each, for every look at a table that it loads.
COPIES = ((schema, "deepcopy"), (utils, "deepcopy"))
SHORTENED = "harvest_shortened"  # marks a function that stands in place of dlt's
PLAIN = (str, int, float, bool, type(None))

# Where it prepares them so, and looks for a setting that it has in hand.
PREPARES = tuple(
    (module, "prepare_load_table")
    for module in (
        dlt.common.destination.client,
        dlt.common.destination.utils,
        dlt.normalize.worker,
    )
)


def make_folders(pipeline: dlt.Pipeline) -> None:
    """Makes the working folders that a pipeline lacks: killed while it made them, dlt would miss the rest ever after."""
    NormalizeStorage(is_owner=True, config=pipeline._normalize_storage_config())  # noqa: SLF001
    LoadStorage(is_owner=True, supported_file_formats=[], config=pipeline._load_storage_config())  # noqa: SLF001


def extracted_packages(pipeline: dlt.Pipeline) -> PackageStorage:
    """Returns the loads that are extracted and not normalized: one that is both must go, and each keeps the state before it."""
    return pipeline._get_normalize_storage().extracted_packages  # noqa: SLF001


def normalized_packages(pipeline: dlt.Pipeline) -> PackageStorage:
    """Returns the loads that are normalized: a file in each tells whether its load has begun."""
    return pipeline._get_load_storage().normalized_packages  # noqa: SLF001


def take_short_cuts() -> None:
    """Has dlt come to the same results with less work, for the rest of the process.

    What it asks of a type or a path it works out once, since the answers cannot change: that was a third of all that a quiet run
    of all reports computes. It copies tables of schemas as the plain data that they are, and looks for no setting that it was
    given: a quarter of a first run.
    """
    for places, shorten in (
        (STAYS_TRUE, _answering_once),
        (COPIES, _copying_plain_data),
        (PREPARES, _looking_for_no_setting),
    ):
        for module, name in places:
            function = getattr(module, name)
            if not hasattr(function, SHORTENED):
                short = shorten(function)
                setattr(short, SHORTENED, True)
                setattr(module, name, short)


def _copying_plain_data(deepcopy: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @wraps(deepcopy)
    def copied(value: Any) -> Any:
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind is dict:
            return {name: copied(each) for name, each in value.items()}
        if kind is list:
            return [copied(each) for each in value]
        return deepcopy(value)

    return copied


def _looking_for_no_setting(prepare: Callable[..., Any]) -> Callable[..., Any]:
    prepare_with_all = vars(prepare)["__wrapped__"]

    @wraps(prepare)
    def prepared(tables: Any, table: Any, destination_capabilities: Any = None) -> Any:
        if destination_capabilities is None:
            return prepare(tables, table)
        return prepare_with_all(tables, table, destination_capabilities)

    return prepared


def _answering_once(function: Callable[..., Any]) -> Callable[..., Any]:
    # by identity: types that are equal may list what they are made of in another order
    answers: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    @wraps(function)
    def answer(about: Any, **how: Any) -> Any:
        asked = (id(about), *((name, id(value)) for name, value in how.items()))
        found = answers.get(asked)
        if found is None:
            if len(answers) == MOST_ANSWERS:  # made for the moment, most of what was asked about
                answers.clear()
            # what was asked is kept beside the answer: its identity is then nobody else's
            found = answers[asked] = ((about, how), function(about, **how))
        return found[1]

    return answer


@contextmanager
def destinations_resolved_once(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Has dlt find out the configuration of a pipeline's destinations once, for the length of a `with`.

    dlt does so for every client it makes and every time it asks what a destination can: 66 times in a run of all reports,
    a third of all that a quiet run computes. The clients then share credentials, and with those a DuckDB connection, as
    they do within each of dlt's loads.
    """
    with ExitStack() as stack:
        for place in (pipeline.destination, pipeline.staging):
            if place:
                remembering = _remembering(place.configuration)
                stack.enter_context(_instead(place, "configuration", remembering))
        yield


def _remembering(resolve: Callable[..., Any]) -> Callable[..., Any]:
    found: dict[tuple[str, bool], Any] = {}

    def configuration(initial_config: Any, accept_partial: bool = False) -> Any:  # noqa: FBT001, FBT002 - as dlt has it
        asked = (repr(dict(initial_config)) if initial_config else "", accept_partial)
        if asked not in found:
            found[asked] = resolve(initial_config, accept_partial)
        return found[asked]

    return configuration


@contextmanager
def schemas_read_once(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Has dlt read a schema from its working folder only where the file or the schema changed, for the length of a `with`.

    dlt reads and checks it anew whenever it or one of its clients is asked for it: 65 times in a quiet run of all reports.
    """
    storage: Any = pipeline.schemas
    load, unchanged = storage.load_schema, dict[str, tuple[Any, ...]]()

    def marks(name: str) -> tuple[Any, ...]:
        live, file = storage.live_schemas.get(name), storage._file_name_in_store(name, "json")  # noqa: SLF001
        try:
            found = Path(storage.storage.make_full_path(file)).stat()
        except FileNotFoundError:
            return ()
        return (
            id(live),
            live and live.stored_version_hash,
            found.st_mtime_ns,
            found.st_size,
            found.st_ino,
        )

    def load_schema(name: str) -> Any:
        before = marks(name)
        if before and before == unchanged.get(name):
            return storage.live_schemas[name]
        schema = storage.set_live_schema(load(name))
        unchanged[name] = marks(name)
        return schema

    with _instead(storage, "load_schema", load_schema):
        yield


@contextmanager
def _instead(owner: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Has an object of dlt's call a function instead of its own method, for the length of a `with`."""
    owner.__dict__[name] = function
    try:
        yield
    finally:
        del owner.__dict__[name]


def state_version(pipeline: dlt.Pipeline) -> int:
    """Returns the number of a pipeline's working state: the destination's state counts where its number is not lower."""
    return pipeline.state["_state_version"]


def state_hash(pipeline: dlt.Pipeline) -> str:
    """Returns what tells a pipeline's working state from every other, as the destination's table of states has it."""
    return pipeline.state["_version_hash"]


def loaded_at(state: StateInfo) -> float:
    """Returns when the load began that brought a state into the destination, in seconds since 1970: dlt names loads so."""
    return float(state._dlt_load_id or 0)  # noqa: SLF001 - a field, named as the column is


class TomlProvider(SettingsTomlProvider):
    """Reads dlt's files of settings, one by one in `read_file`: dlt refuses one with a mark before its first line."""

    def read_file(self, path: str) -> tomlkit.TOMLDocument:
        """Returns what is in a file, as dlt reads it."""
        return super()._read_toml_file(path)

    def _read_toml_file(self, toml_path: str) -> tomlkit.TOMLDocument:
        return self.read_file(toml_path)


def has_seen_rows(table: Any) -> bool:
    """Returns whether dlt has made a table of its schema in the destination."""
    return has_table_seen_data(table)
