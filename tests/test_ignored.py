"""Git takes no secret and no row, whatever a person calls the copy."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

GIT = shutil.which("git") or "git"
ROOT = Path(__file__).parents[1]
KEPT_OUT = (
    ".dlt/secrets.toml", ".dlt/secrets.toml.bak", ".dlt/secrets.toml~", ".dlt/.secrets.toml.swp", ".dlt/#secrets.toml#",
    ".dlt/secrets.toml.example.bak", ".dlt/secrets (copy).toml", ".dlt/secrets copy.toml", ".dlt/secrets-old.toml",
    ".dlt/prod.secrets.toml", ".dlt/config.toml.bak", ".dlt/config.toml~", ".dlt/config.toml.orig", ".dlt/prod.config.toml",
    ".dlt/token", ".dlt/state/duckdb__harvest/harvest_pipeline/state.json", ".dlt/state/", "secrets.toml",
    "schedules/secrets.toml", "schedules/airflow/.dlt/secrets.toml", "schedules/airflow/.dlt/config.toml",
    "secret.toml", "my_secrets.toml.txt", ".env",
    ".env.local", ".envrc", "harvest.env", "harvest-pipeline.env", "schedules/prod.env", "access_token.txt", "harvest.token",
    "token.json", "sign-in-default-abc-0123.json", "configured-abc-0123.json", "credentials.json", "my-credentials.json",
    "gcp-service-account.json", "service_account.json", "client.key", "root.pem", ".pgpass", "harvest_pipeline.duckdb",
    "harvest_pipeline.duckdb.wal", "agency.db", "wh__harvest.db", "wh.db-wal", "warehouse.sqlite",
    "warehouse/harvest/clients/1.parquet",
    "secrets.yaml", "secrets.json", "secret.txt", "password.txt", "SECRETS.TOML", "harvest.env.bak", "prod.env~",
    "pgpass.conf", "pg_service.conf", ".netrc", "client.p12", "harvest_demo.duckdb", "harvest_pipeline.duckdb.bak",
    "harvest_pipeline.duckdb.tmp/part", "docker.env.bak", "dbt/profiles.yml", "dbt/target/manifest.json", "dbt/logs/dbt.log",
)  # fmt: skip
TAKEN = (
    ".dlt/config.toml", ".dlt/secrets.toml.example", "harvest_source/secrecy.py", "harvest_source/signin/tokens.py",
    "tests/pipeline/test_secrets.py", "tests/examples/clients.json", "schedules/harvest.service", "pyproject.toml", "SECURITY.md",
    "dbt/profiles.yml.example", "dbt/models/sources.yml",
)  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gives an empty repository with the rules of this one."""
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run([GIT, "init", "-q"], cwd=folder, check=True)
    shutil.copy(ROOT / ".gitignore", folder)
    return folder


def ignored(repository: Path, *paths: str) -> set[str]:
    """Returns which of the paths git keeps out."""
    command = [
        GIT,
        "-c",
        "core.excludesFile=",
        "-c",
        "core.quotePath=false",
        "check-ignore",
        "-z",
        "--stdin",
    ]
    done = subprocess.run(
        command, cwd=repository, input="\0".join(paths), capture_output=True, text=True, check=False
    )
    return {path for path in done.stdout.split("\0") if path}


def test_secrets_their_copies_and_rows_are_kept_out(repository: Path) -> None:
    assert set(KEPT_OUT) - ignored(repository, *KEPT_OUT) == set()


def test_examples_and_code_are_taken(repository: Path) -> None:
    assert ignored(repository, *TAKEN) == set()


def test_no_file_of_this_project_is_one_that_git_keeps_out(repository: Path) -> None:
    """Such a file would be missing from the next commit that moves it."""
    there = [
        path.relative_to(ROOT).as_posix()
        for name in ("harvest_source", "schedules", "tests", "docs", "dbt/models", "dbt/tests")
        for path in (ROOT / name).rglob("*")
    ]
    assert {path for path in ignored(repository, *there) if "__pycache__" not in path} == set()
