"""What is known of a figure beside its SQL."""

from __future__ import annotations

from dataclasses import dataclass

from harvest_source.catalogue.columns.types import Column
from harvest_source.catalogue.docs import lower_first


@dataclass(frozen=True)
class Figure:
    """One figure: a select over the tables, and what its rows and columns mean.

    A `Kind.DECIMAL` may have more digits here than in a table: a product of two columns is not rounded.
    """

    name: str  # of the figure, its file and its view
    question: str  # that it answers, in one line
    row: str  # what one row is
    key: tuple[str, ...]  # what tells a row from all others
    columns: tuple[Column, ...]  # in the order of the select
    # whether it counts all that ever was, so that rows before the setting `start_date` are missing in it
    counts_to_date: bool = False
    equals: str = ""  # the numbers of Harvest's that it equals
    differs: tuple[str, ...] = ()  # where it does otherwise than Harvest by intent, and why

    @property
    def meaning(self) -> str:
        """Returns what it answers, and what one row is."""
        return f"{self.question} One row: {lower_first(self.row)}"
