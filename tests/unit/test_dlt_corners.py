"""What is private to dlt is touched in one file only: a release of dlt that moves it is followed there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import harvest_source

PACKAGE = Path(harvest_source.__file__).parent
CORNERS = PACKAGE / "dlt_corners.py"
FILES = sorted(set(PACKAGE.rglob("*.py")) - {CORNERS})
NAMES_OF_DLT = re.compile(
    r"_dlt\b|_dlt_|\bx-(normalizer|bigquery|loader|insert)|_version_hash|_state_version|initial_cwd"
)


def corners_in(source: str) -> Iterator[str]:
    """Yields what a file touches of dlt that is private: attributes of another's, and names that only dlt makes."""
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # doc strings
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
        ):
            if not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}):
                yield f"line {node.lineno}: .{node.attr}"
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
        ):
            yield from (
                f"line {node.lineno}: {found[0]}" for found in NAMES_OF_DLT.finditer(node.value)
            )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dlt"):
            yield from (
                f"line {node.lineno}: {name.name}"
                for name in node.names
                if name.name.startswith("_")
            )


def test_no_other_file_touches_what_is_private_to_dlt() -> None:
    """Private names of this product's own objects are not touched from outside either."""
    found = {
        str(file.relative_to(PACKAGE)): list(corners_in(file.read_text(encoding="utf-8")))
        for file in FILES
    }
    assert {name: corners for name, corners in found.items() if corners} == {}


def test_the_search_finds_each_kind_of_corner() -> None:
    lines = (
        '"""Prose: _dlt_id."""',
        "pipeline._x()",
        "from dlt.extract import _y",
        'f"select _dlt_id from {self._z}"',
        'a["x-normalizer"]',
    )
    source = "\n".join(lines)
    assert sorted(corners_in(source)) == [
        "line 2: ._x",
        "line 3: _y",
        "line 4: _dlt_",
        "line 5: x-normalizer",
    ]
    assert len(list(corners_in(CORNERS.read_text(encoding="utf-8")))) > len(
        list(corners_in(source))
    )
