"""The program: `python harvest_pipeline.py [COMMAND] [OPTIONS]`, or `harvest-pipeline` where the package is installed."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable

INTERRUPTED = 128 + signal.SIGINT  # as shells have it
STOPPING_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
)  # Ctrl-C; what `docker stop` and systemd send, of which process 1 hears nothing


def end_at_once(*_: object) -> None:
    """Ends the program where nothing has begun yet."""
    os.write(2, b"interrupted: nothing was begun\n")
    os._exit(INTERRUPTED)


def interrupt(*_: object) -> None:
    """Ends what the program does, in good order."""
    raise KeyboardInterrupt


def on_signal(handler: Callable[..., None]) -> None:
    """Has a function hear of the signals that stop a program; those stay ignored that whoever started it wants ignored."""
    for each in STOPPING_SIGNALS:
        if signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, handler)


def begin() -> None:
    """Has the work begin, once all that it needs is imported: from now on it is ended in good order."""
    gc.freeze()  # what is imported stays: nobody need look through it for garbage again
    gc.enable()
    on_signal(interrupt)


def program() -> None:
    """Carries out what was typed, and ends with its exit code."""
    gc.disable()  # imports leave no garbage, and looking for it takes a tenth of their time
    on_signal(end_at_once)
    # takes its time, in which signals are heard already; what a command needs comes later, and takes longer
    from harvest_source.commands.cli import main  # noqa: PLC0415
    from harvest_source.commands.streams import flush, make_outputs_writable  # noqa: PLC0415

    make_outputs_writable()
    exit_code = main(sys.argv[1:], begins=begin)
    flush()
    if exit_code == INTERRUPTED:
        os._exit(exit_code)  # threads that wait for an answer would hold the program back
    sys.exit(exit_code)


if __name__ == "__main__":
    program()
