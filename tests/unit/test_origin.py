from __future__ import annotations

import base64

import pytest

from talkstack_async import ClientConfig
from talkstack_async.errors import ConfigurationError
from talkstack_async.transport.origin import Origin, Proxy, origins
from talkstack_async.transport.outgoing import Outgoing
from talkstack_async.wire.endpoints import CALLS_MAKE
from talkstack_async.wire.requests import HttpRequest


@pytest.mark.parametrize(
    ("address", "key", "host"),
    [
        ("https://calls.talkstack.ai", "https://calls.talkstack.ai", "calls.talkstack.ai"),
        ("https://calls.talkstack.ai:443", "https://calls.talkstack.ai", "calls.talkstack.ai"),
        (
            "https://calls.talkstack.ai:8443",
            "https://calls.talkstack.ai:8443",
            "calls.talkstack.ai:8443",
        ),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
        ("https://Calls.TalkStack.AI", "https://calls.talkstack.ai", "calls.talkstack.ai"),
        ("https://h.test/base", "https://h.test", "h.test"),
    ],
)
def test_an_origin_knows_its_key_and_its_host_header(address: str, key: str, host: str) -> None:
    origin = Origin("calls", address)
    assert origin.key == key
    assert origin.headers.startswith(f"Host: {host}\r\n".encode())


def test_tls_follows_from_the_scheme() -> None:
    assert Origin("calls", "https://h.test").is_tls
    assert not Origin("calls", "http://127.0.0.1").is_tls


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("https://h.test", "/call/makeCall"),
        ("https://h.test/", "/call/makeCall"),
        ("https://h.test/gateway/v2", "/gateway/v2/call/makeCall"),
        ("https://h.test/gate%20way", "/gate%20way/call/makeCall"),
    ],
)
def test_behind_a_gateway_the_target_has_a_prefix(address: str, target: str) -> None:
    origin = Origin("calls", address)
    assert origin.target("/call/makeCall") == target
    assert str(origin.url("/call/makeCall")) == f"https://h.test{target}"


def test_a_target_is_not_encoded_twice() -> None:
    origin = Origin("api", "https://h.test")
    assert str(origin.url("/call?to=%2B1415")) == "https://h.test/call?to=%2B1415"
    assert origin.url("/call?to=%2B1415").raw_path_qs == "/call?to=%2B1415"


def test_paths_with_ids_in_them_do_not_pile_up() -> None:
    origin = Origin("api", "https://h.test")
    for number in range(1_000):
        assert origin.url(f"/project/{number}").path == f"/project/{number}"
    assert len(origin._urls) <= 100


def test_a_path_that_is_used_often_is_built_once() -> None:
    origin = Origin("api", "https://h.test")
    assert origin.url("/call") is origin.url("/call")


def test_the_fixed_header_lines_ask_for_plain_json_and_hold_no_credential() -> None:
    lines = Origin("api", "https://h.test").headers.decode().splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "Host",
        "User-Agent",
        "Accept",
        "Accept-Encoding",
    ]
    assert lines[1].startswith("User-Agent: talkstack-async/")
    assert lines[3] == "Accept-Encoding: identity"


def test_the_two_hosts_are_kept_apart() -> None:
    found = origins(ClientConfig(calls_url="https://c.test", api_url="https://a.test"))
    assert {name: origin.key for name, origin in found.items()} == {
        "calls": "https://c.test",
        "api": "https://a.test",
    }


# --- What leaves.


def outgoing(body: bytes = b'{"a":1}') -> Outgoing:
    return Outgoing(
        HttpRequest(CALLS_MAKE, "/call/makeCall", body),
        credential=b"x-api-key: k\r\n",
        prefix="f00",
        serial=1,
    )


def test_head_and_body_leave_in_one_piece() -> None:
    data = outgoing().serialise(target=b"/base/call/makeCall", headers=b"Host: h.test\r\n")
    assert data == (
        b"POST /base/call/makeCall HTTP/1.1\r\n"
        b"Host: h.test\r\n"
        b"x-api-key: k\r\n"
        b"Content-Type: application/json\r\n"
        b"Content-Length: 7\r\n"
        b"\r\n"
        b'{"a":1}'
    )


def test_the_length_counts_bytes_and_an_empty_body_has_one_too() -> None:
    assert b"Content-Length: 2\r\n\r\n\xc3\xa4" in outgoing("ä".encode()).serialise(
        target=b"/", headers=b""
    )
    assert outgoing(b"").serialise(target=b"/", headers=b"").endswith(b"Content-Length: 0\r\n\r\n")


def test_building_bytes_does_not_mark_a_request_as_sent() -> None:
    request = outgoing()
    request.serialise(target=b"/", headers=b"")
    assert request.mark.sent is False


def test_a_request_on_its_way_does_not_show_its_credential() -> None:
    assert "x-api-key" not in repr(outgoing())
    with pytest.raises(TypeError):
        vars(outgoing())


# --- Proxies.


def test_the_password_of_a_proxy_is_kept_apart_from_its_address() -> None:
    proxy = Proxy.parse("http://ada:hunter%402@proxy.test:3128")
    assert str(proxy.url) == "http://proxy.test:3128"
    assert proxy.authorization == "Basic " + base64.b64encode(b"ada:hunter@2").decode()
    assert "hunter" not in repr(proxy)
    assert proxy.authorization not in repr(proxy)


def test_a_proxy_without_a_user_sends_no_authorization() -> None:
    proxy = Proxy.parse("http://proxy.test:3128")
    assert proxy.authorization is None
    assert proxy.options() == {"proxy": proxy.url, "proxy_headers": None}


def test_a_proxy_with_a_user_has_its_header_in_the_options() -> None:
    options = Proxy.parse("http://ada@proxy.test").options()
    assert options["proxy_headers"] == {
        "Proxy-Authorization": "Basic " + base64.b64encode(b"ada:").decode()
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "proxy.test:3128",
        "socks5://ada:hunter2@proxy.test",
        "ftp://ada:hunter2@proxy.test",
        "http://ada:hunter2@",
        "http://ada:hunter2@proxy.test:99999",
        "http://ada:hunter2@proxy.test:x",
        "http://ada:hunter2@[::1",
        "http://",
    ],
)
def test_a_proxy_that_is_none_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ConfigurationError, match="proxy") as refusal:
        Proxy.parse(text)
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_line_break_in_a_proxy_password_makes_no_header_line() -> None:
    proxy = Proxy.parse("http://ada:x%0D%0AX-Injected%3A%20yes@proxy.test")
    assert proxy.authorization is not None
    assert len(proxy.authorization.splitlines()) == 1
