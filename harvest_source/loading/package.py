"""One dlt load: extract, normalize, load, and what an earlier one left behind."""

from __future__ import annotations

from typing import Any

import dlt
from dlt.common.runtime import signals

from harvest_source.destinations.duckdb import load_with_little_memory
from harvest_source.dlt_corners import extracted_packages, make_folders, normalized_packages


def load(pipeline: dlt.Pipeline, data: Any) -> frozenset[str]:
    """Loads one package; see `load_normalized`."""
    pipeline.extract(data)
    return finish_pending(pipeline)


def finish_pending(pipeline: dlt.Pipeline) -> frozenset[str]:
    """Loads what is pending; see `load_normalized`."""
    pipeline.normalize()
    return load_normalized(pipeline)


def load_normalized(pipeline: dlt.Pipeline) -> frozenset[str]:
    """Loads what is normalized.

    Returns:
        the tables of which dlt loaded a file more than once: where the answer to a commit was lost, their rows stand twice.

    Raises:
        KeyboardInterrupt: Ctrl-C came meanwhile. dlt holds it back while a load ends in good order, and where it comes during the
            last file, dlt forgets it (dlt 1.31).
    """
    with signals.intercepted_signals():
        loaded = load_with_little_memory(pipeline, pipeline.load)
        signals.raise_if_signalled()
    packages = loaded.load_packages if loaded else []  # nothing was pending
    jobs = [job for package in packages for job in package.jobs["completed_jobs"]]
    return frozenset(job.job_file_info.table_name for job in jobs if job.job_file_info.retry_count)


def tidy(pipeline: dlt.Pipeline) -> None:
    """Puts the working folder in order after a run that was killed, so that what is pending can be finished.

    dlt moves a normalized package into place and only then removes what it was made of; killed in between, it would normalize it
    again, and never get past that.
    """
    make_folders(pipeline)
    extracted = extracted_packages(pipeline)
    for load_id in set(pipeline.list_normalized_load_packages()) & set(
        pipeline.list_extracted_load_packages()
    ):
        extracted.delete_package(load_id)


def was_killed_in_a_job(pipeline: dlt.Pipeline) -> bool:
    """Returns whether a pending package has a job that began and did not end: its rows may have been committed all the same."""
    loads = pipeline.list_normalized_load_packages()
    return any(pipeline.get_load_package_info(load_id).jobs["started_jobs"] for load_id in loads)


def has_begun_to_load(pipeline: dlt.Pipeline) -> bool:
    """Returns whether the destination was made ready for a pending package: of files, those that it replaces are gone."""
    packages = normalized_packages(pipeline)
    return any(
        packages.get_schema_update_file(load_id) is None
        for load_id in pipeline.list_normalized_load_packages()
    )


def pending_snapshot(pipeline: dlt.Pipeline) -> str | None:
    """Returns the state, as dlt writes it, from which the oldest pending load was made; `None` where none is kept."""
    places = (normalized_packages(pipeline), extracted_packages(pipeline))
    pending = [(load_id, place) for place in places for load_id in place.list_packages()]
    load_id, place = min(pending, key=lambda each: each[0])
    return (
        place.load_pipeline_state(load_id)[0] if place.can_restore_pipeline_state(load_id) else None
    )
