"""What a person says in the body of an OpenAI-compatible request, and what it allows."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from semsched.workload.texts import BYTES_PER_TOKEN

MAX_CHARACTERS = 20_000
"""Characters of a body that are kept in all."""

MAX_PIECES = 10_000
"""Messages and parts of messages that are looked at, from the last one back."""

FIELDS = ("messages", "input", "prompt")
"""Where chat completions, responses and embeddings, and completions keep what is said."""

LIMITS: Mapping[str, tuple[str, ...]] = {
    "messages": ("max_completion_tokens", "max_tokens"),
    "input": ("max_output_tokens",),
    "prompt": ("max_tokens",),
}
"""Where each keeps the most tokens that an answer may have; the first that says some counts
(OpenAI's max_completion_tokens has replaced max_tokens). Engines ignore what is meant for another
endpoint: it is no limit, and nobody may seem short by it."""


def limit_of(body: Mapping[str, Any], field: str | None = None) -> int | None:
    """The most output tokens that `body` allows; None if it says nothing.

    `field`: which of FIELDS the endpoint reads; unless told, the first that is there. What is no
    whole number of at least 1 says nothing.
    """
    field = field or next((name for name in FIELDS if name in body), FIELDS[0])
    given = (body[name] for name in LIMITS[field] if type(body.get(name)) is int)
    return next((limit for limit in given if limit >= 1), None)


def text_of(body: object) -> str:
    """What a person says in `body` (parsed JSON): the last turn first, earlier turns after it.

    A turn is what a person says with nobody between: user messages, or the strings of a list, in
    the order written. The last turn is whole up to MAX_CHARACTERS, earlier ones get the room it
    leaves; what does not fit is cut in the middle. Images, sounds, files and token ids are
    nothing. Whatever the shape of `body`: a string, perhaps empty, and in bounded time.
    """
    if not isinstance(body, dict):
        return ""
    for field in FIELDS:
        if said := _said(body.get(field)):
            return said
    return ""


def _said(value: object) -> str:
    said, turn = list[str](), list[str]()
    for piece in _fitted(islice(_backwards(value), MAX_PIECES)):
        if piece is None:
            said += reversed(turn)
            turn.clear()
        elif piece:
            turn.append(piece)
    return "\n".join([*said, *reversed(turn)])


def _backwards(value: object) -> Iterator[str | None]:
    """What a person says piece by piece, the last first; None where anybody else speaks.

    System and developer messages (and `instructions`) are left out: one about emergencies would
    make every request urgent. So are assistants and tools: they are not who waits.
    """
    items = value if isinstance(value, list) else [value]
    for item in reversed(items):
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict) and item.get("role") == "user":
            yield from _parts(item.get("content"))
        else:
            yield None


def _parts(content: object) -> Iterator[str]:
    """The texts of a message, the last first; a part that holds no text is an empty one."""
    parts = content if isinstance(content, list) else [content]
    for part in reversed(parts):
        if isinstance(part, dict) and part.get("type") in (None, "text", "input_text"):
            part = part.get("text")
        yield part if isinstance(part, str) else ""


def _fitted(pieces: Iterator[str | None]) -> Iterator[str | None]:
    """The pieces until they fill MAX_CHARACTERS, line ends between them counted."""
    room = MAX_CHARACTERS
    for piece in pieces:
        fitting = piece and _ends(piece, room)
        yield fitting
        room -= len(fitting) + 1 if fitting else 0
        if room <= 0:
            return


def _ends(text: str, room: int) -> str:
    """`text` in `room` characters; too long a one is cut in the middle: a question stands at one
    end of what is pasted."""
    if len(text) <= room:
        return text
    tail = room // 4
    head = max(room - tail - 1, 0)
    return f"{text[:head]}\n{text[len(text) - tail :]}"


OTHER_TOKENS = 1000
"""Taken for an image, a sound or a file: their bytes say nothing of it."""

_OTHERS = ("image", "audio", "file", "video")


def read_tokens(body: dict[str, Any], num_bytes: int) -> int:
    """Tokens that the model would read of `body`, whoever speaks, by the size of its texts.

    At least 1. `num_bytes` is the size of the body as sent, which decides where there are too
    many pieces to look at. In bounded time whatever its shape.
    """
    size, left = 0, [body.get(field) for field in (*FIELDS, "instructions", "tools")]
    for _ in range(MAX_PIECES):
        if not left:
            return max(size // BYTES_PER_TOKEN, 1)
        part = left.pop()
        if isinstance(part, str):
            size += len(part) if part.isascii() else len(part.encode("utf-8", "replace"))
        elif isinstance(part, list):
            left.extend(part)
        elif isinstance(part, dict):
            if "text" not in part and _is_no_text(part.get("type")):
                size += OTHER_TOKENS * BYTES_PER_TOKEN
            else:
                left.extend(part.values())
        elif type(part) is int:  # the id of a token
            size += BYTES_PER_TOKEN
    return max(num_bytes // BYTES_PER_TOKEN, 1)


def _is_no_text(kind: object) -> bool:
    return isinstance(kind, str) and kind.removeprefix("input_").partition("_")[0] in _OTHERS
