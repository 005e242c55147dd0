"""Tokens are counted right however the network cuts the bytes."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.serve.backend.tokens import MAX_TAIL, TokenCount

Encode = Callable[[Any], str]


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


class Found(NamedTuple):
    tokens: int
    prompt_tokens: int | None
    saw_done: bool
    at_limit: bool


def found(parts: Iterable[bytes]) -> Found:
    count = TokenCount()
    for part in parts:
        count.feed(part)
    return Found(count.tokens, count.prompt_tokens, count.saw_done, count.finish_reason_length)


# --- answers as engines give them ----------------------------------------------------------------

USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 42,
    "total_tokens": 51,
    "completion_tokens_details": {"reasoning_tokens": 3},
}
NASTY = [
    'data: [DONE]\n\ndata: {"usage":{"completion_tokens":7}}',
    '"finish_reason":"length"',
    "é🚑",
]


def chat_events(words: list[str], reason: str) -> Iterator[dict[str, Any]]:
    """What vLLM and OpenAI stream."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    for delta in ({"role": "assistant", "content": ""}, *({"content": word} for word in words)):
        yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def stream(
    events: Iterable[dict[str, Any]],
    encode: Encode = compact,
    *,
    done: bool = True,
    end: str = "\n\n",
) -> bytes:
    lines = [f"data: {encode(event)}{end}" for event in events]
    return ("".join(lines) + (f"data: [DONE]{end}" if done else "")).encode()


def usage_event(usage: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "choices": [], "usage": usage}


def responses(words: list[str], status: str) -> bytes:
    """What /v1/responses streams."""
    usage = {"input_tokens": 9, "output_tokens": 42, "total_tokens": 51}
    whole = {"id": "resp_1", "status": status, "output": words, "usage": usage, "user": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "resp_1", "usage": None}},
        *({"type": "response.output_text.delta", "delta": word} for word in words),
        {"type": f"response.{status}", "response": whole},
    ]
    return "".join(f"event: {e['type']}\ndata: {compact(e)}\n\n" for e in events).encode()


CHAT = list(chat_events(["Hello", " there", *NASTY], "stop"))
TEXT = [{"object": "text_completion", "choices": [{"index": 0, "text": w}]} for w in ["a", "b", ""]]
WHOLE = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "length"}], "usage": USAGE}

