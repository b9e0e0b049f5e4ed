"""Files, which are written anew where a table changes: what a run that was killed in the middle means for other accounts."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from compare import assert_equal
from destinations import on
from dlt.common.destination.client import LoadJob
from dlt.common.storages.load_package import PackageStorage
from dlt.load.load import Load
from faults_support import Ears, errors_of, tiny
from pipelines import make_pipeline
from support import make_source, serving, sync_once

from harvest_sandbox import Account, Sandbox
from harvest_source.loading.syncing import sync

NAMES = {"clients": "address", "invoices": "notes"}


def load_both_then_die(folder: Path, sandbox: Sandbox, ours: Account, theirs: Account) -> None:
    """Loads two accounts, then changes rows of one, whose run is killed once files were taken away and before others came."""
    assert errors_of(sync_once(folder, sandbox, *NAMES, accounts=(ours.id, theirs.id))) == {}
    for name, field in NAMES.items():
        changes: dict[str, Any] = {field: "changed"}
        ours.update(name, next(iter(ours.rows[name])), **changes)
    real = Load.complete_jobs

    def die(load: Load, load_id: str, jobs: Sequence[LoadJob], schema: Any) -> Any:
        until = time.monotonic() + 10
        while (
            jobs
            and time.monotonic() < until
            and not all(job.state() == "completed" for job in jobs)
        ):
            time.sleep(0.01)
        if jobs:
            raise OSError("killed")
        return real(load, load_id, jobs, schema)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Load, "complete_jobs", die)
        patch.setattr(PackageStorage, "save_pending_transition", lambda *_, **__: None)
        with pytest.raises(Exception, match="killed"):
            sync_once(folder, sandbox, *NAMES, accounts=(ours.id,))
    for name in NAMES:
        for file in (folder / "files" / "harvest").glob(f"{name}*/*.parquet"):
            file.unlink()  # as if the kill had come a moment before they were written


@pytest.mark.long
@on("filesystem")
def test_killed_run_of_one_account_costs_no_row_of_another(tmp_path: Path) -> None:
    """What was interrupted is finished, even if told to drop it: no other place has the other account's rows."""
    ours, theirs = tiny(), tiny(seed=6)
    with serving(ours, theirs) as sandbox:
        load_both_then_die(tmp_path, sandbox, ours, theirs)
        source = make_source(sandbox, *NAMES, accounts=(ours.id,))
        summary = sync(make_pipeline(tmp_path), source, drop_pending=True)
        assert (errors_of(summary), summary.pending_loaded) == ({}, True)
        assert_equal(tmp_path, sandbox, *NAMES)


@pytest.mark.long
@on("filesystem")
def test_rows_that_went_with_a_machine_are_read_again_for_every_account(tmp_path: Path) -> None:
    """The working state is gone as well: the run of one account says what the other one lost, whose own run brings it all."""
    ours, theirs = tiny(), tiny(seed=6)
    with serving(ours, theirs) as sandbox:
        load_both_then_die(tmp_path, sandbox, ours, theirs)
        shutil.rmtree(tmp_path / "state")
        ears = Ears()
        sync(
            make_pipeline(tmp_path),
            make_source(sandbox, *NAMES, accounts=(ours.id,)),
            listener=ears,
        )
        for name in NAMES:
            assert (
                sum(f"{name} of account {theirs.id} lost rows" in note for note in ears.notes) == 1
            ), ears.notes
        assert errors_of(sync_once(tmp_path, sandbox, *NAMES, accounts=(theirs.id,))) == {}
        assert_equal(tmp_path, sandbox, *NAMES)
