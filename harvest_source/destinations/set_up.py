"""What it means to a person that a destination cannot be used as it is set up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.exceptions import UnknownDestinationModule
from dlt.common.exceptions import MissingDependencyException

from harvest_source.about import page
from harvest_source.destinations.abilities import install_line
from harvest_source.errors import SettingError, first_line
from harvest_source.settings_files import explained_files

SETTINGS_PAGE = "docs/destinations.md"


@contextmanager
def setting_errors(destination: str) -> Iterator[None]:
    """Turns what dlt says of a destination that cannot be used as it is set up into one line.

    Raises:
        SettingError: in place of dlt's own errors.
    """
    try:
        with explained_files():
            yield
    except UnknownDestinationModule as error:
        raise SettingError(
            f"destination {{}} is not known to dlt {_dlt_version()}: try duckdb, postgres, bigquery, filesystem",
            quoted=(repr(destination),),
        ) from error
    except (MissingDependencyException, ImportError) as error:
        raise SettingError(
            f"destination {destination} needs a package: {install_line(destination)}"
        ) from error
    except ConfigurationException as error:
        raise SettingError(
            f"destination {destination} is not set up: {{}} ({{}} has the lines to copy)",
            quoted=(first_line(error), page(SETTINGS_PAGE)),
        ) from error
    except OSError as error:
        raise SettingError(
            "cannot write here: {} ({})",
            quoted=(error.strerror or error, error.filename or Path.cwd()),
        ) from error


def _dlt_version() -> str:
    try:
        return version("dlt")
    except PackageNotFoundError:
        return ""
