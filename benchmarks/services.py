"""What the load server answers: ours, and as much of other services as their clients need.

Each answer names the number that was asked for, where the service has a place for it, so that
every client can be shown to give each request its own answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import attrs

__all__ = ["SERVICES", "TWILIO_ACCOUNT", "Service"]

TWILIO_ACCOUNT = "AC" + "0" * 32


@attrs.frozen
class Service:
    """How one service is asked for a call, and what it says.

    Attributes:
        find: Finds the number in a request, without its plus sign.
        body: The reply, with places for `id` and `number`.
    """

    find: Callable[[bytes, int, int], re.Match[bytes] | None]
    body: bytes


_find_number = re.compile(rb'"number":[ ]?"\+([0-9]+)"').search
_find_to_number = re.compile(rb'"to_number":[ ]?"\+([0-9]+)"').search
_find_form_to = re.compile(rb"[\n&]To=%2B([0-9]+)").search

_TALKSTACK = (
    b'{"message":"call made successfully.","status":"success","call":'
    b'{"call_id":"CA%(id)018d","to":"+%(number)b","from":"+12025550100"}}'
)
_RETELL = (
    b'{"call_type":"phone_call","call_id":"call_%(id)018d","agent_id":"agent_1","agent_version":1,'
    b'"call_status":"registered","direction":"outbound","from_number":"+12025550100",'
    b'"to_number":"+%(number)b"}'
)
_VAPI = (
    b'{"id":"call_%(id)018d","orgId":"org_1","type":"outboundPhoneCall","status":"queued",'
    b'"createdAt":"2026-01-02T10:30:00.000Z","updatedAt":"2026-01-02T10:30:00.000Z",'
    b'"assistantId":"assistant_1","phoneNumberId":"number_1","customer":{"number":"+%(number)b"}}'
)
_ELEVENLABS = (
    b'{"success":true,"message":"Success","conversation_id":"conv_%(number)b",'
    b'"callSid":"CA%(id)032d"}'
)
_TWILIO = (
    b'{"sid":"CA%(id)032d","account_sid":"AC00000000000000000000000000000000",'
    b'"to":"+%(number)b","from":"+12025550100","status":"queued","direction":"outbound-api",'
    b'"date_created":null,"api_version":"2010-04-01"}'
)

SERVICES: Mapping[bytes, Service] = {
    b"/call/makeCall": Service(_find_number, _TALKSTACK),
    b"/v2/create-phone-call": Service(_find_to_number, _RETELL),
    b"/call": Service(_find_number, _VAPI),
    b"/v1/convai/twilio/outbound-call": Service(_find_to_number, _ELEVENLABS),
    f"/2010-04-01/Accounts/{TWILIO_ACCOUNT}/Calls.json".encode(): Service(_find_form_to, _TWILIO),
}
