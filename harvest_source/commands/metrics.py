"""Writes the figures of runs as Prometheus text, for the textfile collector of the node exporter.

Figures of a table move with what a run committed: what it did not load keeps those of the file before. That the run failed, and
which reports, is told all the same.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harvest_source.clock import Clock
from harvest_source.commands.notify import named
from harvest_source.commands.output import message
from harvest_source.commands.workplace import Workplace
from harvest_source.errors import SettingError
from harvest_source.file_modes import HAS_MODES
from harvest_source.loading.freshness import is_complete
from harvest_source.loading.result import Verdict
from harvest_source.loading.summary import ReportResult, Summary

ROWS = "harvest_report_rows"
CHANGES = "harvest_report_changes"
REQUESTS = "harvest_report_requests"
READ_SECONDS = "harvest_report_read_seconds"
VERIFIED = "harvest_report_verified"
COMPLETE = "harvest_report_complete"
COMPLETE_AT = "harvest_report_last_complete_timestamp_seconds"
ENDED_AT = "harvest_last_run_timestamp_seconds"
SECONDS = "harvest_last_run_seconds"
EXIT_CODE = "harvest_last_run_exit_code"
HELP = {
    ROWS: "Rows of the account in the table after its last load.",
    CHANGES: "Rows that were new, changed or deleted in the last load, as the label change says.",
    REQUESTS: "Requests that the last load took.",
    READ_SECONDS: "Seconds that reading for the last load took.",
    VERIFIED: "1 if the table was proved to equal Harvest after its last load, else 0.",
    COMPLETE: "1 if the last run that was asked for the report completed it, else 0.",
    COMPLETE_AT: "When a run last completed the whole table, in seconds since 1970.",
    ENDED_AT: "When the last run ended, complete or not, in seconds since 1970.",
    SECONDS: "Seconds that the last run took.",
    EXIT_CODE: "Exit code of the last run: 0 if every chosen report is complete.",
}
# whatever follows: rows, days, whose rows they are
PROVED = (str(Verdict.YES), str(Verdict.REPAIRED), "read ", str(Verdict.MODULE_OFF))
READABLE_BY_ALL = 0o644  # the collector is another user; there is nothing secret in it
SAMPLE = re.compile(r'(\w+)(\{(?:\w+="(?:[^"\\]|\\.)*",?)+\}) (-?\d+(?:\.\d+)?)')

Samples = dict[tuple[str, str], str]
"""A value by name and labels, as they are written."""


class Metrics:
    """The file of one run."""

    def __init__(self, path: str, place: Workplace, clock: Clock | None = None) -> None:
        """Writes nothing yet.

        Args:
            path: of the file.
            place: where the run works.
            clock: of the run.

        Raises:
            SettingError: no file can stand there.
        """
        self._path = Path(path).resolve()
        if not self._path.parent.is_dir():
            raise SettingError(
                "--metrics: there is no folder {}: make it, or name another",
                quoted=(self._path.parent,),
            )
        if self._path.exists() and not self._path.is_file():
            raise SettingError(
                "--metrics {} is not a file: name one, such as harvest.prom", quoted=(repr(path),)
            )
        self._of = {"destination": named(place.destination), "dataset": place.stored_dataset}
        self._clock = clock or Clock()
        self._began = self._clock.now()

    def done(self, summary: Summary) -> None:
        """Writes what was done; of a report that is not loaded, that it failed."""
        samples: Samples = {}
        for result in summary.results:
            labels = {**self._of, "account_id": str(result.account_id), "report": result.report}
            for name, more, value in self._of_report(result):
                samples[name, labels_text({**labels, **more})] = number(value)
        self._write(samples, summary.exit_code)

    def ended_early(self, _error: Exception, exit_code: int) -> None:
        """Writes that the run failed."""
        self._write({}, exit_code)

    def _of_report(self, result: ReportResult) -> Iterator[tuple[str, dict[str, str], float]]:
        """Yields the name, the labels of its own and the value of each figure that moved."""
        yield COMPLETE, {}, not result.error
        if not result.loaded:
            return
        if result.total is not None:
            yield ROWS, {}, result.total
        for change in ("new", "changed", "deleted"):
            yield CHANGES, {"change": change}, getattr(result, change)
        yield REQUESTS, {}, result.requests
        yield READ_SECONDS, {}, result.seconds
        yield VERIFIED, {}, not result.error and result.verified.startswith(PROVED)
        if is_complete(result.error, result.verified):
            yield COMPLETE_AT, {}, self._clock.wall()

    def _write(self, samples: Samples, exit_code: int) -> None:
        """Writes the file anew; one that cannot be written costs a line and nothing else."""
        of_run = labels_text(self._of)
        samples |= {
            (ENDED_AT, of_run): number(self._clock.wall()),
            (SECONDS, of_run): number(self._clock.now() - self._began),
            (EXIT_CODE, of_run): number(exit_code),
        }
        try:
            replace(self._path, text_of({**samples_of(self._path), **samples}))
        except OSError as error:
            message(f"the metrics could not be written to {self._path}: {error.strerror}")


def number(value: float) -> str:
    """Returns a value as it is written: milliseconds are the finest."""
    return str(int(value)) if value == int(value) else f"{value:.3f}"


def labels_text(labels: dict[str, str]) -> str:
    """Returns labels as they are written."""
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"


def samples_of(path: Path) -> Samples:
    """Returns what a file holds of these figures: nothing where it is not there; other lines are none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return {}
    found = filter(None, map(SAMPLE.fullmatch, lines))
    return {(each[1], each[2]): each[3] for each in found if each[1] in HELP}


def text_of(samples: Samples) -> str:
    """Returns a file's text: the figures one after another, each with what it means."""
    lines = []
    for name, meaning in HELP.items():
        of_it = [
            f"{name}{labels} {samples[name, labels]}"
            for each, labels in sorted(samples)
            if each == name
        ]
        if of_it:
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge", *of_it]
    return "".join(f"{line}\n" for line in lines)


def replace(path: Path, text: str) -> None:
    """Puts a text in the place of a file at once: whoever reads it meanwhile reads the one or the other.

    Raises:
        OSError: it cannot be written; the file stays as it was.
    """
    # a collector reads what ends in .prom
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".harvest-", suffix=".tmp")
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        if HAS_MODES:
            beside.chmod(READABLE_BY_ALL)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
