"""The file of a DuckDB destination: one program at a time may have it open, so a run opens it for as short as it can."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import dlt
from dlt.common.destination.exceptions import DestinationException
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.exceptions import PipelineStepFailed
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from harvest_source.clock import Clock
from harvest_source.destinations.clients import client_to_ask
from harvest_source.destinations.facts import Facts, Views, kind_of
from harvest_source.errors import SettingError, causes, first_line

# dlt's name of the kind of destination, and sqlglot's of what its queries are written in
KIND = DIALECT = "duckdb"
READ_ONLY = "begin transaction read only"
# else a function of DuckDB writes logs into files (seen with 2.0.1)
LOCKED = "set lock_configuration = true"
IN_USE = "Conflicting lock is held"
# a load of a million time entries took 660 MB of DuckDB's own, 130 MB with this and two threads; more threads need more (seen
# with 2.0.1)
THREAD_MB, MOST_THREADS = 64, 4
OWN_MEMORY = "select current_setting('memory_limit'), current_setting('threads')"
SET_MEMORY = "set memory_limit = '{bytes}B'; set threads = {threads}"
MEMORY_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
MB, NO_LIMIT_BYTES = 10**6, 2**60
TOO_LITTLE = "Out of Memory Error"
LONGEST_WAIT_SECONDS = 30.0
LOOK_SECONDS = 0.5  # between two tries to open the file
OF_QUERIES = "'"  # dlt writes paths into DuckDB's queries as they are (seen with 1.31)
# DuckDB takes them for options and for folders (seen with 2.0.1)
OF_FILES = "?" if os.name == "nt" else "?\\"
ELSEWHERE = "rename the folder, or start in another one"

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How a file is waited for that another program has open."""

    clock: Clock
    note: Callable[[str], None]  # told once that it is waited for, and for whom


def is_one_file(pipeline: dlt.Pipeline) -> bool:
    """Returns whether a pipeline's destination is a DuckDB file."""
    return kind_of(pipeline.destination) == KIND


def database_file(pipeline: dlt.Pipeline) -> Path | None:
    """Returns the file of a DuckDB destination; `None` where it is none, in memory or at a service."""
    if not is_one_file(pipeline):
        return None
    path = client_to_ask(pipeline).config.credentials.database
    return None if not isinstance(path, str) or path.startswith((":", "md:")) else Path(path)


def absolute_file(pipeline: dlt.Pipeline) -> Path | None:
    """Returns the file of a DuckDB destination with its whole path; `None` where there is none."""
    file = database_file(pipeline)
    return file.absolute() if file else None


def reads_for(pipeline: dlt.Pipeline) -> bool:
    """Returns whether DuckDB reads the destination: its own file, DuckLake, or Parquet files."""
    return bool(client_to_ask(pipeline).capabilities.sqlglot_dialect == DIALECT)


def refuse_paths(pipeline: dlt.Pipeline) -> None:
    """Refuses folders whose name stands in DuckDB's queries and cannot.

    Raises:
        SettingError: names the folder, the sign and what to do.
    """
    if not reads_for(pipeline):
        return
    refuse_sign(
        str(Path(pipeline.working_dir).absolute()), OF_QUERIES, f"{ELSEWHERE}, or set DLT_DATA_DIR"
    )
    bucket = getattr(client_to_ask(pipeline).config, "bucket_url", None)
    if isinstance(bucket, str):
        refuse_sign(unquote(bucket), OF_QUERIES, f"{ELSEWHERE}, or set another bucket_url")


def refuse_sign(path: str, signs: str, remedy: str) -> None:
    """Raises `SettingError` where a path has one of some signs."""
    sign = next((each for each in signs if each in path), None)
    if sign:
        raise SettingError(
            f"a load cannot work in {{}}, for the sign {sign} in its name: {remedy}", quoted=(path,)
        )


