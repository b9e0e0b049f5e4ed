"""What other users of the machine can read of a run: nothing, unless somebody said so, whatever the umask."""

from __future__ import annotations

import grp
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from command_line import Type, command, environment
from faults_support import errors_of, tiny
from support import serving, sync_once

from harvest_sandbox import Fault
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations import of
from harvest_source.file_modes import made_for_owner, readers_of, shut_to_group
from harvest_source.settings_files import secrets_files

NOBODY = 65534
FEW = ("--reports", "clients,invoice_messages")
FILE = "harvest_pipeline.duckdb"
PRIVATE = {"database": "600", "folders": {"700"}, "files": {"600"}}
SHARED = {"database": "640", "folders": {"750"}, "files": {"640"}}
READS = """
while read -r path; do
    if [ -d "$path" ]; then ls "$path"; else head -c 1 "$path"; fi >/dev/null 2>&1 && echo "$path"
done
true
"""


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """Sets the usual umask, and gives back what was before."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def open_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Gives a folder that everybody may enter, unlike that of the tests, and works in it."""
    folder = Path(tempfile.mkdtemp(prefix="harvest-open-", dir="/tmp"))
    folder.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        yield folder
    shutil.rmtree(folder)


def mode(path: Path) -> str:
    """Returns a mode as `chmod` takes it."""
    return f"{stat.S_IMODE(path.stat().st_mode):o}"


def modes(folder: Path, file: str = FILE) -> dict[str, Any]:
    """Returns the modes of the database and of all that is in `.dlt`, itself among it."""
    state = [folder / ".dlt", *(folder / ".dlt").rglob("*")]
    assert {"state", "state.json", "load"} <= {path.name for path in state}
    return {
        "database": mode(folder / file),
        "folders": {mode(path) for path in state if path.is_dir()},
        "files": {mode(path) for path in state if path.is_file()},
    }


def read_by(folder: Path, *, group: int = NOBODY) -> set[str]:
    """Returns which files and folders below a folder another user of the machine can read."""
    paths = "".join(f"{path}\n" for path in folder.rglob("*"))
    who: dict[str, Any] = {"user": NOBODY, "group": group, "extra_groups": []}
    done = subprocess.run(
        ["/bin/sh", "-c", READS], input=paths, capture_output=True, text=True, check=True, **who
    )
    return {str(Path(line).relative_to(folder)) for line in done.stdout.splitlines()}


def long(*values: Any) -> Any:
    """Returns a case that is left to the long tests."""
    return pytest.param(*values, marks=pytest.mark.long)


@pytest.mark.parametrize(
    ("umask", "settings", "expected"),
    [
        (0o000, {}, PRIVATE),
        long(0o022, {}, PRIVATE),
        long(0o077, {"SHARE_WITH_GROUP": "true"}, SHARED),
    ],
    ids=lambda value: f"{value:03o}" if isinstance(value, int) else None,
)
def test_what_a_run_leaves_is_the_owners_and_the_groups_where_that_is_set(
    open_place: Path, umask: int, settings: dict[str, str], expected: dict[str, Any]
) -> None:
    """Of a run that is not complete, so that answers stay as well."""
    with serving(tiny()) as sandbox:
        sandbox.faults.append(Fault(path="/invoices/.*/messages$", status=400, times=None, after=1))
        done = command(
            open_place, "--quiet", *FEW, env=environment(sandbox, **settings), umask=umask
        )
    assert done.returncode == 1, done.stderr
    assert list(open_place.rglob("answers.db"))
    assert modes(open_place) == expected
    if os.geteuid() == 0:
        everything = {str(path.relative_to(open_place)) for path in open_place.rglob("*")}
        assert read_by(open_place) == set()
        assert read_by(open_place, group=os.getegid()) == (
            everything if expected is SHARED else set()
        )


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_reads_nothing_of_the_demo(open_place: Path) -> None:
    """Nor where the umask would let everybody do everything."""
    assert command(open_place, "--quiet", "--demo", "--reports", "clients", umask=0).returncode == 0
    assert {path.name for path in open_place.iterdir()} == {".dlt", "harvest_demo.duckdb"}
    assert modes(open_place, "harvest_demo.duckdb") == PRIVATE
    assert read_by(open_place) == set()
    (open_place / "told").write_text("another user reads what is for everybody")
    assert read_by(open_place) == {"told"}


