"""Loads reports one by one where loading them together fails, so that the failure of one report stays its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import dlt
from dlt.pipeline.exceptions import PipelineStepFailed

from harvest_source.api.net import LOGGER
from harvest_source.catalogue.report import AccountReport
from harvest_source.destinations.abilities import can_merge
from harvest_source.destinations.failures import is_interrupted, is_passing, reason
from harvest_source.errors import AccessLostError, ApiError, HarvestError, RefusedError, causes
from harvest_source.loading.delivery import Delivery
from harvest_source.loading.result import Tally


def load_apart(
    pipeline: dlt.Pipeline,
    deliveries: list[Delivery],
    load: Callable[[list[Delivery]], Mapping[AccountReport, Tally]],
) -> Iterator[tuple[AccountReport, Tally | ApiError]]:
    """Loads deliveries in one package, and one by one where that fails for their rows.

    Args:
        pipeline: of the run.
        deliveries: one for each account and report.
        load: loads the given ones in one package, and returns what it found of them.

    Yields:
        each as soon as it is loaded, with what was found of it; at the end those that could not be loaded, and why.

    Raises:
        PipelineStepFailed: the destination or this machine is to blame, or all reports fail for a reason that is not an answer's.
    """
    attempt = partial(_attempt, pipeline, load)
    failures: dict[AccountReport, PipelineStepFailed] = {}
    whole = attempt(deliveries)
    if not isinstance(whole, PipelineStepFailed):
        yield from whole.items()
        return
    for each in deliveries:
        alone = whole if len(deliveries) == 1 else attempt([each])
        if isinstance(alone, PipelineStepFailed):
            failures[each.pair] = alone
        else:
            yield from alone.items()
    errors = {pair: _own_error(failure) for pair, failure in failures.items()}
    if len(errors) == len(deliveries) and None in errors.values():
        raise failures[deliveries[0].pair]
    for pair, failed in failures.items():
        logging.getLogger(LOGGER).debug(
            "what rows of %s brought about:", pair.report, exc_info=failed
        )
        refused = RefusedError(
            f"its rows could not be loaded ({failed.step}): {{}}", quoted=(reason(failed),)
        )
        yield pair, errors[pair] or refused


def _attempt(
    pipeline: dlt.Pipeline,
    load: Callable[[list[Delivery]], Mapping[AccountReport, Tally]],
    chosen: list[Delivery],
) -> Mapping[AccountReport, Tally] | PipelineStepFailed:
    """Returns what a load found, or its failure where the rows are to blame; then nothing of it is pending."""
    try:
        return load(chosen)
    except PipelineStepFailed as failure:
        if not _is_of_rows(failure, pipeline):
            raise
        pipeline.abort_packages()
        return failure


def _is_of_rows(failure: PipelineStepFailed, pipeline: dlt.Pipeline) -> bool:
    """Returns whether a package failed for what is in it: not what may pass, and not what a later try could load as it is."""
    found = list(causes(failure))
    own = [cause for cause in found if isinstance(cause, HarvestError)]
    if (
        is_passing(failure)
        or is_interrupted(failure)
        or any(not isinstance(each, ApiError) for each in own)
    ):
        return False
    # the machine's, or the way to the destination
    if any(isinstance(cause, OSError) for cause in found):
        return False
    if any(isinstance(each, AccessLostError) for each in own):
        return False
    # of files, those that are replaced are gone already
    return failure.step in {"extract", "normalize"} or can_merge(pipeline)


def _own_error(failure: PipelineStepFailed) -> ApiError | None:
    return next((cause for cause in causes(failure) if isinstance(cause, ApiError)), None)
