"""The file in which answers wait: it gives back what was put in, across threads and runs."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harvest_source.catalogue.report import AccountReport
from harvest_source.reading.parts import Part, PartStore, StoreError

ALWAYS = range(10**9)
ROOT = Path(__file__).parents[2]


def child(report: str, parent_id: int, version: str = "", account_id: int = 77) -> Part:
    """Returns the part that one parent's children are."""
    return Part(
        AccountReport(account_id, report),
        f"users {parent_id}",
        version=version,
        parent_id=parent_id,
        outlives_run=True,
    )


def page(number: int, account_id: int = 77) -> Part:
    """Returns a page of a list."""
    return Part(AccountReport(account_id, "clients"), f"1 page {number}")


def test_answers_come_back_by_part_and_are_replaced_by_newer_ones(tmp_path: Path) -> None:
    """Parts of other accounts, reports and keys are others."""
    store = PartStore(tmp_path)
    parts = [
        page(1),
        page(2),
        page(1, 78),
        child("cost_rates", 5),
        child("billable_rates", 5),
        child("cost_rates", 5, "", 78),
    ]
    for place, part in enumerate(parts):
        store.keep(part, b"old")
        store.keep(part, b"%d" % place)
    assert [store.body(part) for part in parts] == [b"%d" % place for place in range(len(parts))]
    assert store.new_number() != store.new_number()
    store.close()


def test_what_outlives_the_run_is_there_after_a_kill_and_nothing_else(tmp_path: Path) -> None:
    """A run after a kill goes on from the children that were read; lists are read anew."""
    store = PartStore(tmp_path)
    payments = child("invoice_payments", 70, "2026-01-01T00:00:00Z")
    store.keep(payments, b"payments", 490_000)
    store.keep(page(1), b"page")
    again = PartStore(tmp_path)  # the first one was never closed
    assert again.kept(payments.pair, ALWAYS) == {payments.key: ("2026-01-01T00:00:00Z", 490_000)}
    assert again.body(payments) == b"payments"
    assert again.kept(page(1).pair, ALWAYS) == {}
    with pytest.raises(IndexError):
        again.body(page(1))
    again.close()


def test_answers_are_kept_until_they_are_old_or_loaded(tmp_path: Path) -> None:
    """By the hour in which they were read: one of an hour to come is of a clock that was ahead."""
    store = PartStore(tmp_path)
    for report, hour in (("cost_rates", 10), ("billable_rates", 20)):
        store.keep(child(report, 5), report.encode(), hour)
    cost, billable = child("cost_rates", 5), child("billable_rates", 5)
    hours = {
        hours: set(store.kept(cost.pair, hours))
        for hours in (range(10, 11), range(11, 99), range(10))
    }
    assert hours == {range(10, 11): {cost.key}, range(11, 99): set(), range(10): set()}
    store.drop(cost.pair)
    assert store.kept(cost.pair, ALWAYS) == {}
    store.drop_older(20)
    assert set(store.kept(billable.pair, ALWAYS)) == {billable.key}
    store.drop_older(21)
    assert store.kept(billable.pair, ALWAYS) == {}
    store.close()


def earlier_form(path: Path) -> None:
    """Leaves a file as an earlier version made it."""
    with sqlite3.connect(path) as db:
        db.execute("create table answers (report text, body blob)")
        db.execute("insert into answers values ('cost_rates', 'left behind')")


def other_columns(path: Path) -> None:
    """Leaves a file with a table of the same name."""
    with sqlite3.connect(path) as db:
        db.execute("create table parts (body blob)")


DAMAGED: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "no database": lambda path: path.write_bytes(b"not a database"),
    "cut off": lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 200),
    "of an earlier form": earlier_form,
    "of another form": other_columns,
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_file_that_cannot_be_used_is_started_anew(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    """A power failure stops no run, and nothing stays of an earlier version's answers."""
    damage(tmp_path / "answers.db")
    store = PartStore(tmp_path)
    store.keep(child("cost_rates", 5), b"x")
    assert store.body(child("cost_rates", 5)) == b"x"
    assert not any(b"left behind" in path.read_bytes() for path in tmp_path.iterdir())
    store.close()


def test_file_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor can one that is closed since the run ends be written to."""
    store = PartStore(tmp_path / "folder")
    store.close()
    told = pytest.raises(
        StoreError, match=r"answers cannot be kept in .*folder: .*; is there room on the disk"
    )
    with told:
        store.keep(page(1), b"")

    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    with told:
        PartStore(tmp_path / "folder")
    with pytest.raises(
        StoreError, match="answers cannot be kept in a temporary file: disk is full"
    ):
        PartStore()


def test_many_threads_put_answers_in_at_once(tmp_path: Path) -> None:
    """None is lost, none is mixed up."""
    store = PartStore(tmp_path / "new" / "folder")
    numbers = range(200)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda each: store.keep(child("cost_rates", each), b"%d" % each), numbers))
        assert len(set(pool.map(lambda _each: store.new_number(), numbers))) == len(numbers)
    assert [store.body(child("cost_rates", each)) for each in numbers] == [
        b"%d" % each for each in numbers
    ]
    store.close()


KILLED = """
import os, signal
from pathlib import Path
from harvest_source.catalogue.report import AccountReport
from harvest_source.reading.parts import Part, PartStore

part = Part(AccountReport(77, "cost_rates"), "users 5", outlives_run=True)
store = PartStore()
store.keep(part, os.urandom(2**24))
assert len(store.body(part)) == 2**24
print(*(os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()), sep="\\n", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="lists open files as Linux does")
def test_without_a_folder_nothing_is_left_behind_by_a_kill(tmp_path: Path) -> None:
    """Answers are on disk, where nobody finds them: a library's user gets no file that stays."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith(str(tmp_path))]
    assert list(tmp_path.iterdir()) == []


def test_file_goes_with_the_last_answer_and_keeps_nothing_else_before(tmp_path: Path) -> None:
    """Neither pages nor answers that are loaded or old stay in free places of the file."""
    store = PartStore(tmp_path)
    store.keep(page(1), b"a-page" * 999)
    for report, hour in (("cost_rates", 10), ("invoice_payments", 20), ("billable_rates", 20)):
        store.keep(child(report, 5), report.encode() * 999, hour)
    store.drop_older(11)
    store.drop(child("invoice_payments", 5).pair)
    store.close()
    (file,) = tmp_path.iterdir()
    held = file.read_bytes()
    assert b"billable_rates" in held
    assert [text for text in (b"a-page", b"cost_rates", b"invoice_payments") if text in held] == []
    store = PartStore(tmp_path)
    store.keep(page(1), b"a-page")
    store.drop(child("billable_rates", 5).pair)
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_full_disk_at_the_end_leaves_the_file_to_the_next_run(tmp_path: Path) -> None:
    """What cannot be taken out now is taken out then."""
    store = PartStore(tmp_path)
    store.keep(child("cost_rates", 5), b"rates", 10)
    other = sqlite3.connect(tmp_path / "answers.db", isolation_level=None, timeout=0)
    other.execute("begin immediate")
    store._db.execute("pragma busy_timeout = 0")  # noqa: SLF001 - else it waits for seconds
    store.close()
    other.close()
    assert PartStore(tmp_path).kept(child("cost_rates", 5).pair, ALWAYS)
