"""Settings and options are read strictly: what is not meant is said, never guessed."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipelines import forget_dlt

from harvest_source import unread
from harvest_source.errors import SettingError
from harvest_source.settings import (
    API_URL,
    HarvestSettings,
    load_heartbeat_url,
    load_notify_url,
    load_settings,
    parse_account_ids,
    parse_since,
    parse_url,
)
from harvest_source.signin.auth import build_auth

INSTANTS = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2990, 1, 1))  # noqa: DTZ001 - a zone is added
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timedelta(minutes=minutes))


@given(instant=INSTANTS, offset=OFFSETS)
def test_written_instants_are_read_as_that_moment(instant: datetime, offset: timedelta) -> None:
    """With any offset; written and read again it is the same."""
    local = instant.replace(microsecond=0)
    sign, minutes = ("-" if offset < timedelta() else "+"), abs(offset) // timedelta(minutes=1)
    found = parse_since("--since", f"{local.isoformat()}{sign}{minutes // 60:02}:{minutes % 60:02}")
    assert found == (local - offset).replace(tzinfo=UTC)
    assert parse_since("--since", found.isoformat()) == found


@given(instant=INSTANTS)
def test_without_a_zone_it_is_utc(instant: datetime) -> None:
    """A date alone is its midnight; text, date and datetime say the same."""
    whole = instant.replace(microsecond=0)
    assert (
        parse_since("--since", whole.isoformat())
        == whole.replace(tzinfo=UTC)
        == parse_since("start_date", whole)
    )
    midnight = datetime(whole.year, whole.month, whole.day, tzinfo=UTC)
    assert (
        parse_since("--since", whole.date().isoformat())
        == midnight
        == parse_since("start_date", whole.date())
    )


@pytest.mark.parametrize(
    "text",
    ["", "2025", "2025-01", "20250131", "yesterday", "Tue", "31.01.2025", "01/31/2025", "2025-02-30", "2025-13-01",
     "2025-01-31T25:00", "2025-01-31 and more", "2025-01-31T08:00:00+99:00", "1700000000", "0000-01-01", "2025-1-31xx"],
)  # fmt: skip
def test_other_texts_are_no_dates(text: str) -> None:
    """One line that names the option, the text and the right form."""
    with pytest.raises(SettingError, match=r"--since .* is not a date: write 2025-01-31") as caught:
        parse_since("--since", text)
    assert "\n" not in str(caught.value)


@given(text=st.text(max_size=30))
def test_any_text_is_a_date_or_said_not_to_be(text: str) -> None:
    """No other error, whatever is typed."""
    with suppress(SettingError):
        assert parse_since("--since", text).tzinfo is UTC


@given(ids=st.lists(st.integers(1, 10**12), min_size=1, max_size=5), blanks=st.booleans())
def test_account_ids_in_every_form(ids: list[int], *, blanks: bool) -> None:
    """A list, a text with commas, a list written as text; each id once, in its order."""
    once = tuple(dict.fromkeys(ids))
    joined = (" , " if blanks else ",").join(map(str, ids))
    assert (
        parse_account_ids(ids)
        == parse_account_ids(joined)
        == parse_account_ids(f"[{joined}]")
        == once
    )
    assert parse_account_ids(ids[0]) == (ids[0],)


def test_no_account_and_all_accounts() -> None:
    """Nothing set is no choice; `all` is a choice of its own."""
    assert parse_account_ids(None) is parse_account_ids("") is None
    assert parse_account_ids("all") == parse_account_ids(["all"]) == ()


@pytest.mark.parametrize(
    "value",
    [
        "North",
        "12a",
        "-5",
        "0",
        "1.5",
        "1,,2",
        "1,all",
        ",",
        "\N{SUPERSCRIPT TWO}",
        [1, "x"],
        1.5,
        True,
        "1;2",
    ],
)
def test_malformed_account_ids_are_named(value: Any) -> None:
    """The message names the part that is wrong."""
    with pytest.raises(SettingError, match="is not a number"):
        parse_account_ids(value)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.example.com/v2", "https://api.example.com/v2/"),
        (" https://api.example.com/v2// ", "https://api.example.com/v2/"),
        ("http://127.0.0.1:8080/v2/", "http://127.0.0.1:8080/v2/"),
        ("http://localhost/v2", "http://localhost/v2/"),
        ("http://[::1]:80/", "http://[::1]:80/"),
    ],
)
def test_addresses_end_with_one_slash(url: str, kept: str) -> None:
    """Plain http is for this machine only."""
    assert parse_url("api_url", url) == kept


@pytest.mark.parametrize(
    "url", ["http://api.example.com/v2/", "http://127.0.0.1.example.com/", "ftp://x.example", "api.example.com", "", "https://", "https:///v2"]
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    """A token must not cross a network in the open."""
    with pytest.raises(SettingError, match="api_url must be an https address"):
        parse_url("api_url", url)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a run, with settings in `.dlt` still to be written."""
    (tmp_path / ".dlt").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    """Writes a file of settings and has dlt read it."""
    (folder / ".dlt" / name).write_text(text, encoding="utf-8")
    forget_dlt()


