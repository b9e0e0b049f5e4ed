"""Files of settings that cannot be read are explained with file, line and reason, and without what stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs import PluggableRunContext
from pipelines import forget_dlt

from harvest_source.commands.workplace import Workplace
from harvest_source.errors import SettingError
from harvest_source.settings import (
    load_heartbeat_url,
    load_notify_url,
    load_settings,
    stray_settings,
)
from harvest_source.settings_files import pass_over_marks

TOKEN_LINE = b'[sources.harvest]\naccess_token = "SECRET-1"\n'
UNREADABLE: dict[str, tuple[bytes, str]] = {
    "no quotes": (
        b"[sources.harvest]\naccess_token = SECRET-1\n",
        "line 2: Invalid value; text stands in quotes",
    ),
    "a number and more": (
        b"\n\naccess_token = 1234567.pt.SECRET-1\n",
        "line 3: Expected newline or end of document after",
    ),
    "an open quote": (b'access_token = "SECRET-1\n', "line 1: Illegal character"),
    "quotes of an editor": (
        "access_token = “SECRET-1”\n".encode(),
        "line 1: Invalid value; text stands in quotes",
    ),
    "an open section": (b"[sources.harvest\n", "line 1: Expected ']'"),
    "an open list": (b"\naccount_id = [1,\n2\n\n", "line 3: Unclosed array"),
    "no key": (b"\nSECRET-1\n", "line 2: Expected '=' after a key"),
    "twice": (TOKEN_LINE + TOKEN_LINE, "line 3: Cannot declare"),
    "UTF-16 with a mark": (
        TOKEN_LINE.decode().encode("utf-16"),
        "line 1: is saved in UTF-16; save it as UTF-8",
    ),
    "UTF-16 without a mark": (
        TOKEN_LINE.decode().encode("utf-16-be"),
        "line 1: is saved in UTF-16; save it as UTF-8",
    ),
    "latin-1": (
        TOKEN_LINE + 'contact = "Zoë"'.encode("latin-1"),
        "line 3: holds a sign that is not UTF-8; save it as UTF-8",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a run, whose files dlt has not read yet; without them at the end."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dlt").mkdir()
    del Container()[PluggableRunContext]
    yield tmp_path
    for file in (tmp_path / ".dlt").iterdir():
        file.unlink()
    forget_dlt()


@pytest.mark.parametrize("name", UNREADABLE)
def test_files_that_cannot_be_read_are_explained(folder: Path, name: str) -> None:
    """Whoever reads a setting first: one line that begins with the file and the line in it."""
    content, said = UNREADABLE[name]
    (folder / ".dlt" / "secrets.toml").write_bytes(content)
    pass_over_marks()
    for read in (
        load_settings,
        lambda: load_notify_url(None),
        lambda: load_heartbeat_url(None),
        stray_settings,
        Workplace().pipeline,
    ):
        with pytest.raises(SettingError) as caught:
            read()
        assert str(caught.value).startswith(f".dlt/secrets.toml, {said}")
        assert len(str(caught.value).splitlines()) == 1
        assert "SECRET-1" not in str(caught.value)


def test_mark_is_passed_over_on_the_command_line_and_explained_in_the_library(folder: Path) -> None:
    """There dlt reads the file before this product can say how."""
    (folder / ".dlt" / "secrets.toml").write_bytes(b"\xef\xbb\xbf" + TOKEN_LINE)
    with pytest.raises(
        SettingError,
        match=r"^\.dlt/secrets\.toml, line 1: begins with a byte order mark; save it as UTF-8",
    ):
        load_settings()
    pass_over_marks()
    assert load_settings().access_token == "SECRET-1"


def test_wrong_line_behind_a_mark_has_its_own_number(folder: Path) -> None:
    """The mark is no line."""
    (folder / ".dlt" / "config.toml").write_bytes(
        b"\xef\xbb\xbf[sources.harvest]\nsweep_days = seven\n"
    )
    pass_over_marks()
    with pytest.raises(SettingError, match=r"^\.dlt/config\.toml, line 2: Invalid value"):
        load_settings()
