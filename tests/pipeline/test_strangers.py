"""Settings that another user of the machine has put where they are found: tried with two users, which takes root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import COVERAGE, SCRIPT, bare_environment
from faults_support import tiny
from support import TOKEN, serving

from harvest_sandbox import Sandbox

ME, STRANGER = 64_001, 64_002  # users that no system has
# with root's right to read, so that the program may lie where only root can read it, and with none of the others
AS_ME = [
    *("setpriv", f"--reuid={ME}", f"--regid={ME}", "--clear-groups"),
    *(
        "--inh-caps=+dac_read_search",
        "--ambient-caps=+dac_read_search",
        sys.executable,
        str(SCRIPT),
    ),
]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter, which those of pytest are not; skips where a second user cannot be."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can be another user")
    if (
        not shutil.which("setpriv")
        or subprocess.run([*AS_ME[:-1], "-c", ""], capture_output=True, check=False).returncode
    ):
        pytest.skip("setpriv (of util-linux) cannot start a program as another user here")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "here").mkdir()
        os.chown(folder / "here", ME, ME)
        (folder / "temporary").mkdir()
        (folder / "temporary").chmod(0o1777)
        yield folder


def planted(folder: Path, owner: int, sandbox: Sandbox) -> None:
    """Makes a folder of settings that lead to a server of its owner."""
    folder.mkdir()
    (folder / "config.toml").write_text(
        f'[sources.harvest]\napi_url = "{sandbox.api_url}"\nid_url = "{sandbox.id_url}"\n'
    )
    for path in (folder, folder / "config.toml"):
        os.chown(path, owner, owner)


def as_me(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as a service user without a home."""
    env = {
        **bare_environment(ACCESS_TOKEN=TOKEN),
        "HOME": "/nonexistent",
        "TMPDIR": str(place / "temporary"),
    }
    env["DLT_DATA_DIR"] = str(place / "here")  # which moves the working state, not the settings
    env.pop(COVERAGE, None)  # the service user may not write what `make coverage` measures
    return subprocess.run(
        [*AS_ME, *arguments],
        cwd=place / "here", env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "where", ["temporary/dlt", pytest.param("here/.dlt", marks=pytest.mark.long)]
)
def test_settings_of_a_stranger_end_a_command_before_a_token_goes_out_and_ones_own_count(
    where: str, place: Path
) -> None:
    with serving(tiny()) as sandbox:
        planted(place / where, STRANGER, sandbox)
        refused = as_me(place, "accounts", "--json")
        assert (refused.returncode, refused.stdout, sandbox.requests) == (2, "", [])
        assert refused.stderr.startswith("error: settings are not read from ")
        assert f"which belongs to user {STRANGER}; " in refused.stderr
        assert refused.stderr.count("\n") == 1
        for path in (place / where, place / where / "config.toml"):
            os.chown(path, ME, ME)
        done = as_me(place, "accounts", "--json")
        assert (done.returncode, bool(sandbox.requests)) == (0, True), done.stderr


def test_run_without_a_home_makes_no_folder_in_which_the_next_user_would_be_refused(
    place: Path,
) -> None:
    """dlt would make `dlt` below the temporary folder for a number of its own."""  # noqa: D403 - dlt's name
    assert as_me(place, "--demo", "--reports", "roles").returncode == 0
    assert not (place / "temporary" / "dlt").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has other rights")
def test_help_is_shown_where_settings_are_refused_and_where_the_folder_is_gone(
    tmp_path: Path,
) -> None:
    """What a command then does is one line and exit code 2."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt").chmod(0o777)
    gone = f'mkdir gone && cd gone && rmdir ../gone && exec "{sys.executable}" "{SCRIPT}" "$@"'
    here = f'exec "{sys.executable}" "{SCRIPT}" "$@"'
    for way, said in (
        (here, "which may be written by everybody"),
        (gone, "the folder in which this was started is gone"),
    ):
        for arguments, code in ((["run", "--help"], 0), (["reports"], 2)):
            done = subprocess.run(
                ["/bin/sh", "-c", way, "sh", *arguments],
                cwd=tmp_path, env=bare_environment(), capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == code, done.stderr
            assert code == 0 or (said in done.stderr and done.stderr.count("\n") == 1), done.stderr
