"""What ends a command from outside: Ctrl-C at any moment, `docker stop`, a reader of its output that goes away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command_line import COVERAGE, SCRIPT, Type, command, environment, hear_ctrl_c
from compare import assert_equal
from faults_support import tiny
from support import serving

from harvest_sandbox import Request

PATIENCE_SECONDS = 60.0
FEW = ("--reports", "clients,tasks")
ALONE = ["unshare", "--fork", "--kill-child", "--pid", "--mount-proc", "--user", "--map-root-user"]


def can_unshare() -> bool:
    """Returns whether a program can be process 1 of a namespace of its own here."""
    return (
        bool(shutil.which("unshare"))
        and subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0
    )


@contextmanager
def running(
    folder: Path, *arguments: str, env: dict[str, str], before: Callable[[], None] = hear_ctrl_c
) -> Iterator[Any]:
    """Starts a program in a folder."""
    with subprocess.Popen(
        arguments, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=before,  # noqa: PLW1509 - it only sets a signal's disposition, for which no lock is needed
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def child_of(pid: int) -> int:
    """Returns the process that another one has started."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@pytest.mark.long
def test_process_1_of_a_container_hears_the_signal_that_stops_it(tmp_path: Path) -> None:
    """`docker stop` sends SIGTERM to process 1, which hears of a signal only what it asked for; the next run completes."""
    if not can_unshare():
        if os.environ.get("CI"):
            pytest.fail("no namespaces here: unshare does not work")
        pytest.skip("no namespaces here: unshare does not work")
    asked, go = threading.Event(), threading.Event()

    def keep(request: Request) -> None:
        if request.path.endswith("/tasks"):
            asked.set()
            go.wait(PATIENCE_SECONDS)

    with serving(tiny()) as sandbox:
        sandbox.before_answer = keep
        with running(
            tmp_path, *ALONE, sys.executable, str(SCRIPT), *FEW, env=environment(sandbox)
        ) as process:
            assert asked.wait(PATIENCE_SECONDS)
            os.kill(child_of(process.pid), signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
        go.set()
        assert process.returncode == 130
        assert said.endswith(
            "interrupted: what was complete is loaded, the next run continues from here\n"
        )
        assert "Traceback" not in said
        assert command(tmp_path, *FEW, env=environment(sandbox)).returncode == 0
        assert_equal(tmp_path, sandbox, "clients", "tasks")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_signal_while_the_program_starts_ends_it_without_a_traceback(
    tmp_path: Path, stop: signal.Signals
) -> None:
    """The imports take a second or two: stopped at moments within them, one line and 130."""
    # what measures coverage would be stopped in the midst of its own beginning and end
    env = {name: value for name, value in environment().items() if name != COVERAGE}
    for seconds in (0.15, 0.6):
        with running(tmp_path, sys.executable, str(SCRIPT), "reports", env=env) as process:
            time.sleep(seconds)
            process.send_signal(stop)
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
        assert "Traceback" not in said
        assert process.returncode in {130, 0}, said
        assert said == "" or said.startswith("interrupted")


PROGRAM = """
import dlt
from harvest_source import harvest_source, sync
pipeline = dlt.pipeline("own", destination="duckdb", pipelines_dir="state")
source = harvest_source().with_resources("clients", "tasks")
{run}
"""


@pytest.mark.parametrize("run", ["sync(pipeline, source)", "pipeline.run(source)"])
def test_program_of_ones_own_ends_soon_after_ctrl_c(tmp_path: Path, run: str) -> None:
    """Python waits for every thread, and a thread for an answer that never comes: no longer than a second or two."""
    asked, go = threading.Event(), threading.Event()

    def keep(request: Request) -> None:
        if request.path.endswith(("/tasks", "/clients")):
            asked.set()
            go.wait(PATIENCE_SECONDS)

    with serving(tiny()) as sandbox:
        sandbox.before_answer = keep
        env = environment(sandbox) | {"PYTHONPATH": str(SCRIPT.parent)}
        with running(tmp_path, sys.executable, "-c", PROGRAM.format(run=run), env=env) as process:
            assert asked.wait(PATIENCE_SECONDS)
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
        go.set()
        assert "KeyboardInterrupt" in said
        assert time.monotonic() - began < 10


def test_ignored_ctrl_c_stays_ignored(tmp_path: Path) -> None:
    """A run in the background of a script goes on when somebody ends another program at that terminal."""
    asked, go = threading.Event(), threading.Event()

    def keep(request: Request) -> None:
        if request.path.endswith("/tasks"):
            asked.set()
            go.wait(PATIENCE_SECONDS)

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with serving(tiny()) as sandbox:
        sandbox.before_answer = keep
        with running(
            tmp_path, sys.executable, str(SCRIPT), *FEW, env=environment(sandbox), before=ignore
        ) as process:
            assert asked.wait(PATIENCE_SECONDS)
            process.send_signal(signal.SIGINT)
            go.set()
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, said


@pytest.mark.parametrize(
    ("gone", "arguments"), [("stdout", ()), ("stdout", ("--json",)), ("stderr", ("--json",))]
)
def test_reader_that_goes_away_changes_no_exit_code(
    tmp_path: Path, gone: str, arguments: tuple[str, ...]
) -> None:
    """`run | true`: what was loaded decides; also where messages go nowhere."""
    reading, writing = os.pipe()
    os.close(reading)
    with serving(tiny()) as sandbox:
        env = environment(sandbox)
        streams: dict[str, Any] = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            gone: writing,
        }
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *FEW, *arguments],
            cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, check=False, timeout=120, **streams,
        )  # fmt: skip
        assert done.returncode == 0, done
        assert b"BrokenPipe" not in (done.stderr or b"")
        os.close(writing)
        assert_equal(tmp_path, sandbox, "clients", "tasks")


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_output_that_cannot_be_written_is_one_line(tmp_path: Path, how: tuple[str, ...]) -> None:
    """A full disk under `> file` ends with 1; standard output that was closed (`>&-`) is nobody who looks on."""
    program = (sys.executable, str(SCRIPT), "reports", *how)
    said = {}
    for end in (">/dev/full", ">&-", ">&- 2>&-"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'"$@" {end}', "sh", *program],
            cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        said[end] = (done.returncode, done.stderr)
    lost = "error: standard output cannot be written: No space left on device\n"
    assert said == {">/dev/full": (1, lost), ">&-": (0, ""), ">&- 2>&-": (0, "")}


def test_rows_that_nobody_reads_to_the_end(tmp_path: Path, type_command: Type) -> None:
    """`show … | head`: 0, and no word of it, as a table and as CSV."""
    with serving(tiny()) as sandbox:
        assert type_command("--reports", "time_entries", harvest=sandbox).code == 0
    reading, writing = os.pipe()
    os.close(reading)
    for how in ((), ("--csv",)):
        done = subprocess.run(
            [sys.executable, str(SCRIPT), "show", "select * from time_entries", *how],
            cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
    os.close(writing)
