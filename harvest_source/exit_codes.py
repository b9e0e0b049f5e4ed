"""The exit codes of the command line, and what each asks of a person; `docs/results.md` is made from them."""

from __future__ import annotations

from dataclasses import dataclass

COMPLETE = 0
INCOMPLETE = 1
USAGE = 2
INTERRUPTED = 130


@dataclass(frozen=True)
class ExitCode:
    """What one exit code means, and what to do about it at six in the morning."""

    code: int
    meaning: str
    what_to_do: str


EXIT_CODES = (
    ExitCode(COMPLETE, "Every chosen report is complete.", "Nothing."),
    ExitCode(
        INCOMPLETE,
        "At least one report is not complete. The message names the report, the reason and the remedy; the other reports are "
        "loaded. A run that ended early has this code too: Harvest refused the token, or Harvest or the destination could not be "
        "reached. So has a `login` in which access was refused.",
        "Read the message. If it asks for a new token, a permission or something at the destination, act on it. Otherwise go "
        "back to bed: the next run tries again and catches up. If the same message comes two days in a row, look into it.",
    ),
    ExitCode(
        USAGE,
        "Nothing was loaded: an option or a setting is missing, malformed, or names an account that the token does not reach; or "
        "another run of the same pipeline is under way.",
        "Correct what the line says. Running again without a correction does not help, unless another run was under way.",
    ),
    ExitCode(
        INTERRUPTED,
        "Somebody interrupted the run with Ctrl-C, or stopped it (`docker stop`, systemd).",
        "Run again: the run continues from where it stopped.",
    ),
)