def refuse_file(pipeline: dlt.Pipeline) -> None:
    """Refuses a database file that could not be made or used.

    Raises:
        SettingError: a sign in its path does not do, its folder is not there, or it has the name of the dataset: DuckDB could not
            tell which of them is meant.
    """
    file = database_file(pipeline)
    if file is None:
        return
    refuse_sign(str(file.absolute()), OF_FILES, ELSEWHERE)
    if not file.absolute().parent.is_dir():
        missing = file.absolute().parent
        raise SettingError(
            "there is no folder {} for the database file: make it, or set another",
            quoted=(missing,),
        )
    # as DuckDB names what it finds in a file (seen with 2.0.1)
    catalog = file.name.lstrip(".").split(".")[0]
    client = client_to_ask(pipeline).sql_client
    for dataset in (client.dataset_name, client.staging_dataset_name):
        if catalog.lower() == dataset.lower():
            raise SettingError(
                f"the file {{}} and the dataset {dataset} have one name, which DuckDB cannot tell apart: "
                "name the file otherwise, or give another --dataset",
                quoted=(file.name,),
            )


def user_of_file(error: BaseException) -> str | None:
    """Returns which program has the DuckDB file open that could not be opened, as DuckDB names it; `None` for other errors."""
    said = next((first_line(cause) for cause in causes(error) if IN_USE in str(cause)), None)
    if said is None:
        return None
    return (
        said.partition(IN_USE)[2].partition(" See also")[0].strip().removeprefix("in ").rstrip(".")
        or "another program"
    )


@contextmanager
def opened(client: SqlClientBase[Any], patience: Patience | None) -> Iterator[None]:
    """Has a client connected for the length of a `with`; a file that another program has open is waited for.

    Args:
        client: of the destination.
        patience: with the other program; without it, a file in use is an error at once.

    Raises:
        DestinationException: it cannot be opened, or not within 30 s.
    """
    if not client.owns_connection:  # somebody handed an open one in, and closes it
        yield
        return
    _open(client, patience)
    try:
        yield
    finally:
        client.close_connection()


def _open(client: SqlClientBase[Any], patience: Patience | None) -> None:
    if patience is None:
        client.open_connection()
        return
    said = False

    def say_once(state: Any) -> None:
        nonlocal said
        if not said:
            said = True
            user = user_of_file(state.outcome.exception())
            patience.note(
                f"the database file is open in {user}: waiting for it, up to {LONGEST_WAIT_SECONDS:.0f} s"
            )

    Retrying(
        retry=retry_if_exception(lambda error: user_of_file(error) is not None),
        wait=wait_fixed(LOOK_SECONDS),
        stop=stop_after_attempt(1 + int(LONGEST_WAIT_SECONDS / LOOK_SECONDS)),
        sleep=patience.clock.sleep,
        before_sleep=say_once,
        reraise=True,
    )(client.open_connection)


