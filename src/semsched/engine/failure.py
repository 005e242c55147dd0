"""Failures as OpenAI's clients expect them: a status, and a body that says what and why."""

import msgspec

from semsched.engine.generation import RefusedError

_TYPES = {
    400: "invalid_request_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "service_unavailable",
}
_STATUS = {"context_length_exceeded": 400, "queue_full": 429, "shutting_down": 503}


class ApiError(Exception):
    """Ends a request with an answer; `code` never changes its meaning, the message may."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    @classmethod
    def refused(cls, error: RefusedError) -> "ApiError":
        """What a client is told when the engine refuses."""
        return cls(_STATUS[error.code], error.code, str(error))

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
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What goes with it: who was refused because of a crowd may come again in a second."""
        return [(b"retry-after", b"1")] if self.status in (429, 503) else []
