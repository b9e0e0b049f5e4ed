"""Renders docs/tables.md from the catalogue: every table, how it is loaded, and every column.

`python -m harvest_source.catalogue.docs` writes the page anew; a test says when it is stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from harvest_source.catalogue.columns.shared import ACCOUNT_ID
from harvest_source.catalogue.columns.types import Column, Kind, NestedList
from harvest_source.catalogue.reports import REPORTS, Paging, Report, parent_id_column

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"

SQL_TYPES = {
    Kind.ID: "bigint",
    Kind.DECIMAL: "decimal(20,6)",
    Kind.TEXT: "text",
    Kind.BOOL: "boolean",
    Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp with time zone",
}

INTRODUCTION = """\
# Tables and columns

Generated from the catalogue of reports by `python -m harvest_source.catalogue.docs`; edit the declarations, not this page.

- One table per report. `account_id` is part of every key, so several Harvest accounts share a dataset.
- A nested object stands flattened, with two underscores: `client` becomes `client__id` and `client__name`.
- A list becomes a child table, named after its table and the list: `invoices__line_items`.
- The tables of chosen reports exist after the first run, with the tables of their lists, also where a module is switched off or
  the token may not read them (of Parquet files the report's own). So does every declared column, even if all its values are null.
  All but the keys may be null.
- A table or column that was taken away by hand is made anew by the next run, and its report is read from the beginning: the run
  says so. What cannot be read again is lost: rows that Harvest no longer has, and what stood in the product's own tables.
- A field that Harvest adds later becomes a new column by itself, and the run's summary names it.
- `statement_key` and `client_key` open public pages without login: treat them as secrets.

dlt adds its own columns, described here once: `_dlt_load_id` (the load that wrote the row) and `_dlt_id` (the row, where
a table has it); in child tables also `_dlt_parent_id` (the `_dlt_id` of the row above) and `_dlt_list_idx` (the position
in the list, from 0)."""


def tables_page() -> str:
    """Returns the whole page of tables, Markdown with a newline at its end."""
    sections = [INTRODUCTION, "## All tables", _overview(), *(_section(report) for report in REPORTS)]
    return "\n\n".join(sections) + "\n"


def how_loaded(report: Report) -> str:
    """Returns one or two sentences on how a report's rows are asked for, on the first run and later."""
    if report.parent:
        singular = report.parent.column.removesuffix("_id")
        if report.parent.moves_parent:
            return (
                f"One request per {singular}: on the first run for every one, later for those changed since, and for each "
                "again within `sweep_days`."
            )
        return f"One request per {singular}, on every run."
    if not report.takes_updated_since:
        return "Whole, on every run."
    sentence = "Whole on the first run, later the rows changed since (`updated_since`), merged by key."
    if report.project_path:
        sentence += f' With `assignments = "project"`: one request per project, `/{_readable(report.project_path, "id")}`.'
    return sentence


def _overview() -> str:
    rows = (
        (
            f"[`{report.name}`](#{report.name})",
            report.domo or "beyond Domo",
            f"`{_endpoint(report)}`",
            _code(_whole_key(report)),
            _cursor(report),
            report.permission,
        )
        for report in REPORTS
    )
    return _table(("Table", "Report in Domo", "Endpoint", "Key", "Cursor", "Who may read all"), rows)


def _section(report: Report) -> str:
    facts = [
        f"- One row: {_lower_first(report.row)}",
        f"- Key: {_code(_whole_key(report))}.",
        f"- How it is loaded: {_lower_first(how_loaded(report))}",
    ]
    if report.from_start_date:
        facts.append("- The setting `start_date` holds for it.")
    if report.module:
        facts.append(f"- Only where `company.{report.module}` is true.")
    if report.cannot_notice:
        facts.append(f"- What its load cannot notice by itself: {_lower_first(report.cannot_notice)}")
    parts = [f"## {report.name}", "\n".join(facts), _columns(report.columns)]
    for nested in report.lists:
        parts.extend(_child_sections(report.name, _parent_id(report), nested))
    return "\n\n".join(parts)


def _child_sections(table: str, parent_id: Column, nested: NestedList) -> Iterator[str]:
    name = f"{table}__{nested.name}"
    yield f"### {name}"
    yield nested.description
    yield _columns((ACCOUNT_ID, parent_id, *nested.columns))
    for deeper in nested.nested:
        yield from _child_sections(name, parent_id, deeper)


def _parent_id(report: Report) -> Column:
    return Column(parent_id_column(report), Kind.ID, f"The `id` of the row of `{report.name}` that holds the list.")


def _whole_key(report: Report) -> tuple[str, ...]:
    return (ACCOUNT_ID.name, *report.key)


def _endpoint(report: Report) -> str:
    return "/" + _readable(report.path, report.parent.column if report.parent else "id")


def _readable(path: str, column: str) -> str:
    return path.replace("{parent_id}", f"{{{column}}}")


def _cursor(report: Report) -> str:
    if report.parent:
        return "its parent's" if report.parent.moves_parent else "none"
    return "`updated_at`" if report.takes_updated_since and report.paging is not Paging.NONE else "none"


def _columns(columns: Iterable[Column]) -> str:
    rows = ((f"`{column.name}`", SQL_TYPES[column.kind], column.description) for column in columns)
    return _table(("Column", "Type", "Meaning"), rows)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _lower_first(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def main(page: Path = PAGE) -> None:
    """Writes the page of tables."""
    page.write_text(tables_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
