"""What an engine is told: nothing else of the body changes, and who is urgent runs first."""

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.serve.backend.adapter import Hint, Kind, adapter_of, rewrite

CHAT = b'{"model":"m","messages":[{"role":"user","content":"Is it raining?"}]}'

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
bodies = st.dictionaries(st.text(max_size=6) | st.sampled_from("abcd"), values, max_size=6)
tokens = st.integers(0, 2**40) | st.sampled_from([0, 1, 2**20 - 1, 2**20, 2**32 - 1, 2**32])


def told(kind: Kind, hint: Hint, body: dict[str, Any] | None = None, **how: bool) -> dict[str, Any]:
    """What an engine of this kind reads."""
    content = json.dumps({"model": "m"} if body is None else body).encode()
    read = json.loads(adapter_of(kind, **how)(content, hint))
    assert isinstance(read, dict)
    return read


# --- rewriting -----------------------------------------------------------------------------------


@given(body=bodies, fields=bodies, drop=st.sets(st.sampled_from("abcd") | st.text(max_size=2)))
def test_it_sets_and_drops_and_leaves_the_rest(
    body: dict[str, Any], fields: dict[str, Any], drop: set[str]
) -> None:
    content = json.dumps(body).encode()
    kept = {name: value for name, value in body.items() if name not in drop}
    assert json.loads(rewrite(content, fields, drop)) == {**kept, **fields}


@pytest.mark.parametrize(
    "value",
    [
        b"1.0000000000000000000001",
        b"1e5",
        b"123456789012345678901234567890",
        rb'"\u00e9\/"',
        b'{"b" : [ 1,2 ],\n"b":3}',
        '"é 🚑"'.encode(),
    ],
)
def test_a_value_that_nobody_sets_keeps_its_bytes(value: bytes) -> None:
    assert rewrite(b'{ "x" :' + value + b' , "y":1}', {"z": 2}, ["y"]) == (
        b'{"x":' + value + b',"z":2}'
    )


def test_a_key_that_comes_twice_comes_once_as_it_was_judged() -> None:
    twice = rb'{"model":"a","n":1,"mo\u0064el":"b","n":2}'
    assert rewrite(twice, {"x": 0}, ()) == b'{"model":"b","n":2,"x":0}'


def test_with_nothing_to_do_nothing_is_copied() -> None:
    assert rewrite(CHAT, {}, ["priority", "service_tier"]) is CHAT
    assert adapter_of("openai")(CHAT, Hint(0, 1, 1)) is CHAT