def test_environment_counts_before_secrets_and_secrets_before_config(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is that of dlt itself."""
    write(
        folder,
        "config.toml",
        "[sources.harvest]\nsweep_days = 3\noverlap_seconds = 60\nstart_date = 2024-05-06\naccount_id = [5, 6]\n",
    )
    write(
        folder,
        "secrets.toml",
        '[sources.harvest]\naccess_token = "of the file"\noverlap_seconds = 70\n',
    )
    monkeypatch.setenv("SOURCES__HARVEST__ACCESS_TOKEN", "of the environment")
    settings = load_settings()
    assert (settings.access_token, settings.overlap_seconds, settings.sweep_days) == (
        "of the environment",
        70,
        3,
    )
    assert (settings.begins_at, settings.accounts) == (datetime(2024, 5, 6, tzinfo=UTC), (5, 6))


def test_defaults_are_those_of_the_contract(folder: Path) -> None:
    """What holds where nothing is set."""
    assert folder.is_dir()
    settings = load_settings()
    assert (settings.api_url, settings.overlap_seconds, settings.assignments) == (
        API_URL,
        300,
        "account",
    )
    assert (
        settings.deleted_rows,
        settings.sweep_days,
        settings.report_period,
        settings.redirect_port,
    ) == (
        "remove",
        7,
        "month",
        8484,
    )
    assert [
        settings.start_date,
        settings.begins_at,
        settings.account_id,
        settings.accounts,
        settings.access_token,
    ] == [None] * 5


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"api_url": "http://elsewhere.example/"}, "api_url must be an https address"),
        ({"id_url": "ftp://id.example/"}, "id_url must be an https address"),
        ({"notify_url": "http://elsewhere.example/"}, "notify_url must be the https address"),
        ({"heartbeat_url": "http://elsewhere.example/"}, "heartbeat_url must be the https address"),
        ({"assignments": "both"}, "assignments 'both' is not one of its values"),
        ({"deleted_rows": "no"}, "deleted_rows 'no' is not one of its values"),
        ({"report_period": "day"}, "report_period 'day' is not one of its values"),
        ({"overlap_seconds": -1}, "overlap_seconds is -1"),
        ({"sweep_days": -1}, "sweep_days is -1"),
        ({"start_date": "soon"}, "start_date 'soon' is not a date"),
        ({"start_date": 5}, "start_date '5' is not a date"),
        ({"overlap_seconds": "60"}, "overlap_seconds must be a whole number; str is given$"),
        ({"overlap_seconds": 1.5}, "overlap_seconds must be a whole number; float is given$"),
        ({"sweep_days": True}, "sweep_days must be a whole number; bool is given$"),
        ({"assignments": 5}, "assignments must be text; int is given$"),
        ({"deleted_rows": ["keep"]}, "deleted_rows must be text; list is given$"),
        ({"access_token": 12345}, "access_token must be text; int is given$"),
        ({"access_token": b"12345"}, "access_token must be text; bytes is given$"),
        ({"client_id": 5}, "client_id must be text; int is given$"),
        ({"client_secret": 5}, "client_secret must be text; int is given$"),
        ({"refresh_token": {}}, "refresh_token must be text; dict is given$"),
        ({"contact": 5}, "contact must be text; int is given$"),
        ({"contact": "two\nlines"}, "contact must be a link or an e-mail address, on one line$"),
        ({"contact": "5 €"}, "contact must be a link or an e-mail address, on one line$"),
        ({"overlap_seconds": 10**12}, "overlap_seconds must be at most 1000000000$"),
        ({"sweep_days": 10**12}, "sweep_days must be at most 1000000000$"),
        ({"api_url": 5}, "api_url must be text; int is given$"),
        ({"notify_url": 5}, "notify_url must be text; int is given$"),
        ({"heartbeat_url": 5}, "heartbeat_url must be text; int is given$"),
        ({"share_with_group": "yes"}, "share_with_group must be True or False; str is given$"),
    ],
)
def test_settings_made_in_code_are_checked_like_those_that_are_read(
    folder: Path, given: dict[str, Any], said: str
) -> None:
    """Of the demo, of a program; there are no settings that nobody has checked."""
    assert folder.is_dir()
    for make in (HarvestSettings, load_settings):
        with pytest.raises(SettingError, match=f"^{said}"):
            make(**given)


def test_what_was_given_stays_as_it_was_beside_what_it_means() -> None:
    """Also where settings are checked twice."""
    settings = HarvestSettings(
        account_id="5, 6", start_date="2024-05-06", api_url="https://API.example/v2"
    ).resolve()
    assert (settings.account_id, settings.accounts) == ("5, 6", (5, 6))
    assert (settings.start_date, settings.begins_at) == (
        "2024-05-06",
        datetime(2024, 5, 6, tzinfo=UTC),
    )
    assert settings.api_url == "https://api.example/v2/"


SET = {
    "access_token": "T", "client_id": "C", "client_secret": "S", "refresh_token": "R", "account_id": "7",
    "api_url": "https://set.example/", "id_url": "https://set.example/",
    "contact": "me", "start_date": "2024-05-06", "overlap_seconds": "1", "assignments": "project",
    "deleted_rows": "keep", "sweep_days": "1", "report_period": "week", "redirect_port": "1", "notify_url": "https://set.example/x",
    "heartbeat_url": "https://set.example/y", "share_with_group": "true",
}  # fmt: skip
SECRET = ("access_token", "client_secret", "refresh_token", "notify_url", "heartbeat_url")
SOMEBODY_ELSES = (
    "",
    "SOURCES__",
    "HARVEST__",
    "HARVEST_PIPELINE__",
    "HARVEST_PIPELINE__SOURCES__",
    "OTHER__SOURCES__HARVEST__",
)


def values(settings: HarvestSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.get_resolvable_fields()}


def test_table_of_these_tests_has_every_setting() -> None:
    """A setting that comes later is tested like the others."""
    assert set(SET) == set(HarvestSettings().get_resolvable_fields())


@pytest.mark.parametrize("front", SOMEBODY_ELSES)
def test_names_without_the_whole_section_do_not_count(
    folder: Path, monkeypatch: pytest.MonkeyPatch, front: str
) -> None:
    """Neither in the environment nor in a toml file, for no setting: another program's API_URL would be sent the token."""
    unset = values(load_settings())
    for name, value in SET.items():
        monkeypatch.setenv(f"{front}{name.upper()}", value)
    assert (values(load_settings()), load_notify_url(None)) == (unset, None)
    for name in SET:
        monkeypatch.delenv(f"{front}{name.upper()}")
    section = ".".join(front.lower().split("__")[:-1])
    lines = [
        *([f"[{section}]"] if section else []),
        *(f'{name} = "{value}"' for name, value in SET.items()),
    ]
    for file in ("secrets.toml", "config.toml"):
        write(folder, file, "\n".join(lines))
        assert (values(load_settings()), load_notify_url(None)) == (unset, None)


@pytest.mark.parametrize("front", ["", "HARVEST_PIPELINE__"])
def test_names_with_the_whole_section_count_in_every_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch, front: str
) -> None:
    """With the pipeline's name in front or without, in the environment, and in the file that may hold each setting."""
    unset = values(load_settings())
    files = {"secrets.toml": SECRET, "config.toml": [name for name in SET if name not in SECRET]}
    for file, names in files.items():
        section = f"{front}sources__harvest".lower().replace("__", ".")
        write(
            folder,
            file,
            "\n".join([f"[{section}]", *(f'{name} = "{SET[name]}"' for name in names)]),
        )
    in_files = values(load_settings())
    assert {name: str(value) for name, value in in_files.items() if value == unset[name]} == {}
    for file in files:
        (folder / ".dlt" / file).unlink()
    forget_dlt()
    for name, value in SET.items():
        monkeypatch.setenv(f"{front}SOURCES__HARVEST__{name.upper()}", value)
    assert values(load_settings()) == in_files
    assert (load_notify_url(None), load_heartbeat_url(None)) == (
        SET["notify_url"],
        SET["heartbeat_url"],
    )


