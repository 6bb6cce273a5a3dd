"""A headless Chromium that is asked, over its DevTools, what a page does."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

import aiohttp

__all__ = ["Browser", "Tab", "chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip


def chromium() -> str | None:
    """Return the browser of this machine, if it has one."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class Tab:
    """A page, and all that it did since it was opened.

    Attributes:
        requests: The addresses it asked for.
        errors: What it complained about: exceptions, console errors, what was blocked.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = asyncio.Event()
        self.requests: list[str] = []
        self.errors: list[str] = []

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._browser.ask(method, session=self._session, **params)

    async def evaluate(self, expression: str) -> Any:
        reply = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return reply["result"].get("value")

    async def go(self, address: str) -> None:
        """Open a page and wait until it is there, with all it asks for."""
        self._loaded.clear()
        await self.ask("Page.navigate", url=address)
        await self._loaded.wait()
        # A turn through the page: what it set off while loading is reported before the answer.
        await self.evaluate("document.body.getBoundingClientRect().height")

    def happened(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.errors.append(params["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.errors.append(params["exceptionDetails"]["text"])
            case "Runtime.consoleAPICalled":
                self.errors.append(str(params["args"]))
            case _:
                pass


class Browser:
    """A Chromium of its own, gone at the end."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}

    async def tab(self) -> Tab:
        target = await self.ask("Target.createTarget", url="about:blank")
        reply = await self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        tab = self._tabs[reply["sessionId"]] = Tab(self, reply["sessionId"])
        for domain in ("Page", "Log", "Network", "Runtime"):
            await tab.ask(f"{domain}.enable")
        return tab

    async def ask(
        self, method: str, *, session: str | None = None, **params: Any
    ) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        said = {"id": number, "method": method, "params": params}
        await self._socket.send_json(said if session is None else {**said, "sessionId": session})
        return await answer

    async def _listen(self) -> None:
        async for message in self._socket:
            said = message.json()
            if "id" not in said:
                tab = self._tabs.get(said.get("sessionId", ""))
                if tab is not None:
                    tab.happened(said["method"], said["params"])
                continue
            answer = self._answers.pop(said["id"])
            if answer.done():
                continue
            if "error" in said:
                answer.set_exception(RuntimeError(str(said["error"])))
            else:
                answer.set_result(said["result"])
        for answer in self._answers.values():
            answer.cancel()

    async def __aenter__(self) -> Self:
        self._home = Path(tempfile.mkdtemp())
        self._process = await asyncio.create_subprocess_exec(
            self._program, *_QUIET, f"--user-data-dir={self._home}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HOME": str(self._home)},
        )  # fmt: skip
        address = await self._address()
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(address, max_msg_size=0)
        self._listener = asyncio.create_task(self._listen())
        return self

    async def _address(self) -> str:
        assert self._process.stderr is not None
        said = b""
        async for line in self._process.stderr:
            said += line
            if found := re.search(rb"ws://\S+", line):
                return found.group().decode()
        raise AssertionError(f"the browser did not start: {said.decode()}")

    async def __aexit__(self, *_: object) -> None:
        self._answers[0] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": 0, "method": "Browser.close"})
        # It may talk on until it is gone.
        await self._process.communicate()
        await self._listener
        await self._socket.close()
        await self._session.close()
        shutil.rmtree(self._home, ignore_errors=True)
