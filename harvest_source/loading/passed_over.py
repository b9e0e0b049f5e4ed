"""Takes out of a run what Harvest refuses and need not have: reports of paid time off, which not every account has."""

from __future__ import annotations

from collections import defaultdict

from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.errors import ApiError
from harvest_source.loading.result import Result, Verdict, Verified
from harvest_source.loading.summary import ReportResult, Summary
from harvest_source.reading.reader import Reader, is_passed_over


def pass_over_refused(
    results: dict[AccountReport, Result], reader: Reader, summary: Summary
) -> None:
    """Takes reports that are refused out of the results, and says so in the summary; what was loaded before stays."""
    refused: dict[int, dict[str, ApiError]] = defaultdict(dict)
    for pair, result in [*results.items()]:
        error = result.outcome.error if result.outcome else None
        if is_passed_over(error, by_name(pair.report)):
            refused[pair.account_id][pair.report] = error
            del results[pair]
    for account_id, errors in refused.items():
        name, error = next(iter(errors.items()))
        is_off = reader.lacks_module(AccountReport(account_id, name))
        verified = str(Verified(Verdict.MODULE_OFF if is_off else Verdict.PASSED_OVER))
        summary.results += [ReportResult(each, account_id, verified=verified) for each in errors]
        why = (
            "Harvest has no paid time off for this user"
            if is_off
            else "this user may not read them"
        )
        summary.notes.append(
            f"skipped, since {why} in account {account_id} ({error.status}): {', '.join(errors)}"
        )
