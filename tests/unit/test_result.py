"""What a run says of a table: a table of cases on plain data."""

from __future__ import annotations

import pytest

from harvest_source.catalogue.report import AccountReport
from harvest_source.errors import RefusedError
from harvest_source.loading.result import Result, Tally, Verdict, Verified
from harvest_source.loading.verified import VERIFIED_VALUES
from harvest_source.reading.reader import Outcome

CLIENTS = AccountReport(1001, "clients")


@pytest.mark.parametrize(
    ("verified", "said"),
    [
        (Verified(Verdict.YES), "yes"),
        (Verified(Verdict.PART), "part"),
        (Verified(Verdict.REPAIRED, rows=3), "repaired 3"),
        (Verified(Verdict.READ_AGO, days=0), "read today"),
        (Verified(Verdict.READ_AGO, days=1), "read 1 day ago"),
        (Verified(Verdict.READ_AGO, days=2), "read 2 days ago"),
        (Verified(Verdict.NO), "no"),
        (Verified(Verdict.NO, why="the table has 3 rows"), "no: the table has 3 rows"),
        (Verified(Verdict.NOT_COMPARED), "not compared"),
        (Verified(Verdict.MODULE_OFF), "module off"),
        (Verified(Verdict.YES, besides=("1 client not seen",)), "yes, 1 client not seen"),
    ],
)
def test_verdicts_are_said_in_the_words_of_the_summary(verified: Verified, said: str) -> None:
    assert str(verified) == said


@pytest.mark.parametrize(
    ("result", "verified", "error", "loaded"),
    [
        (Result(CLIENTS, outcome=Outcome(), verified=Verified(Verdict.YES)), "yes", None, True),
        (
            Result(
                CLIENTS,
                outcome=Outcome(),
                verified=Verified(Verdict.YES),
                older=1,
                whose="only rows of Zoe",
            ),
            "yes, only rows of Zoe, 1 older row not followed",
            None,
            True,
        ),
        (
            Result(
                CLIENTS, outcome=Outcome(), verified=Verified(Verdict.READ_AGO, days=0), older=1234
            ),
            "read today, 1,234 older rows not followed",
            None,
            True,
        ),
        (
            Result(
                CLIENTS,
                outcome=Outcome(error=RefusedError("refused")),
                verified=Verified(Verdict.YES),
            ),
            "no",
            "refused",
            False,
        ),
    ],
)
def test_line_of_the_summary(
    result: Result, verified: str, error: str | None, *, loaded: bool
) -> None:
    line = result.told(total=2, requests=3, bookmark="2026-01-01T00:00:00Z")
    assert (line.verified, line.error, line.loaded, line.total, line.requests) == (
        verified,
        error,
        loaded,
        2,
        3,
    )


def test_a_failed_proof_says_nothing_but_why() -> None:
    result = Result(CLIENTS, outcome=Outcome(), whose="only rows of Zoe", older=3)
    result.fail("the table has 2 rows, Harvest 3")
    line = result.told(total=2, requests=1, bookmark=None)
    assert (line.verified, line.error) == (
        "no: the table has 2 rows, Harvest 3",
        "the table has 2 rows, Harvest 3",
    )


def test_rows_that_differ_are_those_loaded_or_gone_but_no_growing_timer() -> None:
    result = Result(
        CLIENTS, tally=Tally(new=2, changed=3, grown=1) + Tally(new=1), removed=1, gone=4
    )
    assert (result.loaded_rows, result.differing_rows()) == (6, 6 - 1 + 4)


def test_number_of_repaired_rows_is_kept_as_a_number() -> None:
    repaired = Result(CLIENTS, outcome=Outcome(), verified=Verified(Verdict.REPAIRED, rows=7))
    assert repaired.told(1, 1, None).repaired == 7


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_line_in_the_documents(verdict: Verdict) -> None:
    said = str(Verified(verdict, rows=3, days=3)).replace("3", "N")
    assert said in {each.value for each in VERIFIED_VALUES}
