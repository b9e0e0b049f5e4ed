"""The trial of a destination that this product is not tested with."""

from __future__ import annotations

from pathlib import Path

import pytest
from loads import (
    Loads,
    raising,
)

from harvest_source.errors import SettingError
from harvest_source.loading import trial
from harvest_source.loading.trial import try_out


@pytest.mark.parametrize(
    ("destination", "merges"), [("sqlite", True), ("duckdb", False)], indirect=["destination"]
)
def test_trial_of_a_destination_that_does_leaves_nothing(
    tmp_path: Path, destination: str, monkeypatch: pytest.MonkeyPatch, *, merges: bool
) -> None:
    """Also where rows cannot be merged, as in some that speak SQL."""
    monkeypatch.setattr(trial, "can_merge", lambda _pipeline: merges)
    loads = Loads(tmp_path, "clients")
    try_out(loads.loader.pipeline)
    assert [path.name for path in tmp_path.rglob("*trial*")] == []
    if destination == "duckdb":
        schemas = (
            "select schema_name from information_schema.schemata where schema_name like '%trial%'"
        )
        assert loads.rows(schemas) == []


@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (ValueError("no such type"), SettingError, "destination duckdb fails the self-test of a load: no such type"),
        (OSError("connection refused"), OSError, "connection refused"),
        (SettingError("as it is"), SettingError, "as it is"),
    ],
)  # fmt: skip
def test_trial_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception], said: str
) -> None:  # fmt: skip
    """A destination that is gone is not one that does not fit."""
    monkeypatch.setattr(trial, "load", raising(error))
    pipeline = Loads(tmp_path, "clients").loader.pipeline
    with pytest.raises(raised, match=f"^{said}$"):
        try_out(pipeline)
    assert [path.name for path in tmp_path.rglob("*trial*")] == []
