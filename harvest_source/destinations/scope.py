"""Which rows of a table a question is about, as data: SQL is made of it here, and a store without SQL could answer it as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from harvest_source.catalogue.hints import DELETED_AT

Operator = Literal["=", "<>", "<", "<=", ">=", "in", "not in"]


class Condition(NamedTuple):
    """What a value of a row must be; a row without a value meets none but that it has none."""

    column: str
    operator: Operator
    # `None` with `=` or `<>`: there is no value, or there is one; whole numbers in a list with `in` and `not in`
    value: Any


@dataclass(frozen=True)
class Scope:
    """Rows that meet all of some conditions."""

    conditions: tuple[Condition, ...] = ()

    def where(self, column: str, operator: Operator, value: Any) -> Scope:
        """Returns those of the rows that meet one more condition."""
        return Scope((*self.conditions, Condition(column, operator, value)))

    def of(self, account_id: int) -> Scope:
        """Returns those of the rows that are an account's."""
        return self.where("account_id", "=", account_id)


EVERY_ROW = Scope()
LIVE = EVERY_ROW.where(DELETED_AT, "=", None)  # there at Harvest
MARKED = EVERY_ROW.where(DELETED_AT, "<>", None)  # gone at Harvest, and kept


def sql_of(scope: Scope, escape: Callable[[str], str]) -> tuple[str, list[Any]]:
    """Returns the condition of a scope in SQL, and what stands for each `%s` in it; nothing for every row.

    Args:
        scope: the rows.
        escape: writes the name of a column as the database wants it.
    """
    texts, values = [], list[Any]()
    for column, operator, value in scope.conditions:
        if value is None:
            text = "is null" if operator == "=" else "is not null"
        elif operator in {"in", "not in"}:
            text = f"{operator} ({', '.join(str(int(each)) for each in value)})"
        elif type(value) is int:
            text = f"{operator} {value}"
        else:
            text = f"{operator} %s"
            values.append(value)
        texts.append(f"{escape(column)} {text}")
    return " and ".join(texts), values
