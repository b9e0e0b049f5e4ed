"""The errors of the product. Each message tells a person what is wrong and what to do.

What a message quotes is kept apart from it, under `{}`: what Harvest, a destination, a disk or a setting said, a path, a name.
At a terminal both are shown; to a webhook goes the message alone.

HarvestError
├── SettingError            usage or a setting is wrong: nothing is loaded, exit 2
│   └── AccountNotFoundError    the token does not reach the account
├── LoadFailedError         the destination refused the rows, or is gone: exit 1
└── ApiError                Harvest, or the way to it, said no: exit 1
    ├── AccessLostError         ends the whole run
    │   └── TokenRejectedError      401
    ├── NotAllowedError         403 on one report
    ├── NotFoundError           404 on one report
    ├── OddAnswerError          what an answer brought about, and nobody foresaw
    ├── RefusedError            another answer that will not change by asking again
    │   └── TooLargeError           larger than what is read of one answer: less may be asked for at once
    └── UnavailableError        what may pass did not pass, however often it was tried
        └── TooSlowError            no answer in time, each time: less may be asked for at once
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self, TypeGuard

from harvest_source.exit_codes import INCOMPLETE, USAGE
from harvest_source.secrecy import without_secrets

if TYPE_CHECKING:
    from dlt.common.exceptions import MissingDependencyException

QUOTE = "{}"
# behind or within brackets nothing is missing where it is left out
LAST_QUOTE = re.compile(r"(?<=\)): \{\}$|: \{\}(?=\))")


def first_line(error: BaseException) -> str:
    """Returns the first line of what an error says, or its kind where it says nothing; a configured secret is cut out."""
    return without_secrets((str(error).strip() or type(error).__name__).splitlines()[0])


def in_own_words(error: str | BaseException) -> str:
    """Returns what an error says without what it quotes; a text is this product's own, of another error its kind is told."""
    if isinstance(error, str):
        return error
    return (
        error.in_own_words
        if isinstance(error, HarvestError)
        else f"unexpected {type(error).__name__}"
    )


def causes(failure: BaseException) -> Iterator[BaseException]:
    """Yields an error, what it came of, what that came of, and so on, each once.

    What is raised `from` the error that it caused itself, as an inner error is that counts for more, leads back to it.
    """
    cause: BaseException | None = failure
    seen = set[int]()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


class HarvestError(Exception):
    """Anything this product reports to a person in one or two lines."""

    def __init__(self, message: str, *, quoted: Sequence[object] = ()) -> None:
        """Takes what is said.

        Args:
            message: in this product's own words, with `{}` in place of each quote.
            quoted: what others said, and what only this machine should know.
        """
        super().__init__(message)
        self.message = message
        self.quoted = tuple(quoted)

    def __str__(self) -> str:
        said, *parts = self.message.split(QUOTE, len(self.quoted))
        return said + "".join(
            f"{quote}{part}" for quote, part in zip(self.quoted, parts, strict=True)
        )

    @property
    def in_own_words(self) -> str:
        """Returns the message without what it quotes."""
        return LAST_QUOTE.sub("", self.message).replace(QUOTE, "…") if self.quoted else self.message

    def saying(self, message: str) -> Self:
        """Returns the same error with more around its message."""
        other = copy.copy(self)
        other.message = message
        return other


class SettingError(HarvestError):
    """Usage or a setting is missing, malformed or names what is not there."""


class AccountNotFoundError(SettingError):
    """An account id is not among those that the token reaches."""


class LoadFailedError(HarvestError):
    """dlt could not bring the rows into the destination; a pending package is finished by the next run."""


class ApiError(HarvestError):
    """A request did not bring what was asked for."""

    def __init__(
        self, message: str, status: int | None = None, *, quoted: Sequence[object] = ()
    ) -> None:
        super().__init__(message, quoted=quoted)
        self.status = status


class AccessLostError(ApiError):
    """No further request can succeed: the run ends."""


class TokenRejectedError(AccessLostError):
    """Harvest refuses the token (401)."""


class NotAllowedError(ApiError):
    """The caller may not read this report (403)."""


class NotFoundError(ApiError):
    """Harvest does not know the address or the id (404)."""


class OddAnswerError(ApiError):
    """What an answer brought about, and nobody foresaw."""


class RefusedError(ApiError):
    """An answer that stays the same however often it is asked for (400, 422, a foreign link, a redirect)."""


class TooLargeError(RefusedError):
    """An answer is larger than what is read of one."""

    by_smaller = False  # whether the list may be asked for by smaller pages


class UnavailableError(ApiError):
    """Tried again and again without an answer that can be used."""


class TooSlowError(UnavailableError):
    """Not answered in time, again and again: what was asked for may be too much at once."""


class CancelledError(HarvestError):
    """The run is being interrupted; waiting requests stop."""


def exit_code_of(error: Exception) -> int:
    """Returns the exit code of an error: 2 where a setting is wrong or lacks a package, else 1."""
    return USAGE if isinstance(error, SettingError) or _lacks_package(error) else INCOMPLETE


def one_line(error: Exception) -> str:
    """Returns what an error tells a person; one that nobody foresaw says so."""
    if isinstance(error, HarvestError):
        return str(error)
    if _lacks_package(error):
        return f"dlt needs a package for {error.caller}: pip install {' '.join(error.dependencies)}"
    return f"unexpected {type(error).__name__}: {first_line(error)[:200]} (--verbose tells where)"


def _lacks_package(error: Exception) -> TypeGuard[MissingDependencyException]:
    """Returns whether dlt lacks a package; it looks for Sentry's wherever a setting is first read."""
    # an error of dlt's comes only where dlt has been imported, which takes longer than all the rest of `--help`
    from dlt.common.exceptions import MissingDependencyException  # noqa: PLC0415

    return isinstance(error, MissingDependencyException)
