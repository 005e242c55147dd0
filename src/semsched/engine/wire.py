"""Wire: an answer as bytes, whole or as server-sent events."""

import time
from typing import Any, Protocol
from uuid import uuid4

import msgspec

from semsched.engine.answers import WORDS, Answer

DONE = b"data: [DONE]\n\n"

HOLE = "\x00"
"""Stands for a word, where all but the word is made once."""
HOLE_BYTES = msgspec.json.encode(HOLE)
WORD_BYTES = [msgspec.json.encode(f" {word}") for word in WORDS]


class Wire(Protocol):
    """The bytes of one answer."""

    def opening(self) -> bytes:
        """What comes before the first token."""
        ...

    def words(self, start: int, end: int) -> bytes:
        """The events of the tokens from `start` to before `end`."""
        ...

    def closing(self, num_tokens: int, with_usage: bool) -> bytes:
        """What comes after the last token."""
        ...

    def whole(self, num_tokens: int) -> bytes:
        """The answer in one piece."""
        ...


class Choice(Protocol):
    """How the one choice of an answer looks."""

    prefix: str
    """How ids begin."""
    whole_object: str
    chunk_object: str

    def opening(self) -> dict[str, Any] | None:
        """The part that comes before the first token, where there is one."""
        ...

    def piece(self, text: str | None) -> dict[str, Any]:
        """The part that holds a token of a stream; None where it ends."""
        ...

    def whole(self, text: str) -> dict[str, Any]:
        """The part that holds the whole answer."""
        ...


def event(data: bytes) -> bytes:
    """A server-sent event."""
    return b"data: " + data + b"\n\n"


class ChoiceWire:
    """The bytes of one answer. All chunks of a stream are the same but for the word."""

    def __init__(self, style: Choice, model: str, prompt_tokens: int, answer: Answer) -> None:
        self._style = style
        self._answer = answer
        self._prompt_tokens = prompt_tokens
        self._head = {
            "id": f"{style.prefix}-{uuid4().hex}",
            "object": style.chunk_object,
            "created": int(time.time()),
            "model": model,
        }
        chunk = self._chunk(style.piece(HOLE), None)
        self._before, _, self._after = chunk.rpartition(HOLE_BYTES)

    def opening(self) -> bytes:
        """What comes before the first token."""
        part = self._style.opening()
        return self._chunk(part, None) if part else b""

    def words(self, start: int, end: int) -> bytes:
        """The events of the tokens from `start` to before `end`."""
        word = self._answer.word
        return b"".join(
            self._before + WORD_BYTES[word(token)] + self._after for token in range(start, end)
        )

    def closing(self, num_tokens: int, with_usage: bool) -> bytes:
        """What comes after the last token."""
        end = self._chunk(self._style.piece(None), self._answer.reason)
        if with_usage:
            usage = {**self._head, "choices": [], "usage": self._usage(num_tokens)}
            end += event(msgspec.json.encode(usage))
        return end + DONE

    def whole(self, num_tokens: int) -> bytes:
        """The answer in one piece."""
        text = self._answer.text(num_tokens)
        choice = _choice(self._style.whole(text), self._answer.reason)
        head = {**self._head, "object": self._style.whole_object}
        usage = self._usage(num_tokens)
        return msgspec.json.encode({**head, "choices": [choice], "usage": usage})

    def _chunk(self, part: dict[str, Any], reason: str | None) -> bytes:
        return event(msgspec.json.encode({**self._head, "choices": [_choice(part, reason)]}))

    def _usage(self, num_tokens: int) -> dict[str, int]:
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": num_tokens,
            "total_tokens": self._prompt_tokens + num_tokens,
        }


def _choice(part: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {"index": 0, **part, "finish_reason": reason}