@pytest.mark.parametrize("content", [b"", b"[]", b"1", b"null", b"{", b'{"a":}', b'{"a":NaN}'])
@pytest.mark.parametrize("kind", get_args(Kind))
def test_what_is_not_an_object_is_refused(kind: Kind, content: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        adapter_of(kind)(content, Hint(0, 1, 1))


# --- what each is told ---------------------------------------------------------------------------


def test_a_hosted_api_hears_no_priority_and_keeps_its_tier() -> None:
    body = {"model": "m", "priority": 3, "service_tier": "flex"}
    assert told("openai", Hint(0, 7, 9), body) == {"model": "m", "service_tier": "flex"}


@pytest.mark.parametrize("kind", ["vllm", "sglang", "embedded"])
def test_an_engine_hears_our_priority_not_the_clients_and_no_tier(kind: Kind) -> None:
    body = {"model": "m", "priority": -(2**53), "service_tier": "fast", "temperature": 0}
    heard = told(kind, Hint(2, 100, 300), body)
    assert heard["priority"] == told(kind, Hint(2, 100, 300))["priority"]
    assert "service_tier" not in heard
    assert (heard["model"], heard["temperature"]) == ("m", 0)


def test_vllm_gets_class_and_length_in_one_number_and_the_length_for_a_plug_in() -> None:
    assert told("vllm", Hint(3, 100, 300)) == {
        "model": "m",
        "priority": 3 * 2**32 + 100,
        "vllm_xargs": {"predicted_output_tokens": 100},
    }


@pytest.mark.parametrize(
    ("xargs", "merged"),
    [
        ({"a": [1], "predicted_output_tokens": 1}, {"a": [1], "predicted_output_tokens": 8}),
        (None, {"predicted_output_tokens": 8}),
        ("text", {"predicted_output_tokens": 8}),
        ([1], {"predicted_output_tokens": 8}),
    ],
)
def test_the_clients_own_xargs_stay(xargs: Any, merged: dict[str, Any]) -> None:
    assert told("vllm", Hint(0, 8, 9), {"vllm_xargs": xargs})["vllm_xargs"] == merged


def test_sglang_gets_the_negative_unless_it_runs_low_values_first() -> None:
    assert told("sglang", Hint(1, 100, 300))["priority"] == -(2**21 + 96)
    assert told("sglang", Hint(1, 100, 300), low_values_first=True)["priority"] == 2**21 + 96


def test_the_embedded_engine_gets_everything_by_its_name() -> None:
    assert told("embedded", Hint(4, 0, 2**40), {"predicted_output_tokens": 9}) == {
        "priority": 4,
        "predicted_output_tokens": 1,
        "predicted_p90_tokens": 2**31 - 1,
    }


# --- polarity ------------------------------------------------------------------------------------


def first_is_smaller(kind: Kind, low_values_first: bool, one: Hint, other: Hint) -> tuple[int, int]:
    """Both priorities, turned so that the smaller runs first."""
    sign = -1 if kind == "sglang" and not low_values_first else 1
    a, b = (told(kind, hint, low_values_first=low_values_first) for hint in (one, other))
    return sign * a["priority"], sign * b["priority"]


@pytest.mark.parametrize("low_values_first", [False, True])
@pytest.mark.parametrize("kind", ["vllm", "sglang", "embedded"])
@given(urgency=st.integers(0, 3), gap=st.integers(1, 4), one=tokens, other=tokens)
def test_the_more_urgent_runs_first_however_long(
    kind: Kind, low_values_first: bool, urgency: int, gap: int, one: int, other: int
) -> None:
    hints = Hint(urgency, one, one), Hint(min(urgency + gap, 4), other, other)
    first, second = first_is_smaller(kind, low_values_first, *hints)
    assert first < second


@pytest.mark.parametrize("low_values_first", [False, True])
@pytest.mark.parametrize(("kind", "most"), [("vllm", 2**32 - 1), ("sglang", 2**20 - 1)])
@given(urgency=st.integers(0, 4), one=tokens, other=tokens)
def test_within_a_class_the_longer_never_runs_first(
    kind: Kind, low_values_first: bool, most: int, urgency: int, one: int, other: int
) -> None:
    short, long = sorted((one, other))
    hints = Hint(urgency, short, short), Hint(urgency, long, long)
    first, second = first_is_smaller(kind, low_values_first, *hints)
    assert first <= second
    if max(short, 1) * 5 // 4 < min(long, most):
        assert first < second


@pytest.mark.parametrize("kind", ["vllm", "sglang", "embedded"])
@given(urgency=st.integers(0, 4), length=tokens)
def test_a_priority_is_an_integer_that_every_json_reader_holds(
    kind: Kind, urgency: int, length: int
) -> None:
    priority = told(kind, Hint(urgency, length, length))["priority"]
    assert type(priority) is int
    assert abs(priority) < 2**53


THRESHOLD = 1048576
"""What SGLang's flag is set to; a difference must exceed it to preempt."""


@given(urgency=st.integers(0, 3), one=tokens, other=tokens)
def test_sglang_preempts_across_classes_and_never_within_one(
    urgency: int, one: int, other: int
) -> None:
    a, b = (told("sglang", Hint(urgency, length, length))["priority"] for length in (one, other))
    worse = told("sglang", Hint(urgency + 1, other, other))["priority"]
    assert abs(a - b) <= THRESHOLD
    assert abs(a - worse) > THRESHOLD


def test_sglang_sees_few_different_priorities() -> None:
    adapt = adapter_of("sglang")
    lengths = [*range(1, 5000), *range(5000, 2**20, 997), 2**20 - 1, 2**30]
    assert len({adapt(b"{}", Hint(0, length, length)) for length in lengths}) == 75
