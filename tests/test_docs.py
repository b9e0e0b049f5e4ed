"""What a user or a contributor reads is complete, true and fresh."""

from __future__ import annotations

import importlib.util
import re
import runpy
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from pages import OF_DBT, PAGES, README, ROOT, text_of, typed_commands

from harvest_source.about import VERSION
from harvest_source.catalogue.lookup import ALL_NAMES
from harvest_source.commands.cli import cli
from harvest_source.commands.options import with_command_first
from harvest_source.exit_codes import COMPLETE, EXIT_CODES, INCOMPLETE, INTERRUPTED, USAGE
from harvest_source.loading.result import Verdict, Verified
from harvest_source.loading.taken import KEPT_TABLES
from harvest_source.loading.unseen import not_seen
from harvest_source.loading.verified import VERIFIED_VALUES
from harvest_source.settings import HarvestSettings

CONTRIBUTING = text_of(ROOT / "CONTRIBUTING.md")
CONFIG = text_of(ROOT / ".dlt" / "config.toml")
SECRETS = text_of(ROOT / ".dlt" / "secrets.toml.example")
CI = text_of(ROOT / ".ci" / "run")
MAKEFILE = text_of(ROOT / "Makefile")
COMMANDS_PAGE, SETTINGS_PAGE, RESULTS_PAGE = (
    text_of(ROOT / "docs" / f"{name}.md") for name in ("commands", "settings", "results")
)

MANUAL = "\n".join(
    text_of(page) for page in PAGES if page.name not in {"CHANGELOG.md", "CONTRIBUTING.md"}
)
GENERATED: dict[Path, str] = runpy.run_path(str(ROOT / "docs" / "generate.py"))["written"]()
MOST_LINES = 150  # of the README
SETTINGS = sorted(HarvestSettings.get_resolvable_fields())
COMMANDS = sorted(cli.commands.items())
OPTIONS = [
    (name, option, param.help)
    for name, command in COMMANDS
    for param in command.params
    if isinstance(param, click.Option)
    for option in param.opts
]
SHOWN = [
    (page, typed)
    for page in [*PAGES, OF_DBT]
    if page.name != "CHANGELOG.md"
    for typed in typed_commands(page, list(cli.commands))
]
SETUP = "python3 -m venv .venv && .venv/bin/pip install -r {requirements} && .venv/bin/{command}"
CHECKS = ("ruff format --check .", "ruff check .", "mypy", "lint-imports", "pytest -n auto")


def without_comments(text: str) -> dict[str, Any]:
    """Returns what a toml file says when every setting that is commented out counts."""
    lines = [re.sub(r"^# (?=[a-z_]+ = |\[)", "", line) for line in text.splitlines()]
    return tomllib.loads("\n".join(lines))


def slugs(page: Path) -> set[str]:
    """Returns the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", GENERATED, ids=lambda page: page.name)
def test_generated_pages_are_fresh(page: Path) -> None:
    """Write them anew with `make docs`."""
    assert text_of(page) == GENERATED[page]


def test_readme_is_short() -> None:
    """What it leaves out stands in the pages that it links to: it links to each of them."""
    text = text_of(README)
    assert len(text.splitlines()) <= MOST_LINES
    assert f"There are {len(ALL_NAMES)} tables" in text
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)}
    assert {str(page.relative_to(ROOT)) for page in PAGES if page != README} <= linked


@pytest.mark.parametrize("table", ALL_NAMES)
def test_every_table_has_a_section(table: str) -> None:
    page = text_of(ROOT / "docs" / "tables.md")
    assert len(re.findall(rf"^## {table}$", page, re.MULTILINE)) == 1
    assert f"[`{table}`](#{table})" in page
    assert f"`{table}`" in page.partition("<!-- tables")[0], "it stands under no topic"


@pytest.mark.parametrize("table", KEPT_TABLES)
def test_tables_of_the_product_are_described(table: str) -> None:
    assert f"`{table}`" in RESULTS_PAGE
    page = text_of(ROOT / "docs" / "tables.md")
    assert len(re.findall(rf"^## {table}$", page, re.MULTILINE)) == 1
    assert f"`{table}`" in page.partition("<!-- tables")[0]


def section(name: str) -> str:
    """Returns the section of a command in the page of commands."""
    found = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", COMMANDS_PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"{name} has {len(found)} sections"
    return str(found[0])


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_command_has_help_and_a_section_of_its_own(name: str, command: click.Command) -> None:
    assert command.get_short_help_str()
    assert section(name).strip()


@pytest.mark.parametrize(("name", "option", "text"), OPTIONS)
def test_every_option_has_help_and_is_described_once(
    name: str, option: str, text: str | None
) -> None:
    """In the section of its command, or in that of the options which many commands have, to which the command's then leads."""
    assert text, f"{name} {option} has no help"
    row, common = (
        rf"^\| `{option}(?: [^`]*)?` \|",
        "Options of every command that reads or writes tables",
    )
    own, shared = (len(re.findall(row, section(each), re.MULTILINE)) for each in (name, common))
    assert (own, shared) in {(1, 0), (0, 1)}
    assert own or f"(#{common.lower().replace(' ', '-')})" in section(name)


