"""The file in which answers wait: it gives back what was put in, across threads and runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harvest_source.reading.spool import Spool


def test_pages_come_back_in_their_order(tmp_path: Path) -> None:
    """Each reading has its own pages, whatever order they were put in."""
    spool = Spool(tmp_path)
    first, second = spool.new_reading(), spool.new_reading()
    for page in (1, 0, 2):
        spool.add_page(first, page, b"%d" % page)
    spool.add_page(second, 0, b"other")
    assert list(spool.iter_pages(first)) == [b"0", b"1", b"2"]
    assert list(spool.iter_pages(second)) == [b"other"]
    spool.close()


def test_pages_do_not_outlive_the_run_but_answers_do(tmp_path: Path) -> None:
    """A run after a kill goes on from the children that were read; lists are read anew."""
    spool = Spool(tmp_path)
    reading = spool.new_reading()
    spool.add_page(reading, 0, b"page")
    spool.keep_answer(77, "invoice_payments", 70, "2026-01-01T00:00:00Z", 490_000, b"payments")
    spool.close()
    spool = Spool(tmp_path)
    assert list(spool.iter_pages(reading)) == []
    assert spool.kept_answers(77, "invoice_payments", 489_999) == {70: ("2026-01-01T00:00:00Z", 490_000)}
    assert spool.answer(77, "invoice_payments", 70) == b"payments"
    spool.close()


def test_answers_are_kept_apart_and_until_they_are_old_or_loaded(tmp_path: Path) -> None:
    """By account, report and parent; those read before `since_hour` do not count."""
    spool = Spool(tmp_path)
    for account, report, hour in ((77, "cost_rates", 10), (77, "billable_rates", 20), (78, "cost_rates", 30)):
        spool.keep_answer(account, report, 5, "", hour, f"{account} {report}".encode())
    assert spool.kept_answers(77, "cost_rates", 10) == {5: ("", 10)}
    assert spool.kept_answers(77, "cost_rates", 11) == {}
    spool.drop_answers(77, "cost_rates")
    assert spool.kept_answers(77, "cost_rates", 0) == {}
    assert spool.answer(77, "billable_rates", 5) == b"77 billable_rates"
    assert spool.answer(78, "cost_rates", 5) == b"78 cost_rates"
    spool.close()


def test_the_newest_answer_of_a_parent_counts(tmp_path: Path) -> None:
    """A parent that is asked again replaces what was kept."""
    spool = Spool(tmp_path)
    spool.keep_answer(77, "cost_rates", 5, "old", 10, b"old")
    spool.keep_answer(77, "cost_rates", 5, "new", 11, b"new")
    assert spool.kept_answers(77, "cost_rates", 0) == {5: ("new", 11)}
    assert spool.answer(77, "cost_rates", 5) == b"new"
    spool.close()


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + b"\xff" * 200])
def test_a_damaged_file_is_started_anew(tmp_path: Path, content: bytes) -> None:
    """A file cut off by a power failure stops no run."""
    (tmp_path / "answers.db").write_bytes(content)
    spool = Spool(tmp_path)
    spool.keep_answer(77, "cost_rates", 5, "", 10, b"x")
    assert spool.answer(77, "cost_rates", 5) == b"x"
    spool.close()


def test_many_threads_put_answers_in_at_once(tmp_path: Path) -> None:
    """None is lost, none is mixed up."""
    spool = Spool(tmp_path / "new" / "folder")
    numbers = range(200)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda each: spool.keep_answer(77, "cost_rates", each, "", 10, b"%d" % each), numbers))
        assert len(set(pool.map(lambda _each: spool.new_reading(), numbers))) == len(numbers)
    assert [spool.answer(77, "cost_rates", each) for each in numbers] == [b"%d" % each for each in numbers]
    spool.close()


def test_without_a_folder_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library's user gets no file that stays."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spool = Spool()
    spool.add_page(spool.new_reading(), 0, b"page")
    assert list(tmp_path.iterdir())
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_file_goes_with_the_last_answer_and_keeps_nothing_but_answers_before(tmp_path: Path) -> None:
    """Neither pages nor answers that are loaded or old stay in free places of the file."""
    spool = Spool(tmp_path)
    spool.add_page(spool.new_reading(), 0, b"a-page" * 999)
    for report, hour in (("cost_rates", 10), ("invoice_payments", 20), ("billable_rates", 20)):
        spool.keep_answer(77, report, 5, "", hour, report.encode() * 999)
    spool.drop_old_answers(11)
    spool.drop_answers(77, "invoice_payments")
    spool.close()
    (file,) = tmp_path.iterdir()
    held = file.read_bytes()
    assert b"billable_rates" in held
    assert [text for text in (b"a-page", b"cost_rates", b"invoice_payments") if text in held] == []
    spool = Spool(tmp_path)
    spool.add_page(spool.new_reading(), 0, b"a-page")
    spool.drop_answers(77, "billable_rates")
    spool.close()
    assert list(tmp_path.iterdir()) == []
