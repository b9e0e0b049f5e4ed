"""What an alert says: in which cases, in how many lines, and never in the words of somebody else."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
import requests
from dlt.common.destination.exceptions import DestinationTerminalException
from hypothesis import given
from hypothesis import strategies as st

from harvest_source.api.accounts import choose_accounts
from harvest_source.api.answers import check
from harvest_source.api.client import HarvestClient
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.catalogue.reports import NAMES
from harvest_source.commands import notify
from harvest_source.commands.notify import LINE_LENGTH, LINES, Alerts
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations.failures import explained
from harvest_source.errors import (
    HarvestError,
    NotFoundError,
    SettingError,
    TokenRejectedError,
    UnavailableError,
    exit_code_of,
    in_own_words,
)
from harvest_source.loading.summary import ReportResult, Summary
from harvest_source.loading.totals import Difference
from harvest_source.settings import parse_account_ids, parse_since, parse_webhook_url

URL = "https://hooks.example.com/services/T0/B0/PATH-SECRET"
VALUE = "ROW-VALUE-7"
PLACE = "pipeline harvest_pipeline, destination duckdb, dataset harvest"
LATER = "To do: follow the reasons above; otherwise the next run catches up. The run's own output says more."
CORRECT = "To do: correct what the reason says, then run again. The run's own output says more."
NOTHING = "Nothing needs to be done."


@contextmanager
def listening() -> Iterator[list[str]]:
    """Gives the texts that would be posted meanwhile."""
    texts: list[str] = []

    class Kept:
        def __init__(self, url: str, body: dict[str, str]) -> None:
            assert url == URL
            texts.append(body["text"])

        def end(self) -> None:
            """Is sent."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notify, "Sending", Kept)
        yield texts


def said_of(*results: ReportResult, **more: Any) -> list[str]:
    """Returns the lines that a summary makes; none where nothing is posted."""
    with listening() as texts:
        Alerts(URL, Workplace(), "run").done(Summary(list(results), **more))
    return texts[0].splitlines() if texts else []


def said_of_error(error: Exception, place: Workplace | None = None) -> list[str]:
    """Returns the lines that are posted where an error ends a run."""
    with listening() as texts:
        Alerts(URL, place or Workplace(), "run").ended_early(error, exit_code_of(error))
    return texts[0].splitlines()


def failed(report: str, account_id: int, error: str | Exception) -> ReportResult:
    """Returns the result of a report that failed."""
    return ReportResult(report, account_id, error=str(error), reason=in_own_words(error))


def read_by(error: HarvestError, permission: str) -> HarvestError:
    """Returns an error that says who may read a report, as the reader does."""
    return HarvestError(
        f"{error.message}; to read it one must be {permission}", quoted=error.quoted
    )


