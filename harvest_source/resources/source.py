"""The dlt source: the resources of all reports, with the way to Harvest that they share."""

from __future__ import annotations

from typing import Any, Self, cast

import dlt
from dlt.common.schema import Schema
from dlt.extract import DltResource

from harvest_source.catalogue.hints import resource_hints
from harvest_source.catalogue.lookup import reports_as_set
from harvest_source.connection import Connection
from harvest_source.resources.children import child_resources
from harvest_source.resources.extraction import Extractions
from harvest_source.resources.lists import list_resource
from harvest_source.resources.reports import report_resource
from harvest_source.settings import SECTION


class Resources(list[DltResource]):
    """The resources of a source, with the way to Harvest that they share."""

    def __init__(self, connection: Connection, resources: list[DltResource]) -> None:
        super().__init__(resources)
        self.connection = connection


class HarvestSource(dlt.sources.DltSource):
    """The dlt source of Harvest, with the way to Harvest at hand for `sync`."""

    connection: Connection

    @classmethod
    def from_data(cls, schema: Schema, section: str, data: Any) -> Self:
        """Returns the source of resources; dlt calls it with what the decorated function returns."""
        source = super().from_data(schema, section, data)
        source.connection = data.connection
        return source

    def clone(self, with_name: str | None = None) -> HarvestSource:
        """Returns a copy, as dlt makes one for every choice of resources."""
        copy = HarvestSource(
            self.schema.clone(with_name=with_name or self.name),
            self.section,
            list(self.resources.values()),
        )
        copy.connection = self.connection
        return copy

    def __deepcopy__(self, _memo: Any) -> HarvestSource:
        return self.clone()  # the way to Harvest is shared: its connections and locks have no copy

    def with_resources(self, *resource_names: str) -> HarvestSource:
        """Returns a copy with only the named resources selected."""
        return cast("HarvestSource", super().with_resources(*resource_names))


def build_resources(connection: Connection) -> Resources:
    """Returns the resources of all reports; parents of children are unselected resources of their own."""
    extractions = Extractions(connection)
    resources: list[DltResource] = []
    keep_deleted = connection.settings.keeps_deleted
    for report in reports_as_set(connection.settings.assignments).values():
        hints = resource_hints(report, keep_deleted=keep_deleted, merges=True)
        if report.parent:
            resources += child_resources(extractions, report, hints)
        else:
            make = report_resource if report.spans else list_resource
            resources.append(make(extractions, report, hints))
    return Resources(connection, resources)


def source_of(connection: Connection) -> HarvestSource:
    """Returns the source of a way to Harvest that is there already; `harvest_source` makes one from settings."""
    source = HarvestSource.from_data(Schema(SECTION), SECTION, build_resources(connection))
    source.root_key = True
    return source
