"""Starts the process that asks Harvest for tokens, and hears from it what became of that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from harvest_source.errors import RefusedError, UnavailableError
from harvest_source.signin import exchange


def run_apart(order: str, answer_path: Path) -> dict[str, Any]:
    """Runs `exchange.py` apart from this process: no signal and no kill that ends this one ends it too.

    Args:
        order: what to ask, as JSON.
        answer_path: where the tokens are put.

    Returns:
        what became of it: `outcome`, `status` and `error`, never a token.

    Raises:
        RefusedError: the process does not start.
        UnavailableError: it ended early.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(
        subprocess, "CREATE_NEW_PROCESS_GROUP", 0
    )
    try:
        with subprocess.Popen(  # noqa: S603 - this package's own file
            [sys.executable, "-P", exchange.__file__, str(answer_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            creationflags=flags,
            env=environment,
            text=True,
        ) as process:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RefusedError("the process that asks Harvest for tokens does not start")
            # it ends by itself; never killed, since it may be storing tokens
            said, _ = process.communicate(order)
        result: dict[str, Any] = json.loads(said)
    except ValueError as error:
        raise UnavailableError(
            "the process that asks Harvest for tokens ended early; try again later"
        ) from error
    except OSError as error:
        raise RefusedError(
            "the process that asks Harvest for tokens does not start ({})", quoted=(error.strerror,)
        ) from error
    return result