QUIET = ReportResult("clients", 1001, new=5, changed=2, total=9, verified="yes")
FORBIDDEN = read_by(
    HarvestError("Harvest does not allow it (403: {})", quoted=["Sorry, Ann!"]),
    str(by_name("roles").access),
)
PASSED_BY = "Harvest answered 500, 7 times in a row; try again later"
COMPLETE = "Harvest run: complete, with something to know (exit code 0)"
SUMMARIES: dict[str, tuple[Summary, list[str]]] = {
    "one report failed": (
        Summary([QUIET, failed("invoices", 1001, PASSED_BY)]),
        [
            "Harvest run: not complete: 1 of 2 reports (exit code 1)",
            PLACE,
            f"• invoices (account 1001): {PASSED_BY}",
            LATER,
        ],
    ),
    "not allowed": (
        Summary([failed("roles", 1, FORBIDDEN)]),
        [
            "Harvest run: not complete: 1 of 1 reports (exit code 1)",
            PLACE,
            f"• roles (account 1): Harvest does not allow it (403); to read it one must be {by_name('roles').access}",
            LATER,
        ],
    ),
    "repaired": (
        Summary([QUIET, ReportResult("tasks", 1001, repaired=3)]),
        [COMPLETE, PLACE, "• tasks (account 1001): rows repaired: 3", NOTHING],
    ),
    "repaired, and rows gone at Harvest": (
        Summary([ReportResult("tasks", 1001, deleted=1, repaired=3)]),
        [
            COMPLETE,
            PLACE,
            "• tasks (account 1001): rows repaired: 3, 1 of them gone at Harvest",
            NOTHING,
        ],
    ),
    "new fields": (
        Summary([QUIET], new_fields=["a.b", "c.d", "e.f", "g.h", "i.j", "k.l", "m.n"]),
        [
            COMPLETE,
            PLACE,
            "• new fields at Harvest, now columns here: a.b, c.d, e.f, g.h, i.j and 2 more",
            NOTHING,
        ],
    ),
    "everything at once": (
        Summary(
            [
                *(failed(name, 7, "the answer was cut off") for name in NAMES[:8]),
                ReportResult("tasks", 7, repaired=2),
            ],
            new_fields=["clients.vip"],
        ),
        [
            "Harvest run: not complete: 8 of 9 reports (exit code 1)",
            PLACE,
            *(f"• {name} (account 7): the answer was cut off" for name in NAMES[:6]),
            "• and 4 more",
            LATER,
        ],
    ),
    "quiet": (Summary([QUIET, ReportResult("cost_rates", 1001, verified="read 3 days ago")]), []),
    "a module that is off": (Summary([ReportResult("expenses", 1001, verified="module off")]), []),
    "rows gone at Harvest": (
        Summary([ReportResult("tasks", 1001, deleted=3, repaired=3)]),
        [
            COMPLETE,
            PLACE,
            "• tasks (account 1001): rows repaired: 3, 3 of them gone at Harvest",
            NOTHING,
        ],
    ),
}


@pytest.mark.parametrize(("summary", "expected"), SUMMARIES.values(), ids=SUMMARIES)
def test_summary_is_told_where_it_calls_for_a_look(summary: Summary, expected: list[str]) -> None:
    """What failed first, then what was repaired, then what is new; a quiet run says nothing."""
    assert said_of(*summary.results, new_fields=summary.new_fields) == expected


ERRORS: dict[str, tuple[Exception, str, str, str]] = {
    "token": (
        TokenRejectedError(
            "Harvest refuses the token (401): it is wrong, expired or revoked; set a new one", 401
        ),
        "ended early (exit code 1)",
        "Harvest refuses the token (401): it is wrong, expired or revoked; set a new one",
        LATER,
    ),
    "not reached": (
        UnavailableError("the connection to Harvest failed, 7 times in a row; try again later"),
        "ended early (exit code 1)",
        "the connection to Harvest failed, 7 times in a row; try again later",
        LATER,
    ),
    "setting": (
        SettingError("overlap_seconds is -5; it must be 0 or more"),
        "nothing was loaded (exit code 2)",
        "overlap_seconds is -5; it must be 0 or more",
        CORRECT,
    ),
    "package": (
        SettingError("destination mssql needs a package: pip install 'dlt[mssql]'"),
        "nothing was loaded (exit code 2)",
        "destination mssql needs a package: pip install 'dlt[mssql]'",
        CORRECT,
    ),
    "nobody foresaw it": (
        KeyError(VALUE),
        "ended early (exit code 1)",
        "unexpected KeyError",
        LATER,
    ),
}


@pytest.mark.parametrize(("error", "what", "reason", "last"), ERRORS.values(), ids=ERRORS)
def test_early_end_is_told_with_reason_and_exit_code(
    error: Exception, what: str, reason: str, last: str
) -> None:
    """Which pipeline, destination and dataset, too: several may post to one channel."""
    place = Workplace(destination="postgres", dataset="north")
    assert said_of_error(error, place) == [
        f"Harvest run: {what}",
        "pipeline harvest_pipeline, destination postgres, dataset north",
        f"• {reason}",
        last,
    ]


def test_what_slack_reads_as_markup_is_escaped() -> None:
    """A name cannot call the whole channel, or hide a link."""
    said = said_of(failed("clients", 1, "a <b> & <!channel>"))
    assert said[2] == "• clients (account 1): a &lt;b&gt; &amp; &lt;!channel&gt;"


