"""What passes for a plain reply, aiohttp's own parser reads the same way."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import HttpResponseParser
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async.transport.plain_reply import Headers, find_plain_head

OK = b"HTTP/1.1 200 OK\r\n"

meaningful = (
    "Date Server Connection CONNECTION Transfer-Encoding Content-Encoding content-length "
    "Content-Length Content-Length-X X-Content-Length Upgrade Trailer Keep-Alive "
    "Proxy-Connection Set-Cookie Content-Type Vary"
)
names = st.one_of(
    st.sampled_from(meaningful.split()),
    st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=12),
)
values = st.one_of(
    st.sampled_from(["close", "keep-alive", " keep-alive ", "chunked", "gzip", "5", " 5\t", "+5"]),
    st.sampled_from(["0", "007", "", "5, 5", "upgrade", "identity", "keep-alive, close"]),
    st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=20),
)
lines = st.builds("{}:{}".format, names, values).map(lambda line: line.encode("latin-1"))
statuses = st.sampled_from(
    b"HTTP/1.1 200 OK|HTTP/1.1 201 |HTTP/1.1 202 Z\xe9|HTTP/1.1 200|HTTP/1.0 200 OK|"
    b"HTTP/1.1 204 No|HTTP/1.1 500 X|HTTP/1.1  200 OK".split(b"|")
)


@settings(max_examples=500, deadline=None)
@given(status=statuses, before=st.lists(lines, max_size=4), after=st.lists(lines, max_size=3))
def test_aiohttp_reads_a_plain_head_the_same_way(
    status: bytes, before: list[bytes], after: list[bytes]
) -> None:
    head = b"\r\n".join([status, *before, b"Content-Length: 5", *after]) + b"\r\n\r\n"
    data = head + b"12345"
    found = find_plain_head(data)
    if found is None:
        return
    assert found.end() == len(head)
    message, body = asyncio.run(parse(data))
    assert message.code == int(found[1])
    assert body == b"12345"
    assert int(found[2]) == 5
    assert not message.should_close
    assert not message.chunked
    assert message.compression is None
    headers = Headers(data[: found.end()])
    # Older versions keep blanks behind a value.
    pairs = [(name.lower(), value.strip(" \t")) for name, value in message.headers.items()]
    assert [(name.lower(), value) for name, value in headers._all().items()] == pairs
    assert headers["CONTENT-LENGTH"] == message.headers["content-length"]


async def parse(data: bytes) -> tuple[object, bytes]:
    loop = asyncio.get_running_loop()
    parser = HttpResponseParser(ResponseHandler(loop), loop, 2**16, read_until_eof=True)
    messages, _, rest = parser.feed_data(data)
    ((message, payload),) = messages
    assert not rest
    return message, await payload.read()


@pytest.mark.parametrize(
    "head",
    [
        OK + b"Content-Length: 5\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\ncontent-length:5\r\n\r\n",
        OK + b"Date: now\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\nServer: x\r\n\r\n",
    ],
)
def test_the_everyday_reply_is_plain(head: bytes) -> None:
    assert find_plain_head(head + b"12345") is not None


@pytest.mark.parametrize(
    "head",
    [
        OK + b"\r\n",
        OK + b"Content-Length: 5\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"content-encoding: gzip\r\nContent-Length: 5\r\n\r\n",
        OK + b"Content-Length: 5\r\nConnection: close\r\n\r\n",
        OK + b"Content-Length: 5\r\nConnection: keep-alive, close\r\n\r\n",
        OK + b"X: a\r\n b\r\nContent-Length: 5\r\n\r\n",
        OK + b"Content-Length : 5\r\n\r\n",
        OK + b"X: \x00\r\nContent-Length: 5\r\n\r\n",
        OK + b"X: " + b"y" * 8000 + b"\r\nContent-Length: 5\r\n\r\n",
        OK + b"X: y\r\n" * 49 + b"Content-Length: 5\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 204 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\n",
    ],
)
def test_anything_else_is_not(head: bytes) -> None:
    assert find_plain_head(head + b"12345") is None


def test_headers_are_found_in_any_case_and_counted() -> None:
    headers = Headers(OK + b"X-Name: Zo\xc3\xab\r\nContent-Length: 5\r\n\r\n")
    assert headers["x-name"] == "Zoë"
    assert len(headers) == 2
    assert headers.get("absent") is None
    assert "Zo" not in repr(headers)
