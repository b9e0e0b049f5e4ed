"""What a user or a contributor reads is complete, true and fresh."""

from __future__ import annotations

import importlib.util
import re
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

from harvest_source.catalogue.docs import PAGE, tables_page
from harvest_source.catalogue.reports import NAMES
from harvest_source.commands.cli import INTERRUPTED, USAGE, cli
from harvest_source.loading.summary import INCOMPLETE
from harvest_source.settings import HarvestSettings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CONFIG = (ROOT / ".dlt" / "config.toml").read_text(encoding="utf-8")
SECRETS = (ROOT / ".dlt" / "secrets.toml.example").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MANUAL = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page.name not in {"CHANGELOG.md", "CONTRIBUTING.md"})
SETTINGS = sorted(HarvestSettings.get_resolvable_fields())
COMMANDS = sorted(cli.commands.items())
OPTIONS = sorted(
    {
        (name, option, param.help)
        for name, command in COMMANDS
        for param in command.params
        if isinstance(param, click.Option)
        for option in param.opts
    },
    key=str,
)
SETUP = "python3 -m venv .venv && .venv/bin/pip install -q -r {requirements} && .venv/bin/{command}"
CHECKS = ("ruff format --check .", "ruff check .", "mypy", "lint-imports", "pytest -n auto")


def without_comments(text: str) -> dict[str, Any]:
    """Returns what a toml file says when every setting that is commented out counts."""
    lines = [re.sub(r"^# (?=[a-z_]+ = |\[)", "", line) for line in text.splitlines()]
    return tomllib.loads("\n".join(lines))


def slugs(page: Path) -> set[str]:
    """Returns the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_page_of_tables_is_fresh() -> None:
    """Write it anew with `python -m harvest_source.catalogue.docs`."""
    assert PAGE.read_text(encoding="utf-8") == tables_page()


@pytest.mark.parametrize("table", [*NAMES, "load_report"])
def test_readme_names_every_table(table: str) -> None:
    assert f"`{table}`" in README


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_command_has_help_and_stands_in_the_table_of_commands(name: str, command: click.Command) -> None:
    assert command.get_short_help_str()
    assert re.search(rf"^\| `{name}` \|", README, re.MULTILINE)


@pytest.mark.parametrize(("name", "option", "text"), OPTIONS)
def test_every_option_has_help_and_is_described(name: str, option: str, text: str | None) -> None:
    assert text, f"{name} {option} has no help"
    assert re.search(rf"`[^`\n]*(?<![\w-]){option}(?![\w-])", MANUAL), f"{name} {option} stands in no page"


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_stands_in_the_readme(setting: str) -> None:
    assert re.search(rf"^\|[^|\n]*`{setting}`", README, re.MULTILINE)


def test_every_setting_stands_in_one_of_the_two_example_files() -> None:
    shown = without_comments(CONFIG)["sources"]["harvest"] | without_comments(SECRETS)["sources"]["harvest"]
    assert sorted(shown) == SETTINGS


def test_secrets_stand_in_the_example_of_secrets_only() -> None:
    secrets = {"access_token", "client_id", "client_secret", "refresh_token", "notify_url"}
    assert secrets <= set(without_comments(SECRETS)["sources"]["harvest"])
    assert not secrets & set(without_comments(CONFIG)["sources"]["harvest"])


def test_defaults_shown_are_the_defaults() -> None:
    """Settings without a default show an example."""
    settings = HarvestSettings()
    shown = without_comments(CONFIG)["sources"]["harvest"]
    defaults = {name: getattr(settings, name) for name in shown if getattr(settings, name) is not None}
    assert defaults == {name: shown[name] for name in defaults}
    for name, default in defaults.items():
        row = next(line for line in README.splitlines() if line.startswith(f"| `{name}`"))
        written = str(default).lower() if isinstance(default, bool) else default  # as toml has it
        assert f"`{written}`" in row or name == "contact"


def test_config_as_shipped_sends_no_usage_figures_and_sets_nothing_else() -> None:
    """It holds no credentials of a destination either: dlt refuses to run with them there."""
    assert tomllib.loads(CONFIG) == {"runtime": {"dlthub_telemetry": False}, "sources": {"harvest": {}}}


def test_example_of_secrets_sets_nothing_as_shipped() -> None:
    assert tomllib.loads(SECRETS) == {"sources": {"harvest": {}}}


def test_line_that_copies_the_example_of_secrets_makes_a_file_for_its_owner(tmp_path: Path) -> None:
    """Whatever the umask; over a copy that others can read as well."""
    (line,) = {line.removeprefix("#   ") for line in (*README.splitlines(), *SECRETS.splitlines()) if "install -m" in line}
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml.example").write_text(SECRETS, encoding="utf-8")
    for umask in (0, 0o022, 0o077):
        subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, check=True, umask=umask)
        copy = tmp_path / ".dlt" / "secrets.toml"
        assert (stat.S_IMODE(copy.stat().st_mode), copy.read_text(encoding="utf-8")) == (0o600, SECRETS)
        copy.chmod(0o644)


@pytest.mark.parametrize("code", [0, INCOMPLETE, USAGE, INTERRUPTED])
def test_readme_describes_every_exit_code(code: int) -> None:
    assert re.search(rf"^\| `{code}` \| \w", README, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Links to files and headings; addresses on the internet are not tried."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.is_file(), f"{page.name} links to {target}"
        assert not anchor or anchor in slugs(linked), f"{page.name} links to {target}"


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python3? -m ([\w.]+)", MANUAL + CONTRIBUTING + MAKEFILE))))
def test_modules_that_the_pages_run_exist(module: str) -> None:
    assert importlib.util.find_spec(module)


def test_files_that_the_pages_name_exist() -> None:
    named = set(re.findall(r"`((?:harvest_source|harvest_sandbox|tests|\.dlt|\.ci|docs)/[\w./]*)`", MANUAL + CONTRIBUTING))
    made_by_users = {".dlt/secrets.toml", ".dlt/state/"}
    empty_in_a_clone = {name for name in named if re.fullmatch(r"tests/\w+/", name)}
    assert [name for name in sorted(named - made_by_users - empty_in_a_clone) if not (ROOT / name).exists()] == []


def test_set_up_is_one_command_each_for_the_demo_and_the_tests() -> None:
    assert SETUP.format(requirements="requirements.txt", command="python harvest_pipeline.py --demo") in README.splitlines()
    assert SETUP.format(requirements="requirements-dev.txt", command="pytest -n auto") in README.splitlines()


@pytest.mark.parametrize("check", CHECKS)
def test_ci_and_make_check_the_same(check: str) -> None:
    tool, _, arguments = check.partition(" ")
    assert f'/bin/{tool}" {arguments}'.rstrip() in CI
    assert re.search(rf"^\t\$\(BIN\)/{re.escape(check)}$", MAKEFILE, re.MULTILINE)
