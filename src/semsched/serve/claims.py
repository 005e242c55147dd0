"""What a client says of its request besides the request: its class and its deadline.

What it may have is another matter (keys.py). Nothing a client says reaches an engine as a
priority: the gateway alone speaks to engines of that, so such headers end here.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from semsched.request import CLASS_NAMES, NUM_CLASSES
from semsched.web.failure import ApiError, Header
from semsched.web.request_id import NAME as ID

Headers = Sequence[Header]

PRIORITY = b"x-request-priority"
DEADLINE = b"x-request-deadline-ms"

DAY = 86_400.0
"""Seconds; the latest deadline."""

_TIERS = {"flex": 3, "batch": 4, "priority": 1, "fast": 1}
"""OpenAI's tiers of service that say something of urgency."""

_CLASSES = {name: urgency for urgency, name in enumerate(CLASS_NAMES)}
_HEADER_CLASSES = _CLASSES | {str(urgency): urgency for urgency in range(NUM_CLASSES)}

_HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"),
    *(b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
}
_OURS = {
    *(b"host", b"content-length", b"expect"),  # of our own connection to the engine
    *(b"authorization", b"x-api-key", b"cookie"),  # secrets between the client and us
    *(DEADLINE, ID),  # the gateway says its own
    b"accept-encoding",  # an answer is read on its way through, to count its tokens
    *(b"content-encoding", b"content-md5", b"digest", b"content-digest"),  # the body is rewritten
}
_DROPPED = _HOP_BY_HOP | _OURS
_CLAIM = re.compile(rb".*priority.*|x-(semsched|llm-d|gateway-inference|slo)-.*", re.DOTALL)
"""What engines and other gateways read as a claim to precedence."""


def claim_of(headers: Headers, body: dict[str, Any]) -> int | None:
    """The class that the client claims, None if it claims none. Raises ApiError (400).

    Who speaks first is heard: the header x-request-priority (a name or 0 to 4), the body's
    `priority` (a number or a name), the body's `service_tier`. A null says nothing.
    """
    values = _values(headers, PRIORITY)
    if values:
        return _header_class(values)
    if body.get("priority") is not None:
        return class_in(body["priority"], "priority")
    return _tier_class(body.get("service_tier"))


def _header_class(values: Sequence[bytes]) -> int:
    classes = {_HEADER_CLASSES.get(_plain(value)) for value in values}
    urgency = classes.pop()
    if classes or urgency is None:
        raise _no_class("x-request-priority")
    return urgency


def class_in(value: object, param: str) -> int:
    """A class that JSON says by name or number. Raises ApiError (400), which names `param`."""
    if isinstance(value, str):
        value = _CLASSES.get(_plain(value.encode("utf-8", "replace")))
    if type(value) is not int or not 0 <= value < NUM_CLASSES:  # true is an int in Python
        raise _no_class(param)
    return value


def _tier_class(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ApiError(400, "invalid_priority", "service_tier: must be text", "service_tier")
    return _TIERS.get(value)


def _plain(value: bytes) -> str:
    """`value` without spaces around it and in small letters; '' for what is not ASCII, whose
    small letters may surprise (that of the Kelvin sign is k)."""
    return value.strip(b" \t").lower().decode() if value.isascii() else ""


def _no_class(param: str) -> ApiError:
    message = f"{param}: must be one of {', '.join(CLASS_NAMES)}, or 0 to {NUM_CLASSES - 1}"
    return ApiError(400, "invalid_priority", message, param)


def deadline_of(headers: Headers) -> float | None:
    """Seconds, counted from its arrival, after which the client has no use for an answer; None if
    it does not say (x-request-deadline-ms, in milliseconds). Raises ApiError (400)."""
    values = set(_values(headers, DEADLINE))
    if not values:
        return None
    value = values.pop()
    if not values and re.fullmatch(rb"[ \t]*\d{1,9}(\.\d{1,9})?[ \t]*", value):
        seconds = float(value) / 1000
        if 0 < seconds <= DAY:
            return seconds
    name = DEADLINE.decode()
    message = f"{name}: must be milliseconds, more than 0 and at most {DAY * 1000:.0f}"
    raise ApiError(400, "invalid_value", message, name)


def declared_length(headers: Headers, unknown: int) -> int:
    """Bytes of the body as far as the client says; else `unknown`."""
    values = _values(headers, b"content-length")
    return int(values[0]) if len(values) == 1 and values[0].isdigit() else unknown


def forwarded(headers: Headers) -> list[Header]:
    """What of `headers` goes on to an engine: no secrets, no claims, nothing that is said of this
    connection only. The gateway adds its own x-request-id."""
    names = b",".join(_values(headers, b"connection")).split(b",")
    listed = {_small(name.strip(b" \t")) for name in names} - _DROPPED
    return [
        header
        for header in headers
        if _goes_on(header[0]) and not (listed and _small(header[0]) in listed)
    ]


@lru_cache(256)  # they are few, and every request brings the same; but they may be long
def _goes_on(name: bytes) -> bool:
    small = _small(name)
    return small not in _DROPPED and not _CLAIM.fullmatch(small)


def _small(name: bytes) -> bytes:
    """The name of a header as its reader may take it: some make no difference between _ and -."""
    return name.lower().replace(b"_", b"-")


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for found, value in headers if found.lower() == name]
