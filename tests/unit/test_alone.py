"""One run at a time, and what is known of one that is under way or was killed."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harvest_source.errors import SettingError
from harvest_source.loading.alone import UnderWay, alone, under_way


@pytest.fixture
def pipeline(tmp_path: Path) -> Any:
    """Returns what tells where the working state of a pipeline lies."""
    return SimpleNamespace(pipelines_dir=str(tmp_path), pipeline_name="harvest_pipeline")


def test_a_second_run_is_kept_out_until_the_first_has_ended(tmp_path: Path, pipeline: Any) -> None:
    told = pytest.raises(SettingError, match="another run is working on this pipeline")
    with alone(pipeline):
        first = under_way(tmp_path, "harvest_pipeline")
        assert first
        assert first.pid == os.getpid()
        assert under_way(tmp_path, "harvest_other") is None
        with told, alone(pipeline):
            pass
        assert under_way(tmp_path, "harvest_pipeline") == first  # the second wrote nothing down
    assert under_way(tmp_path, "harvest_pipeline") is None
    with alone(pipeline):
        pass


def test_a_run_that_fails_is_not_under_way_any_more(tmp_path: Path, pipeline: Any) -> None:
    with pytest.raises(OSError, match="full"), alone(pipeline):
        raise OSError("full")
    assert under_way(tmp_path, "harvest_pipeline") is None


@pytest.mark.parametrize(
    "written",
    [
        b"", b"\0" * 9, b"[]", b"7", b"{}", b'{"pid": 7}', b'{"pid": null, "started_at": "2026-07-01T12:00:00+00:00"}',
        b'{"pid": 7, "started_at": "yesterday"}', b'{"pid": 7, "started_at": 5}',
    ],
)  # fmt: skip
def test_a_note_that_cannot_be_read_says_nothing(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "harvest_pipeline.running.json").write_bytes(written)
    assert under_way(tmp_path, "harvest_pipeline") is None


def test_a_killed_run_leaves_its_note(tmp_path: Path) -> None:
    note = {"pid": 7, "started_at": "2026-07-01T12:00:00+00:00"}
    (tmp_path / "harvest_pipeline.running.json").write_text(json.dumps(note), encoding="utf-8")
    begun = datetime(2026, 7, 1, 12, tzinfo=UTC)
    found = under_way(tmp_path, "harvest_pipeline")
    assert found == UnderWay(7, begun)
    here = f"{begun.astimezone():%Y-%m-%d %H:%M:%S}"
    assert str(found) == f"a run is under way since {here} (process 7)"
