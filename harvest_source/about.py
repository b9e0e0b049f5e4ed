"""What the product says of itself: its version, how it is called, where its pages lie, what an extra of the package brings."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

VERSION = "0.1.0"  # the one place: pyproject.toml reads it here, CHANGELOG.md says what is in it
NAME = "harvest-pipeline"  # of the package, and of the command that it installs
USER_AGENT = f"{NAME}/{VERSION}"
FOLDER = Path(__file__).parents[1]  # a clone's, or that of all installed packages
DATASET_NAME = "harvest"  # of the tables, where no other is named
EXAMPLE = ".dlt/secrets.toml.example"


def called(program: str, folder: Path) -> str:
    """Returns how a person starts the command line.

    Args:
        program: what was started, the first word of `sys.argv`; a user's own program where this is a library.
        folder: in which the package lies.
    """
    is_clone = (folder / "requirements.txt").is_file()
    return (
        "python harvest_pipeline.py"
        if is_clone and not Path(program).name.startswith(NAME)
        else NAME
    )


COMMAND = called(sys.argv[0], FOLDER)


def page(name: str) -> str:
    """Returns where a file that belongs to a clone is to be found: there by its name, else where the package put it."""
    installed = pages_folder() / name
    return str(installed) if not (FOLDER / name).is_file() and installed.is_file() else name


@cache
def pages_folder() -> Path:
    """Returns the folder in which the pages of an installed package are."""
    import sysconfig  # noqa: PLC0415 - few messages name a page, and every command imports this file

    return Path(sysconfig.get_path("data"), "share", "doc", NAME)


def needed_for(name: str) -> list[str]:
    """Returns what an extra of the installed package asks for; nothing where there is no such extra, or no package."""
    from importlib.metadata import PackageNotFoundError, requires  # noqa: PLC0415 - as above

    try:
        return [
            each.partition(";")[0].strip()
            for each in requires(NAME) or ()
            if each.endswith(f'; extra == "{name}"')
        ]
    except PackageNotFoundError:
        return []
