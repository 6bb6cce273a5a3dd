"""What counts as this machine. The emulator neither listens nor calls anywhere else."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit


def is_loopback(host: str) -> bool:
    """Say whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(url: str) -> str:
    """Return the host in an address, an empty text if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def address_to_tell(url: str, *, hosts: Iterable[str]) -> str | None:
    """Return where a webhook may go: to this machine or to a host that was allowed.

    The address is put together afresh from its parts, so that nobody who reads it
    later can find another host in it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not (host in hosts or is_loopback(host)):
        return None
    name = f"[{host}]" if ":" in host else host
    place = name if port is None else f"{name}:{port}"
    return urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
