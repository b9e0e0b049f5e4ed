# ruff: noqa: INP001 - Airflow reads this as a file, not as part of a package
"""Airflow 3: loads Harvest every day, one task per Harvest account.

Use, from a clone, in Airflow's environment:

    pip install '.[postgres]' && cp schedules/airflow/harvest_dag.py "$AIRFLOW_HOME/dags/"
    airflow pools set harvest 1 "one run at a time" && airflow variables set harvest_accounts 1001,1002

The pool has one slot, so that accounts are loaded one after another: they share the request limit of one token, and each
run goes on from the bookmarks that the one before left in the destination. Without the pool no task starts.

Airflow Variables; each may stand in the environment instead (AIRFLOW_VAR_HARVEST_ACCOUNTS):

    harvest_accounts     the numbers of the accounts: 1001,1002
    harvest_destination  postgres, bigquery or another destination of dlt; default: postgres. Install what it needs as well
                         (pip install '.[bigquery]'). For duckdb, DESTINATION__DUCKDB__CREDENTIALS must say where the file lies
    harvest_dataset      the schema of the tables; default: harvest
    dlt_secrets_toml     token and credentials, written as in .dlt/secrets.toml.example; or in the environment of the
                         workers (SOURCES__HARVEST__ACCESS_TOKEN, ...)

Other settings are read from .dlt/config.toml in the folder of the DAGs, or from the environment.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import redirect_stderr
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

import dlt
from airflow.sdk import DAG, Variable, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from dlt.helpers.airflow_helper import PipelineTasksGroup

from harvest_source import harvest_source, sync
from harvest_source.about import DATASET_NAME
from harvest_source.destinations.set_up import setting_errors
from harvest_source.errors import SettingError, one_line
from harvest_source.loading.listener import Lines
from harvest_source.loading.summary import Summary
from harvest_source.settings import PIPELINE_NAME, parse_account_ids
from harvest_source.strangers import refuse_strangers
from harvest_source.usage_figures import switch_off

POOL = "harvest"
LOG = logging.getLogger("harvest")

# dlt asks Airflow for one variable per setting, hundreds in a run; this leaves dlt_secrets_toml and a few others
os.environ.setdefault("PROVIDERS__AIRFLOW_SECRETS__ONLY_TOML_FRAGMENTS", "true")
switch_off()


@task
def load(account_id: int) -> None:
    """Brings the tables of one account in line with Harvest, as the command line does; fails where a report is not complete."""
    try:
        summary = run(account_id)
    except SettingError as error:
        raise AirflowFailException(str(error)) from None  # trying again would not help
    except Exception as error:  # noqa: BLE001 - what lies beneath may quote rows: the log gets one line
        raise AirflowException(one_line(error)) from None
    for each in summary.results:
        counts = f"{each.new} new, {each.changed} changed, {each.deleted} deleted, {each.total} in the table"
        LOG.info(f"{each.report}: {counts}; verified: {each.verified}")  # noqa: G004 - one line each
    if summary.exit_code:
        failed = [f"{result.report}: {result.error}" for result in summary.results if result.error]
        raise AirflowException(f"account {account_id} is not complete; {'; '.join(failed)}")


def accounts() -> tuple[int, ...]:
    """Returns the accounts, each of which becomes a task.

    Raises:
        SettingError: the variable does not name them.
    """
    numbers = parse_account_ids(Variable.get("harvest_accounts"))
    if not numbers:
        raise SettingError(
            "the variable harvest_accounts must name the accounts, such as 1001,1002: each becomes a task"
        )
    return numbers


def run(account_id: int) -> Summary:
    """Runs once in a folder that goes afterwards: dlt restores the working state from the destination each time."""
    destination = Variable.get("harvest_destination", default="postgres")
    dataset = Variable.get("harvest_dataset", default=DATASET_NAME)
    refuse_strangers()
    # what stands on standard error, Airflow takes for errors
    to_the_log = redirect_stderr(sys.stdout)
    with TemporaryDirectory(prefix="harvest-") as folder, setting_errors(destination), to_the_log:
        pipeline = dlt.pipeline(
            PIPELINE_NAME, destination=destination, dataset_name=dataset, pipelines_dir=folder
        )
        with Lines(LOG.info) as listener:
            return sync(pipeline, harvest_source(account_id=account_id), listener=listener)


with (
    DAG(
        "harvest",
        description="Loads Harvest (time tracking, invoicing) into the warehouse",
        doc_md=__doc__,
        schedule="0 6 * * *",  # UTC
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        # one run brings everything that changed: days that were missed need none of their own
        catchup=False,
        max_active_runs=1,
        default_args={"pool": POOL, "retries": 2, "retry_delay": timedelta(minutes=30)},
    ),
    # dlt's own group has it read .dlt in the folder of the DAGs and keep what it writes in a folder of this process. Its tasks
    # would do a plain `pipeline.run`, without comparing, removing and repairing: so the tasks are ours
    PipelineTasksGroup("accounts"),
):
    for number in accounts():
        load.override(task_id=f"account_{number}")(number)
