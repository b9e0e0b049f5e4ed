"""Keeps what breaks on the way into the destination with its report: where a package fails, reports load one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable

import dlt
from dlt.pipeline.exceptions import PipelineStepFailed

from harvest_source.api.net import LOGGER
from harvest_source.destinations.abilities import can_merge
from harvest_source.destinations.failures import is_interrupted, is_passing, reason
from harvest_source.errors import AccessLostError, ApiError, HarvestError, RefusedError, causes
from harvest_source.reading.reader import Where


def load_apart(
    pipeline: dlt.Pipeline,
    wheres: list[Where],
    load: Callable[[list[Where]], None],
    keep_error: Callable[[Where, ApiError], None],
) -> None:
    """Loads reports in one package, and one by one where that fails for their rows.

    Args:
        pipeline: of the run.
        wheres: accounts and reports.
        load: loads the given ones in one package.
        keep_error: told which cannot be loaded, and why.

    Raises:
        PipelineStepFailed: the destination or this machine is to blame, or all reports fail for a reason that is not an answer's.
    """

    def attempt(chosen: list[Where]) -> PipelineStepFailed | None:
        try:
            load(chosen)
        except PipelineStepFailed as failure:
            if not _is_of_rows(failure, pipeline):
                raise
            pipeline.abort_packages()
            return failure
        return None

    whole = attempt(wheres)
    if whole is None:
        return
    tried = {wheres[0]: whole} if len(wheres) == 1 else {where: attempt([where]) for where in wheres}
    failures = {where: failure for where, failure in tried.items() if failure}
    errors = {where: _own_error(failure) for where, failure in failures.items()}
    if len(errors) == len(wheres) and None in errors.values():
        raise failures[wheres[0]]
    for where, failed in failures.items():
        logging.getLogger(LOGGER).debug("what rows of %s brought about:", where[1], exc_info=failed)
        keep_error(where, errors[where] or RefusedError(f"its rows could not be loaded ({failed.step}): {reason(failed)}"))


def _is_of_rows(failure: PipelineStepFailed, pipeline: dlt.Pipeline) -> bool:
    """Returns whether a package failed for what is in it: not what may pass, and not what a later try could load as it is."""
    found = list(causes(failure))
    own = [cause for cause in found if isinstance(cause, HarvestError)]
    if is_passing(failure) or is_interrupted(failure) or any(not isinstance(each, ApiError) for each in own):
        return False
    if any(isinstance(cause, OSError) for cause in found):  # the machine's, or the way to the destination
        return False
    if any(isinstance(each, AccessLostError) for each in own):
        return False
    return failure.step in {"extract", "normalize"} or can_merge(pipeline)  # of files, those that are replaced are gone already


def _own_error(failure: PipelineStepFailed) -> ApiError | None:
    return next((cause for cause in causes(failure) if isinstance(cause, ApiError)), None)
