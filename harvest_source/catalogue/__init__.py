"""Holds every fact of a report: endpoint, key, columns, who may read it, and what dlt is told of its table.

Code, commands, documents and tests are made from it. It sends nothing and loads nothing, and imports no other room.
"""