class Opening:
    """The connection of a client for a while: open all the time, or from a question on until it is let go."""

    def __init__(
        self, client: SqlClientBase[Any], patience: Patience | None, *, lets_go: bool
    ) -> None:
        """Opens nothing yet.

        Args:
            client: of the destination.
            patience: as of `opened`.
            lets_go: whether others may want the file meanwhile.
        """
        self._client, self._patience, self._lets_go = client, patience, lets_go
        self._open = ExitStack()
        self._is_open = False
        self._asking = threading.RLock()

    def begin(self) -> None:
        """Opens the connection, unless it opens at the first question. Raises as `opened`."""
        if not self._lets_go:
            self._open.enter_context(opened(self._client, self._patience))

    def end(self) -> None:
        """Closes the connection."""
        self._is_open = False
        self._open.close()

    def let_go(self) -> None:
        """Closes the connection until the next question, from any thread; not before a question is answered."""
        if self._lets_go:
            with self._asking:
                self.end()

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Has the client connected for the length of a question. Raises as `opened`."""
        if not self._lets_go:
            yield
            return
        with self._asking:
            if not self._is_open:
                self._open.enter_context(opened(self._client, self._patience))
                self._is_open = True
            yield


@contextmanager
def kept_open(pipeline: dlt.Pipeline, patience: Patience | None = None) -> Iterator[None]:
    """Keeps a DuckDB file open while it is loaded or compared; other destinations are left alone.

    It saves time: dlt opens the file for every table it loads, which takes 30 ms of work where nobody has it open. A first and a
    second load of four reports took 3.2 s without this and 2.4 s with it (measured with an account of few rows).

    Raises:
        DestinationException: as `opened`.
    """
    if not is_one_file(pipeline):
        yield
        return
    with opened(pipeline.sql_client(), patience):
        yield


def load_with_little_memory(pipeline: dlt.Pipeline, load: Callable[[], T]) -> T:
    """Loads while DuckDB makes do with little memory, and again with what it takes by itself where that is too little.

    By itself it takes up to four fifths of the machine's, though with less it takes no longer: what does not fit waits on disk. A
    user's own setting stays as it is.

    Args:
        pipeline: of any destination; those that are no DuckDB file are loaded as they are.
        load: loads what is pending; another call goes on where one failed.

    Returns:
        what `load` returns.
    """
    client = pipeline.sql_client() if is_one_file(pipeline) else None
    if client is None or client.credentials.external_conn() or _sets_memory(client.credentials):
        return load()
    with opened(client, None):
        ((memory, threads),) = client.execute_sql(OWN_MEMORY) or ()
        fewer = min(threads, MOST_THREADS)
        little = fewer * THREAD_MB * MB
        before = _bytes_of(memory)
        if before <= little:  # another connection of this process has less
            return load()
        back = SET_MEMORY.format(bytes=before, threads=threads)
        client.execute_sql(SET_MEMORY.format(bytes=little, threads=fewer))
        try:
            try:
                loaded = load()
            except PipelineStepFailed as failure:
                if not any(TOO_LITTLE in str(cause) for cause in causes(failure)):
                    raise
                client.execute_sql(back)
                loaded = load()
            with suppress(DestinationException):  # another connection of this process writes
                client.execute_sql("checkpoint")  # else closing the file does it
        finally:
            client.execute_sql(back)
        return loaded


def _bytes_of(memory: str) -> int:
    """Returns a setting of DuckDB as a number; what follows its first decimal was cut off, so half of that is added."""
    number, unit = memory.split()
    power = MEMORY_UNITS.index(unit)
    return min(int((float(number) + (0.05 if power else 0)) * 1024**power), NO_LIMIT_BYTES)


def _sets_memory(credentials: Any) -> bool:
    """Returns whether a user's settings of the destination say how much memory DuckDB may take, or in how many threads."""
    places = (credentials.global_config, credentials.local_config, credentials.pragmas)
    names = [name for place in places for name in place or ()]
    return any(word in name for name in names for word in ("memory", "threads"))


@contextmanager
def left_only_with_rows(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Removes a DuckDB file that was made within the `with`, where no table is in it at the end."""
    file = database_file(pipeline)
    if file is None or file.exists():
        yield
        return
    try:
        yield
    finally:
        if file.exists() and not _has_tables(pipeline):
            file.unlink()


def _has_tables(pipeline: dlt.Pipeline) -> bool:
    try:
        with pipeline.sql_client() as client:
            ((n,),) = client.execute_sql("select count(*) from information_schema.tables") or [(0,)]
    except DestinationException:  # another program has it: it is left alone
        return True
    return bool(n)


STANDING = """
    select relation, is_view, comment from (
        select schema_name, database_name, table_name as relation, false as is_view, null as comment from duckdb_tables()
        union all select schema_name, database_name, view_name, true, comment from duckdb_views()
    ) where schema_name = %s and database_name = current_database()"""

COMMENTS = """
    select part_of, name, comment from (
        select schema_name, database_name, table_name as part_of, '' as name, comment from duckdb_tables()
        union all select schema_name, database_name, table_name, column_name, comment from duckdb_columns()
    ) where schema_name = %s and database_name = current_database()"""

# one worker, since the file takes one writer
FACTS = Facts(
    load_workers=1,
    is_tested=True,
    keeps_own_columns=True,
    read_only=(READ_ONLY,),
    check=refuse_file,
    place=absolute_file,
    views=Views(STANDING),
    comments=COMMENTS,
)
