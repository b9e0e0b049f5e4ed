"""Describes the catalogue in Markdown: every table, how it is loaded, and every column. `docs/generate.py` writes the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harvest_source.catalogue.columns.shared import ACCOUNT_ID
from harvest_source.catalogue.columns.types import Column, Kind, NestedList
from harvest_source.catalogue.report import Paging, Report, parent_id_column
from harvest_source.catalogue.reports import REPORTS

SQL_TYPES = {
    Kind.ID: "bigint",
    Kind.DECIMAL: "decimal(20,6)",
    Kind.TEXT: "text",
    Kind.BOOL: "boolean",
    Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp with time zone",
}


def tables_part() -> str:
    """Returns the table of all tables, and a section for each, in Markdown."""
    return "\n\n".join(["## All tables", _overview(), *(_section(report) for report in REPORTS)])


def how_loaded(report: Report) -> str:
    """Returns one or two sentences on how a report's rows are asked for, on the first run and later."""
    if report.parent:
        singular = report.parent.singular
        if report.parent.moves_parent:
            return (
                f"One request per {singular}: on the first run for every one, later for those changed since, and for each "
                "again within `sweep_days`."
            )
        return f"One request per {singular}, on every run."
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
            _code(report.whole_key),
            _cursor(report),
            str(report.access),
        )
        for report in REPORTS
    )
    return table(("Table", "Report in Domo", "Endpoint", "Key", "Cursor", "Who may read all"), rows)


def _section(report: Report) -> str:
    facts = [
        f"- One row: {_lower_first(report.row)}",
        f"- Key: {_code(report.whole_key)}.",
        f"- How it is loaded: {_lower_first(how_loaded(report))}",
    ]
    if report.from_start_date:
        facts.append("- The setting `start_date` holds for it.")
    if report.module:
        facts.append(f"- Only where `company.{report.module}` is true.")
    if report.cannot_notice:
        facts.append(
            f"- What its load cannot notice by itself: {_lower_first(report.cannot_notice)}"
        )
    parts = [f"## {report.name}", "\n".join(facts), _columns(report.columns)]
    for nested in report.lists:
        parts.extend(_child_sections(report.name, _parent_id(report), nested))
    return "\n\n".join(parts)


def _child_sections(table: str, parent_id: Column, nested: NestedList) -> Iterator[str]:
    name = f"{table}__{nested.name}"
    yield f"### {name}"
    yield nested.description
    yield _columns((ACCOUNT_ID, parent_id, *nested.columns))


def _parent_id(report: Report) -> Column:
    return Column(
        parent_id_column(report),
        Kind.ID,
        f"The `id` of the row of `{report.name}` that holds the list.",
    )


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


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _lower_first(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
