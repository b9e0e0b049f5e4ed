"""What a file of metrics holds, read by Prometheus's own parser, and what becomes of the file before."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from clocks import SteppedClock
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from harvest_source.commands import metrics
from harvest_source.commands.metrics import HELP, Metrics, labels_text, number, text_of
from harvest_source.commands.workplace import Workplace
from harvest_source.errors import LoadFailedError, SettingError
from harvest_source.loading.summary import ReportResult, Summary

HERE = {"destination": "duckdb", "dataset": "harvest"}
CLIENTS = ReportResult(
    "clients", 7, new=3, changed=2, deleted=1, total=9, requests=4, seconds=0.25, verified="yes"
)
ROLES = ReportResult("roles", 7, total=2, requests=1, verified="repaired 2")

Labels = frozenset[tuple[str, str]]


def parsed(text: str) -> dict[tuple[str, Labels], float]:
    """Returns each value by name and labels; every name has its meaning and its type."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert (family.documentation, family.type) == (HELP[family.name], "gauge")
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, "twice"
            found[key] = sample.value
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "harvest.prom"


def of_report(path: Path, report: str, **labels: str) -> dict[str, float]:
    """Returns the values of a report of account 7, by the name without what all have in common."""
    wanted = frozenset({**HERE, "account_id": "7", "report": report, **labels}.items())
    return {
        name.removeprefix("harvest_report_"): value
        for (name, found), value in parsed(path.read_text("utf-8")).items()
        if found == wanted
    }


def of_run(path: Path) -> dict[str, float]:
    """Returns the values of the last run, as `of_report`."""
    return {
        name.removeprefix("harvest_last_run_"): value
        for (name, found), value in parsed(path.read_text("utf-8")).items()
        if found == frozenset(HERE.items())
    }


def ran(path: Path, clock: SteppedClock, *results: ReportResult) -> None:
    """Writes what a run of three seconds did."""
    file = Metrics(str(path), Workplace(), clock)
    clock.seconds += 3
    file.done(Summary(list(results)))


def test_figures_of_a_run_and_its_reports(path: Path) -> None:
    ran(path, SteppedClock(1000), CLIENTS, ROLES)
    assert of_report(path, "clients") == {
        "rows": 9,
        "requests": 4,
        "read_seconds": 0.25,
        "verified": 1,
        "complete": 1,
        "last_complete_timestamp_seconds": 1003,
    }
    changes = {each: of_report(path, "clients", change=each) for each in ("new", "changed")}
    assert changes == {"new": {"changes": 3}, "changed": {"changes": 2}}
    assert of_report(path, "roles", change="deleted") == {"changes": 0}
    assert of_run(path) == {"timestamp_seconds": 1003, "seconds": 3, "exit_code": 0}


def test_report_that_is_not_loaded_keeps_its_figures_and_tells_that_it_failed(path: Path) -> None:
    clock = SteppedClock(1000)
    ran(path, clock, CLIENTS, ROLES)
    before = of_report(path, "clients")
    failed = ReportResult("clients", 7, total=9, verified="no", error="refused", loaded=False)
    ran(path, clock, failed, ROLES)
    assert of_report(path, "clients") == {**before, "complete": 0}
    assert of_report(path, "clients", change="new") == {"changes": 3}
    assert of_report(path, "roles")["last_complete_timestamp_seconds"] == 1006
    assert of_run(path) == {"timestamp_seconds": 1006, "seconds": 3, "exit_code": 1}


def test_run_that_ended_early_moves_nothing_of_the_tables(path: Path) -> None:
    clock = SteppedClock(1000)
    ran(path, clock, CLIENTS)
    before = path.read_text("utf-8")
    file = Metrics(str(path), Workplace(), clock)
    clock.seconds += 1.5
    file.ended_early(LoadFailedError("gone"), 1)
    assert of_run(path) == {"timestamp_seconds": 1004.5, "seconds": 1.5, "exit_code": 1}
    kept = [line for line in path.read_text("utf-8").splitlines() if "harvest_report" in line]
    assert kept == [line for line in before.splitlines() if "harvest_report" in line]


@pytest.mark.parametrize(
    ("result", "verified", "moves"),
    [
        (ReportResult("clients", 7, verified="read today"), 1, True),
        (ReportResult("clients", 7, verified="read 3 days ago"), 1, True),
        (ReportResult("clients", 7, verified="yes, only rows of Ann"), 1, True),
        (ReportResult("clients", 7, verified="module off"), 1, True),
        (ReportResult("clients", 7, verified="not compared"), 0, True),
        (ReportResult("clients", 7, verified="part"), 0, False),
        (ReportResult("clients", 7, verified="no: 2 rows differ", error="2 rows differ"), 0, False),
    ],
)
def test_what_verified_and_complete_mean(
    path: Path, result: ReportResult, verified: int, *, moves: bool
) -> None:
    """A run of some dates does not complete a table, nor does one that is loaded and not equal."""
    clock = SteppedClock(1000)
    ran(path, clock, CLIENTS)
    ran(path, clock, result)
    found = of_report(path, "clients")
    assert found["verified"] == verified
    assert found["complete"] == (0 if result.error else 1)
    assert found["last_complete_timestamp_seconds"] == (1006 if moves else 1003)
    assert found["rows"] == 9  # of an unknown number nothing is said


