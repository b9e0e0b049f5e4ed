"""Finds settings that nobody reads: a misspelt one is refused, and a missing one is looked for where people put it by mistake.

Names are told, values never: each may be a secret.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.toml import SettingsTomlProvider
from dlt.common.configuration.specs import PluggableRunContext

from harvest_source.configuration import sections_of
from harvest_source.errors import SettingError
from harvest_source.settings_files import explained_files, shown_path

# with which dlt marks what stands in the user's own folder and not in that of the run
GLOBAL = "global:"
PROJECT_FOLDER = Path(__file__).parents[1]

Said = tuple[str, tuple[str, ...]]
"""A message with `{}` in place of each quote, and its quotes."""


def refuse_unread(known: Collection[str], source: str, pipeline_name: str | None) -> None:
    """Refuses keys directly in a source's section that no setting has, and names in the environment that are nearly right.

    Sections below it (`data_writer`, a resource's) are dlt's own, and other pipelines' are theirs.

    Args:
        known: names of the settings.
        source: whose section it is.
        pipeline_name: of the pipeline whose own section is looked through as well.

    Raises:
        SettingError: names each of them, its place and the nearest known one.
    """
    sections = sections_of(source, pipeline_name)
    unread = [*_unread_keys(known, sections), *_unread_variables(known, sections)]
    if unread:
        raise SettingError(
            "; ".join(said for said, _ in unread),
            quoted=[each for _, quoted in unread for each in quoted],
        )


def _unread_keys(known: Collection[str], sections: list[str]) -> Iterator[Said]:
    for provider in _files():
        for section in sections:
            path = section.split(".")
            for key, value in _table(provider, path).items():
                where, quoted = f"in [{section}] of {{}}", (key, _file_of(provider, [*path, key]))
                if key in known and isinstance(value, dict):
                    yield f"{{}} is a section {where}, where it takes a value", quoted
                elif key not in known and not isinstance(value, dict):
                    nearest = _nearest(key, known)
                    yield f"unknown setting {{}} {where}: {_advice(nearest, sorted(known))}", quoted


def _unread_variables(known: Collection[str], sections: list[str]) -> Iterator[Said]:
    for section in sections:
        front = section.replace(".", "__").upper() + "__"
        right = {_flat(front + name): front + name.upper() for name in known}
        for name in sorted(os.environ):
            nearly = right.get(_flat(name))
            if nearly == name:
                continue
            key = name.upper().removeprefix(front) if name.upper().startswith(front) else ""
            if nearly or (key and "__" not in key):
                nearest = _nearest(key, known)
                meant = nearly or (front + nearest.upper() if nearest else None)
                yield (
                    f"unknown setting {{}} in the environment: {_advice(meant, sorted(right.values()))}",
                    (name,),
                )


def _flat(name: str) -> str:
    return re.sub("_+", "_", name.upper())


def _nearest(key: str, known: Collection[str]) -> str | None:
    return next(iter(get_close_matches(key.lower().replace("-", "_"), known, 1)), None)


def _advice(nearest: str | None, known: list[str]) -> str:
    return f"did you mean {nearest}?" if nearest else f"known are {', '.join(known)}"


def _files() -> list[SettingsTomlProvider]:
    with explained_files():
        providers = Container()[PluggableRunContext].providers.providers
    return [each for each in providers if isinstance(each, SettingsTomlProvider)]


def _table(provider: SettingsTomlProvider, path: list[str]) -> dict[str, Any]:
    value = _value(provider, path)
    return value if isinstance(value, dict) else {}


def _value(provider: SettingsTomlProvider, path: list[str]) -> Any:
    *sections, key = path
    return provider.get_value(key, dict, "", *sections)[0]


def _file_of(provider: SettingsTomlProvider, path: list[str]) -> str:
    *sections, key = path
    is_global = provider.get_value_location(key, None, *sections).startswith(GLOBAL)
    return shown_path(provider.present_locations[-1 if is_global else 0])


def strays(known: Collection[str], source: str) -> list[str]:
    """Returns a line for each setting that stands in a file outside of its section, where it may be another program's."""
    return [
        f"{name} stands outside of [sources.{source}] in {_file_of(provider, [*path, name])} and does not count: move it there"
        for provider in _files()
        for path in ([], ["sources"])
        for name in known
        if _value(provider, [*path, name]) is not None
    ]


def where_looked(name: str, source: str) -> str:
    """Returns where a secret that is not set was looked for, and what was found there instead.

    Args:
        name: of the setting.
        source: in whose section it would stand.
    """
    section = f"sources.{source}"
    variable = f"{section}.{name}".replace(".", "__").upper()
    said = (
        f"looked for {variable} in the environment ({_seen_in_environment(name, variable, source)})"
    )
    for provider in _files():
        if provider.supports_secrets:
            file = Path(provider.locations[0]).absolute()
            said += (
                f" and for {name} in [{section}] of {file} ({_seen_in_file(file, name, section)})"
            )
    return said


def _seen_in_environment(name: str, variable: str, source: str) -> str:
    if variable in os.environ:
        return "it is empty"
    bare = {name.upper(), f"SOURCES__{name}".upper()}
    alike = [
        each
        for each in sorted(os.environ)
        if each in bare or (name.upper() in each and source.upper() in each)
    ]
    return f"not set; {', '.join(alike)} does not count" if alike else "not set"


def _seen_in_file(file: Path, name: str, section: str) -> str:
    if not file.is_file():
        return _seen_instead(file)
    document: Any = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    table = document
    for part in section.split("."):
        table = table.get(part, {}) if isinstance(table, dict) else {}
    if name in table:
        return "it is empty"
    here = ", ".join(table) if isinstance(table, dict) else ""
    elsewhere = ", ".join(_outline(document))
    return (
        f"there is only {here}"
        if here
        else f"not there; the file has {elsewhere or 'no line that counts'}"
    )


def _seen_instead(file: Path) -> str:
    """Returns what is near a file that is not there: one of nearly its name, or one of its name in another folder."""
    said = "no such file" if file.parent.is_dir() else f"no folder {file.parent.name} here"
    names = sorted(each.name for each in file.parent.glob("*"))
    alike = [
        each for each in names if file.stem[:-1] in each.lower() and not each.endswith(".example")
    ]
    said += f", but {', '.join(alike)}" if alike else ""
    folders = dict.fromkeys((*file.parents[1].parents, PROJECT_FOLDER))
    # a folder that may not be entered is no error here, as it would be with Path.is_file
    others = [folder for folder in folders if os.path.isfile(folder / file.parent.name / file.name)]  # noqa: PTH113
    return said + (f"; there is one in {others[0]}: start the command there" if others else "")


def _outline(table: dict[str, Any], front: str = "") -> Iterator[str]:
    """Yields the keys and sections of a toml file, without a value."""
    if front and any(not isinstance(value, dict) for value in table.values()):
        yield f"[{front}]"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _outline(value, f"{front}.{key}" if front else key)
        elif not front:
            yield key
