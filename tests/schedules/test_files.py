"""The files of `schedules/` are read by the tools they are made for, hold no secret, and name what is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from docker.utils import exclude_paths
from large_tools import do_without, need

from harvest_source.commands.cli import cli
from harvest_source.commands.options import with_command_first

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "schedules"
FILES = sorted(
    path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts
)
PAGE = (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in FILES} | {"schedules.md": PAGE}
PYTHON_TOOLS = "pip install -r requirements-dev.txt"
SECONDS = 60

# the pipeline as it is started: by its file or as the image, and what follows until the shell takes over
STARTED = r"python(?:\.exe)? (?:\S*/)?harvest_pipeline\.py|docker run .* harvest-pipeline(?= |$)"
COMMAND = re.compile(rf"(?:{STARTED})((?: +[\w./:,=-]+)*)", re.MULTILINE)
SECRET = re.compile(
    r"^[ #]*(?:export )?\w*(?:TOKEN|SECRET|PASSWORD|CREDENTIALS)\w* *[=:] *(.+)$",
    re.MULTILINE | re.IGNORECASE,
)
NO_SECRET = re.compile(r"…|\$\{\{ secrets\.\w+ \}\}")
ADDRESS_WITH_PASSWORD = re.compile(r"://[^\s:/]+:(?!password@)[^\s@/]+@")


def call(*command: str | Path) -> tuple[int, str]:
    """Returns the exit code of a tool and what it says."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def assert_pleased(*command: str | Path) -> None:
    """Asserts that a tool finds nothing to object to."""
    code, said = call(*command)
    assert code == 0, said


def commands(text: str) -> list[list[str]]:
    """Returns the arguments of each call of the pipeline."""
    return [shlex.split(arguments) for arguments in COMMAND.findall(text)]


def test_cron_takes_the_table() -> None:
    """Only a `crontab` that tries without installing is asked: others would replace this user's table."""
    crontab = need("crontab", "apt install cron")
    _code, usage = call(crontab, "-h")
    if "-n\t(dry run" not in usage:
        do_without("this crontab has no dry run: that of Debian 12 has")
    assert_pleased(crontab, "-n", FOLDER / "crontab")


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """With the clone where the units say; no word of theirs is unknown, and hardly anything else is open to the run."""
    systemd_analyze = need("systemd-analyze", "apt install systemd")
    clone = tmp_path / "clone"
    for name in (".venv/bin/python", "harvest_pipeline.py"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).touch(mode=0o755)
    units = [tmp_path / "harvest.service", tmp_path / "harvest.timer"]
    for unit in units:
        unit.write_text(
            TEXTS[unit.name].replace("/opt/harvest-pipeline", str(clone)), encoding="utf-8"
        )
    code, said = call(systemd_analyze, "verify", "--man=no", *units)
    assert (code, [line for line in said.splitlines() if "harvest" in line]) == (0, [])
    assert_pleased(
        systemd_analyze, "security", "--offline=true", "--threshold=11", "--no-pager", units[0]
    )


def test_unit_ends_what_takes_too_long_or_too_much() -> None:
    """A unit of this type takes no `RuntimeMaxSec`; no token stands in a dump of the memory."""
    set_to = dict(re.findall(r"^(\w+)=(.*)$", TEXTS["harvest.service"], re.MULTILINE))
    assert (set_to["Type"], set_to["TimeoutStartSec"], set_to["LimitCORE"]) == (
        "oneshot",
        "6h",
        "0",
    )
    assert int(set_to["MemoryMax"].removesuffix("G")) >= 2  # gigabytes


def test_unit_shares_with_the_group_what_its_umask_lets_the_group_read() -> None:
    set_to = dict(re.findall(r"^(\w+)=(.*)$", TEXTS["harvest.service"], re.MULTILINE))
    assert (set_to["UMask"], set_to["StateDirectoryMode"]) == ("0027", "0750")
    assert set_to["Environment"] == "SOURCES__HARVEST__SHARE_WITH_GROUP=true"


REFUSES_CODE_IN_MEMORY = """
import ctypes, os, sys

PR_SET_MDWE, REFUSE_EXEC_GAIN, NOT_KNOWN = 65, 1, 3
if ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0):
    sys.exit(NOT_KNOWN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.long
def test_load_works_where_no_memory_can_be_written_and_executed(tmp_path: Path) -> None:
    """As `MemoryDenyWriteExecute` of the unit has it: no library of a load makes code as it goes."""
    demo = [
        str(ROOT / "harvest_pipeline.py"),
        "--demo",
        "--quiet",
        "--reports",
        "clients,time_entries,invoices,invoice_payments",
    ]
    done = subprocess.run(
        [sys.executable, "-c", REFUSES_CODE_IN_MEMORY, *demo],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 3:
        do_without("Linux knows this since 6.3")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("there", [True, False])
def test_crontab_ends_a_run_after_six_hours_where_there_is_a_program_for_it(
    tmp_path: Path, *, there: bool
) -> None:
    """The line as cron's shell reads it, with stand-ins for both programs."""
    (line,) = re.findall(r"^0 6 \* \* \*  (.+)$", TEXTS["crontab"], re.MULTILINE)
    for name in [".venv/bin/python", *(["bin/timeout"] if there else [])]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f'#!/bin/sh\necho {Path(name).name} "$@" >&2\n')
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", line.replace("/opt/harvest-pipeline", str(tmp_path))],
        env={"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
        check=True,
    )
    program = "harvest_pipeline.py --quiet\n"
    assert done.stderr == (
        f"timeout -k 60 6h .venv/bin/python {program}" if there else f"python {program}"
    )


