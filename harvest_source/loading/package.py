"""One dlt load: extract, normalize, load, and what its failure means to a person."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationException
from dlt.common.runtime import signals
from dlt.common.storages import LoadStorage, NormalizeStorage
from dlt.pipeline.exceptions import PipelineStepFailed

from harvest_source.errors import HarvestError, SettingError, causes, first_line
from harvest_source.loading.database_file import IN_USE
from harvest_source.loading.signs import CREDENTIALS_REFUSED, DRIVER_ERRORS, GONE, NO_CONNECTION, NO_TLS

FEWER_CONNECTIONS = (
    "; a run needs three connections, and two more for each worker beyond the first: raise the limit, close other connections, "
    "or set load.workers (LOAD__WORKERS=1)"
)
WITHOUT_TLS = '; where nobody can listen on the way, query = { sslmode = "disable" } in the credentials does without TLS'
GOES_ON = "what was complete is loaded, the next run goes on from there"


class LoadFailedError(HarvestError):
    """dlt could not bring the rows into the destination; a pending package is finished by the next run."""


def load(pipeline: dlt.Pipeline, data: Any) -> None:
    """Loads one package."""
    pipeline.extract(data)
    finish_pending(pipeline)


def finish_pending(pipeline: dlt.Pipeline) -> None:
    """Loads what is pending."""
    pipeline.normalize()
    load_normalized(pipeline)


def load_normalized(pipeline: dlt.Pipeline) -> None:
    """Loads what is normalized.

    Raises:
        KeyboardInterrupt: Ctrl-C came meanwhile. dlt holds it back while a load ends in good order, and where it comes during the
            last file, dlt forgets it (dlt 1.31).
    """
    with signals.intercepted_signals():
        pipeline.load()
        signals.raise_if_signalled()


def tidy(pipeline: dlt.Pipeline) -> None:
    """Puts the working folder in order after a run that was killed, so that what is pending can be finished.

    dlt moves a normalized package into place and only then removes what it was made of; killed in between, it would normalize it
    again, and never get past that. Killed while it makes its folders, it would miss the rest of them ever after.
    """
    # dlt has no public way to these folders
    NormalizeStorage(is_owner=True, config=pipeline._normalize_storage_config())  # noqa: SLF001
    LoadStorage(is_owner=True, supported_file_formats=[], config=pipeline._load_storage_config())  # noqa: SLF001
    extracted = pipeline._get_normalize_storage().extracted_packages  # noqa: SLF001
    for load_id in set(pipeline.list_normalized_load_packages()) & set(pipeline.list_extracted_load_packages()):
        extracted.delete_package(load_id)


def was_killed_in_a_job(pipeline: dlt.Pipeline) -> bool:
    """Returns whether a pending package has a job that began and did not end: its rows may have been committed all the same."""
    loads = pipeline.list_normalized_load_packages()
    return any(pipeline.get_load_package_info(load_id).jobs["started_jobs"] for load_id in loads)


def has_begun_to_load(pipeline: dlt.Pipeline) -> bool:
    """Returns whether the destination was made ready for a pending package: of files, those that it replaces are gone."""
    packages = pipeline._get_load_storage().normalized_packages  # noqa: SLF001 - dlt has no public way to these folders
    return any(packages.get_schema_update_file(load_id) is None for load_id in pipeline.list_normalized_load_packages())


def pending_snapshot(pipeline: dlt.Pipeline) -> str | None:
    """Returns the state, as dlt writes it, from which the oldest pending load was made; `None` where none is kept."""
    places = (pipeline._get_load_storage().normalized_packages, pipeline._get_normalize_storage().extracted_packages)  # noqa: SLF001
    pending = [(load_id, place) for place in places for load_id in place.list_packages()]
    load_id, place = min(pending, key=lambda each: each[0])
    return place.load_pipeline_state(load_id)[0] if place.can_restore_pipeline_state(load_id) else None


@contextmanager
def explained(what_follows: str = "", has_begun: Callable[[], bool] = lambda: False) -> Iterator[None]:
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
            raise SettingError(f"the destination refuses its credentials: {said}") from failure
        step = failure.step if isinstance(failure, PipelineStepFailed) else "sync"
        what = "cannot be used" if step == "sync" else f"could not be loaded ({step})"
        follows = f"; {what_follows}" if what_follows and is_gone(failure) else ""
        follows = FEWER_CONNECTIONS if _says(failure, NO_CONNECTION) else follows
        raise LoadFailedError(f"the destination {what}: {said}{follows}") from failure


def is_passing(failure: BaseException) -> bool:
    """Returns whether a load failed for what may pass by itself: the destination is gone, a disk is full, Ctrl-C."""
    for cause in (*causes(failure), *_interruptions(failure)):
        of_machine = isinstance(cause, OSError) and cause.errno not in {None, errno.ENOENT}  # others are of a file's content
        if of_machine or isinstance(cause, KeyboardInterrupt):
            return True
    return _says(failure, (*GONE, *CREDENTIALS_REFUSED, IN_USE.lower()))


def is_of_destination(failure: BaseException) -> bool:
    """Returns whether an error is dlt's of a destination, or comes from a driver, which has classes of its own (PEP 249)."""
    names = {kind.__name__ for kind in type(failure).__mro__}
    return isinstance(failure, (PipelineStepFailed, DestinationException)) or bool(names & DRIVER_ERRORS)


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
        left += [each for each in (error.__cause__, error.__context__) if each is not None and id(each) not in seen]
        if isinstance(error, KeyboardInterrupt):
            yield error


def reason(failure: BaseException) -> str:
    """Returns the first line of the innermost cause, which is the database's own, and what to do where that is known."""
    *_, innermost = (cause for cause in causes(failure) if not isinstance(cause, StopIteration))  # of a loop, no reason
    said = first_line(innermost)[:300]
    if IN_USE in said:
        return f"{said.partition(' See also')[0]} Wait until that program has ended."
    return said + WITHOUT_TLS if _says(failure, (NO_TLS,)) else said