ANSWERS = {
    "chat": (stream(CHAT), Found(5, None, True, False)),
    "chat-with-usage": (stream([*CHAT, usage_event(USAGE)]), Found(42, 9, True, False)),
    "chat-with-null-usage": (
        stream(e | {"usage": None} for e in CHAT),
        Found(5, None, True, False),
    ),
    "chat-with-spaces": (stream(CHAT, json.dumps), Found(5, None, True, False)),
    "chat-cut-by-a-limit": (stream(chat_events(["a"], "length")), Found(1, None, True, True)),
    "chat-with-crlf": (stream(CHAT, end="\r\n\r\n"), Found(5, None, True, False)),
    "chat-broken-off": (stream(CHAT[:4], done=False), Found(3, None, False, False)),
    "chat-with-comments": (b": ping\n\n" + stream(CHAT), Found(5, None, True, False)),
    "text": (stream(TEXT), Found(2, None, True, False)),
    "responses": (responses(["a", *NASTY], "completed"), Found(42, 9, True, False)),
    "responses-cut-by-a-limit": (responses(["a"], "incomplete"), Found(42, 9, True, True)),
    "whole": (compact(WHOLE).encode(), Found(42, 9, False, True)),
    "whole-in-lines": (json.dumps(WHOLE, indent=2).encode(), Found(42, 9, False, True)),
    "error": (b'{"error":{"message":"no"}}', Found(0, None, False, False)),
    "nothing": (b"", Found(0, None, False, False)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_it_is_counted_right_wherever_it_is_cut(name: str) -> None:
    answer, right = ANSWERS[name]
    for at in range(len(answer) + 1):
        assert found([answer[:at], answer[at:]]) == right
    assert found(answer[at : at + 1] for at in range(len(answer))) == right


@given(
    words=st.lists(st.text(min_size=1), max_size=400),
    sizes=st.lists(st.integers(1, 2000), min_size=1),
)
def test_a_stream_of_any_text_in_any_parts(words: list[str], sizes: list[int]) -> None:
    answer = stream(chat_events(words, "stop"))
    parts: list[bytes] = []
    while answer:
        size = sizes[len(parts) % len(sizes)]
        parts.append(answer[:size])
        answer = answer[size:]
    assert found(parts) == Found(len(words), None, True, False)


def test_it_can_be_asked_on_the_way() -> None:
    count = TokenCount()
    seen = []
    for event in CHAT:
        count.feed(stream([event], done=False))
        seen.append((count.tokens, count.saw_done))
    assert seen == [(tokens, False) for tokens in (0, 1, 2, 3, 4, 5, 5)]


ERROR = {"message": "out of memory", "type": "InternalServerError", "code": 500}
FAILED = {
    "vllm": stream([*CHAT[:4], {"error": ERROR}]),
    "older-vllm": stream([*CHAT[:4], {"object": "error"} | ERROR], json.dumps),
    "without-done": stream([*CHAT[:4], {"error": ERROR}], done=False),
    "response-failed": responses(["a"], "failed"),
}


@pytest.mark.parametrize("name", FAILED)
def test_an_engine_that_gives_up_in_a_stream_is_heard(name: str) -> None:
    count = TokenCount()
    count.feed(FAILED[name])
    assert count.saw_failure


@pytest.mark.parametrize("name", ANSWERS)
def test_what_only_speaks_of_errors_is_no_failure(name: str) -> None:
    count = TokenCount()
    count.feed(ANSWERS[name][0])
    assert not count.saw_failure
    count.feed(stream(chat_events(['\ndata: {"error": {"message": "no"}}'], "stop")))
    count.feed(stream([e | {"error": None} for e in CHAT]))
    assert not count.saw_failure


# --- long answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("num_words", [10, 20, 300, 5000])
def test_a_long_stream_is_counted_to_its_end(num_words: int) -> None:
    answer = stream(chat_events(["word"] * num_words, "stop"))
    assert found([answer]).tokens == num_words
    assert found(answer[at : at + 333] for at in range(0, len(answer), 333)).tokens == num_words


def test_what_is_kept_is_bounded() -> None:
    count = TokenCount()
    for _ in range(1000):
        count.feed(b"data: x\n\n" * 100)
    assert count._tail.__sizeof__() < 2 * MAX_TAIL
    assert len(count._head) + len(count._overlap) < 4096


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_a_last_event_that_is_longer_than_what_is_kept(status: str) -> None:
    answer = responses(["word" * 40_000], status)
    parts = [answer[at : at + 1000] for at in range(0, len(answer), 1000)]
    assert found(parts) == Found(42, 9, True, status == "incomplete")


def test_the_usage_of_a_whole_answer_longer_than_what_is_kept() -> None:
    whole = {"choices": [{"message": {"content": "x" * 200_000}, "finish_reason": "stop"}]}
    assert found([compact(whole | {"usage": USAGE}).encode()]) == Found(42, 9, False, False)


def test_the_last_usage_counts() -> None:
    early = {"prompt_tokens": 9, "completion_tokens": 1}
    events = [event | {"usage": early} for event in CHAT]
    assert found([stream([*events, usage_event(USAGE)])]).tokens == 42
    cut = stream([*events, usage_event(USAGE)], done=False)[:-30]
    assert found([cut]).tokens == 1


@pytest.mark.parametrize(
    "usage",
    [
        '{"completion_tokens":-1}',
        '{"completion_tokens":true}',
        '{"completion_tokens":1.5}',
        '{"completion_tokens":null}',
        '{"completion_tokens":' + "9" * 5000 + "}",
        '{"completion_tokens":' + "[" * 5000,
        "{}",
        "{",
    ],
)
def test_nonsense_is_not_believed(usage: str) -> None:
    told = stream(CHAT), f'data: {{"usage":{usage}}}\n\n'.encode()
    assert found(told).tokens in (5, 6)  # an event is not seen to be empty if it is very long
