"""Rows that a list lacks: gone, or only hidden from the caller: a table of cases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fake_client import FakeClient

from harvest_source.catalogue.report import AccountReport
from harvest_source.errors import ApiError, NotAllowedError, UnavailableError
from harvest_source.loading import unseen
from harvest_source.loading.unseen import not_seen, unseen_among

REFUSED = NotAllowedError("Not authorized!", 403)


def reader_of(client: FakeClient) -> Any:
    """Returns what sends requests."""
    return SimpleNamespace(client=client)


@pytest.mark.parametrize(
    ("report", "refused", "missing", "sees_all", "hidden", "asked"),
    [
        ("invoices", {1}, {1, 2}, True, {1}, 0),  # refused when its payments were asked for
        ("invoices", {1}, {1, 2, 3}, False, {1, 3}, 2),
        ("invoices", set(), {2, 9}, False, {9}, 2),  # 9 came back since the list was read
        ("invoices", set(), set(), False, set(), 0),
        ("company", set(), set(), False, set(), 0),
    ],
)
def test_row_is_gone_only_where_harvest_says_so(
    report: str, refused: set[int], missing: set[int], hidden: set[int], asked: int, *, sees_all: bool
) -> None:  # fmt: skip
    client = FakeClient({report: [{"id": 9}]})
    client.fail = lambda path, _params: REFUSED if path == f"{report}/3" else None
    found = unseen_among(
        reader_of(client),
        AccountReport(7, report),
        refused,
        {(row_id,) for row_id in missing},
        sees_all=sees_all,
    )
    assert found == {(row_id,) for row_id in hidden}
    assert len(client.asked) == asked


@pytest.mark.parametrize(("refused", "hidden"), [(0, {0, 20, 21, 22}), (21, set())])
def test_of_many_rows_some_stand_for_all(refused: int, hidden: set[int]) -> None:
    """Twenty are asked for; where one of them is hidden, those beyond are taken for hidden."""
    assert unseen.ASKED == 20
    client = FakeClient({"invoices": []})
    client.fail = lambda path, _params: REFUSED if path == f"invoices/{refused}" else None
    missing = {(row_id,) for row_id in range(23)}
    pair = AccountReport(7, "invoices")
    found = unseen_among(reader_of(client), pair, set(), missing, sees_all=False)
    assert found == {(row_id,) for row_id in hidden}
    assert len(client.asked) == 20


def test_row_that_cannot_be_asked_for_is_no_answer() -> None:
    client = FakeClient({"invoices": []})
    client.fail = lambda _path, _params: UnavailableError("Harvest does not answer")
    with pytest.raises(ApiError, match="does not answer"):
        unseen_among(reader_of(client), AccountReport(7, "invoices"), set(), {(1,)}, sees_all=False)


@pytest.mark.parametrize(
    ("report", "rows", "said"),
    [
        ("invoices", 0, ()),
        ("invoices", 1, ("1 invoice not seen",)),
        ("time_entries", 1, ("1 time entry not seen",)),
        ("time_entries", 2, ("2 time entries not seen",)),
    ],
)
def test_hidden_rows_are_counted_in_words(report: str, rows: int, said: tuple[str, ...]) -> None:
    assert not_seen(report, rows) == said
