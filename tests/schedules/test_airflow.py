"""The DAG runs in Airflow itself, in Airflow's own environment, against the sandbox and into a DuckDB file."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from compare import assert_equal
from faults_support import tiny
from large_tools import need
from packages import build_wheel, install_into
from pipelines import rows
from support import TOKEN, serving
from usage_endpoint import UsageEndpoint

from harvest_sandbox import Fault, Sandbox

ROOT = Path(__file__).parents[2]
DAG = ROOT / "schedules" / "airflow" / "harvest_dag.py"
HOW_TO_GET_AIRFLOW = "bash .ci/install-airflow TARGET, then set AIRFLOW_PYTHON=TARGET/bin/python"
SECONDS = 240  # after so long a process is stopped

pytestmark = pytest.mark.long


@dataclass
class Airflow:
    """An Airflow of its own, in a folder, set up as the head of the DAG says."""

    folder: Path

    def __post_init__(self) -> None:
        self.python = need(os.environ.get("AIRFLOW_PYTHON"), HOW_TO_GET_AIRFLOW)
        for name in ("airflow/dags", "temporary"):
            (self.folder / name).mkdir(parents=True)
        (install,) = head_commands("pip")
        assert shlex.split(install) == [
            "pip",
            "install",
            ".[postgres]",
        ]  # here without what it needs, which is there
        install_into(self.folder / "packages", build_wheel(self.folder))
        copy = head_commands("cp")
        subprocess.run(
            ["/bin/sh", "-c", *copy],
            cwd=ROOT,
            env={**os.environ, "AIRFLOW_HOME": str(self.home)},
            check=True,
            timeout=SECONDS,
        )

    @property
    def home(self) -> Path:
        """Returns Airflow's own folder."""
        return self.folder / "airflow"

    def call(
        self, sandbox: Sandbox, *, set_up: bool = False, runs: bool = False
    ) -> tuple[dict[str, Any], str]:
        """Starts Airflow once; returns what it answers and what it says meanwhile."""
        order = self.folder / "order.json"
        set_up_commands = (
            [shlex.split(command)[1:] for command in head_commands("airflow")] if set_up else []
        )
        order.write_text(json.dumps({"commands": set_up_commands, "runs": runs}))
        secrets = f"""
            sources.harvest.access_token = "{TOKEN}"
            destination.duckdb.credentials = "{self.folder / "harvest_pipeline.duckdb"}"
        """
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(self.folder / "packages"),
            "TMPDIR": str(self.folder / "temporary"),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW_VAR_HARVEST_ACCOUNTS": ",".join(
                str(account.id) for account in sandbox.accounts
            ),
            "AIRFLOW_VAR_HARVEST_DESTINATION": "duckdb",
            "AIRFLOW_VAR_DLT_SECRETS_TOML": secrets,
            "SOURCES__HARVEST__API_URL": sandbox.api_url,
            "SOURCES__HARVEST__ID_URL": sandbox.id_url,
        }
        with UsageEndpoint() as endpoint:
            done = subprocess.run(
                [self.python, Path(__file__).with_name("run_dag.py"), order], cwd=self.folder, env={**env, **endpoint.variables},
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
            )  # fmt: skip
        assert endpoint.asked == 0  # nothing for dlt's makers
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-4000:]
        return json.loads(order.read_text()), said


def head_commands(program: str) -> list[str]:
    """Returns the commands of a program that the head of the DAG tells to give."""
    head = DAG.read_text(encoding="utf-8").split('"""')[1]
    commands = [
        part.strip()
        for line in re.findall(r"^    (\w.* && .*)$", head, re.MULTILINE)
        for part in line.split("&&")
    ]
    return [command for command in commands if command.split()[0] == program]


def task_of(account_id: int) -> str:
    """Returns the name of an account's task."""
    return f"accounts.account_{account_id}"


def asked_by_parent(sandbox: Sandbox) -> int:
    """Returns how many requests were for one invoice, estimate or user."""
    return sum(bool(re.search(r"/\d+/", request.path)) for request in sandbox.requests)


def test_dag_loads_each_account_in_a_task_of_its_own_through_a_pool_of_one_slot(
    tmp_path: Path,
) -> None:
    """As the DAG processor reads it, with the pool made by the command at its head."""
    with serving(tiny(5), tiny(6)) as sandbox:
        answer, _said = Airflow(tmp_path).call(sandbox, set_up=True)
        assert sandbox.requests == []  # Airflow reads DAGs many times an hour
    assert {task: [pool, slots] for task, (pool, slots, _retries) in answer["tasks"].items()} == {
        task_of(account.id): ["harvest", 1] for account in sandbox.accounts
    }
    assert all(retries > 0 for _pool, _slots, retries in answer["tasks"].values())
    assert answer["pools"]["harvest"] == 1
    assert answer["schedule"] == "0 6 * * *"
    assert answer["catchup"] is False
    assert answer["max_active_runs"] == 1
    assert list((tmp_path / "temporary").iterdir()) == []


def test_two_days_end_equal_to_harvest_and_a_failing_account_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second day finds nothing of the first but the database; it makes up for the failure, and asks for changes only."""
    monkeypatch.chdir(tmp_path)
    airflow = Airflow(tmp_path)
    well, unlucky = tiny(5), tiny(6)
    invoice = min(set(unlucky.rows["invoices"]) - set(well.rows["invoices"]))
    unlucky.update("expenses", next(iter(unlucky.rows["expenses"])), notes="nobody's business")
    with serving(well, unlucky) as sandbox:
        sandbox.faults.append(Fault(f"/v2/invoices/{invoice}/payments$", status=422, times=None))
        answer, said = airflow.call(sandbox, runs=True)
        children = asked_by_parent(sandbox)
        assert answer["states"] == {task_of(well.id): "success", task_of(unlucky.id): "failed"}
        assert re.search(rf"account {unlucky.id} is not complete; invoice_payments: .*422", said)
        assert "nobody's business" not in said
        assert TOKEN not in said
        assert_equal(tmp_path, sandbox, leave_out=("invoice_payments",))
        assert len(rows(tmp_path, "select id from invoice_payments")) == len(
            well.rows["invoice_payments"]
        )

        sandbox.faults.clear()
        sandbox.requests.clear()
        changed, gone = list(well.rows["time_entries"])[:2]
        well.update("time_entries", changed, notes="anew")
        well.delete("time_entries", gone)
        answer, _said = airflow.call(sandbox, runs=True)
        assert set(answer["states"].values()) == {"success"}
        assert asked_by_parent(sandbox) < children / 2
        for account in (well, unlucky):
            mine = [
                each
                for each in sandbox.requests
                if each.headers.get("harvest-account-id") == str(account.id)
            ]
            changes = {
                each.path.removeprefix("/v2/") for each in mine if "updated_since" in each.query
            }
            assert changes >= {
                "clients",
                "projects",
                "users",
                "time_entries",
                "expenses",
                "estimates",
            }
        assert_equal(tmp_path, sandbox)
        assert rows(tmp_path, f"select notes from time_entries where id = {changed}") == [("anew",)]
    assert list((tmp_path / "temporary").iterdir()) == []
