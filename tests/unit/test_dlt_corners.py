"""What is private to dlt is touched in one file only: a release of dlt that moves it is followed there."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union

import dlt
import pytest
from dlt.common import jsonpath, validation
from dlt.common.configuration import resolve, specs
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import environ
from dlt.common.configuration.specs import BaseConfiguration, CredentialsConfiguration
from dlt.common.schema.typing import TColumnSchema, TStoredSchema, TTableSchema
from dlt.common.typing import TSecretStrValue, TSecretValue
from dlt.extract import incremental
from dlt.extract.incremental import transform
from pipelines import make_pipeline

import harvest_source
from harvest_source import dlt_corners
from harvest_source.dlt_corners import (
    COPIES,
    PREPARES,
    STAYS_TRUE,
    destinations_resolved_once,
    schemas_read_once,
    take_short_cuts,
)

PACKAGE = Path(harvest_source.__file__).parent
CORNERS = PACKAGE / "dlt_corners.py"
FILES = sorted(set(PACKAGE.rglob("*.py")) - {CORNERS})
OF_NAMED_TUPLES = {"_asdict", "_replace"}  # public, as Python documents them
NAMES_OF_DLT = re.compile(
    r"_dlt\b|_dlt_|\bx-(normalizer|bigquery|loader|insert)|_version_hash|_state_version|initial_cwd"
)


def corners_in(source: str) -> Iterator[str]:
    """Yields what a file touches of dlt that is private: attributes of another's, and names that only dlt makes."""
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # doc strings
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
        ):
            own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            if not own and node.attr not in OF_NAMED_TUPLES:
                yield f"line {node.lineno}: .{node.attr}"
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
        ):
            yield from (
                f"line {node.lineno}: {found[0]}" for found in NAMES_OF_DLT.finditer(node.value)
            )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dlt"):
            yield from (
                f"line {node.lineno}: {name.name}"
                for name in node.names
                if name.name.startswith("_")
            )


def test_no_other_file_touches_what_is_private_to_dlt() -> None:
    """Private names of this product's own objects are not touched from outside either."""
    found = {
        str(file.relative_to(PACKAGE)): list(corners_in(file.read_text(encoding="utf-8")))
        for file in FILES
    }
    assert {name: corners for name, corners in found.items() if corners} == {}


def test_the_search_finds_each_kind_of_corner() -> None:
    lines = (
        '"""Prose: _dlt_id."""',
        "pipeline._x()",
        "from dlt.extract import _y",
        'f"select _dlt_id from {self._z}"',
        'a["x-normalizer"]',
    )
    source = "\n".join(lines)
    assert sorted(corners_in(source)) == [
        "line 2: ._x",
        "line 3: _y",
        "line 4: _dlt_",
        "line 5: x-normalizer",
    ]
    assert len(list(corners_in(CORNERS.read_text(encoding="utf-8")))) > len(
        list(corners_in(source))
    )


