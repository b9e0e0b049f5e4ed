"""One dlt load: extract, normalize, load, and what its failure means to a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationException
from dlt.pipeline.exceptions import PipelineStepFailed

from harvest_source.api.errors import HarvestError


class LoadFailedError(HarvestError):
    """dlt could not bring the rows into the destination; a pending package is finished by the next run."""


def load(pipeline: dlt.Pipeline, data: Any) -> None:
    """Loads one package.

    Raises:
        HarvestError: what a resource raised.
        LoadFailedError: the destination refused or is gone.
    """
    with explained():
        pipeline.extract(data)
        pipeline.normalize()
        pipeline.load()


def finish_pending(pipeline: dlt.Pipeline) -> None:
    """Loads what an earlier run left pending.

    Raises:
        LoadFailedError: it still cannot be loaded.
    """
    with explained():
        pipeline.normalize()
        pipeline.load()


@contextmanager
def explained() -> Iterator[None]:
    """Turns dlt's long failures into one line.

    Raises:
        HarvestError, LoadFailedError: as `load`.
    """
    try:
        yield
    except PipelineStepFailed as failure:
        for cause in _causes(failure):
            if isinstance(cause, (HarvestError, KeyboardInterrupt)):
                raise cause from failure
        raise LoadFailedError(f"the destination could not be loaded ({failure.step}): {_reason(failure)}") from failure
    except DestinationException as failure:
        raise LoadFailedError(f"the destination cannot be used: {_reason(failure)}") from failure


def _causes(failure: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = failure
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(failure: BaseException) -> str:
    """Returns the first line of the innermost cause, which is the database's own."""
    *_, innermost = _causes(failure)
    text = str(innermost).strip() or type(innermost).__name__
    return text.splitlines()[0][:300]
