from __future__ import annotations

import re

import attrs
import pytest

from talkstack_async.emulator.identity import identity_of
from talkstack_async.emulator.magic import fiction_line
from talkstack_async.emulator.rings import DialRequest, Ring, RingLedger

IDENTITY = identity_of(7)


def ledger_of(*numbers: str) -> RingLedger:
    ledger = RingLedger(IDENTITY)
    for place, number in enumerate(numbers):
        request = DialRequest(number=number, project_id="p", agent_id="a")
        ledger.append(request, at=float(place), virtual_at=place + 100.0, connection=3)
    return ledger


def test_the_same_seed_gives_the_same_identity() -> None:
    assert identity_of(7) == IDENTITY
    assert identity_of(8).api_key != IDENTITY.api_key


def test_credentials_look_like_the_vendors_and_do_not_print() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", IDENTITY.api_key)
    assert IDENTITY.api_key not in repr(IDENTITY)
    assert IDENTITY.token not in repr(IDENTITY)


def test_a_call_id_leads_back_to_its_place() -> None:
    ids = [IDENTITY.call_id(index) for index in range(2000)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"CA[0-9a-f]{32}", call_id) for call_id in ids)
    assert [IDENTITY.index_of(call_id) for call_id in ids] == list(range(2000))


@pytest.mark.parametrize("stranger", ["", "CA", "CA" + "0" * 32, "x" * 34, "CA" + "é" * 32])
def test_a_call_id_that_was_never_given_out_leads_nowhere(stranger: str) -> None:
    assert IDENTITY.index_of(stranger) is None


def test_a_call_id_of_another_seed_leads_nowhere() -> None:
    assert IDENTITY.index_of(identity_of(8).call_id(0)) is None


def test_calls_are_made_from_ordinary_fictional_numbers() -> None:
    for index in range(20):
        line = fiction_line(IDENTITY.caller_id(index))
        assert line is not None
        assert line < 80


def test_the_ledger_keeps_rings_in_order_of_dialling() -> None:
    ledger = ledger_of("+1", "+2", "+1")
    assert [ring.number for ring in ledger] == ["+1", "+2", "+1"]
    assert ledger[-1] == ledger[2]
    assert ledger[1:] == [ledger[1], ledger[2]]
    assert ledger.virtual_moment(1) == 101.0
    with pytest.raises(IndexError):
        _ = ledger[3]


def test_rings_of_one_number_are_found_also_among_later_ones() -> None:
    ledger = ledger_of("+1", "+2")
    assert len(ledger.to("+1")) == 1
    request = DialRequest(number="+1", project_id="p", agent_id="a", variables=b'{"name": "Ada"}')
    ledger.append(request, at=9.0, virtual_at=9.0, connection=4)
    assert [ring.at for ring in ledger.to("+1")] == [0.0, 9.0]
    assert dict(ledger[2].variables) == {"name": "Ada"}
    assert ledger.to("+3") == []


def test_the_ledger_compares_to_any_sequence_of_rings() -> None:
    ledger = ledger_of("+1")
    assert ledger_of() == []
    assert ledger == [ledger[0]]
    assert ledger == ledger_of("+1")
    assert ledger != []
    assert ledger != [attrs.evolve(ledger[0], number="+2")]
    assert ledger != "+1"
    assert repr(ledger) == "<1 rings>"


def test_a_ring_is_frozen_and_small() -> None:
    ring = ledger_of("+1")[0]
    assert not hasattr(ring, "__dict__")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        ring.number = "+2"  # type: ignore[misc]
    assert isinstance(hash(ring), int)
    assert isinstance(ring, Ring)
