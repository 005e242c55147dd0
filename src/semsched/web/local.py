"""Local: which clients are programs on this machine, that may see and steer everything."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from semsched.web.failure import Header

_FOR_OTHERS = {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"}
"""With these a proxy says that it speaks for somebody else."""


def is_local(headers: Iterable[Header], peer_host: str | None) -> bool:
    """Whether the client is a program on this machine: no proxy for somebody elsewhere, and no
    browser that a page from elsewhere has sent (its Origin, or the Host it was fooled into)."""
    for name, value in headers:
        small, text = name.lower(), value.decode("latin-1")
        if small in _FOR_OTHERS:
            return False
        if small == b"host" and not _is_loopback(_host_in(f"//{text}")):
            return False
        if small == b"origin" and not _is_loopback(_host_in(text)):
            return False
    return _is_loopback(peer_host)


def _host_in(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or (mapped is not None and mapped.is_loopback)
