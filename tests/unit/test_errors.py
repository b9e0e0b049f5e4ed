"""What an error quotes of others is kept apart from what it says: at a terminal both are shown, elsewhere the message alone."""

from __future__ import annotations

import ast
import copy
import pickle
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import dlt
import duckdb
import pytest
from dlt.common.destination.exceptions import DestinationTerminalException
from pipelines import forget_dlt

import harvest_source.commands.output
from harvest_source.catalogue.report import AccountReport
from harvest_source.destinations.duckdb import refuse_file
from harvest_source.destinations.failures import explained, is_interrupted
from harvest_source.destinations.set_up import setting_errors
from harvest_source.errors import (
    ApiError,
    CancelledError,
    HarvestError,
    causes,
    exit_code_of,
    in_own_words,
    one_line,
)
from harvest_source.reading.parts import PartStore
from harvest_source.settings import HarvestSettings, load_settings
from harvest_source.signin.auth import build_auth
from harvest_source.signin.tokens import OAuthClient, sign_in_file

PLANTED = "jane-doe"  # of a user, in the path of a home
PACKAGE = Path(harvest_source.__file__).parent


def tree(kind: type[HarvestError] = HarvestError) -> Iterator[type[HarvestError]]:
    """Yields the errors that are made of a message."""
    if kind.__init__ in (HarvestError.__init__, ApiError.__init__):
        yield kind
    for each in kind.__subclasses__():
        yield from tree(each)


@pytest.mark.parametrize("kind", sorted(set(tree()), key=str), ids=str)
def test_every_error_keeps_message_and_quotes_apart(kind: type[HarvestError]) -> None:
    """Also what looks like a place for a quote, within one; copies are the same."""
    error = kind(
        "cannot read {} ({}): mend it {here}", quoted=(Path("/home") / PLANTED, "{} says no")
    )
    for each in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - made here
        assert str(each) == f"cannot read /home/{PLANTED} ({{}} says no): mend it {{here}}"
        assert each.in_own_words == in_own_words(each) == "cannot read … (…): mend it {here}"
    assert (str(kind("a {} stays")), kind("a {} stays").in_own_words) == (
        "a {} stays",
        "a {} stays",
    )


@pytest.mark.parametrize(
    ("message", "own"),
    [
        ("Harvest does not allow it (403: {}); ask {}", "Harvest does not allow it (403); ask …"),
        ("its rows could not be loaded (load): {}", "its rows could not be loaded (load)"),
        ("account 9 is not one of: {}", "account 9 is not one of: …"),
        ("{}, line 3: is saved in UTF-16", "…, line 3: is saved in UTF-16"),
    ],
)  # fmt: skip
def test_message_reads_well_without_its_quotes(message: str, own: str) -> None:
    assert HarvestError(message, quoted=["a", "b"][: message.count("{}")]).in_own_words == own


def test_errors_that_nobody_foresaw_are_told_by_their_kind() -> None:
    assert (in_own_words(KeyError(PLANTED)), in_own_words("of ours")) == (
        "unexpected KeyError",
        "of ours",
    )
    assert (
        one_line(KeyError(PLANTED)) == f"unexpected KeyError: '{PLANTED}' (--verbose tells where)"
    )
    assert exit_code_of(KeyError(PLANTED)) == 1


def no_token(_folder: Path) -> None:
    build_auth(HarvestSettings())


def no_client(_folder: Path) -> None:
    build_auth(HarvestSettings(client_id="x"))


def token_folder_is_a_file(folder: Path) -> None:
    (folder / "config").write_text("")
    with sign_in_file(OAuthClient("i", "s", "https://id.example/", "a"), PLANTED).locked():
        pass


def answers_cannot_be_kept(folder: Path) -> None:
    store = PartStore(folder / "answers")
    store.close()
    store.drop(AccountReport(1, "clients"))


def no_folder_for_the_database(folder: Path) -> None:
    file = dlt.destinations.duckdb(str(folder / "gone" / "x.duckdb"))
    refuse_file(
        dlt.pipeline(
            "a", destination=file, dataset_name="harvest", pipelines_dir=str(folder / "state")
        )
    )


def disk_is_full(folder: Path) -> None:
    with setting_errors("duckdb"):
        raise OSError(28, "No space left on device", str(folder / "x"))


def destination_is_a_connection_string(_folder: Path) -> None:
    with setting_errors(f"postgresql://{PLANTED}@db/x"):
        dlt.pipeline("a", destination=f"postgresql://{PLANTED}@db/x")


def destination_is_gone(folder: Path) -> None:
    with explained():
        duckdb.connect(str(folder))


def setting_is_not_known(folder: Path) -> None:
    write(folder, f'[sources.harvest]\n{PLANTED} = "x"\n')
    load_settings()


def setting_is_none_of_its_values(_folder: Path) -> None:
    HarvestSettings(assignments=PLANTED)


def write(folder: Path, text: str) -> None:
    """Writes settings."""
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "config.toml").write_text(text)
    forget_dlt()


