"""Addresses of ledgers, and what may be said of them and of what goes wrong there."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.ledger.addresses import ServerAddress, is_server
from talkstack_async.campaign.ledger.translate import server_error, translated
from talkstack_async.errors import LedgerBusyError, LedgerCorruptError, LedgerError


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://ada:secret@db.example/calls", "postgresql://db.example/calls"),
        ("postgres://ada:secret@db.example:5433/calls", "postgresql://db.example:5433/calls"),
        ("postgresql+psycopg://ada:secret@db/calls", "postgresql://db/calls"),
        ("postgresql://ada:se%40cr%2Fet@db/calls?sslmode=require", "postgresql://db/calls"),
        ("postgresql://ada:12?secret@db/calls", "postgresql://db/calls"),
        ("postgresql://a:secret@one:1,two:2/calls", "postgresql://one:1,two:2/calls"),
        ("postgresql://one,two/calls?password=secret", "postgresql://one,two/calls"),
        ("postgresql:///calls?host=/run/pg&user=ada", "postgresql:///calls"),
        ("postgresql://ada:secret@[::1]:5432/calls", "postgresql://[::1]:5432/calls"),
    ],
)
def test_an_address_is_shown_without_user_and_password(url: str, name: str) -> None:
    address = ServerAddress.read(url)
    assert "secret" not in f"{address} {address!r}"
    assert "ada" not in f"{address} {address!r}"
    assert address.name == name
    assert is_server(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:sec/ret@db/calls",
        "postgresql:calls",
        "postgresql://ada:12/secret@db/calls",
        "postgresql://db/calls?secret=1",
        "postgresql://ada:%zzsecret@db/calls",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(LedgerError, match="is written postgresql:") as caught:
        ServerAddress.read(url)
    assert "sec" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_path_is_no_address_because_it_lost_a_slash() -> None:
    with pytest.raises(LedgerError, match="as text"):
        open_ledger(Path("postgresql://db/calls"))
    assert not is_server(Path("/srv/postgresql.db"))


def test_a_ledger_on_a_server_does_not_show_its_password() -> None:
    ledger = open_ledger("postgresql://ada:secret@db.example/calls")
    assert "secret" not in repr(ledger)
    assert ledger.is_shared


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (psycopg.errors.DiskFull("no space"), LedgerError, "disk is full"),
        (psycopg.errors.TooManyConnections("53300"), LedgerBusyError, "no connection to spare"),
        (psycopg.errors.LockNotAvailable("x"), LedgerBusyError, "stayed locked"),
        (psycopg.errors.SerializationFailure("x"), LedgerBusyError, "several at once"),
        (psycopg.errors.AdminShutdown("x"), LedgerBusyError, "stopped or started"),
        (psycopg.errors.UndefinedTable("x"), LedgerCorruptError, "lacks a table"),
        (psycopg.errors.InsufficientPrivilege("x"), LedgerError, "does not allow"),
        (psycopg.errors.DataCorrupted("x"), LedgerCorruptError, "damaged"),
        (psycopg.OperationalError("server closed the connection"), LedgerBusyError, "reached"),
        (
            psycopg.OperationalError('failed: FATAL:  password authentication failed for "a"'),
            LedgerError,
            "let this user in",
        ),
        (
            psycopg.OperationalError("failed: FATAL:  sorry, too many clients already"),
            LedgerBusyError,
            "no connection to spare",
        ),
        (psycopg.errors.RaiseException("the audit is append-only"), LedgerError, "append-only"),
    ],
)
def test_what_a_server_says_becomes_one_clear_error(
    error: psycopg.Error, kind: type[LedgerError], words: str
) -> None:
    ours = server_error(error, "postgresql://db/calls")
    assert isinstance(ours, kind)
    assert words in str(ours)
    assert "postgresql://db/calls" in str(ours)


def test_other_errors_are_not_translated() -> None:
    with pytest.raises(KeyError), translated("postgresql://db/calls"):
        raise KeyError("one of ours")
