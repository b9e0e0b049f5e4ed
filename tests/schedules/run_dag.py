"""Runs in Airflow's environment: sets Airflow up, reads the folder of DAGs, tells what is there, and runs the DAG once.

Called with one argument, the name of a JSON file: in it `commands` of `airflow` to carry out first, and `runs`, whether the DAG
runs; the answer takes its place.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

connect = socket.socket.connect


def connect_here(this: socket.socket, address: Any) -> None:
    """Refuses what would leave the machine."""
    if (
        this.family != socket.AF_UNIX
        and address[0] != "localhost"
        and not ip_address(address[0]).is_loopback
    ):
        os.write(2, f"asks {address}, which is not this machine\n".encode())
        os._exit(3)  # an error could be caught
    connect(this, address)


socket.socket.connect = connect_here  # type: ignore[assignment, method-assign]

from airflow import settings  # noqa: E402 - nothing may connect before
from airflow.cli.cli_parser import get_parser  # noqa: E402
from airflow.dag_processing.dagbag import BundleDagBag  # noqa: E402
from airflow.models.pool import Pool  # noqa: E402
from airflow.utils.db import initdb  # noqa: E402


def read_dag() -> Any:
    """Returns the DAG as the DAG processor reads it."""
    bag = BundleDagBag(
        settings.DAGS_FOLDER, bundle_path=Path(settings.DAGS_FOLDER), bundle_name="dags-folder"
    )
    if bag.import_errors:
        sys.exit("\n".join(bag.import_errors.values()))
    [dag] = bag.dags.values()
    return dag


def describe(dag: Any) -> dict[str, Any]:
    """Returns what the scheduler goes by."""
    return {
        "tasks": {task.task_id: [task.pool, task.pool_slots, task.retries] for task in dag.tasks},
        "pools": {pool.pool: pool.slots for pool in Pool.get_pools()},
        "schedule": dag.schedule,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
    }


def run(dag: Any) -> dict[str, str]:
    """Runs the DAG; returns what became of each task."""
    for task in dag.tasks:
        task.retries = 0  # they are half an hour apart
    return {task.task_id: str(task.state) for task in dag.test().get_task_instances()}


def main(order: Path) -> None:
    """Does what the order says, and writes the answer in its place."""
    asked = json.loads(order.read_text(encoding="utf-8"))
    if not (Path(os.environ["AIRFLOW_HOME"]) / "airflow.db").exists():
        initdb()
    for command in asked["commands"]:
        arguments = get_parser().parse_args(command)
        arguments.func(arguments)
    dag = read_dag()
    answer = describe(dag) | {"states": run(dag) if asked["runs"] else {}}
    order.write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