# Whatever is said elsewhere, by Harvest, a database or a setting, through the code that makes reasons of it.


def caught(act: Callable[[], object]) -> HarvestError:
    """Returns the error that an act ends with."""
    with pytest.raises(HarvestError) as error:
        act()
    return error.value


def answered(status: int, said: str) -> HarvestError:
    """Returns the error of an answer."""
    response = requests.Response()
    response.status_code = status
    response.request = requests.Request("GET", "https://api.example.com/").prepare()
    return caught(lambda: check(response, json.dumps({"message": said}).encode(), 15.0))


class Knows:
    """A client whose token reaches an account of some name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get_accounts(self, _tries: int) -> dict[str, Any]:
        """Returns two accounts."""
        return {
            "accounts": [
                {"id": number, "name": self.name, "product": "harvest"} for number in (5, 6)
            ]
        }


def unreached(name: str, wanted: tuple[int, ...] | None) -> HarvestError:
    """Returns the error of an account that the token does not reach, or of too many."""
    return caught(lambda: choose_accounts(cast("HarvestClient", Knows(name)), wanted))


def refused_by_database(said: str) -> HarvestError:
    """Returns the error of a load."""

    def load() -> None:
        with explained():
            raise DestinationTerminalException(said)

    return caught(load)


REASONS_OF_REPORTS: dict[str, Callable[[str], Exception]] = {
    "403": lambda said: read_by(answered(403, said), str(by_name("clients").access)),
    "404": lambda said: answered(404, said),
    "422": lambda said: answered(422, said),
    "a list that another needs": lambda said: type(error := answered(400, said))(
        f"x: {error.message}", quoted=error.quoted
    ),
}
ENDS_OF_RUNS: dict[str, Callable[[str], Exception]] = {
    **REASONS_OF_REPORTS,
    "database": refused_by_database,
    "account": lambda said: unreached(said, (999,)),
    "accounts": lambda said: unreached(said, None),
    "date": lambda said: caught(lambda: parse_since("--since", said)),
    "account id": lambda _said: caught(lambda: parse_account_ids(VALUE)),
    "nobody foresaw it": ValueError,
}
SIGNS = st.one_of(
    st.sampled_from("()'\":;,.&<> \n\r\t0123456789"), st.characters(exclude_categories=["Cs"])
)
SAID = st.text(SIGNS, max_size=40)


@pytest.mark.parametrize("make", ENDS_OF_RUNS.values(), ids=ENDS_OF_RUNS)
def test_reasons_do_quote_others(make: Callable[[str], Exception]) -> None:
    """A person at the terminal reads what was said word for word: there is something to leave out."""
    assert VALUE in str(make(VALUE))


@pytest.mark.parametrize("make", ENDS_OF_RUNS.values(), ids=ENDS_OF_RUNS)
@given(before=SAID, after=SAID)
def test_end_of_a_run_is_told_without_words_of_others(
    make: Callable[[str], Exception], before: str, after: str
) -> None:
    """They may hold a row's value or a secret."""
    assert VALUE not in "\n".join(said_of_error(make(f"{before}{VALUE}{after}")))


@pytest.mark.parametrize("make", REASONS_OF_REPORTS.values(), ids=REASONS_OF_REPORTS)
@given(before=SAID, after=SAID)
def test_report_that_failed_is_told_without_words_of_others(
    make: Callable[[str], Exception], before: str, after: str
) -> None:
    """As for the end of a run."""
    assert VALUE not in "\n".join(said_of(failed("clients", 1, make(f"{before}{VALUE}{after}"))))