@pytest.mark.long
def test_state_of_an_earlier_version_is_closed_and_its_database_stays_as_it_is(
    open_place: Path, type_command: Type
) -> None:
    """`check` says who can read the database; the process has its own umask back."""
    with serving(tiny()) as sandbox:
        assert type_command("--quiet", *FEW, harvest=sandbox).code == 0
        for path in (open_place / ".dlt").rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        (open_place / FILE).chmod(0o644)
        (open_place / ".dlt").chmod(0o755)
        assert type_command("--quiet", *FEW, harvest=sandbox).code == 0
        assert os.umask(0o022) == 0o022
        assert modes(open_place) == {"database": "644", "folders": {"700", "755"}, "files": {"600"}}
        assert mode(open_place / ".dlt") == "755", "which may be older than this product"
        assert mode(open_place / ".dlt" / "state") == "700"
        said = type_command("check", harvest=sandbox).err
        assert f"{FILE} can be read by every user of this machine: chmod 600 {FILE}" in said
        (open_place / FILE).chmod(0o600)
        assert "can be read" not in type_command("check", harvest=sandbox).err
        assert type_command("--quiet", *FEW, harvest=sandbox, SHARE_WITH_GROUP="true").code == 0
        assert modes(open_place) == {**SHARED, "database": "600", "folders": {"750", "755"}}
        said = type_command("check", harvest=sandbox, SHARE_WITH_GROUP="true").err
        assert (
            f"share_with_group is set, but the group cannot read {FILE}: chmod g+r {FILE}" in said
        )


@pytest.mark.long
def test_folder_of_files_is_the_owners_where_the_product_makes_it(
    open_place: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that is there, files are for whom it is, so that another user's program goes on reading them."""
    monkeypatch.chdir(open_place)
    with serving(tiny()) as sandbox:
        for name, wanted in (("new", {"700", "600"}), ("there", {"755", "644"})):
            if name == "there":
                (open_place / name).mkdir(mode=0o755)
            monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(open_place / name))
            done = type_command(
                "--quiet", "--destination", "filesystem", "--reports", "clients", harvest=sandbox
            )
            assert done.code == 0, done.err
            below = {mode(path) for path in (open_place / name, *(open_place / name).rglob("*"))}
            assert below == wanted
            state = {mode(path) for path in (open_place / ".dlt").rglob("*")}
            assert state == {"700", "600"}


@pytest.mark.parametrize("command_name", ["check", long("run")])
def test_secrets_that_others_can_read_are_noted(
    open_place: Path, type_command: Type, command_name: str
) -> None:
    secrets = open_place / ".dlt" / "secrets.toml"
    secrets.parent.mkdir()
    said = "can be read by every user of this machine: chmod 600 .dlt/secrets.toml"
    with serving(tiny()) as sandbox:
        for allowed in (0o644, 0o604, 0o600):
            secrets.write_text('[sources.harvest]\naccess_token = "x"\n')
            secrets.chmod(allowed)
            options = () if command_name == "check" else ("--reports", "clients")
            err = type_command(command_name, *options, harvest=sandbox).err
            assert [line for line in err.splitlines() if "can be read by" in line] == (
                [f".dlt/secrets.toml {said}"] if allowed != 0o600 else []
            )
            assert (
                "can be read"
                not in type_command(command_name, *options, "--quiet", harvest=sandbox).err
            )


def test_library_makes_the_same_and_leaves_the_umask_alone(tmp_path: Path) -> None:
    with serving(tiny()) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, "clients")) == {}
    assert os.umask(0o022) == 0o022
    assert mode(tmp_path / FILE) == "600"
    assert {mode(path) for path in (tmp_path / "state").rglob("*") if path.is_file()} == {"600"}


def test_setting_that_is_neither_true_nor_false_ends_with_2(
    type_command: Type, tmp_path: Path
) -> None:
    for arguments in (("run",), ("status",)):
        done = type_command(*arguments, ACCESS_TOKEN="x", SHARE_WITH_GROUP="perhaps")
        assert done.code == 2
        assert "share_with_group" in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("there", "users", "share", "expected"),
    [
        (None, 0o000, False, "600"), (None, 0o022, False, "600"), (None, 0o077, True, "640"), (None, 0o000, True, "640"),
        (0o600, 0o022, False, "600"), (0o600, 0o022, True, "640"), (0o640, 0o022, False, "640"),
        (0o644, 0o022, False, "644"), (0o644, 0o027, False, "640"), (0o664, 0o002, False, "664"), (0o666, 0o022, False, "644"),
    ],
)  # fmt: skip
def test_log_beside_a_database_is_for_whom_the_database_is(
    tmp_path: Path, there: int | None, users: int, expected: str, *, share: bool
) -> None:
    """DuckDB makes it anew after each checkpoint; whoever reads the database needs it, where a run was killed."""
    file = tmp_path / "a.duckdb"
    if there is not None:
        duckdb.connect(str(file)).close()
        file.chmod(there)
    os.umask(users)
    with made_for_owner(file, share_with_group=share), duckdb.connect(str(file)) as database:
        for statement in ("create table t (a int)", "checkpoint", "insert into t values (1)"):
            database.execute(statement)
        assert mode(tmp_path / "a.duckdb.wal") == expected
    assert mode(file) == (f"{there:o}" if there is not None else expected)
    assert os.umask(users) == users