def test_pipelines_own_section_counts_before_the_common_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is that of dlt, also where the two stand in different places."""
    write(
        folder,
        "config.toml",
        "[harvest_pipeline.sources.harvest]\nsweep_days = 3\n[sources.harvest]\nsweep_days = 4\n",
    )
    monkeypatch.setenv("SOURCES__HARVEST__SWEEP_DAYS", "5")
    assert load_settings().sweep_days == 3
    assert (
        load_settings(pipeline_name="other").sweep_days
        == load_settings(pipeline_name=None).sweep_days
        == 5
    )


@pytest.mark.parametrize("name", SECRET)
def test_secret_in_the_file_that_is_none_for_secrets_is_refused(folder: Path, name: str) -> None:
    """`config.toml` may stand in a repository; the message says where the value belongs, and not the value."""
    write(folder, "config.toml", f'[sources.harvest]\n{name} = "SECRET-123"\n')
    with pytest.raises(SettingError, match=rf"{name} .*\.dlt/secrets\.toml") as caught:
        load_settings()
    assert "SECRET-123" not in str(caught.value)


WRONG = {
    "ASSIGNMENTS": "both", "DELETED_ROWS": "drop", "REPORT_PERIOD": "day", "OVERLAP_SECONDS": "-1", "SWEEP_DAYS": "-1",
    "START_DATE": "last year", "API_URL": "http://api.example.com/v2/", "ID_URL": "nowhere", "REDIRECT_PORT": "many",
}  # fmt: skip


@pytest.mark.parametrize("name", [*WRONG, "overlap text"])
def test_wrong_settings_are_named_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The message has the setting's name, so that a person finds it."""
    assert folder.is_dir()
    wrong = {"overlap text": ("OVERLAP_SECONDS", "five")}.get(name, (name, WRONG.get(name, "")))
    monkeypatch.setenv(f"SOURCES__HARVEST__{wrong[0]}", wrong[1])
    with pytest.raises(SettingError) as caught:
        load_settings()
    assert wrong[0].lower() in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_caller_gives_counts_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`None` is nothing given."""
    assert folder.is_dir()
    monkeypatch.setenv("SOURCES__HARVEST__ASSIGNMENTS", "project")
    assert load_settings(assignments=None).assignments == "project"
    assert load_settings(assignments="account").assignments == "account"


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    """What is typed as a secret is hidden: an error message may hold a settings object."""
    settings = HarvestSettings(
        access_token="SECRET-123", client_secret="SECRET-456", refresh_token="SECRET-789"
    )
    assert "SECRET" not in repr(settings)
    assert "SECRET" not in str(settings)


def test_dates_of_toml_files_are_understood() -> None:
    """A date that a toml file holds without quotes comes as a date."""
    assert parse_since("start_date", date(2024, 1, 2)) == datetime(2024, 1, 2, tzinfo=UTC)


UNREAD: dict[str, tuple[str, str, str]] = {
    "misspelt": (
        "config.toml",
        "[sources.harvest]\ndeleted_row = 'SECRET-1'",
        "deleted_row in [sources.harvest] of .dlt/config.toml: did you mean deleted_rows?",
    ),
    "misspelt secret": (
        "secrets.toml",
        "[sources.harvest]\nacces_token = 'SECRET-1'",
        "acces_token in [sources.harvest] of .dlt/secrets.toml: did you mean access_token?",
    ),
    "in capitals": (
        "config.toml",
        "[sources.harvest]\nSTART_DATE = 2024-01-01",
        "START_DATE in [sources.harvest] of .dlt/config.toml: did you mean start_date?",
    ),
    "with a hyphen": (
        "config.toml",
        "[sources.harvest]\nstart-date = 2024-01-01",
        "start-date in [sources.harvest] of .dlt/config.toml: did you mean start_date?",
    ),
    "like none": (
        "config.toml",
        "[sources.harvest]\nqux = ['SECRET-1']",
        "qux in [sources.harvest] of .dlt/config.toml: known are access_token, ",
    ),
    "of the pipeline": (
        "config.toml",
        "[harvest_pipeline.sources.harvest]\nsweepdays = 1",
        "sweepdays in [harvest_pipeline.sources.harvest] of .dlt/config.toml: did you mean sweep_days?",
    ),
    "a section for a value": (
        "config.toml",
        "[sources.harvest.account_id]\nx = 'SECRET-1'",
        "account_id is a section",
    ),
    "variable": (
        "",
        "SOURCES__HARVEST__DELETED_ROW=SECRET-1",
        "SOURCES__HARVEST__DELETED_ROW in the environment: did you mean SOURCES__HARVEST__DELETED_ROWS?",
    ),
    "variable of the pipeline": (
        "",
        "HARVEST_PIPELINE__SOURCES__HARVEST__SWEEP_DAY=SECRET-1",
        "did you mean HARVEST_PIPELINE__SOURCES__HARVEST__SWEEP_DAYS?",
    ),
    "variable like none": (
        "",
        "SOURCES__HARVEST__QUX=SECRET-1",
        "SOURCES__HARVEST__QUX in the environment: known are SOURCES__HARVEST__ACCESS_TOKEN, ",
    ),
    "single underscores": (
        "",
        "SOURCES_HARVEST_DELETED_ROWS=SECRET-1",
        "SOURCES_HARVEST_DELETED_ROWS in the environment: did you mean SOURCES__HARVEST__DELETED_ROWS?",
    ),
    "one single underscore": (
        "",
        "SOURCES__HARVEST_DELETED_ROWS=SECRET-1",
        "did you mean SOURCES__HARVEST__DELETED_ROWS?",
    ),
    "variable in small letters": (
        "",
        "sources__harvest__deleted_rows=SECRET-1",
        "did you mean SOURCES__HARVEST__DELETED_ROWS?",
    ),
}


def set_up(folder: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str) -> None:
    """Writes a file of settings, or sets a variable where no file is named."""
    if file:
        write(folder, file, text)
    else:
        name, _, value = text.partition("=")
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", UNREAD)
def test_settings_that_nobody_reads_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One line with the place, the name and the nearest known one; never the value, which may be a secret."""
    file, text, said = UNREAD[name]
    set_up(folder, monkeypatch, file, text)
    with pytest.raises(SettingError) as caught:
        load_settings()
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert "SECRET-1" not in str(caught.value)


