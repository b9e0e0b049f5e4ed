"""`--metrics FILE` of whole runs: figures beside what is in the tables, and files that cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Type
from faults_support import tiny
from prometheus_client.parser import text_string_to_metric_families
from support import serving

from harvest_sandbox import Fault, Request

RUN = ("--reports", "clients,roles", "--metrics", "harvest.prom")


def values(report: str | None = None, **labels: str) -> dict[str, float]:
    """Returns the values of a report, or of the last run, by name."""
    found = {}
    for family in text_string_to_metric_families(Path("harvest.prom").read_text("utf-8")):
        for sample in family.samples:
            wanted = ({"report": report} if report else {}) | labels
            own = {
                name: value
                for name, value in sample.labels.items()
                if name not in {"destination", "dataset", "account_id"}
            }
            if own == wanted:
                found[sample.name] = sample.value
    return found


@pytest.mark.long
def test_figures_are_those_of_the_summary_and_move_only_with_what_is_loaded(
    type_command: Type,
) -> None:
    """A first run, one with changes, one in which a report fails, one that ends early."""
    account = tiny()
    first = next(iter(account.rows["clients"]))
    with serving(account) as sandbox:
        done = type_command(*RUN, "--json", harvest=sandbox)
        (clients, _) = done.json()["reports"]
        assert values("clients")["harvest_report_rows"] == clients["total"] == 3
        assert values("clients", change="new")["harvest_report_changes"] == 3
        assert values("clients")["harvest_report_requests"] == clients["requests"]
        assert values("clients")["harvest_report_verified"] == 1
        account.update("clients", first, name="renamed")
        assert type_command(*RUN, harvest=sandbox).code == 0
        assert values("clients", change="new")["harvest_report_changes"] == 0
        assert values("clients", change="changed")["harvest_report_changes"] == 1
        kept = values("clients"), values("clients", change="changed")
        account.update("clients", first, name="renamed again")
        sandbox.faults.append(Fault("/clients$", status=403, times=None))
        roles = values("roles")["harvest_report_last_complete_timestamp_seconds"]
        assert type_command(*RUN, harvest=sandbox).code == 1
        failed = {**kept[0], "harvest_report_complete": 0}
        assert (values("clients"), values("clients", change="changed")) == (failed, kept[1])
        assert values("roles")["harvest_report_last_complete_timestamp_seconds"] > roles
        at = values()["harvest_last_run_timestamp_seconds"]
        done = type_command(*RUN, harvest=sandbox, ACCESS_TOKEN="wrong")
        assert (done.code, values()["harvest_last_run_exit_code"]) == (1, 1)
        assert values()["harvest_last_run_timestamp_seconds"] > at
        assert (values("clients"), values("clients", change="changed")) == (failed, kept[1])


def test_folder_that_is_not_there_ends_the_run_before_harvest_is_asked(
    tmp_path: Path, type_command: Type
) -> None:
    with serving(tiny()) as sandbox:
        done = type_command("--metrics", "gone/harvest.prom", harvest=sandbox)
        assert sandbox.requests == []
    assert (done.code, done.out) == (2, "")
    folder = tmp_path / "gone"
    assert done.err == f"error: --metrics: there is no folder {folder}: make it, or name another\n"
    assert not (tmp_path / "harvest_pipeline.duckdb").exists()


def test_file_that_cannot_be_written_at_the_end_loses_no_load(
    tmp_path: Path, type_command: Type
) -> None:
    """Somebody takes the folder away while the run works: all is loaded, exit code 0, one line."""
    folder = tmp_path / "collected"
    folder.mkdir()
    with serving(tiny()) as sandbox:

        def take_away(_request: Request) -> None:
            if folder.exists():
                folder.rmdir()

        sandbox.before_answer = take_away
        run = ("--reports", "clients,roles", "--quiet", "--metrics", "collected/harvest.prom")
        done = type_command(*run, harvest=sandbox)
    (said,) = done.err.splitlines()
    assert done.code == 0
    assert said.startswith(f"the metrics could not be written to {folder}/harvest.prom: ")
    counted = type_command("show", "select count(*) as n from clients", "--json").json()
    assert counted == [{"n": 3}]