def test_umask_comes_back_with_the_last_of_several(tmp_path: Path) -> None:
    """Two runs in one process, whichever ends first; the strictest counts meanwhile."""
    first, second = made_for_owner(share_with_group=True), made_for_owner(share_with_group=False)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    (tmp_path / "during").touch()
    second.__exit__(None, None, None)
    (tmp_path / "after").touch()
    assert (mode(tmp_path / "during"), mode(tmp_path / "after")) == ("600", "644")


def test_reader_is_named_only_where_the_way_is_open(open_place: Path) -> None:
    """A file for everybody in a folder for its owner is read by nobody else; a group of the user's own is nobody else."""
    inner = open_place / "inner"
    inner.mkdir(mode=0o700)
    file = inner / "file"
    file.touch()
    file.chmod(0o644)
    assert readers_of(file) is None
    inner.chmod(0o755)
    assert readers_of(file) == "every user of this machine"
    file.chmod(0o640)
    assert readers_of(file) is None
    assert readers_of(inner / "missing") is None
    if os.geteuid() == 0:
        group = grp.getgrgid(1)
        os.chown(file, -1, group.gr_gid)
        assert readers_of(file) == f"the group {group.gr_name}"
        assert readers_of(file, share_with_group=True) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_place_that_cannot_be_looked_into_is_left_to_whoever_opens_it(open_place: Path) -> None:
    """A home of another user, as `sudo -u` leaves it in the environment: nothing is noted, and nothing ends."""
    home = open_place / "home"
    (home / ".dlt").mkdir(parents=True)
    secrets = home / ".dlt" / "secrets.toml"
    secrets.touch()
    home.chmod(0o700)
    os.seteuid(NOBODY)
    try:
        with made_for_owner(secrets, share_with_group=False):
            assert readers_of(secrets) is None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(dlt.current.run_context()), "global_dir", str(secrets.parent))
            assert secrets_files() == []
    finally:
        os.seteuid(0)
    assert secrets.exists()


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        (lambda folder: dlt.destinations.duckdb(f"{folder}/a.duckdb"), "a.duckdb"),
        (lambda folder: dlt.destinations.sqlalchemy(f"sqlite:///{folder}/a.db"), "a.db"),
        (lambda folder: dlt.destinations.filesystem(f"file://{folder}/some%20files"), "some files"),
        (lambda folder: dlt.destinations.filesystem(f"{folder}/files"), "files"),
        (lambda _folder: dlt.destinations.filesystem("memory://files"), None),
        (lambda _folder: dlt.destinations.duckdb(duckdb.connect()), None),
        (
            lambda _folder: dlt.destinations.postgres(
                "postgresql://loader:password@localhost/warehouse"
            ),
            None,
        ),
    ],
)
def test_place_of_the_tables_on_this_machine(
    tmp_path: Path, destination: Callable[[Path], Any], expected: str | None
) -> None:
    pipeline = dlt.pipeline(
        "places",
        destination=destination(tmp_path),
        dataset_name="harvest",
        pipelines_dir=str(tmp_path),
    )
    assert of(pipeline).place(pipeline) == (None if expected is None else tmp_path / expected)


def test_file_that_sqlite_has_for_a_dataset_is_the_place_of_its_tables(tmp_path: Path) -> None:
    (tmp_path / "a__harvest.db").touch()
    destination = dlt.destinations.sqlalchemy(f"sqlite:///{tmp_path}/a.db")
    pipeline = dlt.pipeline(
        "places", destination=destination, dataset_name="harvest", pipelines_dir=str(tmp_path)
    )
    assert of(pipeline).place(pipeline) == tmp_path / "a__harvest.db"


def test_what_keeps_the_group_out_is_found_up_to_the_folder_of_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "below"
    folder.mkdir(parents=True)
    file = folder / "file"
    file.touch()
    for path, bits in ((file, 0o640), (folder, 0o750), (folder.parent, 0o750), (tmp_path, 0o700)):
        path.chmod(bits)
    assert shut_to_group(file, tmp_path) is None
    folder.parent.chmod(0o700)
    assert shut_to_group(file, tmp_path) == folder.parent
    file.chmod(0o600)
    assert shut_to_group(file, tmp_path) == file
    assert shut_to_group(tmp_path / "nothing", tmp_path) is None


def test_folder_of_the_state_is_made_for_the_owner_before_anything_is_in_it(
    open_place: Path,
) -> None:
    os.umask(0)
    Workplace().pipeline()
    assert {mode(path) for path in (open_place / ".dlt", *(open_place / ".dlt").rglob("*"))} == {
        "700",
        "600",
    }