def test_other_accounts_and_datasets_stay_beside_it(path: Path) -> None:
    clock = SteppedClock(1000)
    ran(path, clock, CLIENTS)
    Metrics(str(path), Workplace(dataset="north", destination="postgres"), clock).done(
        Summary([ReportResult("clients", 8, total=1)])
    )
    assert of_report(path, "clients")["rows"] == 9
    assert of_run(path)["exit_code"] == 0
    found = parsed(path.read_text("utf-8"))
    there = {"destination": "postgres", "dataset": "north", "account_id": "8", "report": "clients"}
    assert found["harvest_report_rows", frozenset(there.items())] == 1


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"harvest_report_rows{",
        b"\xff\xfe\x00",
        b'other_metric{a="b"} 1\nup 1\n',
        b'harvest_report_rows{a="b"} x',
    ],
)
def test_file_that_holds_something_else_is_written_anew(path: Path, before: bytes) -> None:
    """Cut off, of another program, no text: what a parser could not read does not stay."""
    path.write_bytes(before)
    ran(path, SteppedClock(1000), CLIENTS)
    assert {name for name, _ in parsed(path.read_text("utf-8"))} == set(HELP)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('"\\\n{},= ')))
def test_labels_hold_any_text(value: str) -> None:
    """Also after they were read back from the file."""
    key = ("harvest_report_rows", labels_text({"dataset": value}))
    text = text_of({key: "5"})
    assert parsed(text) == {("harvest_report_rows", frozenset({("dataset", value)})): 5}
    read = filter(None, map(metrics.SAMPLE.fullmatch, text.split("\n")))
    assert [each.groups() for each in read] == [(*key, "5")]


@given(st.floats(0, 1e12), st.integers(0, 2**62))
def test_values_are_read_as_they_were(seconds: float, whole: int) -> None:
    """To the millisecond; never with an exponent."""
    assert float(number(seconds)) == pytest.approx(seconds, abs=0.001)
    assert int(number(whole)) == whole


def test_connection_string_in_place_of_a_destination_is_not_written(path: Path) -> None:
    Metrics(str(path), Workplace(destination="postgresql://me:planted@db/x")).done(Summary())
    assert "planted" not in path.read_text("utf-8")


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_collector_of_another_user_may_read_the_file_and_nobody_may_write_it(
    path: Path, umask: int
) -> None:
    """Whatever the umask; nothing else is left in the folder."""
    before = os.umask(umask)
    try:
        ran(path, SteppedClock(1000), CLIENTS)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_whoever_reads_meanwhile_reads_one_file_or_the_other(path: Path) -> None:
    """What was open before is whole; a link stays one."""
    clock = SteppedClock(1000)
    link = path.with_name("link.prom")
    link.symlink_to(path)
    ran(path, clock, CLIENTS)
    before = path.read_text("utf-8")
    with path.open(encoding="utf-8") as reading:
        ran(link, clock, ROLES)
        assert reading.read() == before
    assert link.is_symlink()
    assert of_report(path, "roles")["rows"] == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone/harvest.prom", "there is no folder .*gone: make it, or name another"),
        (".", "'.*' is not a file: name one, such as harvest.prom"),
        ("", "'.*' is not a file: name one, such as harvest.prom"),
        ("/dev/null", "'/dev/null' is not a file"),
    ],
)
def test_place_where_no_file_can_stand_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    """Root could put a file in the place of a device."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError, match=f"^--metrics:? {said}"):
        Metrics(name, Workplace())


def test_file_that_cannot_be_written_costs_one_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The disk is full by now: the file before stays, and nothing half lies beside it."""
    ran(path, SteppedClock(1000), CLIENTS)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        ran(path, SteppedClock(2000), ROLES)
    assert (
        capfd.readouterr().err
        == f"the metrics could not be written to {path}: No space left on device\n"
    )
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_folder_that_went_away_meanwhile_costs_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "collected"
    folder.mkdir()
    file = Metrics(str(folder / "harvest.prom"), Workplace(), SteppedClock(1000))
    folder.rmdir()
    file.done(Summary([CLIENTS]))
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith("the metrics could not be written to ")
    assert said.endswith(": No such file or directory")