def test_options_of_the_program_itself_are_described() -> None:
    shown = section("Without a command")
    assert {param.name for param in cli.params} == {"version"}
    assert "| `--version` |" in shown


@pytest.mark.parametrize(
    ("page", "typed"),
    SHOWN,
    ids=lambda each: " ".join(each) if isinstance(each, list) else each.name,
)
def test_commands_that_the_pages_show_can_be_typed(page: Path, typed: list[str]) -> None:
    """The command, its options and arguments exist; what it does is not tried."""
    name, *arguments = ["7" if each == "N" else each for each in with_command_first(cli, typed)]
    if name in cli.commands:
        cli.commands[name].make_context(name, arguments, resilient_parsing=True)
    else:
        cli.make_context("", [name, *arguments], resilient_parsing=True)
    assert page.is_file()


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_is_described_once(setting: str) -> None:
    """With its name in the environment, and with words."""
    row = rf"^\| `{setting}` \| `SOURCES__HARVEST__{setting.upper()}` \|[^|]*\| (\w[^|]{{20,}}) \|$"
    assert len(re.findall(row, SETTINGS_PAGE, re.MULTILINE)) == 1


def test_every_setting_stands_in_one_of_the_two_example_files() -> None:
    shown = (
        without_comments(CONFIG)["sources"]["harvest"]
        | without_comments(SECRETS)["sources"]["harvest"]
    )
    assert sorted(shown) == SETTINGS


def test_secrets_stand_in_the_example_of_secrets_only() -> None:
    credentials = {"access_token", "client_id", "client_secret", "refresh_token"}
    secrets = credentials | {"notify_url", "heartbeat_url"}
    assert secrets <= set(without_comments(SECRETS)["sources"]["harvest"])
    assert not secrets & set(without_comments(CONFIG)["sources"]["harvest"])


def test_defaults_shown_are_the_defaults() -> None:
    """Settings without a default show an example."""
    settings = HarvestSettings()
    shown = without_comments(CONFIG)["sources"]["harvest"]
    defaults = {
        name: getattr(settings, name) for name in shown if getattr(settings, name) is not None
    }
    assert defaults == {name: shown[name] for name in defaults}
    for name, default in defaults.items():
        row = next(line for line in SETTINGS_PAGE.splitlines() if line.startswith(f"| `{name}`"))
        written = str(default).lower() if isinstance(default, bool) else default  # as toml has it
        assert f"`{written}`" in row


def test_config_as_shipped_sends_no_usage_figures_and_sets_nothing_else() -> None:
    """It holds no credentials of a destination either: dlt refuses to run with them there."""
    assert tomllib.loads(CONFIG) == {
        "runtime": {"dlthub_telemetry": False},
        "sources": {"harvest": {}},
    }


def test_example_of_secrets_sets_nothing_as_shipped() -> None:
    assert tomllib.loads(SECRETS) == {"sources": {"harvest": {}}}


