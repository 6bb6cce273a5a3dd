from __future__ import annotations

import attrs
import pytest

from talkstack_async.wire import endpoints
from talkstack_async.wire.endpoints import (
    CALLS_GET,
    CALLS_MAKE,
    ENDPOINTS,
    Effect,
    Endpoint,
    Host,
)

ROWS = [value for value in vars(endpoints).values() if isinstance(value, Endpoint)]


def test_placing_a_call_dials_at_the_dialling_host() -> None:
    assert attrs.astuple(CALLS_MAKE) == (
        "calls.make",
        "POST",
        "/call/makeCall",
        Effect.DIAL,
        Host.CALLS,
        "either",
    )


def test_reading_a_call_is_a_read_although_it_is_a_post() -> None:
    row = ("calls.get", "POST", "/call", Effect.READ, Host.API, "either")
    assert attrs.astuple(CALLS_GET) == row


def test_the_table_holds_all_34_operations() -> None:
    assert len(ENDPOINTS) == 34
    assert list(ENDPOINTS) == ROWS


def test_every_row_has_a_name_and_a_place_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len({(row.verb, row.host, row.path) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_can_be_put_on_the_wire(row: Endpoint) -> None:
    assert row.verb in {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert row.path.startswith("/")
    assert row.path.isascii()
    assert not set(row.path) & set(" ?#\r\n")


def test_only_dialling_goes_to_the_dialling_host() -> None:
    assert {row.name for row in ROWS if row.host is Host.CALLS} == {"calls.make"}


def test_a_row_without_an_effect_cannot_be_written_down() -> None:
    with pytest.raises(TypeError):
        Endpoint(name="x", verb="GET", path="/")  # type: ignore[call-arg]


def test_a_row_cannot_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        CALLS_MAKE.effect = Effect.READ  # type: ignore[misc]


def test_the_effects_are_the_five_that_are_documented() -> None:
    assert [str(effect) for effect in Effect] == ["read", "write", "dial", "rotate", "mail"]