READ_BY_OTHERS: dict[str, tuple[str, str]] = {
    "dlt's own sections": (
        "config.toml",
        "[sources.harvest.extract]\nworkers = 2\n[sources.harvest.data_writer]\nfile_max_items = 9",
    ),
    "of a resource": (
        "config.toml",
        "[sources.harvest.time_entries.data_writer]\nfile_max_items = 9",
    ),
    "of another pipeline": ("config.toml", "[other.sources.harvest]\nqux = 1"),
    "of another source": ("config.toml", "[sources.github]\nqux = 1\n[harvest]\nqux = 2"),
    "dlt's own in the environment": ("", "SOURCES__HARVEST__DATA_WRITER__FILE_MAX_ITEMS=9"),
    "of another pipeline in the environment": ("", "OTHER__SOURCES__HARVEST__QUX=1"),
    "of another program": ("", "HARVEST_DELETED_ROW=1"),
}


@pytest.mark.parametrize("name", READ_BY_OTHERS)
def test_settings_that_dlt_or_others_read_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Sections below, other pipelines, other sources and other programs are none of ours."""
    set_up(folder, monkeypatch, *READ_BY_OTHERS[name])
    assert load_settings().deleted_rows == "remove"


def test_unknown_settings_below_a_pipelines_name_are_those_of_that_pipeline(folder: Path) -> None:
    """In the library another pipeline's name counts."""
    write(folder, "config.toml", "[mine.sources.harvest]\ndeleted_row = 'keep'")
    load_settings()
    load_settings(None)
    with pytest.raises(SettingError, match=r"deleted_row in \[mine\.sources\.harvest\]"):
        load_settings("mine")


