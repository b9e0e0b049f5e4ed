"""No usage figures go to dlt's makers from a folder without settings, as a server in their place sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, bare_environment, command
from usage_endpoint import UsageEndpoint

AFTER_DLT = "import dlt, harvest_source"
LIBRARY = """
{imports}
dlt.pipeline("any", destination="duckdb", pipelines_dir="state").run([{{"a": 1}}], table_name="t")
"""


def environment(endpoint: UsageEndpoint, folder: Path, **more: str) -> dict[str, str]:
    """Returns the environment of a user without settings, the address of the figures aside."""
    return {
        **bare_environment(),
        "HOME": str(folder),
        **endpoint.variables,
        "PYTHONPATH": str(ROOT),
        **more,
    }


@pytest.mark.parametrize("wanted", [False, True], ids=["fresh", "switched on in the folder"])
def test_command_sends_no_usage_figures_from_any_folder(wanted: bool, tmp_path: Path) -> None:  # noqa: FBT001 - pytest names it
    """`dlt init` writes settings that switch them on: the command has them off there too."""
    if wanted:
        switch_on(tmp_path)
    with UsageEndpoint() as endpoint:
        done = command(
            tmp_path, "--demo", "--reports", "roles", env=environment(endpoint, tmp_path)
        )
    assert (done.returncode, endpoint.asked) == (0, 0), done.stderr
    assert list(tmp_path.rglob(".anonymous_id")) == [], "a number that dlt would send along"


@pytest.mark.parametrize(
    ("imports", "variables", "in_file", "sends"),
    [
        (AFTER_DLT, {}, False, False),
        ("from harvest_source import sync; import dlt", {}, False, False),
        (AFTER_DLT, {"RUNTIME__DLTHUB_TELEMETRY": "true"}, False, True),
        (AFTER_DLT, {}, True, True),
        (AFTER_DLT, {"RUNTIME__DLTHUB_TELEMETRY": "false"}, True, False),
        (AFTER_DLT, {"DLTHUB_TELEMETRY": "true"}, False, False),
    ],
    ids=[
        "nothing is set",
        "nothing is set, and dlt comes later",
        "on in the environment",
        "on in config.toml",
        "off in the environment",
        "on under a name that dlt does not read",
    ],
)
def test_library_sends_usage_figures_only_where_the_user_says_so(
    imports: str,
    variables: dict[str, str],
    in_file: bool,  # noqa: FBT001 - pytest names it
    sends: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    if in_file:
        switch_on(tmp_path)
    with UsageEndpoint() as endpoint:
        env = environment(endpoint, tmp_path, **variables)
        subprocess.run(
            [sys.executable, "-c", LIBRARY.format(imports=imports)],
            cwd=tmp_path,
            env=env,
            check=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
    assert (endpoint.asked > 0) is sends


def switch_on(folder: Path) -> None:
    """Switches the figures on, as `dlt init` does."""
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "config.toml").write_text("[runtime]\ndlthub_telemetry = true\n")


def test_schedules_that_can_set_a_variable_switch_the_usage_figures_off() -> None:
    """For whatever else of dlt is started there than the command, which has them off by itself."""
    lines = {
        "Dockerfile": "ENV RUNTIME__DLTHUB_TELEMETRY=false",
        "harvest.service": "Environment=RUNTIME__DLTHUB_TELEMETRY=false",
        "github-actions.yml": 'RUNTIME__DLTHUB_TELEMETRY: "false"',
    }
    for name, line in lines.items():
        assert line in [
            each.strip()
            for each in (ROOT / "schedules" / name).read_text(encoding="utf-8").splitlines()
        ], name
