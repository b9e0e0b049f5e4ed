"""What MariaDB and MySQL need beyond what dlt does for them; imported only where one is used."""

from __future__ import annotations

from typing import Any

from dlt.destinations.impl.sqlalchemy.type_mapper import MysqlVariantTypeMapper
from sqlalchemy.dialects.mysql import LONGTEXT, VARCHAR
from sqlalchemy.types import Text

# every letter, whatever the server's default is; and `aB` is not `Ab`, as in the ids by which dlt merges
LETTERS = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}


class ExactTexts(MysqlVariantTypeMapper):
    """Makes texts exact and without a limit: TEXT ends at 64 KB, and dlt keeps a schema in one that is longer (dlt 1.31)."""

    def db_type_from_text_type(self, column: Any, table: Any) -> Any:
        """Returns the type of a column of texts."""
        kind: Any = super().db_type_from_text_type(column, table)
        return LONGTEXT(**LETTERS) if isinstance(kind, Text) else VARCHAR(kind.length, **LETTERS)