def test_destination_that_is_no_name_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection string in its place holds a password."""
    monkeypatch.chdir(tmp_path)
    place = Workplace(destination=f"postgresql://loader:{VALUE}@db.example.com/warehouse")
    error = caught(place.pipeline)
    assert VALUE in str(error)
    assert VALUE not in "\n".join(said_of_error(error, place))


NO_CHILDREN = "Harvest knows invoices {} but not its invoice_payments"


def test_sums_and_ids_are_no_part_of_a_reason() -> None:
    """A month with one expense has its amount as the sum."""
    difference = Difference(
        AccountReport(1001, "expenses"),
        "2026-03",
        "total_cost",
        Decimal("1234.56"),
        Decimal("1299.01"),
    )
    said = said_of(
        failed("expenses", 1001, difference.error),
        failed("invoice_payments", 1001, NotFoundError(NO_CHILDREN, 404, quoted=[13150403])),
    )
    assert said[2:4] == [
        "• expenses (account 1001): expenses 2026-03: sum of total_cost is … here, … at Harvest",
        "• invoice_payments (account 1001): Harvest knows invoices … but not its invoice_payments",
    ]


REASONS = st.text(max_size=3 * LINE_LENGTH)
RESULTS = st.builds(
    ReportResult,
    report=st.sampled_from(NAMES),
    account_id=st.integers(1, 10**9),
    deleted=st.integers(0, 5),
    repaired=st.integers(0, 9),
    error=st.one_of(st.none(), REASONS),
    reason=st.one_of(st.none(), REASONS),
)


@given(
    results=st.lists(RESULTS, max_size=30), fields=st.lists(REASONS, max_size=12), dataset=REASONS
)
def test_message_is_short_whatever_happened(
    results: list[ReportResult], fields: list[str], dataset: str
) -> None:
    """At most ten lines of bounded length, in which no sign of Slack's markup is left; what is left out is counted."""
    summary = Summary(results, new_fields=fields)
    with listening() as texts:
        Alerts(URL, Workplace(dataset=dataset), "run").done(summary)
    errors = sum(bool(result.error) for result in results)
    repaired = sum(bool(result.repaired) for result in results)
    items = errors + repaired + bool(fields)
    assert len(texts) == bool(items)
    for text in texts:
        lines = text.splitlines()
        assert len(lines) == min(items + 3, LINES)
        assert all(len(html.unescape(line)) <= LINE_LENGTH for line in lines)
        assert not {"<", ">"} & set(text)
        assert html.escape(html.unescape(text), quote=False) == text
        if items + 3 > LINES:
            assert lines[-2] == f"• and {items - 6} more"


GOOD = [
    "https://hooks.slack.com/services/T0/B0/xyz",
    " https://chat.example.com/hooks/abc\n",
    "https://prod-1.example.com:443/workflows/1?api-version=1&sig=a%2Fb",
    "http://127.0.0.1:8065/hooks/abc",
    "http://localhost/x",
    "http://[::1]:8065/x",
]


@pytest.mark.parametrize("url", GOOD)
def test_webhook_address_stays_as_it_was_given(url: str) -> None:
    """Its slashes and its query are part of the secret; blanks around it are not."""
    assert parse_webhook_url("--notify", url) == url.strip()


BAD = [
    "",
    "PATH-SECRET",
    "hooks.example.com/PATH-SECRET",
    "http://hooks.example.com/PATH-SECRET",
    "http://127.0.0.1.example.com/PATH-SECRET",
    "ftp://127.0.0.1/PATH-SECRET",
    "https:///PATH-SECRET",
    "https://[::1/PATH-SECRET",
    "https://hooks.example.com:port/PATH-SECRET",
    "https://hooks.example.com:99999/PATH-SECRET",
    "https://user:PATH-SECRET@hooks.example.com/",
    "https://hooks.example.com/PATH-\nSECRET",
    "https://hooks.example.com/a PATH-SECRET",
    '"https://hooks.example.com/PATH-SECRET"',
]


@pytest.mark.parametrize("url", BAD)
def test_other_webhook_addresses_are_refused_and_not_repeated(url: str) -> None:
    """One line with the option's or setting's name; the address is a secret even where it is malformed."""
    with pytest.raises(
        SettingError, match=r"^--notify must be the https address of a webhook"
    ) as caught:
        parse_webhook_url("--notify", url)
    assert "SECRET" not in str(caught.value)
    assert "example.com" not in str(caught.value)


def test_webhook_address_does_not_show_in_what_holds_it() -> None:
    assert "SECRET" not in repr(Alerts(URL, Workplace(), "run"))
