"""What each command imports: whoever asks for `--help` does not wait for dlt, nor `status` for what asks Harvest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, SCRIPT, environment
from faults_support import tiny
from support import serving

ASKING = frozenset({"harvest_source.api.client", "harvest_source.reading"})
HEAVY = ASKING | {
    "dlt",
    "duckdb",
    "harvest_sandbox",
    "harvest_source.library",
    "harvest_source.loading.run",
    "numpy",
    "pandas",
    "pyarrow",
    "requests",
    "requests_oauthlib",
    "rich",
    "sqlalchemy",
    "sqlglot",
    "yaml",
}
"""What takes long to import, by itself or with what it brings."""

RUN = """
import gc, json, runpy, sys
script, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = script
sys.path[0] = script.removesuffix("harvest_pipeline.py")
try:
    runpy.run_path(script, run_name="__main__")
except SystemExit as ended:
    code = ended.code
assert gc.isenabled() == ("dlt" in sys.modules), "garbage is looked for from where a command begins"
with open("imported.json", "w") as file:
    json.dump([code, sorted(sys.modules)], file)
"""
"""Carries out a command, and writes down its exit code and what is imported at its end."""


def imported(folder: Path, program: str, *arguments: str, env: dict[str, str]) -> set[str]:
    """Returns the modules that a program has imported at its end, which is a good one."""
    subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder, env=env, check=True, timeout=120, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    code, modules = json.loads((folder / "imported.json").read_text())
    assert code in {0, 2}, code
    return set(modules)


OF_DLT = frozenset({"dlt", "requests", "sqlglot", "yaml"})
"""What dlt brings along wherever a setting is read."""
OF_TABLES = OF_DLT | {"rich", "duckdb"}
OF_RUN = OF_TABLES | {"harvest_source.loading.run", "pyarrow", *ASKING}

MAY_IMPORT: dict[tuple[str, ...], frozenset[str]] = {
    ("--help",): frozenset(),
    ("--version",): frozenset(),
    ("run", "--help"): frozenset(),
    ("--demo", "show", "--help"): frozenset(),
    ("reports",): OF_DLT | {"rich"},
    ("logout",): OF_DLT | {"rich"},
    ("status",): OF_TABLES,
    ("show", "select * from roles"): OF_TABLES,
    ("accounts",): OF_DLT | {"rich", *ASKING},
    ("--reports", "roles"): OF_RUN
    | {"sqlalchemy"},  # where it is installed, dlt writes an address by it
}
"""What each command may have imported at its end, of what takes long."""


@pytest.mark.long
def test_each_command_imports_what_it_needs_and_no_more(tmp_path: Path) -> None:
    """In a folder in which there are tables; without credentials where it takes none."""
    with serving(tiny()) as sandbox:
        given = environment(sandbox)
        imported(tmp_path, RUN, str(SCRIPT), "--reports", "roles", env=given)
        found = {
            typed: HEAVY
            & imported(
                tmp_path, RUN, str(SCRIPT), *typed, env=given if ASKING & may else environment()
            )
            for typed, may in MAY_IMPORT.items()
        }
    assert {
        typed: here - MAY_IMPORT[typed] for typed, here in found.items() if here - MAY_IMPORT[typed]
    } == {}
    assert found["--reports", "roles"] >= OF_RUN, "a name is misspelt"


LIBRARY = """
import json, sys
{program}
from dlt.extract.reference import SourceReference
assert SourceReference.find("harvest_source.harvest_source").name == "harvest"
with open("imported.json", "w") as file:
    json.dump([0, [each for each in SourceReference.SOURCES if each.startswith("harvest_source")]], file)
"""


@pytest.mark.parametrize(
    "program",
    [
        "from harvest_source import harvest_source, sync",
        "import harvest_source; harvest_source.sync",
        "import dlt, harvest_source",
        "",
    ],
    ids=["its names", "a name later", "the package, after dlt", "none of it"],
)
def test_dlt_knows_the_source_however_it_is_imported(program: str, tmp_path: Path) -> None:
    known = imported(
        tmp_path, LIBRARY.format(program=program), env=environment() | {"PYTHONPATH": str(ROOT)}
    )
    assert known == {"harvest_source.library.harvest_source"}


def test_a_name_that_the_package_does_not_have_is_an_import_error(tmp_path: Path) -> None:
    """As in any package; and to ask for it does not import dlt."""
    program = """
import json, sys
try:
    from harvest_source import harvest_sauce
except ImportError as error:
    assert "harvest_sauce" in str(error)
    with open("imported.json", "w") as file:
        json.dump([0, sorted(sys.modules)], file)
"""
    modules = imported(tmp_path, program, env=environment() | {"PYTHONPATH": str(ROOT)})
    assert HEAVY & modules == set()
