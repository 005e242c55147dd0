"""Failures as OpenAI's clients expect them: a status, and a body that says what and why."""

from math import ceil

import msgspec

Header = tuple[bytes, bytes]
"""Name, in small letters, and value."""

MAX_RETRY_AFTER = 30.0
"""Seconds; nobody is sent away for longer."""
DEFAULT_RETRY_AFTER = 1.0
"""Seconds, if whoever is in the way does not know when there is room."""

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    408: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "server_error",
    503: "service_unavailable",
    504: "server_error",
}
_COME_AGAIN = (429, 503)
"""Too many at once, or nobody there to serve them: both pass."""


def internal_error() -> "ApiError":
    """What nobody foresaw."""
    return ApiError(500, "internal_error", "something broke; the log of the server says what")


class ApiError(Exception):
    """Ends a request with an answer; `code` never changes its meaning, the message may.

    `retry_after`: seconds after which the client may try again; 429 and 503 always say some.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        if retry_after is None and status in _COME_AGAIN:
            retry_after = DEFAULT_RETRY_AFTER
        self.retry_after = retry_after

    @property
    def body(self) -> bytes:
        """The answer's body, JSON."""
        error = {
            "message": str(self),
            "type": _TYPES[self.status],
            "param": self.param,
            "code": self.code,
        }
        return msgspec.json.encode({"error": error})

    @property
    def headers(self) -> list[Header]:
        """When to come again: in whole seconds for everybody, exactly for OpenAI's clients."""
        if self.retry_after is None:
            return []
        exactly = min(max(self.retry_after, 0.001), MAX_RETRY_AFTER)
        return [
            (b"retry-after", b"%d" % ceil(exactly)),
            (b"retry-after-ms", b"%d" % ceil(exactly * 1000)),
        ]