def test_line_that_copies_the_example_of_secrets_makes_a_file_for_its_owner(tmp_path: Path) -> None:
    """Whatever the umask; over a copy that others can read as well."""
    (line,) = {
        line.removeprefix("#").strip()
        for line in (*text_of(README).splitlines(), *SECRETS.splitlines())
        if "install -m" in line
    }
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml.example").write_text(SECRETS, encoding="utf-8")
    for umask in (0, 0o022, 0o077):
        subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, check=True, umask=umask)
        copy = tmp_path / ".dlt" / "secrets.toml"
        assert (stat.S_IMODE(copy.stat().st_mode), copy.read_text(encoding="utf-8")) == (
            0o600,
            SECRETS,
        )
        copy.chmod(0o644)


@pytest.mark.parametrize("code", [COMPLETE, INCOMPLETE, USAGE, INTERRUPTED])
def test_every_exit_code_is_described_once(code: int) -> None:
    """No other is described."""
    assert (
        len(re.findall(rf"^\| `{code}` \| \w[^|]+ \| \w[^|]+ \|$", RESULTS_PAGE, re.MULTILINE)) == 1
    )
    assert [each.code for each in EXIT_CODES] == [COMPLETE, INCOMPLETE, USAGE, INTERRUPTED]


def test_everything_that_verified_says_is_described_once() -> None:
    """Beside the verdicts, the summary says `FAILED` of a report that is not loaded; what begins with … may follow a verdict."""
    verdicts = [*map(Verified, Verdict), Verified(Verdict.READ_AGO, days=2)]
    said = {re.sub(r"\d+", "N", str(each)) for each in verdicts}
    besides = {
        re.sub(r"\d+", "N", f"…, {not_seen('invoices', 2)[0]}"),
        "…, only rows of NAME",
        "…, N older rows not followed",
    }
    values = [each.value for each in VERIFIED_VALUES]
    assert sorted(values) == sorted({*said, "FAILED", *besides})
    assert [RESULTS_PAGE.count(f"| `{value}` |") for value in values] == [1] * len(values)


@pytest.mark.parametrize("page", [*PAGES, OF_DBT], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Links to files and headings; addresses on the internet are not tried."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.is_file(), f"{page.name} links to {target}"
        assert not anchor or anchor in slugs(linked), f"{page.name} links to {target}"


@pytest.mark.parametrize(
    "module", sorted(set(re.findall(r"python3? -m ([\w.]+)", MANUAL + CONTRIBUTING + MAKEFILE)))
)
def test_modules_that_the_pages_run_exist(module: str) -> None:
    assert importlib.util.find_spec(module)


def test_files_that_the_pages_name_exist() -> None:
    named = set(
        re.findall(
            r"`((?:harvest_source|harvest_sandbox|tests|\.dlt|\.ci|docs)/[\w./]*)`",
            MANUAL + CONTRIBUTING,
        )
    )
    made_by_users = {".dlt/secrets.toml", ".dlt/state/"}
    empty_in_a_clone = {name for name in named if re.fullmatch(r"tests/\w+/", name)}
    assert [
        name
        for name in sorted(named - made_by_users - empty_in_a_clone)
        if not (ROOT / name).exists()
    ] == []


def test_set_up_is_one_command_each_for_the_demo_and_the_tests() -> None:
    assert (
        SETUP.format(requirements="requirements.txt", command="python harvest_pipeline.py --demo")
        in text_of(README).splitlines()
    )
    assert (
        SETUP.format(requirements="requirements-dev.txt", command="pytest -n auto")
        in text_of(README).splitlines()
    )


@pytest.mark.parametrize("check", CHECKS)
def test_ci_and_make_check_the_same(check: str) -> None:
    tool, _, arguments = check.partition(" ")
    assert f'/bin/{tool}" {arguments}'.rstrip() in CI
    assert re.search(rf"^\t\$\(BIN\)/{re.escape(check)}$", MAKEFILE, re.MULTILINE)


def test_changelog_begins_with_the_version() -> None:
    (first, *_) = re.findall(
        r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert first == VERSION
