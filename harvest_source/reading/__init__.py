"""Reads reports from Harvest completely, and makes rows of what came.

Offers readings: complete answers of one report and account, kept on disk, whose records become rows of declared types. May import
the API and the catalogue; knows nothing of dlt's resources, and asks no destination.
"""
