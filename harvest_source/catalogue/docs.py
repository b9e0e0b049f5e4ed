"""Describes the catalogue in Markdown: every table, how it is loaded, and every column. `docs/generate.py` writes the page."""

from __future__ import annotations

from collections.abc import Iterable

from harvest_source.catalogue.columns.types import Column, Kind
from harvest_source.catalogue.lookup import ALL_REPORTS
from harvest_source.catalogue.report import Paging, Report, Spans
from harvest_source.catalogue.tables import Reference, Table, all_tables, tables_of

SQL_TYPES = {
    Kind.ID: "bigint",
    Kind.DECIMAL: "decimal(20,6)",
    Kind.TEXT: "text",
    Kind.BOOL: "boolean",
    Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp with time zone",
}

SPANS = {
    Spans.PERIODS: "Only when it is named. One request per span; for one that is over, later only if something in it changed.",
    Spans.YEARS: "Only when it is named. One request per year, every year on every run.",
    Spans.PRESENT: "Whole, in one request, on every run.",
}


def tables_part() -> str:
    """Returns the table of all tables, and a section for each, in Markdown."""
    return "\n\n".join(
        ["## All tables", _overview(), *(_section(report) for report in ALL_REPORTS)]
    )


def how_loaded(report: Report) -> str:
    """Returns one or two sentences on how a report's rows are asked for, on the first run and later."""
    if report.parent:
        return (
            f"One request per {report.parent.singular}: on the first run for every one, later for those changed since, and for "
            "each again in its turn (`sweep_days`)."
        )
    if report.spans:
        return SPANS[report.spans]
    if not report.takes_updated_since:
        return "Whole, on every run."
    sentence = (
        "Whole on the first run, later the rows changed since (`updated_since`), merged by key."
    )
    if report.project_path:
        sentence += f' With `assignments = "project"`: one request per project, `/{_readable(report.project_path, "id")}`.'
    return sentence


def _overview() -> str:
    rows = (
        (
            f"[`{report.name}`](#{report.name})",
            report.domo or "beyond Domo",
            f"`{_endpoint(report)}`",
            code(report.whole_key),
            _cursor(report),
            str(report.access),
        )
        for report in ALL_REPORTS
    )
    return table(("Table", "Report in Domo", "Endpoint", "Key", "Cursor", "Who may read all"), rows)


def _section(report: Report) -> str:
    facts = [
        f"- One row: {lower_first(report.row)}",
        f"- Key: {code(report.whole_key)}.",
        f"- How it is loaded: {lower_first(how_loaded(report))}",
    ]
    if report.from_start_date:
        facts.append("- The setting `start_date` holds for it.")
    if report.module:
        facts.append(f"- Only where `company.{report.module}` is true.")
    if report.module_list:
        facts.append("- Only where the account has [paid time off](#paid-time-off).")
    if report.cannot_notice:
        facts.append(
            f"- What its load cannot notice by itself: {lower_first(report.cannot_notice)}"
        )
    own, *lists = tables_of(report)
    facts += _refers(own)
    parts = [f"## {own.name}", "\n".join(facts), _columns(own.columns)]
    for each in lists:
        parts += [f"### {each.name}", each.description, *_refers(each), _columns(each.columns)]
    return "\n\n".join(parts)


def _refers(of: Table) -> list[str]:
    """Returns the fact of the tables that a table refers to, if there are any."""
    listed = ", ".join(f"`{each.column}` to [`{each.to}`](#{each.to})" for each in of.references)
    return [f"- Refers by {listed}."] if listed else []


def references_part() -> str:
    """Returns the diagram of all references, as Mermaid draws it; from left to right it fits a page."""
    lines = (_line(reference) for each in all_tables() for reference in each.references)
    return "\n".join(["```mermaid", "erDiagram", "    direction LR", *lines, "```"])


def _line(reference: Reference) -> str:
    """Returns the line of a reference: how many rows have the id of one, and that there may be none with it."""
    many = "|o" if reference.is_key else "}o"
    return f"    {reference.table} {many}--o| {reference.to} : {reference.column}"


def _endpoint(report: Report) -> str:
    return "/" + _readable(report.path, report.linked_by or "id")


def _readable(path: str, column: str) -> str:
    return path.replace("{parent_id}", f"{{{column}}}")


def _cursor(report: Report) -> str:
    if report.parent:
        return "its parent's" if report.parent.moves_parent else "none"
    return (
        "`updated_at`"
        if report.takes_updated_since and report.paging is not Paging.NONE
        else "none"
    )


def _columns(columns: Iterable[Column]) -> str:
    rows = ((f"`{column.name}`", SQL_TYPES[column.kind], column.description) for column in columns)
    return table(("Column", "Type", "Meaning"), rows)


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Returns a table in Markdown."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def code(names: Iterable[str]) -> str:
    """Returns names as code, one after another."""
    return ", ".join(f"`{name}`" for name in names)


def lower_first(sentence: str) -> str:
    """Returns a sentence as it stands behind a colon."""
    return sentence[0].lower() + sentence[1:]
