"""Where a command works: which pipeline, destination and folder, and dlt's defaults for them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
from dlt.common.destination import Destination
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.common.storages import WithLocalFiles

from harvest_source.about import DATASET_NAME
from harvest_source.commands.output import message
from harvest_source.destinations.abilities import settle_destination
from harvest_source.destinations.defaults import apply_dlt_defaults, apply_load_workers
from harvest_source.destinations.set_up import setting_errors
from harvest_source.errors import SettingError
from harvest_source.file_modes import made_for_owner, set_modes
from harvest_source.loading.damage import remove_unreadable
from harvest_source.settings import PIPELINE_NAME, SECTION, load_share_with_group

DEMO_NAME = "harvest_demo"
STATE_FOLDER = Path(".dlt") / "state"
NORMALIZES = "enable_dataset_name_normalization"  # dlt's setting


@dataclass(frozen=True)
class Workplace:
    """What the options common to all commands say."""

    demo: bool = False
    destination: str = "duckdb"
    dataset: str = DATASET_NAME
    account: str | None = None
    quiet: bool = False
    verbose: bool = False

    @property
    def pipeline_name(self) -> str:
        """Returns the name of the pipeline."""
        return DEMO_NAME if self.demo else PIPELINE_NAME

    @property
    def state_folder(self) -> Path:
        """Returns the folder of the working state: in the folder of the run, apart for each destination and dataset."""
        return self.states_folder / f"{self.destination.replace('/', '_')}__{self.stored_dataset}"

    @property
    def base_folder(self) -> Path:
        """Returns the folder in which everything is made: the current one, or dlt's where `DLT_DATA_DIR` is set."""
        return self.states_folder.parent if os.environ.get("DLT_DATA_DIR") else Path.cwd()

    @property
    def states_folder(self) -> Path:
        """Returns the folder of all working states, and of what they share."""
        return (
            Path(get_dlt_pipelines_dir())
            if os.environ.get("DLT_DATA_DIR")
            else STATE_FOLDER.absolute()
        )

    @property
    def shares_with_group(self) -> bool:
        """Returns whether the group may read what a command leaves on this machine; the demo takes no settings.

        Raises:
            SettingError: as `load_share_with_group`.
        """
        return not self.demo and load_share_with_group()

    @property
    def stored_dataset(self) -> str:
        """Returns the name under which the destination keeps the dataset: dlt writes `My Data` as `my_data`."""
        settings = (f"destination.{self.destination}.{NORMALIZES}", f"destination.{NORMALIZES}")
        if any(dlt.config.get(name, bool) is False for name in settings):
            return self.dataset
        return dlt.Schema(SECTION).naming.normalize_table_identifier(self.dataset)

    def pipeline(self, folder: Path | None = None) -> dlt.Pipeline:
        """Returns the pipeline.

        Args:
            folder: of its working state; default: that of runs.

        Raises:
            SettingError: the destination is unknown, its package or its credentials are missing, the folder is read-only,
                or a `.dlt` file cannot be read.
        """
        with setting_errors(self.destination):
            apply_dlt_defaults(verbose=self.verbose)
            destination = self._destination()  # one that there is not leaves no folder behind
            apply_load_workers(destination)
            shares = self.shares_with_group
            with made_for_owner(share_with_group=shares):
                if folder is None:
                    folder = self.state_folder
                    self._mend(folder)
                    folder.mkdir(parents=True, exist_ok=True)
                    set_modes(
                        folder if os.environ.get("DLT_DATA_DIR") else self.states_folder,
                        share_with_group=shares,
                    )
                pipeline = dlt.pipeline(
                    self.pipeline_name,
                    destination=destination,
                    dataset_name=self.dataset,
                    pipelines_dir=str(folder),
                )
            settle_destination(pipeline)
        return pipeline

    def _mend(self, folder: Path) -> None:
        damaged = remove_unreadable(folder, self.pipeline_name)
        if damaged:
            message(
                f"the working state in {folder} could not be read ({damaged}): it is rebuilt from the destination"
            )

    def _destination(self) -> Destination[Any, Any]:
        if self.demo and self.destination == "duckdb":
            # named as a text, dlt would take it for an address first, which SQLAlchemy reads where it is installed
            return in_this_folder(dlt.destinations.duckdb({"database": f"{DEMO_NAME}.duckdb"}))
        destination = Destination.from_reference(self.destination)
        if destination is None:
            raise SettingError("--destination is empty: try duckdb, postgres, bigquery, filesystem")
        destination.client_class  # noqa: B018 - imports its package, so that a missing one is said before missing settings
        return in_this_folder(destination)


def in_this_folder(destination: Destination[Any, Any]) -> Destination[Any, Any]:
    """Has relative paths of a destination count from the folder of this run.

    dlt counts them from the folder of the first run, which its state keeps: that of a copied folder would lead to the original.
    """
    if issubclass(destination.spec, WithLocalFiles):
        destination.config_params["local_dir"] = str(
            Path(dlt.current.run_context().local_dir).absolute()
        )
    return destination
