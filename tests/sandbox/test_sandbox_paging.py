"""Both kinds of paging, as section 3 of the API's description has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from harvest_sandbox import Account, Request, Sandbox
from harvest_sandbox.lists import LISTS, ListSpec

if TYPE_CHECKING:
    from sandbox.conftest import Api

TOP = [spec for spec in LISTS if "{" not in spec.path]


def query(link: str) -> dict[str, str]:
    """Return the parameters of a link."""
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


@pytest.mark.parametrize("spec", TOP, ids=lambda spec: spec.path)
@pytest.mark.parametrize("per_page", [2, 2000])
def test_following_links_reads_every_row_once(
    api: Api, account: Account, spec: ListSpec, per_page: int
) -> None:
    per_page = 150 if spec.report == "time_entries" and per_page == 2 else per_page
    pages = api.pages(spec.path, per_page=per_page)
    ids = [row["id"] for page in pages for row in page[spec.rows_key]]
    assert sorted(ids) == sorted(account.rows[spec.report])
    assert len(pages) == max(1, -(-len(ids) // per_page))
    assert all(page["total_entries"] == len(ids) and page["per_page"] == per_page for page in pages)


@pytest.mark.parametrize("spec", TOP, ids=lambda spec: spec.path)
def test_lists_are_sorted_as_described(api: Api, spec: ListSpec) -> None:
    rows = api.rows(spec.path, per_page=2000)
    if spec.sort == "id":
        assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    else:
        marks = [(row[spec.sort] or "", row["id"]) for row in rows]
        assert marks == sorted(marks, reverse=True)


def test_middle_pages_of_a_cursor_list_have_no_numbers(api: Api) -> None:
    pages = api.pages("clients", per_page=2)
    numbers = [(page["page"], page["next_page"], page["previous_page"]) for page in pages]
    assert numbers == [(1, 2, None), (None, None, None), (3, None, 2)]
    assert query(pages[0]["links"]["next"])["ref"] == "next_cursor"
    assert pages[0]["links"]["previous"] is None
    assert pages[-1]["links"]["next"] is None


def test_previous_cursor_leads_back(api: Api) -> None:
    first, middle, last = api.pages("clients", per_page=2)
    assert api.json(last["links"]["previous"])["clients"] == middle["clients"]
    assert api.json(middle["links"]["previous"])["clients"] == first["clients"]


def test_pages_of_a_page_list_have_numbers(api: Api) -> None:
    pages = api.pages("expenses", per_page=15)
    assert [(page["page"], page["next_page"], page["previous_page"]) for page in pages] == [
        (1, 2, None),
        (2, 3, 1),
        (3, None, 2),
    ]
    assert query(pages[0]["links"]["next"]) == {"page": "2", "per_page": "15", "ref": "next"}
    assert query(pages[0]["links"]["first"])["ref"] == "first"
    assert query(pages[0]["links"]["last"]) == {"page": "3", "per_page": "15", "ref": "last"}


@pytest.mark.parametrize(
    ("path", "extra"), [("clients", {"is_active": "true"}), ("expenses", {"from_": "2024-01-01"})]
)
def test_links_carry_filters_along(api: Api, path: str, extra: dict[str, str]) -> None:
    page = api.json(path, per_page=2, updated_since="2020-01-01T00:00:00Z", **extra)
    for link in ("first", "next", "last"):
        carried = query(page["links"][link])
        assert carried["updated_since"] == "2020-01-01T00:00:00Z"
        assert {name.rstrip("_") for name in extra} <= set(carried)


def test_links_use_the_sandboxes_own_host(api: Api, sandbox: Sandbox) -> None:
    assert api.json("tasks", per_page=1)["links"]["next"].startswith(sandbox.api_url)


def test_invoices_have_a_hundred_rows_by_default_and_others_two_thousand(api: Api) -> None:
    assert api.json("invoices")["per_page"] == 100
    assert api.json("estimates")["per_page"] == 2000


def test_a_page_past_the_end_is_empty(api: Api) -> None:
    assert api.json("time_entries", page=99)["time_entries"] == []
    assert api.json("clients", page=99)["clients"] == []


@pytest.mark.parametrize("per_page", ["2001", "0", "x", "-1"])
def test_a_wrong_per_page_is_refused(api: Api, per_page: str) -> None:
    answer = api.get("clients", per_page=per_page)
    assert (answer.status_code, answer.json()) == (422, {"message": "Invalid per_page parameter"})
    assert answer.headers["Hint"] == "Invalid per_page parameter"


@pytest.mark.parametrize("cursor", ["!!", "bm9qc29u", "eyJhZnRlciI6eyJpZCI6MX19", "e30"])
def test_a_wrong_cursor_is_refused(api: Api, cursor: str) -> None:
    assert api.get("clients", cursor=cursor).status_code == 422


def test_a_cursor_wins_over_a_page(api: Api) -> None:
    following = api.json("clients", per_page=2)["links"]["next"]
    assert api.json(following + "&page=1") == api.json(following)


def _delete_first(account: Account, report: str, keys: list[Any]) -> None:
    account.delete(report, keys[0])


def test_a_cursor_list_loses_no_row_to_a_delete_between_pages(api: Api, account: Account) -> None:
    ids = api.ids("contacts")
    first = api.json("contacts", per_page=3)
    _delete_first(account, "contacts", ids)
    rest = api.ids(first["links"]["next"])
    assert [row["id"] for row in first["contacts"]] + rest == ids


def test_a_page_list_loses_a_row_to_a_delete_between_pages(api: Api, account: Account) -> None:
    """Section 6.6: an unchanged row slips onto the page already read."""
    ids = api.ids("expenses")
    first = api.json("expenses", per_page=15)
    _delete_first(account, "expenses", ids)
    read = [row["id"] for row in first["expenses"]] + api.ids(first["links"]["next"])
    assert set(ids) - set(read) == {ids[15]}


def test_the_account_can_change_before_an_answer(
    api: Api, sandbox: Sandbox, account: Account
) -> None:
    def change(request: Request) -> None:
        if request.query.get("page") == "2":
            account.insert("expenses", notes="in the middle")

    sandbox.before_answer = change
    pages = api.pages("expenses", per_page=20)
    ids = [row["id"] for page in pages for row in page["expenses"]]
    assert len(ids) - len(set(ids)) == 1, "the last row of page 1 comes again on page 2"


def test_rates_come_oldest_first_by_cursor(api: Api, account: Account) -> None:
    user = max(
        account.rows["users"], key=lambda key: len(account.children_of("billable_rates", key))
    )
    starts = [row["start_date"] for row in api.rows(f"users/{user}/billable_rates", per_page=1)]
    assert len(starts) == 3
    assert starts[0] is None
    assert starts[1:] == sorted(starts[1:])


def test_teammates_come_by_cursor(api: Api, account: Account) -> None:
    manager = next(user for user, _ in account.rows["teammates"])
    assert len(api.pages(f"users/{manager}/teammates", per_page=1)) == len(
        account.children_of("teammates", manager)
    )
