"""What the product says of itself fits how it was started and where it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvest_source import about

CLONE, INSTALLED = "clone", "site-packages"
CASES = {
    "the file in a clone": ("/work/clone/harvest_pipeline.py", CLONE, "python harvest_pipeline.py"),
    "a program of the user's, by a clone": ("load.py", CLONE, "python harvest_pipeline.py"),
    "the command, installed from a clone to be edited": (
        "/venv/bin/harvest-pipeline",
        CLONE,
        "harvest-pipeline",
    ),
    "the command": ("/venv/bin/harvest-pipeline", INSTALLED, "harvest-pipeline"),
    "the command on Windows": ("harvest-pipeline.exe", INSTALLED, "harvest-pipeline"),
    "a program of the user's, by the package": ("/venv/bin/airflow", INSTALLED, "harvest-pipeline"),
    "the module": ("/venv/lib/harvest_pipeline.py", INSTALLED, "harvest-pipeline"),
}


@pytest.mark.parametrize("case", CASES)
def test_command_is_named_as_it_is_called(tmp_path: Path, case: str) -> None:
    program, place, named = CASES[case]
    for folder in (CLONE, INSTALLED):
        (tmp_path / folder).mkdir()
    (tmp_path / CLONE / "requirements.txt").touch()
    assert about.called(program, tmp_path / place) == named


def test_page_lies_in_the_clone_or_where_the_package_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where it was not put anywhere, its name in the clone is said."""
    assert about.page("docs/tables.md") == "docs/tables.md"
    monkeypatch.setattr(about, "FOLDER", tmp_path / INSTALLED)
    monkeypatch.setattr(about, "pages_folder", lambda: tmp_path / "doc")
    assert about.page("docs/tables.md") == "docs/tables.md"
    page = tmp_path / "doc" / "docs" / "tables.md"
    page.parent.mkdir(parents=True)
    page.touch()
    assert about.page("docs/tables.md") == str(page)


def test_extra_is_what_the_installed_package_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert about.needed_for("snowflake") == []
    package = tmp_path / "harvest_pipeline-9.dist-info"
    package.mkdir()
    asked = [
        "click<9",
        'psycopg2-binary<3,>=2.9; extra == "postgres"',
        'pymysql<2; extra == "sqlalchemy"',
    ]
    lines = [
        "Metadata-Version: 2.4",
        "Name: harvest-pipeline",
        "Version: 9",
        *(f"Requires-Dist: {each}" for each in asked),
    ]
    (package / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert about.needed_for("postgres") == ["psycopg2-binary<3,>=2.9"]
