"""Departure: whether the other end of a connection has left, for those who do not read from it."""

import select
import socket

_LEFT = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
"""Reset, or (on Linux) closed, whatever is still to be read."""


def has_left(connection: socket.socket) -> bool:
    """Whether the other end has closed the connection or reset it."""
    poll = select.poll()
    poll.register(connection.fileno(), _LEFT)
    return bool(poll.poll(0))