def no_token() -> str:
    """Returns what is said where no access token is set."""
    with pytest.raises(SettingError, match="no access token is set") as caught:
        build_auth(load_settings())
    assert len(str(caught.value).splitlines()) == 2
    assert "SECRET-1" not in str(caught.value)
    return str(caught.value).splitlines()[1]


FOUND: dict[str, tuple[dict[str, str], str]] = {
    "no folder": ({}, "no folder .dlt here)"),
    "in the clone": (
        {"../clone/.dlt/secrets.toml": "SECRET-1"},
        "there is one in {above}/clone: start the command there",
    ),
    "no file": (
        {".dlt/config.toml": "", ".dlt/secrets.toml.example": "[sources.harvest]"},
        "no such file)",
    ),
    "another name": ({".dlt/secret.toml": "SECRET-1"}, "no such file, but secret.toml)"),
    "another ending": (
        {".dlt/secrets.toml.txt": "SECRET-1"},
        "no such file, but secrets.toml.txt)",
    ),
    "another folder": (
        {"../.dlt/secrets.toml": "SECRET-1"},
        "there is one in {above}: start the command there",
    ),
    "another section": (
        {".dlt/secrets.toml": '[source.harvest]\naccess_token = "SECRET-1"'},
        "not there; the file has [source.harvest])",
    ),
    "above all sections": (
        {".dlt/secrets.toml": 'access_token = "SECRET-1"'},
        "not there; the file has access_token)",
    ),
    "only comments": (
        {".dlt/secrets.toml": "# SECRET-1"},
        "not there; the file has no line that counts)",
    ),
    "other keys": (
        {".dlt/secrets.toml": "[sources.harvest]\naccount_id = 1\nsweep_days = 2"},
        "there is only account_id, sweep_days)",
    ),
    "empty": (
        {".dlt/secrets.toml": '[sources.harvest]\naccess_token = ""'},
        "of {folder}/.dlt/secrets.toml (it is empty)",
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_missing_token_says_where_it_was_looked_for_and_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The whole path of the file, and what a person has nearly done right; names, no values."""
    folder = tmp_path / "run"
    folder.mkdir()
    files, said = FOUND[name]
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(unread, "PROJECT_FOLDER", tmp_path / "clone")
    forget_dlt()
    looked = no_token()
    assert looked.startswith(
        "looked for SOURCES__HARVEST__ACCESS_TOKEN in the environment (not set) and for access_token in "
    )
    assert f"[sources.harvest] of {folder}/.dlt/secrets.toml (" in looked
    assert said.format(folder=folder, above=tmp_path) in looked


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("SOURCES__HARVEST__ACCESS_TOKEN", "in the environment (it is empty)"),
        (
            "HARVEST_ACCESS_TOKEN",
            "in the environment (not set; HARVEST_ACCESS_TOKEN does not count)",
        ),
        ("ACCESS_TOKEN", "in the environment (not set; ACCESS_TOKEN does not count)"),
        ("GITHUB_ACCESS_TOKEN", "in the environment (not set)"),
    ],
)
def test_missing_token_says_what_the_environment_has(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, said: str
) -> None:
    """A variable of nearly its name, and none of other programs."""
    assert folder.is_dir()
    monkeypatch.setenv(variable, "" if "(it is empty)" in said else "SECRET-1")
    assert said in no_token()


def test_missing_client_says_where_it_was_looked_for(folder: Path) -> None:
    """As a missing token does."""
    write(folder, "secrets.toml", '[sources.harvest]\nclient_id = "an-id"')
    with pytest.raises(
        SettingError,
        match=r"client_secret is not set: .*\nlooked for .* \(there is only client_id\)$",
    ):
        build_auth(load_settings())
