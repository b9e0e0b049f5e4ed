"""What the failure of a destination means to a person, and to the run."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from dlt.common.destination.exceptions import DestinationException
from dlt.pipeline.exceptions import PipelineStepFailed

from harvest_source.destinations.duckdb import IN_USE
from harvest_source.destinations.signs import (
    CREDENTIALS_REFUSED,
    DRIVER_ERRORS,
    DUCKDB_INTERRUPTED,
    GONE,
    NO_CONNECTION,
    NO_TLS,
)
from harvest_source.errors import HarvestError, LoadFailedError, SettingError, causes, first_line

FEWER_CONNECTIONS = (
    "; a run needs three connections, and two more for each worker beyond the first: raise the limit, close other connections, "
    "or set load.workers (LOAD__WORKERS=1)"
)
WITHOUT_TLS = '; where nobody can listen on the way, query = { sslmode = "disable" } in the credentials does without TLS'
GOES_ON = "what was complete is loaded, the next run continues from there"


@contextmanager
def explained(
    what_follows: str = "", has_begun: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Turns dlt's long failures, and those of a destination's own driver, into one line, whichever step they come from.

    Args:
        what_follows: is said as well where the destination is gone.
        has_begun: whether a run has begun to load: credentials that are refused before are a wrong setting.

    Raises:
        HarvestError: what a resource raised.
        SettingError: the destination refuses the credentials, and nothing was loaded.
        LoadFailedError: the destination refused or is gone.
    """
    try:
        yield
    except Exception as failure:
        if not is_of_destination(failure):
            raise
        for cause in (*causes(failure), *_interruptions(failure)):
            if isinstance(cause, (HarvestError, KeyboardInterrupt)):
                raise cause from failure
        said = reason(failure)
        if not has_begun() and _says(failure, CREDENTIALS_REFUSED):
            raise SettingError(
                "the destination refuses its credentials: {}", quoted=(said,)
            ) from failure
        step = failure.step if isinstance(failure, PipelineStepFailed) else "sync"
        what = "cannot be used" if step == "sync" else f"could not be loaded ({step})"
        follows = f"; {what_follows}" if what_follows and is_gone(failure) else ""
        follows = FEWER_CONNECTIONS if _says(failure, NO_CONNECTION) else follows
        raise LoadFailedError(f"the destination {what}: {{}}{follows}", quoted=(said,)) from failure


def is_passing(failure: BaseException) -> bool:
    """Returns whether a load failed for what may pass by itself: the destination is gone, a disk is full, Ctrl-C."""
    for cause in (*causes(failure), *_interruptions(failure)):
        of_machine = isinstance(cause, OSError) and cause.errno not in {
            None,
            errno.ENOENT,
        }  # others are of a file's content
        if of_machine or isinstance(cause, KeyboardInterrupt):
            return True
    return _says(failure, (*GONE, *CREDENTIALS_REFUSED, IN_USE.lower()))


def is_of_destination(failure: BaseException) -> bool:
    """Returns whether an error is dlt's of a destination, or comes from a driver, which has classes of its own (PEP 249)."""
    names = {kind.__name__ for kind in type(failure).__mro__}
    return isinstance(failure, (PipelineStepFailed, DestinationException)) or bool(
        names & DRIVER_ERRORS
    )


def is_gone(failure: BaseException) -> bool:
    """Returns whether an error says that the destination is gone, or not reached now."""
    return _says(failure, GONE)


def _says(failure: BaseException, signs: Iterable[str]) -> bool:
    said = "\n".join(map(str, causes(failure))).lower()
    return any(sign in said for sign in signs)


def _interruptions(failure: BaseException) -> Iterator[BaseException]:
    """Yields Ctrl-C, also where another error came of it while things were put in order."""
    left, seen = [failure], set[int]()
    while left:
        error = left.pop()
        seen.add(id(error))
        left += [
            each
            for each in (error.__cause__, error.__context__)
            if each is not None and id(each) not in seen
        ]
        if isinstance(error, KeyboardInterrupt):
            yield error


def reason(failure: BaseException) -> str:
    """Returns the first line of the innermost cause, which is the database's own, and what to do where that is known."""
    # of a loop, no reason
    *_, innermost = (cause for cause in causes(failure) if not isinstance(cause, StopIteration))
    said = first_line(innermost)[:300]
    if IN_USE in said:
        return f"{said.partition(' See also')[0]} Wait until that program has ended."
    return said + WITHOUT_TLS if _says(failure, (NO_TLS,)) else said


def is_foreign(error: Exception) -> bool:
    """Returns whether an error is the destination's, or Ctrl-C's, and so none of an answer."""
    return is_of_destination(error) or is_interrupted(error)


def is_interrupted(error: BaseException) -> bool:
    """Returns whether an error is what Ctrl-C became in the middle of a query of DuckDB, which says it in its own way."""
    return any(
        isinstance(cause, RuntimeError) and str(cause) == DUCKDB_INTERRUPTED
        for cause in causes(error)
    )
