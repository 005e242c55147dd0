"""Limits: what one client may take from a server before it has said what it wants."""

from typing import NamedTuple


class Limits(NamedTuple):
    """Of a server that anybody can reach; times in seconds."""

    max_connections: int = 10_000
    """Open at once; whoever comes then gets a 503 and is let go."""
    head_time: float = 10.0
    """For the whole head of a request, from the connection or from its first byte on."""
    max_head_bytes: int = 64 * 2**10
    body_time: float = 30.0
    """For the whole body of a request, from when it is wanted."""
    max_body_bytes: int = 4 * 2**20