ACTS: dict[Callable[[Path], None], str] = {
    no_token: "no access token is set: make one at https://id.getharvest.com/developers",
    no_client: "client_secret is not set",
    token_folder_is_a_file: "cannot keep tokens in … (…): make it writable, or set XDG_CONFIG_HOME",
    answers_cannot_be_kept: "answers cannot be kept in …: …; is there room on the disk?",
    no_folder_for_the_database: "there is no folder … for the database file: make it, or set another",
    disk_is_full: "cannot write here: … (…)",
    destination_is_a_connection_string: "destination … is not known to dlt",
    destination_is_gone: "the destination cannot be used: …",
    setting_is_not_known: "unknown setting … in [sources.harvest] of …: known are ",
    setting_is_none_of_its_values: "assignments … is not one of its values; they are: account, project",
}


@pytest.mark.parametrize(("act", "own"), ACTS.items(), ids=[act.__name__ for act in ACTS])
def test_folders_users_and_words_of_others_are_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], None], own: str
) -> None:
    """Tried in a folder that has a user's name; a person at the terminal reads it, a webhook is not told."""
    folder = tmp_path / PLANTED
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    forget_dlt()
    with pytest.raises(HarvestError) as raised:
        act(folder)
    assert PLANTED in str(raised.value)
    assert PLANTED not in raised.value.in_own_words
    assert str(tmp_path) not in raised.value.in_own_words
    assert raised.value.in_own_words.startswith(own)


# What messages hold without quoting it: names of the catalogue, of settings and options, numbers, words of the product.
OURS = {
    "' and '.join(missing)",
    "', '.join(ALL_NAMES)",
    "', '.join(sorted(known))",
    "'; '.join((f'{{}}{reason}' for reason in reasons.values()))",
    "'; '.join((said for said, _ in unread))",
    "API_URL",
    "COMMAND",
    "DATASET_NAME",
    "DEVELOPERS_URL",
    "ENCODING",
    "GOES_ON",
    "LARGEST",
    "near[0]",  # a figure of the catalogue
    "LARGEST_MIB",
    "LEAST_CONNECTIONS + 1",
    "LIST_OF_ACCOUNTS",
    "LOGIN",
    "MOST_BYTES_TOGETHER // MIB",
    "MOST_WINDOWS",
    "NOTHING_LOADED",
    "NOT_READ",
    "OF_TOKENS.times",
    "ON_THE_WAY[result['error']]",
    "SECRETS_FILE",
    "SECTION",
    "TOO_SLOW",
    "_dlt_version()",
    "account.id",
    "account_id",
    "are",
    "dataset",
    "destination",
    "duckdb.__version__",
    "encoding",
    "error.message",
    "failed.step",
    "fault",
    "follows",
    "getattr(self, name)",
    "hint",
    "install_line(destination)",
    "install_line(name)",
    "len(statements)",
    "lost",
    "max(free, 0) + 1",
    "most",
    "name",
    "network.NO_BUNDLE",
    "options.days_back",
    "parent",
    "path",
    "pipeline.dataset_name",
    "pipeline.destination and pipeline.destination.destination_name",
    "place.destination",
    "port",
    "reason",
    "register",
    "remedy",
    "report",
    "report.name",
    "rows",
    "run",
    "said",
    "seconds",
    "sections[-1]",
    "self._port",
    "self._report.name",
    "self._sign_in_again",
    "self.column",
    "self.month",
    "self.most",
    "self.pages",
    "self.pair.report",
    "query.report.name",
    "self.table",
    "sign",
    "status",
    "stays if file.read() == before else 'the sign-in is kept'",
    "str(error)",
    "times",
    "told",
    "total",
    "type(error).__name__",
    "type(value).__name__",
    "wanted",
    "what",
    "what_stays",
    "what_to_do",
    "why",
    "without_new + 1",
    "words",
}


def test_an_error_raised_from_what_it_caused_ends_its_chain() -> None:
    """As `explained` raises what a resource said in place of dlt's failure: a run that was stopped must not look for ever."""

    @explained()
    def fail() -> None:
        try:
            raise CancelledError("stopped")
        except HarvestError as inner:
            raise DestinationTerminalException("a step failed") from inner

    with pytest.raises(HarvestError) as raised:
        fail()
    chain = list(islice(causes(raised.value), 3))
    assert [type(each) for each in chain] == [CancelledError, DestinationTerminalException]
    assert not is_interrupted(raised.value)


def inserted() -> Iterator[tuple[str, str]]:
    """Yields what is put into the messages of all errors, and where."""
    kinds = {kind.__name__ for kind in tree()} | {"kind", "type(error)"}
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in kinds and node.args:
                message = node.args[0]
                values = [
                    each.value for each in ast.walk(message) if isinstance(each, ast.FormattedValue)
                ]
                values += [] if isinstance(message, (ast.JoinedStr, ast.Constant)) else [message]
                for value in values:
                    yield ast.unparse(value), f"{file.relative_to(PACKAGE)}:{node.lineno}"


def test_what_messages_hold_without_a_quote_was_looked_at() -> None:
    """Whoever puts something else into one says here that it is the product's own, or quotes it."""
    found = dict(inserted())
    assert {value: place for value, place in found.items() if value not in OURS} == {}
    assert OURS - found.keys() == set()
