"""Turns whatever unforeseen failure an answer brings about into an error of the report that is read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harvest_source.api.parsing import UnreadableError
from harvest_source.errors import HarvestError, OddAnswerError, first_line

LOGGER = "harvest_source"
TOLD = {
    RecursionError: "an answer is nested too deeply to be read",
    MemoryError: "an answer takes more memory than there is",
}
MESSAGE_LENGTH = 200


@contextmanager
def stays_with_report(
    is_foreign: Callable[[Exception], bool] = lambda _error: False,
) -> Iterator[None]:
    """Turns an error that nobody foresaw into one of the report that is read; the log has the whole of it, at the level DEBUG.

    Args:
        is_foreign: whether an error has nothing to do with an answer, and goes on as it is.

    Raises:
        OddAnswerError: in place of what is no `HarvestError`.
    """
    try:
        yield
    except HarvestError:
        raise
    except Exception as error:
        if is_foreign(error):
            raise
        logging.getLogger(LOGGER).debug("what an answer of Harvest brought about:", exc_info=error)
        raise _explained(error) from error


def _explained(error: Exception) -> OddAnswerError:
    # of the second, exact reading: it takes fewer levels than the quick one
    if isinstance(error, UnreadableError):
        return OddAnswerError(str(error))
    told = next((words for kind, words in TOLD.items() if isinstance(error, kind)), None)
    what = f"unexpected {type(error).__name__}: {{}} (an odd answer, or a fault of this program: --verbose tells where)"
    return (
        OddAnswerError(told)
        if told
        else OddAnswerError(what, quoted=(first_line(error)[:MESSAGE_LENGTH],))
    )