def counted(calls: Counter[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that counts how often it is called."""

    def call(*arguments: Any, **named: Any) -> Any:
        calls[name] += 1
        return function(*arguments, **named)

    return call


def rows_of(pipeline: dlt.Pipeline, dataset: str) -> list[Any]:
    """Returns the rows of a table in a dataset."""
    with pipeline.sql_client() as client:
        rows = client.execute_sql(f"select id from {dataset}.things order by id")
    return list(rows or ())


def test_a_destination_is_resolved_once_for_each_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the `with` dlt resolves anew: settings may have changed between two runs of one pipeline."""
    pipeline, calls = make_pipeline(tmp_path), Counter[str]()
    destination = pipeline.destination
    resolve = counted(calls, "resolve", type(destination).configuration)
    monkeypatch.setattr(type(destination), "configuration", resolve)
    with destinations_resolved_once(pipeline):
        pipeline.run([{"id": 1}], table_name="things")
        once = calls["resolve"]
        pipeline.run([{"id": 2}], table_name="things")
        assert rows_of(pipeline, "harvest") == [(1,), (2,)]
        assert calls["resolve"] == once
        pipeline.run([{"id": 3}], table_name="things", dataset_name="elsewhere")
        assert calls["resolve"] > once
        assert (rows_of(pipeline, "harvest"), rows_of(pipeline, "elsewhere")) == (
            [(1,), (2,)],
            [(3,)],
        )
    again = calls["resolve"]
    assert rows_of(pipeline, "elsewhere") == [(3,)]
    assert calls["resolve"] > again


def test_a_schema_is_read_again_where_its_file_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, calls = make_pipeline(tmp_path), Counter[str]()
    pipeline.run([{"id": 1}], table_name="things")
    storage: Any = pipeline.schemas
    load = counted(calls, "load", type(storage).load_schema)
    monkeypatch.setattr(type(storage), "load_schema", load)
    with schemas_read_once(pipeline):
        first = pipeline.default_schema
        assert pipeline.default_schema is first
        assert calls["load"] == 1
        first.update_table(
            {"name": "others", "columns": {"id": {"name": "id", "data_type": "bigint"}}}
        )
        assert "others" in pipeline.default_schema.tables
        storage.commit_live_schema(first.name)
        assert "others" in pipeline.default_schema.tables
        read = calls["load"]
        (file,) = (tmp_path / "state").glob("*/schemas/*.json")
        other = dlt.Schema.from_dict(json.loads(file.read_text()))
        other.update_table(
            {"name": "new", "columns": {"id": {"name": "id", "data_type": "bigint"}}}
        )
        file.write_text(json.dumps(other.to_dict()))
        assert "new" in pipeline.default_schema.tables
        assert calls["load"] == read + 1
    assert pipeline.default_schema.name == first.name
    assert calls["load"] > read + 1


def subclasses(of: type[Any]) -> Iterator[type[Any]]:
    """Yields what is made of a class, and what is made of that."""
    for each in of.__subclasses__():
        yield each
        yield from subclasses(each)


def types_of_dlt() -> Iterator[Any]:
    """Yields the types of all settings that dlt has here, and of some that it might have."""
    for spec in subclasses(BaseConfiguration):
        yield spec
        yield from spec.get_resolvable_fields().values()
    yield from (TSecretValue, TSecretStrValue, CredentialsConfiguration, Any, None)
    yield from (Union[int, CredentialsConfiguration], Union[CredentialsConfiguration, int])  # noqa: UP007 - dlt has this form
    yield from (int | str, Optional[TSecretStrValue], Literal["a", "b"], Literal["b", "a"])  # noqa: UP045 - dlt has this form
    yield from (Annotated[str, {}], list[str], dict[str, CredentialsConfiguration])


@pytest.mark.parametrize(
    ("module", "name"),
    [each for each in STAYS_TRUE if each[1] not in {"get_type_hints", "compile_path"}],
)
def test_what_is_remembered_of_a_type_is_what_dlt_says_of_it(module: Any, name: str) -> None:
    """The first time and the second; types that are equal may list what they are made of in another order."""
    take_short_cuts()
    remembering = getattr(module, name)
    kinds = list(types_of_dlt())
    assert len(kinds) > 300
    for _ in range(2):
        for kind in kinds:
            assert remembering(kind) == remembering.__wrapped__(kind), kind


@pytest.mark.parametrize("how", [{}, {"preserve_literal": True}, {"preserve_annotated": True}])
def test_how_a_type_is_asked_about_counts(how: dict[str, bool]) -> None:
    take_short_cuts()
    remembering = vars(resolve)["extract_inner_hint"]
    for kind in types_of_dlt():
        assert remembering(kind, **how) == remembering.__wrapped__(kind, **how), kind


def test_tables_are_checked_with_the_same_fields() -> None:
    take_short_cuts()
    remembering = vars(validation)["get_type_hints"]
    for kind in (TStoredSchema, TTableSchema, TColumnSchema):
        names = vars(sys.modules[kind.__module__])
        for _ in range(2):
            assert remembering(kind, globalns=names) == remembering.__wrapped__(
                kind, globalns=names
            )


@pytest.mark.parametrize("path", ["updated_at", "$.updated_at", "'odd name'", "a.b[*]"])
def test_paths_are_read_as_dlt_reads_them(path: str) -> None:
    take_short_cuts()
    for module in (jsonpath, incremental, transform):
        remembering = vars(module)["compile_path"]
        for _ in range(2):
            assert repr(remembering(path)) == repr(remembering.__wrapped__(path))
    assert jsonpath.extract_simple_field_name("updated_at") == "updated_at"


def test_dlt_is_asked_of_a_type_once_and_remembering_twice_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Made for the moment and gone, a type is no other's: an identity may come again."""
    calls, ask = Counter[str](), specs.base_configuration.is_secret_hint
    monkeypatch.setattr(environ, "is_secret_hint", counted(calls, "asked", ask))
    take_short_cuts()
    remembering = vars(environ)["is_secret_hint"]
    take_short_cuts()
    assert vars(environ)["is_secret_hint"] is remembering
    assert [remembering(TSecretStrValue), remembering(str)] * 3 == [True, False] * 3
    assert calls["asked"] == 2
    monkeypatch.setattr(dlt_corners, "MOST_ANSWERS", 3)
    for number in range(100):
        assert remembering(Annotated[str, number]) is False
        assert remembering(Annotated[TSecretStrValue, number])
    assert calls["asked"] == 202


def test_tables_of_a_schema_are_copied_whole_and_apart() -> None:
    """Whatever is in one: what is no plain data is copied as dlt does it."""
    take_short_cuts()
    day = date(2026, 1, 1)
    table = {"name": "things", "columns": {"id": {"nullable": False}}, "key": ["id"], "x-day": day}
    table["x-pair"] = ({"a": [1]},)
    for module, name in COPIES:
        copied = vars(module)[name](table)
        assert copied == table == vars(module)[name].__wrapped__(table)
        copied["columns"]["id"]["nullable"] = True
        copied["key"].append("other")
        copied["x-pair"][0]["a"].append(2)
        assert table["columns"] == {"id": {"nullable": False}}
        assert (table["key"], table["x-pair"]) == (["id"], ({"a": [1]},))


@pytest.mark.parametrize("at_hand", [True, False])
def test_tables_are_prepared_for_the_destination_that_is_given_or_loads(*, at_hand: bool) -> None:
    """Each table is another object than the schema's, with the hints that it has of the table above it."""
    take_short_cuts()
    schema: Any = dlt.Schema("own")
    schema.update_table(
        {
            "name": "things",
            "write_disposition": "merge",
            "columns": {},
            "x-merge-strategy": "upsert",
        }
    )
    schema.update_table({"name": "things__parts", "parent": "things", "columns": {}})
    abilities = dlt.destinations.duckdb().capabilities()
    part = schema.tables["things__parts"]
    for module, name in PREPARES:
        prepare = vars(module)[name]
        with Container().injectable_context(abilities):
            given = (abilities,) if at_hand else ()
            prepared = prepare(schema.tables, part, *given)
            assert prepared == prepare.__wrapped__(schema.tables, part, *given)
        assert (prepared["write_disposition"], prepared["x-merge-strategy"]) == ("merge", "upsert")
        assert "write_disposition" not in part
