"""/v1/responses: OpenAI's newer way to ask, whose streams say where in the answer they are."""

import time
from typing import Any
from uuid import uuid4

import msgspec

from semsched.engine.answers import Answer
from semsched.engine.body import Body
from semsched.engine.dialect import Prompt, contents_of
from semsched.engine.wire import HOLE, HOLE_BYTES, WORD_BYTES
from semsched.predict.chat import text_of
from semsched.web.failure import ApiError
from semsched.workload.texts import prompt_tokens

_NUM_OPENING = 4
"""Events before the first token."""


class Responses:
    """/v1/responses"""

    field = "input"

    def prompt(self, body: Body) -> Prompt:
        """Instructions and all messages are read; what the user says decides what the answer is."""
        if not body.input:
            raise ApiError(400, "missing_field", "input: a text or messages are needed", "input")
        items = [{"role": "user", "content": body.input}]
        if not isinstance(body.input, str):
            items = [item for item in body.input if not _is_no_message(item)]
        read = "\n".join((body.instructions or "", *contents_of("input", items)))
        return Prompt(text_of({"input": body.input}), int(prompt_tokens((read,))[0]))

    def wire(self, model: str, prompt_tokens: int, answer: Answer) -> "ResponseWire":
        """The bytes of the answer."""
        return ResponseWire(model, prompt_tokens, answer)


def _is_no_message(item: object) -> bool:
    """Calls of tools and the like, which have a type and nobody who speaks."""
    return isinstance(item, dict) and "role" not in item and "type" in item


class ResponseWire:
    """The bytes of one answer. Its one output item is a message with one part."""

    def __init__(self, model: str, prompt_tokens: int, answer: Answer) -> None:
        self._answer = answer
        self._prompt_tokens = prompt_tokens
        self._model = model
        self._id = f"resp_{uuid4().hex}"
        self._item_id = f"msg_{uuid4().hex}"
        self._created_at = int(time.time())
        self._place = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        delta = self._event("output_text.delta", 0, {**self._place, "delta": HOLE, "logprobs": []})
        self._before, _, after = delta.rpartition(HOLE_BYTES)
        self._after, _, self._end = after.rpartition(b"0")

    def opening(self) -> bytes:
        """What comes before the first token."""
        response = {"response": self._response("in_progress", 0)}
        item = {"output_index": 0, "item": self._item("in_progress", [])}
        part = {**self._place, "part": _part("")}
        return (
            self._event("created", 0, response)
            + self._event("in_progress", 1, response)
            + self._event("output_item.added", 2, item)
            + self._event("content_part.added", 3, part)
        )

    def words(self, start: int, end: int) -> bytes:
        """The events of the tokens from `start` to before `end`."""
        before, after, word = self._before, self._after, self._answer.word
        return b"".join(
            b"%b%b%b%d%b" % (before, WORD_BYTES[word(at)], after, _NUM_OPENING + at, self._end)
            for at in range(start, end)
        )

    def closing(self, num_tokens: int, with_usage: bool) -> bytes:  # noqa: ARG002 - it always is
        """What comes after the last token."""
        at, text = _NUM_OPENING + num_tokens, self._answer.text(num_tokens)
        response = self._response(self._status, num_tokens)
        done = {**self._place, "text": text, "logprobs": []}
        item = {"output_index": 0, "item": response["output"][0]}
        return (
            self._event("output_text.done", at, done)
            + self._event("content_part.done", at + 1, {**self._place, "part": _part(text)})
            + self._event("output_item.done", at + 2, item)
            + self._event("completed", at + 3, {"response": response})
        )

    def whole(self, num_tokens: int) -> bytes:
        """The answer in one piece."""
        return msgspec.json.encode(self._response(self._status, num_tokens))

    @property
    def _status(self) -> str:
        return "completed" if self._answer.reason == "stop" else "incomplete"

    def _event(self, name: str, number: int, fields: dict[str, Any]) -> bytes:
        """A server-sent event; its number is the last of its fields."""
        type = f"response.{name}"
        data = msgspec.json.encode({"type": type, **fields, "sequence_number": number})
        return b"event: %b\ndata: %b\n\n" % (type.encode(), data)

    def _item(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        head = {"id": self._item_id, "type": "message", "role": "assistant"}
        return {**head, "status": status, "content": content}

    def _response(self, status: str, num_tokens: int) -> dict[str, Any]:
        begun = status == "in_progress"
        reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
        text = self._answer.text(num_tokens)
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "model": self._model,
            "status": status,
            "error": None,
            "incomplete_details": reason,
            "output": [] if begun else [self._item(status, [_part(text)])],
            "parallel_tool_calls": False,
            "tool_choice": "none",
            "tools": [],
            "usage": None if begun else self._usage(num_tokens),
        }

    def _usage(self, num_tokens: int) -> dict[str, Any]:
        return {
            "input_tokens": self._prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": num_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self._prompt_tokens + num_tokens,
        }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}
