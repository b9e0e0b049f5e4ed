"""Has ZetaSQL analyse statements, in its own environment, which `.ci/install-zetasql` makes.

Standard input is JSON: `dataset`, its `tables` (name: column: type) and `statements` by name. Standard output is JSON, too: the
`columns` of each statement with their types, or the `error` for which it is refused. Types are those of BigQuery, as `INT64`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from zetasql.api import Analyzer, CatalogBuilder, TableBuilder
from zetasql.core.exceptions import ZetaSQLError
from zetasql.types import (
    AnalyzerOptions,
    LanguageOptions,
    ProductMode,
    TypeKind,
    ZetaSQLBuiltinFunctionOptions,
)

PREFIX = "TYPE_"


def main() -> None:
    """Answers what is asked."""
    order = json.load(sys.stdin)
    language = LanguageOptions.maximum_features()
    language.product_mode = (
        ProductMode.PRODUCT_EXTERNAL
    )  # as BigQuery, without types of Google's own house
    functions = ZetaSQLBuiltinFunctionOptions(language_options=language)
    catalog = CatalogBuilder("project").with_builtin_functions(functions).build()
    catalog.catalog = [_dataset(order["dataset"], order["tables"])]
    analyzer = Analyzer(AnalyzerOptions(language_options=language), catalog)
    answers = {name: _answer(analyzer, sql) for name, sql in order["statements"].items()}
    json.dump(answers, sys.stdout)


def _dataset(name: str, tables: dict[str, dict[str, str]]) -> Any:
    dataset = CatalogBuilder(name)
    for table, columns in tables.items():
        builder = TableBuilder(table)
        for column, kind in columns.items():
            builder.add_column(column, TypeKind[PREFIX + kind])
        dataset.add_table(builder.build())
    return dataset.build()


def _answer(analyzer: Any, sql: str) -> dict[str, Any]:
    try:
        statement = analyzer.analyze_statement(sql)
    except ZetaSQLError as error:
        return {"error": str(error)}
    return {
        "columns": [
            [each.name, TypeKind(each.column.type.type_kind).name.removeprefix(PREFIX)]
            for each in statement.output_column_list
        ]
    }


if __name__ == "__main__":
    main()
