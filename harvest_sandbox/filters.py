"""The rows of a list in its order, after filters; and how dates and flags in queries are read."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from harvest_sandbox.account import Account
from harvest_sandbox.answers import unprocessable
from harvest_sandbox.clock import stamp
from harvest_sandbox.lists import REMEMBERED_FROM, ListSpec
from harvest_sandbox.rows import getter

Query = Mapping[str, str]
Test = Callable[[Any], bool]
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
# Filter -> the nested object whose id it asks for.
_LINKS = {
    name: name.removesuffix("_id")
    for name in (
        "client_id",
        "user_id",
        "project_id",
        "task_id",
        "external_reference_id",
        "pto_type_id",
    )
}
_IGNORED = frozenset({"per_page", "page", "cursor", "ref", "access_token", "account_id"})
_CACHE_SIZE = 64


def read_date(text: str, name: str) -> str:
    """Returns a date of a query, `YYYY-MM-DD` or `YYYYMMDD`, in the first form."""
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise unprocessable(f"Invalid {name} parameter") from None


def read_flag(text: str, name: str) -> bool:
    """Returns the truth value of a query."""
    flag = _FLAGS.get(text.lower())
    if flag is None:
        raise unprocessable(f"Invalid {name} parameter")
    return flag


def read_since(text: str) -> tuple[str, bool]:
    """Returns `updated_since` as a timestamp, and whether a fraction of a second lies beyond it."""
    try:
        # In a query a plus sign is a blank: 08:00:00+02:00 may come as 08:00:00 02:00.
        moment = datetime.fromisoformat(
            re.sub(r"(:\d\d(?:\.\d+)?) (?=\d\d:?\d\d$)", r"\1+", text.strip())
        )
    except ValueError:
        raise unprocessable("Invalid updated_since parameter") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    moment = (
        moment
        if "T" in text or " " in text.strip()
        else datetime.combine(moment.date(), time(), UTC)
    )
    return stamp(moment), moment.microsecond > 0


def select(
    account: Account, spec: ListSpec, query: Query, *, parent: int | None, allowed: Test | None
) -> Sequence[Any]:
    """Returns the keys of a list's rows after its filters, in its order.

    Args:
        account: Whose rows.
        spec: which list.
        query: the request's parameters; unknown ones are ignored, as at Harvest.
        parent: the parent's id of a list below another record.
        allowed: whether the caller may see a row; None for every row.
    """
    used = {name: text for name, text in query.items() if name not in _IGNORED}
    rows = account.rows[spec.report]
    tests = _tests(account, spec, used, parent)
    memory = (spec.path, parent, tuple(sorted(used.items())))
    if allowed is None and len(rows) >= REMEMBERED_FROM:
        known = account.selected.get(memory)
        if known and known[0] == account.versions[spec.report]:
            return known[1]  # type: ignore[no-any-return]
    keys = _ordered(account, spec, used, parent)
    chosen: Sequence[Any] = keys
    for test in tests:
        chosen = [key for key in chosen if test(key)]
    if allowed is not None:
        return [key for key in chosen if allowed(key)]
    if len(rows) >= REMEMBERED_FROM:
        if len(account.selected) >= _CACHE_SIZE:
            account.selected.clear()
        account.selected[memory] = (account.versions[spec.report], chosen)
    return chosen


def _ordered(account: Account, spec: ListSpec, query: Query, parent: int | None) -> Sequence[Any]:
    """Returns the keys in the order of the list, cut to `from` and `to` where it has them."""
    rows = account.rows[spec.report]
    keys = (
        account.children_of(spec.report, parent)
        if parent is not None and spec.under is None
        else list(rows)
    )
    if spec.sort == "id":
        return sorted(keys, reverse=True)
    if spec.sort == "start_date":
        return sorted(keys, key=lambda key: (rows[key]["start_date"] or "", key))
    ordered, dates = dated_keys(account, spec.report, spec.sort)
    first, last = 0, len(ordered)
    if "from" in query or "to" in query:
        first = (
            bisect_left(dates, read_date(query["from"], "from"))
            if "from" in query
            else bisect_right(dates, "")
        )
        last = bisect_right(dates, read_date(query["to"], "to")) if "to" in query else last
    return ordered[first:last][::-1]


def dated_keys(account: Account, report: str, field: str) -> tuple[list[Any], list[str]]:
    """Returns the keys of a table from the oldest date to the newest, and their dates; rows without a date first."""
    rows, version = account.rows[report], account.versions[report]
    known = account.ordered.get((report, field))
    if known and known[0] == version and len(rows) >= REMEMBERED_FROM:
        return known[1]  # type: ignore[no-any-return]
    day_of = getter(rows, field)
    pairs = sorted([(day_of(key) or "", key) for key in rows])
    found = [key for _, key in pairs], [day for day, _ in pairs]
    account.ordered[report, field] = (version, found)
    return found


def _tests(account: Account, spec: ListSpec, query: Query, parent: int | None) -> list[Test]:
    tests: list[Test] = []
    rows = account.rows[spec.report]
    if spec.under is not None and parent is not None:
        tests.append(_same_id(rows, spec.under, str(parent)))
    if "updated_since" in query and spec.since != "no":
        since, beyond = read_since(query["updated_since"])
        updated_at = getter(rows, "updated_at")
        if spec.since == "strict" or beyond:
            tests.append(lambda key: updated_at(key) > since)
        else:
            tests.append(lambda key: updated_at(key) >= since)
    for name in spec.filters:
        text = query.get(name, "")
        if name in {"from", "to"} or not text:
            continue
        if name == "project_id" and spec.report == "invoices":
            tests.append(_has_line(rows, text))
        elif name in _LINKS:
            tests.append(_same_id(rows, _LINKS[name], text))
        elif name.startswith("is_"):
            tests.append(_same(rows, name, read_flag(text, name)))
        else:
            tests.append(_same(rows, name, text))
    return tests


def _same(rows: Any, field: str, wanted: Any) -> Test:
    value = getter(rows, field)
    return lambda key: bool(value(key) == wanted)


def _same_id(rows: Any, field: str, wanted: str) -> Test:
    value = getter(rows, field)

    def test(key: Any) -> bool:
        nested = value(key)
        return nested is not None and str(nested["id"]) == wanted

    return test


def _has_line(rows: Any, project_id: str) -> Test:
    return lambda key: any(
        line["project"] and str(line["project"]["id"]) == project_id
        for line in rows[key]["line_items"]
    )
