"""The files `.dlt/secrets.toml` and `.dlt/config.toml`: passes over a mark before the first line, and says what else is wrong.

What stands in them is never repeated: it may be a secret, also where it stands in the wrong place.
"""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dlt
import tomlkit
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.providers import (
    ConfigTomlProvider,
    EnvironProvider,
    SecretsTomlProvider,
)
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.providers.toml import TomlProviderReadException
from dlt.common.configuration.specs import PluggableRunContext
from dlt.common.runtime.run_context import RunContext

from harvest_source.dlt_corners import TomlProvider
from harvest_source.errors import SettingError

MARK = codecs.BOM_UTF8
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SECRETS = "secrets.toml"
FILES = (SECRETS, "config.toml")
SAVE_AS = "save it as UTF-8"
NO_TEXT = ("Invalid value", "Expected newline or end of document after a statement")
QUOTES = '; text stands in quotes: key = "text"'


class _WithoutMark(TomlProvider):
    """Reads a file without the mark that editors on Windows put before the first line; others as dlt does."""

    def read_file(self, path: str) -> tomlkit.TOMLDocument:
        if not _begins_with_mark(Path(path)):
            return super().read_file(path)
        return tomlkit.parse(Path(path).read_text(encoding="utf-8-sig"))


class _Secrets(_WithoutMark, SecretsTomlProvider): ...


class _Config(_WithoutMark, ConfigTomlProvider): ...


class _Context(RunContext):
    """dlt's own context, with files that may begin with a mark."""

    def initial_providers(self) -> list[ConfigProvider]:
        places = (self.settings_dir, self.global_dir)
        return [EnvironProvider(), _Secrets(*places), _Config(*places)]


def pass_over_marks() -> None:
    """Has dlt read files of settings that begin with a byte order mark; to be called before anything is read.

    Where no file has one, dlt's own way to read them is left alone.
    """
    folder = Path(RunContext(None).settings_dir)
    if not any(_begins_with_mark(folder / name) for name in FILES):
        return
    with suppress(ConfigurationException):  # of another line: whoever reads a setting is told
        Container()[PluggableRunContext] = PluggableRunContext(_Context(None))


def providers() -> list[ConfigProvider]:
    """Returns where settings are read from, the first that counts in front, without dlt beginning its work.

    Raises:
        ConfigurationException: a file cannot be read.
    """
    return _Context(None).initial_providers()


def _begins_with_mark(file: Path) -> bool:
    try:
        return file.read_bytes().startswith(MARK)
    except OSError:
        return False


@contextmanager
def explained_files() -> Iterator[None]:
    """Turns what dlt says of a file that cannot be read into file, line and reason.

    Raises:
        SettingError: in place of dlt's own error.
    """
    try:
        yield
    except TomlProviderReadException as error:
        reasons = {
            shown_path(path): reason for path in error.full_paths if (reason := _reason(Path(path)))
        }
        reasons = reasons or {error.file_name: " cannot be read"}
        raise SettingError(
            "; ".join(f"{{}}{reason}" for reason in reasons.values()), quoted=list(reasons)
        ) from error


def secrets_files() -> list[Path]:
    """Returns the files of secrets that are read: of the folder of the run, and of dlt's own folder."""
    context = dlt.current.run_context()
    return [
        file
        for folder in (context.settings_dir, context.global_dir)
        if _is_seen(file := Path(folder, SECRETS))
    ]


def _is_seen(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # in the home of another user
        return False


def shown_path(path: str) -> str:
    """Returns a path as a person reads it: from the folder of the run on where it lies there."""
    whole = Path(path).absolute()
    return str(whole.relative_to(Path.cwd())) if whole.is_relative_to(Path.cwd()) else str(whole)


def _reason(file: Path) -> str | None:
    """Returns line and reason, `None` where a file can be read or is not there."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f" cannot be read: {error.strerror}"
    if content.startswith(UTF16_MARKS) or b"\0" in content:
        return f", line 1: is saved in UTF-16; {SAVE_AS}"
    try:
        tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        return f", line {line}: holds a sign that is not UTF-8; {SAVE_AS}"
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        line = (
            int(where.split()[1].rstrip(","))
            if where.startswith("line")
            else 1 + content.rstrip().count(b"\n")
        )
        return f", line {line}: {what}{QUOTES if what in NO_TEXT else ''}"
    return (
        f", line 1: begins with a byte order mark; {SAVE_AS} without one"
        if content.startswith(MARK)
        else None
    )
