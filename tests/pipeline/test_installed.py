"""The package outside the clone: the command `harvest-pipeline` is the program, in whatever folder it is started."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest
from command_line import ROOT, bare_environment, command, hear_ctrl_c
from packages import build_wheel, make_environment
from packaging.requirements import Requirement

from harvest_source.about import VERSION

pytestmark = pytest.mark.long

BLOCKS = """
import sys, time
sys.stdout.write("importing\\n")
sys.stdout.flush()
time.sleep(60)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gives the package as it is built from this clone."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """Gives the folder of the installed command."""
    return make_environment(tmp_path_factory.mktemp("environment"), wheel)


def call(programs: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs an installed program in a folder."""
    folder.mkdir(exist_ok=True)
    name, *rest = arguments
    return subprocess.run(
        [programs / name, *rest],
        cwd=folder,
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def files(folder: Path) -> set[str]:
    """Returns the files in a folder, the numbers of loads left out, and what Python keeps of modules."""
    paths = (path.relative_to(folder) for path in folder.rglob("*"))
    return {
        re.sub(r"\d+\.\d+", "N", str(path)) for path in paths if "__pycache__" not in path.parts
    }


def test_wheel_holds_every_module_the_licence_and_the_pages_that_messages_name(wheel: Path) -> None:
    """And nothing else: no tests, no settings, no database."""
    held = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        str(path.relative_to(ROOT))
        for name in ("harvest_source", "harvest_sandbox")
        for pattern in ("*.py", "*.sql", "*.html", "*.css")
        for path in (ROOT / name).rglob(pattern)
    }
    pages = {
        str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
    }
    examples = {".dlt/config.toml", ".dlt/secrets.toml.example"}
    stem = f"harvest_pipeline-{VERSION}"
    assert {name for name in held if not name.startswith(stem)} == modules | {
        "harvest_pipeline.py",
        "harvest_source/py.typed",
    }
    shared = f"{stem}.data/data/share/doc/harvest-pipeline/"
    assert {
        name.removeprefix(shared) for name in held if name.startswith(shared)
    } == pages | examples
    assert f"{stem}.dist-info/licenses/LICENSE" in held


def test_demo_of_the_installed_command_is_that_of_the_clone(tmp_path: Path, programs: Path) -> None:
    """It leaves the same in an empty folder, and nothing beside the package."""
    before = files(programs.parent)
    done = call(programs, tmp_path / "installed", "harvest-pipeline", "--demo")
    assert done.returncode == 0, done.stderr
    assert 'look at them: harvest-pipeline show --demo "' in done.stderr
    assert files(programs.parent) == before
    clone = command(tmp_path / "clone", "--demo", env=bare_environment())
    assert files(tmp_path / "installed") == files(tmp_path / "clone")
    questions = [line for line in clone.stdout.splitlines() if line.endswith("?")]
    assert questions
    assert [line for line in done.stdout.splitlines() if line.endswith("?")] == questions


def test_messages_of_the_installed_command_name_it_and_files_that_are_there(
    tmp_path: Path, programs: Path
) -> None:
    assert call(programs, tmp_path, "harvest-pipeline", "--version").stdout.startswith(
        f"harvest-pipeline {VERSION} (dlt "
    )
    assert call(programs, tmp_path, "harvest-pipeline", "show", "--help").stdout.startswith(
        "Usage: harvest-pipeline show "
    )
    done = call(programs, tmp_path, "harvest-pipeline", "check")
    assert done.returncode == 2
    assert "sign in with the browser: harvest-pipeline login" in done.stderr
    (example,) = re.findall(r"\(see (\S+)\)", done.stderr)
    assert Path(example).read_bytes() == (ROOT / ".dlt" / "secrets.toml.example").read_bytes()


@pytest.mark.parametrize("destination", ["postgres", "bigquery", "sqlalchemy"])
def test_line_that_installs_a_destination_is_of_the_same_bounds(
    tmp_path: Path, programs: Path, destination: str
) -> None:
    """They stand in the requirements file alone."""
    code = f"from harvest_source.destinations.abilities import install_line; print(install_line({destination!r}))"
    done = call(programs, tmp_path, "python", "-c", code)
    pip, install, *wanted = shlex.split(done.stdout)
    assert (pip, install) == ("pip", "install")
    lines = (ROOT / f"requirements-{destination}.txt").read_text(encoding="utf-8").splitlines()
    written = {Requirement(line.partition("#")[0]) for line in lines if not line.startswith("#")}
    assert {Requirement(each) for each in wanted} == written


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_signal_while_the_installed_command_imports_ends_it_with_one_line(
    tmp_path: Path, programs: Path, stop: signal.Signals
) -> None:
    """With a dlt that takes a minute to import."""
    slow = tmp_path / "slow" / "dlt"
    slow.mkdir(parents=True)
    (slow / "__init__.py").write_text(BLOCKS, encoding="utf-8")
    with subprocess.Popen(
        [programs / "harvest-pipeline", "reports"], cwd=tmp_path, env={**bare_environment(), "PYTHONPATH": str(slow.parent)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - it only sets a signal's disposition, for which no lock is needed
    ) as process:  # fmt: skip
        try:
            assert process.stdout
            assert process.stdout.readline() == "importing\n"
            process.send_signal(stop)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, said) == (130, "interrupted: nothing was begun\n")
