"""The bodies of requests that give the engine work, read and checked in one pass."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from semsched.predict.chat import LIMITS, limit_of
from semsched.web.failure import ApiError

Tokens = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class StreamOptions(msgspec.Struct):
    """What a stream holds besides the answer."""

    include_usage: bool = False


class Body(msgspec.Struct):
    """The fields that we heed, of all endpoints; the others are ignored."""

    model: str = ""
    messages: list[Any] | None = None
    prompt: str | list[Any] | None = None
    input: str | list[Any] | None = None
    instructions: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    max_output_tokens: Tokens | None = None
    min_tokens: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    ignore_eos: bool = False
    n: int | None = 1
    priority: Annotated[int, Meta(ge=-(2**53), le=2**53)] = 0
    predicted_output_tokens: Tokens | None = None
    predicted_p90_tokens: Tokens | None = None
    seed: int | None = None
    encoding_format: Literal["float", "base64"] = "float"

    def limit(self, field: str) -> int | None:
        """The most tokens that the client wants of an endpoint that reads `field`."""
        return limit_of({name: getattr(self, name) for name in LIMITS[field]}, field)

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the numbers of tokens."""
        return self.stream_options is not None and self.stream_options.include_usage


_DECODER = msgspec.json.Decoder(Body, strict=False)
"""Takes "7" for 7, as vLLM does."""


def read_body(content: bytes, field: str) -> Body:
    """The body of a request to an endpoint that reads `field`. Raises ApiError (400), which names
    what is at fault."""
    try:
        body = _DECODER.decode(content)
    except msgspec.ValidationError as error:
        why, _, place = str(error).partition(" - at ")
        param = place.strip("`").removeprefix("$").removeprefix(".") or None
        raise ApiError(400, "invalid_value", f"{param or 'body'}: {why}", param) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "invalid_json", f"the body is not JSON: {error}") from None
    _check(body, body.limit(field))
    return body


def _check(body: Body, limit: int | None) -> None:
    if body.n not in (None, 1):
        raise ApiError(400, "unsupported_value", f"n: only 1 answer is given, got {body.n}", "n")
    if limit is not None and body.min_tokens > limit:
        message = f"min_tokens: {body.min_tokens} is more than max_tokens, {limit}"
        raise ApiError(400, "invalid_value", message, "min_tokens")
    p50, p90 = body.predicted_output_tokens, body.predicted_p90_tokens
    if p50 is not None and p90 is not None and p90 < p50:
        message = f"predicted_p90_tokens: {p90} is less than predicted_output_tokens, {p50}"
        raise ApiError(400, "invalid_value", message, "predicted_p90_tokens")
