"""What a person may ask with `show`: one query, which only reads, in the words of any destination."""

from __future__ import annotations

import pytest

from harvest_source.commands.queries import check_reads_only
from harvest_source.errors import SettingError

READS = [
    "select * from clients",
    "SELECT 1;;",
    "-- all of them; really\nselect id from clients -- ; drop table clients",
    "select ';' as semicolon, 'drop table clients' as text",
    "(select 1) union all select 2 order by 1",
    "with some as (select 1 as id) select * from some",
]
READS_OF = {
    "duckdb": ["from clients", "describe clients", "summarize clients", "show tables", "pivot clients on currency using count(*)",
               "select * exclude (id) from clients group by all order by all", "select $$a;b$$", "values (1), (2)"],
    "postgres": ["values (1), (2)",
                 "select distinct on (id) id::text from clients", "select $q$a;b$q$", "select '{}'::jsonb ->> 'a'"],
    "bigquery": ["select * except (id) from `clients`", "select safe_cast(id as string) from clients limit 1"],
    "sqlite": ["select id, group_concat(name) from clients group by 1"],
    "mysql": ["select `id` from clients limit 2, 3"],
}  # fmt: skip
WRITES = [
    "drop table clients", "update clients set name = ''", "delete from clients", "insert into clients values (1) returning id",
    "truncate table clients", "merge into clients using tasks on true when matched then delete", "create table x as select 1",
    "create view x as select 1", "alter table clients add column x int", "select * into x from clients",
    "with gone as (delete from clients returning id) select * from gone", "with x as (select 1) delete from clients",
    "grant select on clients to public", "begin", "commit", "set x = 1", "call something()", "select 1; drop table clients",
    "commit; drop table clients", "select 1; select 2", "explain analyze delete from clients", "explain delete from clients",
    "vacuum", "lock table clients", "checkpoint", "selekt nonsense", "", " ; ", "-- nothing",
]  # fmt: skip
WRITES_OF = {
    "duckdb": ["copy clients to 'x.csv'", "copy (select 1) to 'x.csv'", "export database 'x'", "import database 'x'",
               "attach 'x.duckdb' as x", "detach x", "install httpfs", "load httpfs", "pragma enable_profiling", "use x",
               "set variable x = 1", "create persistent secret x (type s3)", "prepare p as delete from clients", "execute p"],
    "postgres": ["copy clients to '/tmp/x'", "copy clients to program 'sh'", "do $$ begin delete from clients; end $$",
                 "listen x", "prepare p as delete from clients", "refresh materialized view x", "reindex table clients"],
    "bigquery": ["export data options (uri = 'gs://x/*') as select 1", "begin delete from clients where true; end",
                 "declare x int64; select x", "execute immediate 'drop table clients'"],
    "mysql": ["select * from clients into outfile '/tmp/x'", "select 1 into @x", "explain analyze delete from clients",
              "replace into clients values (1)"],
    "sqlite": ["pragma user_version = 1", "attach 'x.db' as x", "replace into clients values (1)"],
    "clickhouse": ["select * from clients into outfile 'x'", "insert into function file('x') select 1"],
    "snowflake": ["copy into @stage from clients", "execute immediate 'drop table clients'"],
    "redshift": ["unload ('select 1') to 's3://x'"],
    "tsql": ["exec sp_rename 'a', 'b'", "select * into x from clients"],
}  # fmt: skip
DIALECTS = sorted({None, *READS_OF, *WRITES_OF}, key=str)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_queries_pass(dialect: str | None) -> None:
    """With comments, semicolons in texts and at the end, and what only this destination has."""
    for sql in [*READS, *READS_OF.get(dialect or "", [])]:
        check_reads_only(sql, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_everything_else_is_refused(dialect: str | None) -> None:
    """One line, whether it writes, is more than one statement, or is none at all."""
    for sql in [*WRITES, *WRITES_OF.get(dialect or "", [])]:
        with pytest.raises(SettingError, match=r"^show ") as caught:
            check_reads_only(sql, dialect)
        assert len(str(caught.value).splitlines()) == 1
