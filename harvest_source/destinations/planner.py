"""Has Postgres look at tables of which it knows nothing: it takes them for small, and a figure can take twenty times as long.

Its own daemon looks at a new table after a minute, and again when it has grown: nothing is done where it has been. A user's own
tables in the dataset are left alone.
"""

from __future__ import annotations

import dlt

from harvest_source.destinations.postgres import is_postgres
from harvest_source.destinations.statements import stored_name

UNKNOWN = """
    select relname from pg_catalog.pg_stat_user_tables
    where schemaname = %s and last_analyze is null and last_autoanalyze is null order by relname"""


def analyze_tables(pipeline: dlt.Pipeline) -> None:
    """Has Postgres count the rows and values of tables that it has never looked at; nothing happens elsewhere."""
    if not is_postgres(pipeline):
        return
    own = {*pipeline.default_schema.data_table_names()}
    with pipeline.sql_client() as client:
        unknown = client.execute_sql(UNKNOWN, stored_name(client)) or ()
        names = [client.make_qualified_table_name(name) for (name,) in unknown if name in own]
        if names:
            client.execute_sql(f"analyze {', '.join(names)}")
