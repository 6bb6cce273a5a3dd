"""Reading a ledger from a server that goes away and comes back, or never lets one in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from talkstack_async.campaign.ledger.addresses import ServerAddress
from talkstack_async.campaign.ledger.reading import Reading
from talkstack_async.campaign.ledger.schema import prepare_server
from talkstack_async.errors import LedgerBusyError, LedgerError
from tests.support.postgres import PostgresServer, on_server


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server that may be stopped."""
    with PostgresServer() as server:
        prepare_server(ServerAddress.read(server.url), create=True)
        yield server


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_reading_goes_on_when_the_server_is_back(own: PostgresServer, how: str) -> None:
    with contextlib.closing(Reading(own.url)) as reading:
        assert reading.campaigns() == []
        own.stop(how)
        with pytest.raises(LedgerBusyError, match=r"postgresql://127\.0\.0\.1:\d+/postgres"):
            reading.campaigns()
        own.start()
        assert reading.campaigns() == []


def test_a_server_that_refuses_is_one_clear_error_without_the_password(
    own: PostgresServer,
) -> None:
    on_server(own.url, "CREATE ROLE ada LOGIN PASSWORD 'hunter2-right'")
    hba = own.directory / "data" / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("host all ada 127.0.0.1/32 scram-sha-256\n" + before)
    on_server(own.url, "SELECT pg_reload_conf()")
    url = own.url.replace("postgres@", "ada:hunter2-wrong@")
    try:
        for address, words in (
            (url, "does not let this user in"),
            (url.replace("ada:", "nobody-there:"), "does not let this user in"),
            (own.url + "_not", "create the database first"),
            (own.url.replace(str(own.port), "1"), "cannot be reached"),
            (url.replace("wrong", "right"), "does not allow its user"),
        ):
            with contextlib.closing(Reading(address)) as reading:
                with pytest.raises(LedgerError, match=words) as caught:
                    reading.campaigns()
            assert "hunter2" not in str(caught.value)
            assert "hunter2" not in repr(caught.value.__cause__)
    finally:
        hba.write_text(before)
        on_server(own.url, "SELECT pg_reload_conf()")


def test_more_readers_than_connections_is_said(own: PostgresServer) -> None:
    on_server(own.url, "CREATE DATABASE small CONNECTION LIMIT 0")
    on_server(own.url, "CREATE ROLE grace LOGIN")
    url = own.url.replace("postgres@", "grace@").replace("/postgres", "/small")
    with contextlib.closing(Reading(url)) as reading:
        with pytest.raises(LedgerBusyError, match="no connection to spare"):
            reading.campaigns()
