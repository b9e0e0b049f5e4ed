"""Describes the figures in Markdown; `docs/generate.py` writes the page."""

from __future__ import annotations

from harvest_source.catalogue.docs import SQL_TYPES, code, lower_first, table
from harvest_source.figures.figure import Figure
from harvest_source.figures.figures import FIGURES
from harvest_source.figures.sql import tables_of


def figures_part() -> str:
    """Returns the table of all figures, and a section for each, in Markdown."""
    rows = ((f"[`{each.name}`](#{each.name})", each.question) for each in FIGURES)
    overview = table(("Figure", "Question"), rows)
    return "\n\n".join(["## All figures", overview, *(_section(each) for each in FIGURES)])


def _section(figure: Figure) -> str:
    facts = [
        f"- One row: {lower_first(figure.row)}",
        f"- Key: {code(figure.key)}.",
        f"- Reads: {code(tables_of(figure.name))}.",
    ]
    if figure.counts_to_date:
        facts.append(
            "- With the setting `start_date`: too small, since it counts all that came before."
        )
    if figure.equals:
        facts.append(f"- Equals {figure.equals}")
    facts.extend(f"- By intent: {each}" for each in figure.differs)
    columns = (
        (f"`{each.name}`", SQL_TYPES[each.kind].partition("(")[0], each.description)
        for each in figure.columns
    )
    return "\n\n".join(
        [
            f"## {figure.name}",
            figure.question,
            "\n".join(facts),
            table(("Column", "Type", "Meaning"), columns),
        ]
    )
