"""Which parents' children a run asks for, and what is kept of it: tables of cases on plain data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harvest_source.catalogue.lookup import by_name, reports_as_set
from harvest_source.catalogue.report import AccountReport
from harvest_source.reading.parts import Kept, Part
from harvest_source.reading.plan import (
    Changes,
    ChildPlan,
    Rules,
    Wish,
    answered,
    carried_out,
    lists_needed,
    part_of,
    plan_children,
    plan_oneself,
    probes_of,
    projects_changed,
    read_parents,
    since_of,
    state_of,
    with_sweep,
    without_following,
)

HOUR = 500_000
RULES = Rules(overlap_seconds=300, sweep_days=7, now_hour=HOUR)
DAY = "2026-07-01T{}Z"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MARK = datetime(2026, 7, 1, 8, tzinfo=UTC)  # from when the lists were asked for
PAYMENTS, TEAMMATES, ASSIGNED = (
    by_name("invoice_payments"),
    by_name("teammates"),
    by_name("project_assignments"),
)


def at(clock: str) -> str:
    """Returns an instant of the first of July."""
    return DAY.format(clock)


def row(row_id: Any, clock: str = "09:00:00", **others: Any) -> dict[str, Any]:
    """Returns a row of a list, changed on the first of July."""
    return {"id": row_id, "updated_at": at(clock), **others}


def seen(
    *rows: dict[str, Any], since: datetime | None = MARK, newest: datetime | None = None
) -> Changes:
    """Returns what a run saw of a list."""
    return Changes(since, lambda: rows, newest, NOON)


def payments(
    wish: Wish, *rows: dict[str, Any], rules: Rules = RULES, since: datetime | None = MARK
) -> ChildPlan:
    """Returns the plan of invoice payments by the invoices that a run saw."""
    return plan_children(PAYMENTS, 7, wish, {"invoices": seen(*rows, since=since)}, rules)


# which parents changed

STATE = {"read": {"499990": [1, 2, 3]}, "marks": {"invoices": at("08:05:00")}}
FOLLOWED = {**STATE, "followed": {"invoices": {at("09:00:00"): [1]}}}
CHANGED: dict[str, tuple[dict[str, Any], dict[str, Any], set[int]]] = {
    "changed since": (STATE, row(1), {1}),
    "in the very second": (STATE, row(1, "08:00:00"), {1}),
    "changed before, read before": (STATE, row(1, "07:59:59"), set()),
    "changed before, never read": (STATE, row(9, "07:59:59"), {9}),
    "followed already": (FOLLOWED, row(1), set()),
    "followed, and changed once more": (FOLLOWED, row(1, "09:00:01"), {1}),
    "no change time": (STATE, {"id": 1, "updated_at": None}, {1}),
    "no readable change time": (STATE, {"id": 1, "updated_at": "soon"}, {1}),
    "id as text": (STATE, row("1"), {1}),
}


@pytest.mark.parametrize(("state", "record", "asked"), CHANGED.values(), ids=CHANGED)
def test_parents_that_changed_are_asked(
    state: dict[str, Any], record: dict[str, Any], asked: set[int]
) -> None:
    plan = payments(Wish(state), record)
    assert set(plan.parents) == asked
    assert not plan.whole
    assert plan.read == state["read"]


def test_first_time_all_parents_are_asked_with_their_versions() -> None:
    """What was read before does not count, and nobody waits; a text that no database stores is no version of another."""
    plan = payments(
        Wish(STATE, known_parents={8: None}),
        row(1),
        row(2, "01:00:00\0"),
        {"id": 4},
        since=None,
    )
    assert plan.parents == {1: at("09:00:00"), 2: at("01:00:00\N{REPLACEMENT CHARACTER}"), 4: ""}
    assert (plan.whole, plan.read, plan.due, plan.waiting) == (True, {}, (), ())
    assert payments(Wish(), since=None).parents == {}


def test_parents_in_the_table_that_were_never_read_are_asked() -> None:
    """However they came there; not in a run from a date on, which asks for what changed since, followed or not."""
    wish = Wish(FOLLOWED, known_parents=dict.fromkeys((2, 8, 5)), suspects=(2,), doubled=(3,))
    assert list(payments(wish, row(1)).parents.items()) == [(5, ""), (8, "")]
    plan = payments(wish, row(1), rules=replace(RULES, only_changed=True))
    assert set(plan.parents) == {1}
    assert (plan.due, plan.waiting, plan.known) == ((), (), frozenset())


def test_teammates_are_asked_of_managers_only() -> None:
    roles: list[Any] = [["manager"], ["administrator"], [], None, "manager"]
    users = [row(number, access_roles=each) for number, each in enumerate(roles)]
    plan = plan_children(TEAMMATES, 7, Wish(), {"users": seen(*users, since=None)}, RULES)
    assert set(plan.parents) == {0}


# what other lists name

ALL_READ = {"read": {"499990": [1, 2, 3]}}
USER_2: dict[str, Any] = {"user": {"id": 2}, "project": {"id": 70}}
MEMBERS = [
    row(1, **USER_2),
    row(2, user={"id": 3}, project={"id": 71}),
    row(3, user=None, project={"id": 70}),
    row(4, project=70),
]
# list, row, projects, parents
SCOUTED: dict[str, tuple[str, dict[str, Any], set[int], set[int]]] = {
    "a user's assignment": ("user_assignments", row(5, **USER_2), set(), {2}),
    "one that did not change": ("user_assignments", row(5, "07:00:00", **USER_2), set(), set()),
    "a task of a project": ("task_assignments", row(5, project={"id": 70}), {70}, {2}),
    "a project": ("projects", row(70), {70}, {2}),
    "a project of another": ("projects", row(71), {71}, {3}),
    "no object where one should be": (
        "user_assignments",
        row(5, user=[], project={}),
        set(),
        set(),
    ),
    "no id where one should be": ("task_assignments", row(5, project={"id": "x"}), set(), set()),
}


@pytest.mark.parametrize(("name", "record", "projects", "asked"), SCOUTED.values(), ids=SCOUTED)
def test_rows_of_other_lists_name_parents(
    name: str, record: dict[str, Any], projects: set[int], asked: set[int]
) -> None:
    """A user whose projects changed has other assignments, and the row of the user did not change."""
    names = lists_needed(ASSIGNED)
    assert set(names) == {"users", "user_assignments", "task_assignments", "projects"}
    lists = {each: seen(*[record] * (each == name)) for each in names}
    found = projects_changed(ASSIGNED, ALL_READ, lists, RULES)
    assert found == projects
    plan = plan_children(ASSIGNED, 7, Wish(ALL_READ), lists, RULES, found, MEMBERS if found else ())
    assert plan.parents == dict.fromkeys(asked, "")
    whole = {**lists, "users": seen(since=None)}
    assert projects_changed(ASSIGNED, ALL_READ, whole, RULES) == frozenset()
    assert projects_changed(by_name("users"), {}, {}, RULES) == frozenset()


def test_lists_that_a_report_needs() -> None:
    """A list needs itself; assignments by project need the account-wide list as well, which tells where something changed."""
    assert lists_needed(by_name("clients")) == ("clients",)
    assert lists_needed(by_name("task_assignments")) == ("task_assignments",)
    assert lists_needed(reports_as_set("project")["task_assignments"]) == (
        "projects",
        "task_assignments",
    )
    assert lists_needed(PAYMENTS) == ("invoices",)


@pytest.mark.parametrize(
    ("name", "state", "since"),
    [
        ("clients", {}, None), ("clients", {"updated_at": "soon"}, None), ("clients", {"updated_at": at("08:05:00")}, MARK),
        ("invoice_payments", {"updated_at": at("08:05:00")}, None), ("invoice_payments", STATE, MARK),
    ],
)  # fmt: skip
def test_lists_are_asked_for_from_a_little_before_the_bookmark(
    name: str, state: dict[str, Any], since: datetime | None
) -> None:
    assert since_of(by_name(name), state, "invoices" if name != "clients" else name, 300) == since


# who waits


def test_who_waits_longer_follows_from_when_the_parent_changed() -> None:
    """By the time in its table; one that is not there counts as changed lately. The rule is in `sweep`."""
    read = {str(HOUR - 20 * 24): [1, 2, 3], str(HOUR - 24): [4, 5]}
    year_ago = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=HOUR - 365 * 24)
    known = dict.fromkeys((1, 4, 5), year_ago) | {3: None}
    plan = payments(Wish({"read": read}, known_parents=known))
    assert (plan.due, plan.waiting) == ((2, 3), (1, 4, 5))
    asked_now = payments(Wish({"read": read}, known_parents=known), row(1), row(2))
    assert (asked_now.due, asked_now.waiting) == ((3,), (4, 5))


def test_who_comes_first() -> None:
    """Those whose turn it is, doubled ones and those in doubt do not wait; in doubt and just read, they come first."""
    read = {str(HOUR - 500): [1, 2], str(HOUR - 12): [3, 4, 5, 6], str(HOUR): [7, 8, 9]}
    state = {"read": read, "hidden": [9, 2], "swept": HOUR - 24}
    plan = payments(Wish(state, suspects=(7, 4), doubled=(8, 1)), row(3))
    assert (plan.due, plan.waiting) == ((1, 2, 8, 4), (7, 9, 5, 6))
    assert plan.hidden == {9, 2}


def test_children_of_projects_are_not_read_again_in_turn() -> None:
    """Their list tells every change; those that stand twice are asked all the same."""
    report = reports_as_set("project")["task_assignments"]
    lists = {name: seen() for name in lists_needed(report)}
    plan = plan_children(
        report, 7, Wish({"read": {"1": [5]}}, suspects=(3,), doubled=(4,)), lists, RULES
    )
    assert (plan.due, plan.waiting) == ((4,), (3,))


@pytest.mark.parametrize(("free", "asked"), [(0, {0, 1, 2}), (1, {0, 1, 2, 3}), (9, {*range(5)})])
def test_those_who_may_wait_are_asked_while_requests_are_free(free: int, asked: set[int]) -> None:
    plan = ChildPlan(PAYMENTS, 7, {0: "version"}, due=(1, 2), waiting=(3, 4))
    swept = with_sweep(plan, free)
    assert set(swept.parents) == asked
    assert swept.parents[0] == "version"
    assert (swept.due, swept.waiting) == ((), ())


# what is kept

SETTLED: dict[str, tuple[str | None, Iterable[dict[str, Any]], dict[str, list[int]]]] = {
    "long enough before the list was read": (
        at("10:00:00"),
        [row(2, "09:58:00"), row(1, "09:58:00")],
        {at("09:58:00"): [1, 2]},
    ),
    "within the overlap of the reading": (at("11:59:00"), [row(1, "11:56:00")], {}),
    "before the next run asks": (at("10:00:00"), [row(1, "09:54:59")], {}),
    "no bookmark": (None, [row(1)], {}),
    "no change time": (at("10:00:00"), [{"id": 1, "updated_at": None}], {}),
}


@pytest.mark.parametrize(("mark", "rows", "followed"), SETTLED.values(), ids=SETTLED)
def test_rows_that_need_not_be_followed_once_more(
    mark: str | None, rows: Any, followed: dict[str, list[int]]
) -> None:
    """The next run asks for them again, and nothing is to come of them."""
    state = {"marks": {"invoices": mark}} if mark else {}
    assert payments(Wish(state), *rows).followed == {"invoices": followed}


def test_marks_move_to_the_newest_change_seen_and_never_back() -> None:
    lists = {"invoices": seen(newest=NOON)}
    for before, after in (
        (at("08:00:00"), at("12:00:00")),
        (at("13:00:00"), at("13:00:00")),
        (None, at("12:00:00")),
    ):
        state = {"marks": {"other": "x", **({"invoices": before} if before else {})}}
        assert plan_children(PAYMENTS, 7, Wish(state), lists, RULES).marks == {
            "other": "x",
            "invoices": after,
        }
    unseen = {"invoices": Changes(MARK, lambda: [row(1)], None, None)}
    plan = plan_children(PAYMENTS, 7, Wish(STATE), unseen, RULES)
    assert (plan.marks, plan.followed) == (STATE["marks"], {"invoices": {}})


def test_state_is_what_dlt_keeps() -> None:
    """In the form that every version wrote; `hidden` only where there is something in it."""
    plan = payments(Wish(FOLLOWED), row(1), row(4))
    done = carried_out(plan, {4: HOUR, 2: HOUR - 1}, set(), set(), HOUR)
    marks = {"invoices": at("08:05:00")}
    read = {"499990": [1, 3], str(HOUR - 1): [2], str(HOUR): [4]}
    followed = {"invoices": {at("09:00:00"): [1, 4]}}
    assert state_of(done) == {"marks": marks, "read": read, "followed": followed, "swept": HOUR}
    assert state_of(replace(done, hidden=frozenset({3, 1})))["hidden"] == [1, 3]
    assert read_parents(state_of(done)) == {1, 2, 3, 4}
    assert read_parents({}) == frozenset()


# read, gone, hidden: what is kept
NOTED: dict[str, tuple[dict[int, int], set[int], set[int], dict[str, list[int]]]] = {
    "read again": ({1: 30}, set(), set(), {"10": [2], "30": [1]}),
    "gone": ({}, {1}, set(), {"10": [2]}),
    "gone, but still in its table": ({}, {2}, set(), {"10": [1], "99": [2]}),
    "refused now": ({}, set(), {1}, {"10": [2], "99": [1]}),
    "refused before, and not asked": ({}, set(), {8}, {"10": [1, 2]}),
    "all of an hour": ({2: 20, 1: 20}, set(), set(), {"20": [1, 2]}),
}


@pytest.mark.parametrize(("read_hours", "gone", "hidden", "kept"), NOTED.values(), ids=NOTED)
def test_when_each_parent_was_read(
    read_hours: dict[int, int], gone: set[int], hidden: set[int], kept: dict[str, list[int]]
) -> None:
    """One that cannot be read counts as read now, so that it is asked again in its turn and not in every run."""
    plan = ChildPlan(
        PAYMENTS, 7, {1: ""}, read={"10": [1, 2]}, known=frozenset({2}), hidden=frozenset({5})
    )
    done = carried_out(plan, read_hours, gone, hidden, 99)
    assert done.read == kept
    assert done.hidden == hidden
    assert plan.read == {"10": [1, 2]}


def test_answers_of_an_interrupted_run_count_for_their_version() -> None:
    """One whose version is not known is asked again; those taken over are looked at once more where their parents change."""
    plan = ChildPlan(
        PAYMENTS,
        7,
        {1: "v1", 2: "v2", 3: "", 4: "v4"},
        followed={"invoices": {"t": [1, 2]}, "other": {"t": [1]}},
    )
    kept = {
        "invoices 1": Kept("v1", 5),
        "invoices 2": Kept("old", 5),
        "invoices 3": Kept("", 5),
        "users 4": Kept("v4", 5),
    }
    assert answered(plan, kept) == {1: 5}
    assert answered(plan, {}) == {}
    assert without_following(plan, {1}).followed == {"invoices": {"t": [2]}}


MOVES = {
    "nothing": (lambda rows: rows, {1, 2, 3}),
    "a row that names one changed": (
        lambda rows: [row(10, "11:00:00", user={"id": 1}), *rows[1:]],
        {2, 3},
    ),
    "a row that names one went": (lambda rows: rows[1:], {2, 3}),
    "a row that names one came": (
        lambda rows: [*rows, row(12, "08:00:00", user={"id": 2})],
        {1, 3},
    ),
    "a project changed": (lambda rows: [*rows[:-1], row(5, "11:00:00")], set()),
}


@pytest.mark.parametrize(("move", "answers_count"), MOVES.values(), ids=MOVES)
def test_kept_answers_do_not_count_where_another_list_names_a_change(
    move: Any, answers_count: set[int]
) -> None:
    """What a killed run read of a user is older than a change of what is assigned to them; users themselves show no change."""

    def plan_of(rows: list[dict[str, Any]]) -> ChildPlan:
        members, projects = (
            [each for each in rows if each["id"] > 9],
            [each for each in rows if each["id"] < 9],
        )
        lists = {
            "users": seen(*(row(each) for each in (1, 2, 3)), since=None),
            "user_assignments": seen(*members, since=None),
            "task_assignments": seen(since=None),
            "projects": seen(*projects, since=None),
        }
        return plan_children(ASSIGNED, 7, Wish(), lists, RULES)

    rows = [row(10, user={"id": 1}), row(11, user={"id": 2}), row(5)]
    before, now = plan_of(rows), plan_of(move(rows))
    kept = {f"users {each}": Kept(version, 5) for each, version in before.parents.items()}
    assert answered(now, kept).keys() == answers_count


def test_part_of_a_parent_says_what_is_asked() -> None:
    plan = ChildPlan(PAYMENTS, 7, {70: "v"})
    pair = AccountReport(7, "invoice_payments")
    assert (plan.pair, plan.parent.report) == (pair, "invoices")
    assert part_of(plan, 70) == Part(
        pair, "invoices 70", "invoices/70/payments", (), "v", 70, outlives_run=True
    )
    assert part_of(plan, 71).version == ""


def test_probes_are_parents_read_last_that_are_not_asked_anyway() -> None:
    plan = ChildPlan(
        PAYMENTS, 7, {1: ""}, read={"9": [7, 8], "10": [1, 2, 3], "11": [4]}, hidden=frozenset({3})
    )
    assert probes_of(plan) == (4, 2, 7)


def test_somebody_who_may_not_list_users_asks_for_themselves() -> None:
    plan = plan_oneself(ASSIGNED, 7, {"marks": {"users": "m"}, "read": {"1": [5]}}, 5)
    assert state_of(plan) == {"marks": {"users": "m"}, "read": {"1": [5]}, "followed": {}}
    assert plan.parents == {5: ""}
