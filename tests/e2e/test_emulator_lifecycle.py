"""Starting, closing, counting, threads and the control plane of the emulator."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import pytest

from talkstack_async.emulator import Emulator, EmulatorThread, Fault, Statistics
from talkstack_async.emulator.clock import monotonic, pause

ORDINARY = "+12025550100"


def request_to(url: str, api_key: str, number: str = ORDINARY) -> urllib.request.Request:
    body = json.dumps({"number": number, "projectId": "p1", "agentId": "a1"}).encode()
    headers = {"x-api-key": api_key, "Content-Type": "application/json"}
    return urllib.request.Request(url + "/call/makeCall", data=body, headers=headers)


def other_tasks() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def send(emulator: Emulator, number: str = ORDINARY) -> asyncio.StreamWriter:
    """Send a makeCall and do not wait for the answer."""
    wanted = request_to(emulator.url, emulator.api_key, number)
    body = wanted.data
    assert isinstance(body, bytes)
    host, port = emulator.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /call/makeCall HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"x-api-key: {emulator.api_key}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return writer


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.com", ""])
def test_it_refuses_to_listen_anywhere_but_on_loopback(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Emulator(host)


async def test_it_listens_where_it_is_told_and_says_where() -> None:
    for host in ("127.0.0.1", "localhost"):
        async with Emulator(host) as emulator:
            assert emulator.url.startswith("http://127.0.0.1:")
            assert emulator.url == emulator.calls_url == emulator.api_url


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
async def test_an_ipv6_address_is_written_in_brackets() -> None:
    emulator = Emulator("::1")
    try:
        await emulator.start()
    except OSError:
        pytest.skip("there is no IPv6 loopback here")
    assert emulator.url.startswith("http://[::1]:")
    await emulator.aclose()


async def test_it_has_no_address_before_it_starts_and_starts_once() -> None:
    emulator = Emulator()
    with pytest.raises(RuntimeError, match="no address"):
        _ = emulator.url
    assert emulator.statistics == Statistics(
        requests=0, connections=0, open_connections=0, max_in_flight=0, rings=0
    )
    await emulator.aclose()
    await emulator.start()
    with pytest.raises(RuntimeError, match="starts once"):
        await emulator.start()
    await emulator.aclose()
    await emulator.aclose()


async def test_a_taken_port_is_an_os_error() -> None:
    async with Emulator() as emulator:
        port = int(emulator.url.rsplit(":", 1)[1])
        second = Emulator(port=port)
        with pytest.raises(OSError, match="address"):
            await second.start()


async def test_closing_is_quick_and_leaves_no_task_whatever_clients_do() -> None:
    slow = Fault("slow", seconds=60, number="+12025550101")
    async with Emulator(faults=[slow]) as emulator:
        answered = await send(emulator)
        stalled = await send(emulator, "+12025550188")
        await emulator.wait_for_rings(2)
        slowed = await send(emulator, "+12025550101")
        pouring = await send(emulator, "+12025550199")
        await emulator.wait_for_rings(3)
        host, port = emulator.url.removeprefix("http://").split(":")
        _, silent = await asyncio.open_connection(host, int(port))
        _, headless = await asyncio.open_connection(host, int(port))
        headless.write(b"POST /call/makeCall HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
        while emulator.statistics.open_connections < 6:
            await pause(0.001)
        started = monotonic()
        await emulator.aclose()
        assert monotonic() - started < 0.5
        assert other_tasks() == set()
        assert emulator.statistics.open_connections == 0
    for writer in (answered, stalled, slowed, pouring, silent, headless):
        writer.close()
    assert len(emulator.rings) == 3, "the ledger can be read after closing"


async def test_nothing_unclosed_is_left_for_the_garbage_collector() -> None:
    async with Emulator() as emulator:
        writer = await send(emulator)
        await emulator.wait_for_rings(1)
    writer.close()
    del emulator, writer
    gc.collect()


async def test_many_connections_are_counted_and_each_phone_rings_once() -> None:
    numbers = [f"+1202555{n:04}" for n in range(2000, 2300)]
    async with Emulator(faults=[Fault("slow", seconds=0.1)]) as emulator:
        headers = {"x-api-key": emulator.api_key}
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

            async def make(number: str) -> int:
                content = {"number": number, "projectId": "p1", "agentId": "a1"}
                url = emulator.url + "/call/makeCall"
                async with session.post(url, json=content) as reply:
                    return reply.status

            assert set(await asyncio.gather(*map(make, numbers))) == {200}
            counted = emulator.statistics
        assert sorted(ring.number for ring in emulator.rings) == numbers
        assert counted.requests == counted.connections == counted.rings == 300
        assert counted.max_in_flight > 10
        assert len({ring.connection for ring in emulator.rings}) == 300
        assert emulator.arrivals == sorted(emulator.arrivals)


async def test_a_reset_starts_over_and_a_seed_changes_who_it_is() -> None:
    async with Emulator(seed=1) as emulator:
        writer = await send(emulator)
        await emulator.wait_for_rings(1)
        before, key = list(emulator.rings), emulator.api_key
        emulator.expire_token()
        emulator.reset()
        assert emulator.rings == []
        assert emulator.arrivals == []
        assert emulator.api_key == key
        writer.close()
        writer = await send(emulator)
        await emulator.wait_for_rings(1)
        assert emulator.rings[0].call_id == before[0].call_id
        emulator.reset(seed=2)
        assert emulator.api_key != key
        writer.close()


@pytest.fixture(scope="module")
def thread() -> Iterator[EmulatorThread]:
    with EmulatorThread() as running:
        yield running


@pytest.fixture
def emulator(thread: EmulatorThread) -> EmulatorThread:
    thread.reset(seed=0)
    thread.clear_faults()
    return thread


def test_an_emulator_in_a_thread_serves_threads(emulator: EmulatorThread) -> None:
    def make(n: int) -> int:
        wanted = request_to(emulator.url, emulator.api_key, f"+1202555{n:04}")
        with urllib.request.urlopen(wanted, timeout=5) as reply:
            return int(reply.status)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(make, range(2000, 2040))) == [200] * 40
    emulator.wait_for_rings(40)
    assert len(emulator.rings) == len(emulator.arrivals) == emulator.statistics.rings == 40
    assert len(emulator.rings_to("+12025552000")) == 1
    assert emulator.followed_redirects == []


def test_a_thread_has_the_members_of_an_emulator(emulator: EmulatorThread) -> None:
    def members(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert members(EmulatorThread) - {"close"} == members(Emulator) - {"aclose"}
    assert emulator.calls_url == emulator.api_url == emulator.url
    assert emulator.token
    assert emulator.project_id != emulator.agent_id
    emulator.advance(1)
    emulator.expire_token()
    with pytest.raises(TimeoutError):
        emulator.wait_for_rings(1, timeout=0.01)
    with pytest.raises(ValueError, match="no operation"):
        emulator.add_fault(Fault("drop", operation="nothing"))


def test_a_thread_ends_with_its_emulator() -> None:
    threads = threading.active_count()
    emulator = EmulatorThread()
    emulator.start()
    with pytest.raises(RuntimeError, match="starts once"):
        emulator.start()
    emulator.close()
    emulator.close()
    assert threading.active_count() == threads
    assert emulator.rings == []
    with pytest.raises(RuntimeError, match="not running"):
        emulator.wait_for_rings(1)


def test_a_thread_that_cannot_start_says_why(thread: EmulatorThread) -> None:
    threads = threading.active_count()
    with pytest.raises(OSError, match="address"):
        EmulatorThread(port=int(thread.url.rsplit(":", 1)[1])).start()
    assert threading.active_count() == threads


def control(
    emulator: EmulatorThread,
    method: str,
    path: str,
    content: object = None,
    **headers: str,
) -> tuple[int, Any]:
    body = None if content is None else json.dumps(content).encode()
    headers = {"Content-Type": "application/json", **headers}
    wanted = urllib.request.Request(
        emulator.url + "/_emulator/" + path, data=body, headers=headers, method=method
    )
    try:
        with urllib.request.urlopen(wanted, timeout=5) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def ring_one(emulator: EmulatorThread, number: str = ORDINARY) -> None:
    with urllib.request.urlopen(
        request_to(emulator.url, emulator.api_key, number), timeout=5
    ) as reply:
        reply.read()


def test_the_control_plane_lists_what_it_can_do(emulator: EmulatorThread) -> None:
    status, body = control(emulator, "GET", "")
    assert status == 200
    for action in body["actions"]:
        method, path = action.split()
        assert method in ("GET", "POST", "DELETE")
        assert path.startswith("/_emulator/")
    assert control(emulator, "GET", "nothing")[0] == 404


def test_the_control_plane_tells_credentials_and_counts(emulator: EmulatorThread) -> None:
    _, who = control(emulator, "GET", "whoami")
    assert (who["api_key"], who["token"]) == (emulator.api_key, emulator.token)
    assert (who["project_id"], who["agent_id"]) == (emulator.project_id, emulator.agent_id)
    ring_one(emulator)
    _, counted = control(emulator, "GET", "statistics")
    assert (counted["requests"], counted["rings"]) == (1, 1)
    assert counted["connections"] >= counted["open_connections"] >= 1


def test_rings_can_be_read_by_page_and_by_number(emulator: EmulatorThread) -> None:
    for line in (0, 1, 0):
        ring_one(emulator, f"+120255501{line:02}")
    _, page = control(emulator, "GET", "rings?offset=1&limit=1")
    assert (page["total"], page["offset"], len(page["rings"])) == (3, 1, 1)
    assert page["rings"][0]["number"] == "+12025550101"
    assert page["rings"][0]["call_id"] == emulator.rings[1].call_id
    for number in ("%2B12025550100", "+12025550100"):
        assert control(emulator, "GET", f"rings?number={number}")[1]["total"] == 2
    for bad in ("offset=-1", "limit=x", "offset=1.5"):
        status, problem = control(emulator, "GET", f"rings?{bad}")
        assert status == 400
        assert "whole number" in problem["message"]


def test_faults_can_be_set_read_and_cleared_from_outside(emulator: EmulatorThread) -> None:
    status, body = control(
        emulator, "POST", "faults", {"kind": "status", "status": 503, "times": 1}
    )
    assert status == 200
    with pytest.raises(urllib.error.HTTPError) as failed:
        ring_one(emulator)
    failed.value.close()
    assert failed.value.code == 503
    (fault,) = control(emulator, "GET", "faults")[1]["faults"]
    assert (fault["kind"], fault["hits"]) == ("status", 1)
    assert body["faults"][0]["hits"] == 0
    assert control(emulator, "DELETE", "faults")[1] == {"faults": []}


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("faults", {}, "needs a kind"),
        ("faults", {"kind": "explode"}, "kind must be one of"),
        ("faults", {"kind": "drop", "colour": "red"}, "unknown: colour"),
        ("faults", {"kind": "drop", "times": "3"}, "times must be a whole number"),
        ("faults", {"kind": "drop", "operation": "x"}, "no operation"),
        ("clock", {}, "advance must be a number"),
        ("clock", {"advance": True}, "advance must be a number"),
        ("clock", {"advance": -1}, "forward"),
        ("seed", {"seed": "x"}, "seed must be a whole number"),
        ("seed", {"seeds": 1}, "unknown: seeds"),
        ("reset", {"now": True}, "unknown: now; allowed: none"),
        ("reset", [], "JSON object"),
    ],
)
def test_bad_control_input_is_refused_with_its_reason(
    emulator: EmulatorThread, path: str, content: object, words: str
) -> None:
    status, body = control(emulator, "POST", path, content)
    assert status == 400
    assert words in body["message"]


def test_a_control_body_must_be_json_and_say_so(emulator: EmulatorThread) -> None:
    wrong_type = {"Content-Type": "text/plain"}
    assert control(emulator, "POST", "clock", {"advance": 1}, **wrong_type)[0] == 400
    wanted = urllib.request.Request(
        emulator.url + "/_emulator/clock",
        data=b"{",
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(wanted, timeout=5)
    failed.value.close()
    assert failed.value.code == 400


def test_reset_seed_and_clock_work_from_outside(emulator: EmulatorThread) -> None:
    ring_one(emulator)
    assert control(emulator, "POST", "clock", {"advance": 2.5})[1] == {"ahead": 2.5}
    assert control(emulator, "POST", "reset")[0] == 200
    assert emulator.rings == []
    assert control(emulator, "POST", "clock", {"advance": 1})[1] == {"ahead": 1.0}
    _, who = control(emulator, "POST", "seed", {"seed": 5})
    assert (who["seed"], who["api_key"]) == (5, emulator.api_key)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "[::1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_web_pages_cannot_use_the_control_plane(
    emulator: EmulatorThread, headers: dict[str, str]
) -> None:
    assert control(emulator, "POST", "reset", **headers)[0] == 403
    assert control(emulator, "GET", "whoami", **headers)[0] == 403


def test_a_page_of_this_machine_may_use_the_control_plane(emulator: EmulatorThread) -> None:
    assert control(emulator, "GET", "", Origin="http://localhost:8000")[0] == 200
