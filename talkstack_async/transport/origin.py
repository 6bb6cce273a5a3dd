"""Where requests to one host go, and the header lines they all share."""

from __future__ import annotations

import base64
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import aiohttp
import attrs
from yarl import URL

from ..config import ClientConfig
from ..errors import ConfigurationError

__all__ = ["Origin", "Proxy"]


def _package_version() -> str:
    try:
        return version("talkstack-async")
    except PackageNotFoundError:  # running from a source tree that was never installed
        return "0"


USER_AGENT = (
    f"talkstack-async/{_package_version()} "
    f"Python/{platform.python_version()} aiohttp/{aiohttp.__version__}"
)


@attrs.frozen
class Proxy:
    """An HTTP proxy, its password apart from its address so that no error shows it."""

    url: URL
    authorization: str | None = attrs.field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """Read a proxy address, with or without user and password in it.

        Raises:
            ConfigurationError: It is not an address of an HTTP proxy.
        """
        try:
            url = URL(text)
        except ValueError:
            url = URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigurationError("proxy must be an http or https address")
        if url.user is None and url.password is None:
            return cls(url)
        pair = f"{url.user or ''}:{url.password or ''}".encode()
        return cls(url.with_user(None), f"Basic {base64.b64encode(pair).decode()}")

    def options(self) -> dict[str, Any]:
        """Return the keywords that make aiohttp use this proxy."""
        headers = {"Proxy-Authorization": self.authorization} if self.authorization else None
        return {"proxy": self.url, "proxy_headers": headers}


class Origin:
    """One address, prepared: paths become targets, and the fixed header lines are bytes."""

    __slots__ = ("_base", "_urls", "headers", "is_tls", "key", "name", "root")

    def __init__(self, name: str, base_url: str) -> None:
        url = URL(base_url)
        self.name = name
        self.root = url.origin()
        self.is_tls = url.scheme == "https"
        self.key = str(self.root)
        self.headers = (
            f"Host: {url.host_port_subcomponent}\r\n"
            f"User-Agent: {USER_AGENT}\r\n"
            "Accept: application/json\r\n"
            # A small reply gains nothing by compression, and a bomb cannot unfold.
            "Accept-Encoding: identity\r\n"
        ).encode()
        self._base = url.raw_path.rstrip("/")
        self._urls: dict[str, URL] = {}

    def target(self, path: str) -> str:
        """Return the request target of a path: behind a gateway the address has a prefix."""
        return self._base + path

    def url(self, path: str) -> URL:
        """Return the whole address of a path, for aiohttp and its traces."""
        known = self._urls.get(path)
        if known is None:
            known = URL(f"{self.key}{self.target(path)}", encoded=True)
            if len(self._urls) < 64:  # paths with ids in them must not pile up
                self._urls[path] = known
        return known


def origins(config: ClientConfig) -> dict[str, Origin]:
    """Return the origin of each host the service has."""
    return {
        "calls": Origin("calls", config.calls_url),
        "api": Origin("api", config.api_url),
    }
