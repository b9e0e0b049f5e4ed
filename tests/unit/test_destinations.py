"""What is known of each destination, however it was named or made."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.common.destination import Destination

from harvest_source import destinations
from harvest_source.destinations import KNOWN, OTHERS, of_destination
from harvest_source.destinations.abilities import can_merge, check_abilities, settle_destination
from harvest_source.destinations.duckdb import database_file, is_one_file, reads_for
from harvest_source.destinations.postgres import is_postgres
from harvest_source.errors import SettingError

ROOM = Path(destinations.__file__).parent


class Own(dlt.destinations.duckdb):
    """A destination that a user derived from dlt's."""


@dlt.destination
def sink(_items: Any, _table: Any) -> None:
    """A destination that a user wrote."""


NAMED = {
    "duckdb": "duckdb",
    "dlt.destinations.duckdb": "duckdb",
    "dlt.destinations.postgres": "postgres",
    "dlt.destinations.bigquery": "bigquery",
    "dlt.destinations.filesystem": "filesystem",
    "sqlalchemy": "sqlalchemy",
    "ducklake": "ducklake",
    "our_warehouse": "postgres",  # by its setting destination_type
    "motherduck": "",  # a service: of DuckDB's kind, and no file
    "redshift": "",
}


@pytest.mark.parametrize("name", NAMED)
def test_destination_is_known_by_any_of_its_names(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__OUR_WAREHOUSE__DESTINATION_TYPE", "postgres")
    assert of_destination(Destination.from_reference(name)) is KNOWN.get(NAMED[name], OTHERS)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (dlt.destinations.duckdb("x.duckdb", destination_name="books"), "duckdb"),
        (Own("x.duckdb"), "duckdb"),
        (
            dlt.destinations.postgres("postgresql://a:b@localhost/c", destination_name="duckdb"),
            "postgres",
        ),
        (sink(), ""),
        (None, ""),
    ],
    ids=["with a name", "derived", "with another's name", "a function", "none"],
)
def test_destination_object_is_known(made: Any, wanted: str) -> None:
    assert of_destination(made) is KNOWN.get(wanted, OTHERS)


def test_facts_of_each_destination() -> None:
    """A file takes one writer; what is not tested here is tried before a first load; only a database can be told to refuse."""
    told = {
        name: (
            facts.load_workers,
            facts.is_tested,
            facts.keeps_own_columns,
            facts.computes_columns,
            len(facts.read_only),
        )
        for name, facts in KNOWN.items()
    }
    assert told == {
        "bigquery": (4, True, True, False, 0),
        "duckdb": (1, True, True, True, 1),
        "ducklake": (1, False, False, True, 0),
        "filesystem": (1, True, False, True, 0),
        "postgres": (4, True, True, True, 1),
        "sqlalchemy": (1, False, False, True, 0),
    }
    assert (OTHERS.load_workers, OTHERS.is_tested, OTHERS.read_only) == (4, False, ())


numbers = itertools.count()


def pipeline_into(folder: Path, destination: Any, dataset: str = "harvest") -> dlt.Pipeline:
    return dlt.pipeline(
        f"p{next(numbers)}",
        destination=destination,
        dataset_name=dataset,
        pipelines_dir=str(folder / "state"),
    )


def test_what_differs_by_destination(tmp_path: Path) -> None:
    """Where its tables are on this machine, whether rows take the place of others, and who reads it."""
    file, bucket, sqlite = tmp_path / "a.duckdb", tmp_path / "files", tmp_path / "b.db"
    made = {
        file: pipeline_into(tmp_path, Own(str(file))),
        bucket: pipeline_into(tmp_path, dlt.destinations.filesystem(bucket.as_uri())),
        sqlite: pipeline_into(tmp_path, dlt.destinations.sqlalchemy(f"sqlite:///{sqlite}")),
        None: pipeline_into(tmp_path, dlt.destinations.postgres("postgresql://a:b@localhost/c")),
    }
    for pipeline in made.values():
        settle_destination(pipeline)
    assert [destinations.of(pipeline).place(pipeline) for pipeline in made.values()] == list(made)
    assert [can_merge(pipeline) for pipeline in made.values()] == [True, False, True, True]
    assert [reads_for(pipeline) for pipeline in made.values()] == [True, True, False, False]
    assert [is_one_file(pipeline) for pipeline in made.values()] == [True, False, False, False]
    assert [is_postgres(pipeline) for pipeline in made.values()] == [False, False, False, True]
    with duckdb.connect() as in_memory:
        assert database_file(pipeline_into(tmp_path, dlt.destinations.duckdb(in_memory))) is None


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("a/b.duckdb", "there is no folder"),
        ("harvest.duckdb", "have one name"),
        (".Harvest_Staging.db", "have one name"),
        ("what?.duckdb", "the sign ? in its name"),
    ],
)
def test_database_file_that_could_not_be_used_is_refused(
    tmp_path: Path, file: str, said: str
) -> None:
    """Also where the destination is derived from dlt's, or has a name of its own."""
    for destination in (
        Own(str(tmp_path / file)),
        dlt.destinations.duckdb(str(tmp_path / file), destination_name="books"),
    ):
        with pytest.raises(SettingError, match=said.replace("?", "[?]")):
            check_abilities(pipeline_into(tmp_path, destination))
    assert not (tmp_path / file).exists()


def test_each_kind_is_recognised_in_its_own_file_only() -> None:
    """Dlt's name of the kind, by type, name or dialect: `duckdb.py` says it of DuckDB, and so on."""
    package = ROOM.parent
    found = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        for word in (
            "destination_type ==",
            "sqlglot_dialect ==",
            "sqlglot_dialect !=",
            "DuckDbSqlClient",
            '"dlt.destinations.',
        )
        if word in file.read_text(encoding="utf-8")
    }
    assert found <= {f"destinations/{name}.py" for name in ("duckdb", "indexes", "facts")}
