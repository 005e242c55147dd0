from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.predict.chat import MAX_CHARACTERS, limit_of, text_of

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}}
FILE = {"type": "file", "file": {"file_data": "QUJD", "filename": "a.pdf"}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def other(role: str, content: Any = "from elsewhere") -> dict[str, Any]:
    return {"role": role, "content": content}


def test_the_last_turn_comes_first_and_earlier_ones_after_it() -> None:
    messages = [user("first"), other("assistant"), user("second"), other("assistant"), user("last")]
    assert text_of({"messages": messages}) == "last\nsecond\nfirst"


def test_messages_of_one_turn_stay_in_the_order_written() -> None:
    messages = [user("before"), other("assistant"), user("my father"), user("is not breathing")]
    assert text_of({"messages": messages}) == "my father\nis not breathing\nbefore"


@pytest.mark.parametrize(
    ("field", "body", "limit"),
    [
        ("messages", {}, None),
        ("messages", {"max_tokens": 1}, 1),
        ("messages", {"max_tokens": 7, "max_completion_tokens": 9}, 9),
        ("messages", {"max_tokens": 9, "max_completion_tokens": 0}, 9),
        ("messages", {"max_tokens": None, "max_completion_tokens": 10**400}, 10**400),
        ("messages", {"max_output_tokens": 1}, None),
        ("input", {"max_tokens": 1, "max_completion_tokens": 2, "max_output_tokens": 3}, 3),
        ("prompt", {"max_tokens": 9, "max_completion_tokens": 1, "max_output_tokens": 1}, 9),
        *(("prompt", {"max_tokens": wrong}, None) for wrong in (0, -1, True, 3.0, "3", [3], None)),
    ],
)
def test_the_limit_is_the_one_that_the_endpoint_heeds(
    field: str, body: dict[str, Any], limit: int | None
) -> None:
    assert limit_of(body, field) == limit
    assert limit_of({field: "x", **body}) == limit


def test_a_body_without_a_field_is_taken_for_a_chat() -> None:
    assert limit_of({"text": "x", "max_tokens": 3, "max_output_tokens": 1}) == 3


def test_only_the_person_is_heard() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]}
    silent = [other("system"), other("developer"), other("assistant"), call, other("tool")]
    assert text_of({"messages": [*silent, user("me"), call, other("tool")]}) == "me"
    assert text_of({"messages": silent}) == ""


def test_parts_that_are_no_text_are_nothing() -> None:
    text = {"type": "text", "text": "what is this?"}
    assert text_of({"messages": [user([IMAGE, SOUND, text, FILE])]}) == "what is this?"
    assert text_of({"messages": [user([IMAGE])]}) == ""


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"prompt": "help"}, "help"),
        ({"prompt": ["one", "two"]}, "one\ntwo"),
        ({"prompt": [1, 2, 3]}, ""),
        ({"prompt": [[1, 2], [3]]}, ""),
        ({"input": "help"}, "help"),
        ({"input": ["one", "two"]}, "one\ntwo"),
        ({"input": [user([{"type": "input_text", "text": "help"}])], "instructions": "be"}, "help"),
        ({"input": [user("help"), {"type": "function_call_output", "output": "x"}]}, "help"),
        ({"instructions": "you are an emergency line"}, ""),
        ({"prompt": {"id": "a", "variables": {"city": "Rome"}}}, ""),
        ({"messages": [], "prompt": "help"}, "help"),
    ],
)
def test_every_kind_of_body(body: object, text: str) -> None:
    assert text_of(body) == text


@pytest.mark.parametrize(
    "body",
    [
        *(None, 1, "text", [], {}, {"messages": None}, {"messages": "\ud800"}, {"messages": {}}),
        {"messages": [user({"text": ["a"]}), user([None, 1, [[]]]), user([{"text": 3}]), 7, None]},
        {"messages": [{"role": ["user"], "content": "x"}, {"content": "x"}, {"role": "user"}]},
        {"messages": [user([{"type": ["text"], "text": "x"}, {"type": {}, "text": "x"}])]},
    ],
)
def test_a_malformed_body_is_a_string_too(body: object) -> None:
    assert text_of(body) in ("", "\ud800")


def test_the_last_message_is_whole_and_earlier_ones_share_the_rest() -> None:
    last = "l" * (MAX_CHARACTERS - 100)
    messages = [user("first"), other("tool"), user("e" * 1_000), other("assistant"), user(last)]
    text = text_of({"messages": messages})
    assert text.startswith(last + "\neee")
    assert len(text) == MAX_CHARACTERS
    assert "first" not in text


def test_a_question_at_either_end_of_a_long_paste_is_kept() -> None:
    paste = "p" * 10 * MAX_CHARACTERS
    for message in (f"Is he dying? {paste}", f"{paste} Is he dying?"):
        text = text_of({"messages": [user(message)]})
        assert "Is he dying?" in text
        assert len(text) == MAX_CHARACTERS


def test_a_question_after_a_part_that_is_a_long_paste_is_whole() -> None:
    parts = [{"type": "text", "text": "p" * 10 * MAX_CHARACTERS}, {"type": "text", "text": "why?"}]
    text = text_of({"messages": [user(parts)]})
    assert text.endswith("\nwhy?")
    assert len(text) == MAX_CHARACTERS


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10_000_000,
        [0] * 3_000_000,
        [""] * 3_000_000,
        [user([""] * 3_000_000)],
        [user("word")] * 1_000_000,
        [other("tool")] * 1_000_000,
        nested(100_000),
        [user(nested(100_000))],
    ],
    ids=["long", "ids", "blanks", "parts", "messages", "tools", "deep", "deep content"],
)
def test_time_is_bounded(value: object) -> None:
    began_at = process_time()
    for field in ("messages", "input", "prompt"):
        assert len(text_of({field: value})) <= MAX_CHARACTERS
    took = process_time() - began_at
    assert took < 0.2, f"{took:.3f} s"


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
key = st.sampled_from(["messages", "input", "prompt", "role", "content", "type", "text"])
word = st.sampled_from(["user", "text", "input_text", "system"]) | st.text(max_size=3)
alike = st.recursive(
    word | json,
    lambda inner: st.lists(inner) | st.dictionaries(key, inner),
    max_leaves=30,
)


@given(json | alike | st.fixed_dictionaries({"messages": alike, "input": alike, "prompt": alike}))
def test_whatever_the_body_a_string_comes_out(body: object) -> None:
    text = text_of(body)
    assert isinstance(text, str)
    assert len(text) <= MAX_CHARACTERS
