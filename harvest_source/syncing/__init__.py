"""Keeps the warehouse equal to Harvest."""

from harvest_source.syncing.engine import sync
from harvest_source.syncing.summary import ReportResult, Summary

__all__ = ["ReportResult", "Summary", "sync"]
