"""Headers of an answer: which pass through, from a backend to the client.

Those of a request are sifted where what clients claim is (claims.py).
"""

from collections.abc import Sequence

from semsched.web.failure import Header

_DROPPED = frozenset(
    # of the backend's own connection
    b"connection keep-alive proxy-authenticate proxy-connection te trailer transfer-encoding "
    b"upgrade "
    # what it says of itself, not of the answer; or what the gateway says
    b"server date set-cookie alt-svc x-request-id".split()
)


def passed_on(headers: Sequence[Header]) -> list[Header]:
    """What a client gets to hear of them; names in lower case.

    Content-Encoding stays, since nothing is decoded; so does Content-Length, where it counts.
    """
    lower = [(name.lower(), value) for name, value in headers]
    dropped = set(_DROPPED)
    for name, value in lower:
        if name == b"connection":
            dropped.update(part.strip().lower() for part in value.split(b","))
        elif name == b"transfer-encoding":
            dropped.add(b"content-length")
    return [
        (name, value)
        for name, value in lower
        if name not in dropped and not name.startswith(b"x-semsched-")
    ]