def test_github_takes_the_workflow() -> None:
    """By its schema; and an auditor of workflows finds nothing."""
    file = FOLDER / "github-actions.yml"
    assert_pleased(
        need("check-jsonschema", PYTHON_TOOLS), "--builtin-schema", "vendor.github-workflows", file
    )
    assert_pleased(need("zizmor", PYTHON_TOOLS), "--offline", "--no-config", file)


def test_linter_of_dockerfiles_finds_nothing() -> None:
    assert_pleased(need("hadolint", PYTHON_TOOLS), FOLDER / "Dockerfile")


def test_image_gets_what_runs_and_nothing_else(tmp_path: Path) -> None:
    """The folder that goes to Docker holds what the Dockerfile copies, and no secret, state, database or history."""
    wanted = {
        "requirements.txt", "requirements-postgres.txt", "locks/requirements.txt",
        "harvest_pipeline.py", "harvest_source/signin/auth.py",
    }  # fmt: skip
    others = {
        ".dlt/secrets.toml", ".dlt/config.toml", ".dlt/state/duckdb__harvest/state.json", "harvest_pipeline.duckdb",
        "a.duckdb.wal", "harvest_source/secrets.toml", "harvest_source/.env",
        "harvest_sandbox/.dlt/prod.secrets.toml~",
        ".git/config", ".venv/bin/python", "harvest.env", "tests/support.py", "harvest_source/__pycache__/a.pyc",
    }  # fmt: skip
    for name in wanted | others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    patterns = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = exclude_paths(
        str(tmp_path),
        [line for line in patterns if line and not line.startswith("#")],
        dockerfile=".dockerignore",
    )
    assert {name for name in sent if (tmp_path / name).is_file()} - {".dockerignore"} == wanted


def test_dockerfile_copies_what_exists_and_does_not_run_as_root() -> None:
    text = TEXTS["Dockerfile"]
    copied = re.findall(r"^COPY (\S+) ", text, re.MULTILINE)
    assert {"requirements*.txt", "harvest_pipeline.py", "harvest_source"} <= set(copied)
    assert all(list(ROOT.glob(name)) for name in copied)
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1] == "10001"
    [extra] = re.findall(r"--build-arg EXTRA=(\w+)", text)
    assert (ROOT / f"requirements-{extra}.txt").is_file()


@pytest.mark.parametrize("name", TEXTS)
def test_file_holds_no_secret(name: str) -> None:
    """A name of a secret is followed by a place to look it up, or by nothing."""
    assert [value for value in SECRET.findall(TEXTS[name]) if not NO_SECRET.fullmatch(value)] == []
    assert not ADDRESS_WITH_PASSWORD.search(TEXTS[name])


def test_rule_for_secrets_would_find_one() -> None:
    """The rule above, tried on what must not stand there."""
    for line in (
        "SOURCES__HARVEST__ACCESS_TOKEN=12.pt.x",
        "  CREDENTIALS: postgresql://x",
        'access_token = "12"',
        "# PASSWORD=1",
    ):
        assert [value for value in SECRET.findall(line) if not NO_SECRET.fullmatch(value)]
    assert ADDRESS_WITH_PASSWORD.search("postgresql://loader:hunter2@db/x")


def test_workflow_and_image_pin_what_they_use() -> None:
    """Actions by their commit, with the version beside it; Python by its tag; packages by hashes; Airflow by versions."""
    for name in ("github-actions.yml", "Dockerfile"):
        installs = [line for line in TEXTS[name].splitlines() if "pip install" in line]
        assert len(installs) == 1
        assert re.search(r"--only-binary :all: --require-hashes -r \"?locks/", installs[0])
    uses = re.findall(r"uses: (.+)", TEXTS["github-actions.yml"])
    assert len(uses) == 2
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in uses)
    (image,) = re.findall(r"^FROM (.+)$", TEXTS["Dockerfile"], re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", image), "a release and a Debian, by name"
    pins = [line for line in TEXTS["requirements.txt"].splitlines() if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert any(line.startswith("apache-airflow==3.") for line in pins)


@pytest.mark.parametrize(
    "name", ["crontab", "harvest.service", "github-actions.yml", "Dockerfile", "schedules.md"]
)
def test_command_line_takes_what_the_file_says(name: str) -> None:
    found = commands(TEXTS[name])
    assert found
    for arguments in found:
        command, *options = with_command_first(cli, arguments)
        cli.commands[command].make_context(command, options)


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_it_names_exist(name: str) -> None:
    """Of this project; what a user makes is left out."""
    named = re.findall(
        r"(?<![\w./-])(?:schedules|\.dlt|harvest_source|\.ci)/[\w./*-]*[\w*]|requirements[\w-]*\.txt",
        TEXTS[name],
    )
    made_by_users = {".dlt/secrets.toml", ".dlt/state"}
    assert [each for each in named if not list(ROOT.glob(each)) and each not in made_by_users] == []


def test_page_and_files_say_the_same_two_lines() -> None:
    """What a reader copies from the page stands at the head of one of the files, to the letter."""
    lines = [
        line
        for block in re.findall(r"```sh\n(.+?)```", PAGE, re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(lines) == 11
    heads = [text for name, text in TEXTS.items() if name != "schedules.md"]
    assert [line for line in lines if not any(line in head for head in heads)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_page_names_every_file(path: Path) -> None:
    assert f"`{path.relative_to(ROOT).as_posix()}`" in PAGE
