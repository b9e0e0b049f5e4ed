"""Reads reports from Harvest, completely, and makes rows of what came."""
