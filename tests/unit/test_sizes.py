"""No answer fills the machine, and no list leads on for ever."""

from __future__ import annotations

import gzip
import resource
from datetime import date, timedelta
from typing import Any

import pytest
from hostile import MIB, Hostile, bomb, client_of, http, page
from second_harvest import Asked

from harvest_source.api import page_bounds
from harvest_source.catalogue.lookup import by_name
from harvest_source.errors import RefusedError, TooLargeError, UnavailableError
from harvest_source.reading import by_windows, lists, reading, windows
from harvest_source.reading.parts import PartStore
from harvest_source.reading.query import ListQuery

ACCOUNT = 7


def read(harvest: Hostile, **options: Any) -> list[Any]:
    """Returns all pages of clients."""
    return list(
        client_of(harvest).iter_pages(ACCOUNT, "clients", "clients", {}, "clients", **options)
    )


def query(harvest: Hostile, store: PartStore, name: str = "clients") -> ListQuery:
    """Returns a list as it is asked for."""
    return ListQuery(client_of(harvest), store, by_name(name), ACCOUNT, None, {})


def peak_mib() -> float:
    """Returns the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def chunked(body: bytes) -> list[bytes]:
    """Returns an answer that does not say how long it is."""
    return [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
    ]


def endless() -> Any:
    """Yields an answer that has no end."""
    yield b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"clients": ['
    while True:
        yield b" " * MIB


TOO_LARGE = {
    "gzip": lambda: http(bomb(3000), "Content-Encoding: gzip"),
    "deflate": lambda: http(bomb(3000, "deflate"), "Content-Encoding: deflate"),
    "announced": lambda: http(b" " * (65 * MIB)),
    "not announced": lambda: chunked(b" " * (65 * MIB)),
    "without an end": endless,
}


@pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=TOO_LARGE)
def test_answer_that_is_too_large_is_asked_for_once_more_at_a_quarter_and_then_refused(
    answer: Any,
) -> None:
    """Whatever its length says; it is not held whole, and not asked for a third time."""
    with Hostile(lambda _asked: answer()) as harvest:
        before = peak_mib()
        with pytest.raises(TooLargeError, match=r"^an answer is larger than 64 MiB$"):
            read(harvest)
    assert [asked.query["per_page"] for asked in harvest.requests] == ["2000", "500"]
    assert peak_mib() - before < 400


@pytest.mark.parametrize(
    "packing", ["br", "zstd", "gzip, gzip", "br, gzip", "x", "x, gzip", "gzip;q=1", "deflate, gzip"]
)
def test_packing_that_was_not_asked_for_is_not_unpacked(packing: str) -> None:
    """Only gzip and deflate are asked for, and one of them at a time: a bomb within a bomb grows a million times."""
    body = gzip.compress(bomb(100))
    told = pytest.raises(UnavailableError, match="packed in a way that was not asked for, 7 times")
    with Hostile(lambda _asked: http(body, f"Content-Encoding: {packing}")) as harvest, told:
        read(harvest)
    assert {asked.headers["Accept-Encoding"] for asked in harvest.requests} == {"gzip, deflate"}


@pytest.mark.parametrize(
    "packing", ["gzip", "GZIP,", ", x-gzip ,", "identity, gzip", "gzip\r\nContent-Encoding:"]
)
def test_packing_among_empty_names_is_unpacked(packing: str) -> None:
    """A comma too many is no packing, and `identity` means none."""
    body = gzip.compress(page("clients", [{"id": 1}]))
    with Hostile(lambda _asked: http(body, f"Content-Encoding: {packing}")) as harvest:
        assert [each.data["clients"] for each in read(harvest)] == [[{"id": 1}]]


def test_page_that_is_not_too_large_at_a_quarter_is_read() -> None:
    """The first page and those that follow come by 500 rows."""

    def answer(asked: Asked) -> Any:
        if asked.query["per_page"] != "500":
            return http(bomb(100), "Content-Encoding: gzip")
        last = asked.query.get("cursor") == "2"
        return http(
            page(
                "clients",
                [{"id": 2 if last else 1}],
                None if last else f"{harvest.api_url}clients?cursor=2&per_page=500",
            )
        )

    with Hostile(answer) as harvest:
        assert [each.data["clients"][0]["id"] for each in read(harvest)] == [1, 2]
    assert [asked.query["per_page"] for asked in harvest.requests] == ["2000", "500", "500"]


def test_list_in_memory_whose_later_page_is_too_large_is_read_anew_at_a_quarter() -> None:
    """No row is there twice."""

    def answer(asked: Asked) -> Any:
        if asked.query.get("cursor") == "2" and asked.query["per_page"] == "2000":
            return http(bomb(100), "Content-Encoding: gzip")
        last, size = "cursor" in asked.query, asked.query["per_page"]
        following = None if last else f"{harvest.api_url}clients?cursor=2&per_page={size}"
        return http(page("clients", [{"id": 2 if last else 1}], following))

    with Hostile(answer) as harvest:
        pages = client_of(harvest).get_pages(ACCOUNT, "clients", "clients", {}, "clients")
    assert [each.data["clients"][0]["id"] for each in pages] == [1, 2]
    assert [asked.query["per_page"] for asked in harvest.requests] == ["2000", "2000", "500", "500"]


@pytest.mark.parametrize(
    ("told", "pages"),
    [
        ({"total_entries": 4001, "per_page": 2000}, 6), ({"total_entries": 4001}, 6), ({"total_entries": 0}, 2),
        ({"total_entries": 7, "per_page": 5}, 4), ({"total_entries": 10**30}, 50), ({"total_entries": "4001"}, 50),
        ({"total_entries": -1}, 50), ({"total_entries": [1]}, 50), ({}, 50), ({"total_entries": 10**11, "per_page": 1}, 50),
    ],
)  # fmt: skip
def test_pages_that_do_not_end_are_refused(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], pages: int
) -> None:
    """At twice as many as the first page announces, else at a fixed number, though every cursor is a new one."""
    assert page_bounds.MOST_PAGES == 100_000
    monkeypatch.setattr(page_bounds, "MOST_PAGES", 50)

    def answer(_asked: Asked) -> Any:
        return http(
            page("clients", [], f"{harvest.api_url}clients?cursor={len(harvest.requests)}", **told)
        )

    refused = pytest.raises(
        RefusedError, match=f"pages of a list do not end: {pages + 1} came, {pages} are the most"
    )
    with Hostile(answer) as harvest, refused:
        read(harvest)
    assert len(harvest.requests) == pages + 1


def test_list_whose_pages_are_shorter_than_asked_is_read_whole() -> None:
    """Though it does not say how many rows a page has."""

    def answer(asked: Asked) -> Any:
        row_id = int(asked.query.get("cursor", "0"))
        following = f"{harvest.api_url}clients?cursor={row_id + 1}" if row_id < 9 else None
        return http(page("clients", [{"id": row_id}], following, total_entries=10))

    with Hostile(answer) as harvest:
        assert len(read(harvest)) == 10


def test_list_whose_pages_are_shorter_than_they_say_is_read_whole() -> None:
    """The rows that came count, and not the number that a page repeats from the question."""

    def answer(asked: Asked) -> Any:
        row_id = int(asked.query.get("cursor", "0"))
        following = f"{harvest.api_url}clients?cursor={row_id + 1}" if row_id < 9 else None
        return http(page("clients", [{"id": row_id}], following, total_entries=10, per_page=2000))

    with Hostile(answer) as harvest:
        assert len(read(harvest)) == 10


def test_pages_held_in_memory_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is small, and each brings a row, so only their sum tells that they do not end."""
    assert page_bounds.MOST_BYTES_TOGETHER == 64 * MIB
    monkeypatch.setattr(page_bounds, "MOST_BYTES_TOGETHER", MIB)

    told = pytest.raises(RefusedError, match="the pages of a list are larger than 1 MiB together")
    with (
        Hostile(
            lambda _asked: next_of_endless(harvest, [{"id": len(harvest.requests)}], MIB // 4)
        ) as harvest,
        told,
    ):
        client_of(harvest).get_pages(ACCOUNT, "clients", "clients", {}, "clients")
    assert len(harvest.requests) == 4


def next_of_endless(harvest: Hostile, rows: list[Any], padding: int = 0) -> Any:
    """Returns a page that announces one more."""
    following = f"{harvest.api_url}clients?cursor={len(harvest.requests)}"
    return http(page("clients", rows, following, padding="x" * padding))


@pytest.mark.parametrize(
    "row_of", [lambda _n: [], lambda _n: [{"id": 1}], lambda n: [{"id": n % 3}]]
)
def test_list_whose_pages_bring_no_new_row_ends(
    monkeypatch: pytest.MonkeyPatch, row_of: Any
) -> None:
    """They are empty, or their rows all came before; more than one page of a list that shifts can be so."""
    assert lists.MOST_PAGES_WITHOUT_NEW_ROW == 100
    monkeypatch.setattr(lists, "MOST_PAGES_WITHOUT_NEW_ROW", 10)
    store = PartStore()
    told = pytest.raises(
        RefusedError, match="the pages of a list do not end: 11 in a row brought no new row"
    )
    with (
        Hostile(lambda _asked: next_of_endless(harvest, row_of(len(harvest.requests)))) as harvest,
        told,
    ):
        lists.read_list(query(harvest, store))
    store.close()
    assert 11 <= len(harvest.requests) <= 14


def test_list_with_pages_that_bring_no_new_row_is_read_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first, some between and the last are empty, or repeat what came."""
    monkeypatch.setattr(lists, "MOST_PAGES_WITHOUT_NEW_ROW", 3)
    coming: list[list[Any]] = [[], [], [{"id": 1}], [{"id": 1}], [], [{"id": 2}], [], []]

    def answer(asked: Asked) -> Any:
        number = int(asked.query.get("cursor", "0"))
        following = (
            f"{harvest.api_url}clients?cursor={number + 1}" if number + 1 < len(coming) else None
        )
        return http(page("clients", coming[number], following))

    store = PartStore()
    with Hostile(answer) as harvest:
        pages = lists.read_list(query(harvest, store))
        assert [row["id"] for _, records in pages.iter_pages() for row in records] == [1, 2]
    store.close()


def test_list_that_fills_the_disk_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page brings a new row, and much else; what a reading keeps is bounded as a whole."""
    assert reading.MOST_BYTES_OF_A_READING == 16 * 1024 * MIB
    monkeypatch.setattr(reading, "MOST_BYTES_OF_A_READING", MIB)
    store = PartStore()
    told = pytest.raises(RefusedError, match="the pages of clients are larger than 1 MiB together")
    with (
        Hostile(
            lambda _asked: next_of_endless(harvest, [{"id": len(harvest.requests)}], MIB // 4)
        ) as harvest,
        told,
    ):
        lists.read_list(query(harvest, store))
    store.close()
    assert len(harvest.requests) == 4


DAYS = {
    "a day more each time": (
        lambda n: f"2020-01-{1 + n % 28:02}",
        "20 were not enough|pages of a list do not end",
    ),
    "beyond the window": (lambda _n: "2999-12-31", "pages of a list do not end"),
    "beyond the calendar": (lambda _n: "9999-12-31", "pages of a list do not end"),
    "before it": (lambda _n: "0001-01-01", "pages of a list do not end"),
    "further back each time": (
        lambda n: str(date(2500, 1, 1) - timedelta(days=n)),
        "windows of its date: 20 were not enough",
    ),
}


@pytest.mark.parametrize(("day", "said"), DAYS.values(), ids=DAYS)
def test_windows_that_never_fit_into_an_answer_end(
    monkeypatch: pytest.MonkeyPatch, day: Any, said: str
) -> None:
    """Whatever days the rows have, asked for or not: each answer says that more is to come."""
    monkeypatch.setattr(page_bounds, "MOST_PAGES", 50)
    monkeypatch.setattr(by_windows, "MOST_WINDOWS", 20)

    def answer(_asked: Asked) -> Any:
        n = len(harvest.requests)
        entries = [{"id": n, "spent_date": day(n)}]
        return http(page("time_entries", entries, f"{harvest.api_url}time_entries?cursor={n}"))

    store = PartStore()
    refused = pytest.raises(RefusedError, match=said)
    with Hostile(answer) as harvest, refused:
        by_windows.add_windows(query(harvest, store, "time_entries"), [windows.Window()])
    store.close()
    assert len(harvest.requests) < 100
