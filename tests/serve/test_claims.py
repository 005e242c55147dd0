from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from semsched.request import CLASS_NAMES
from semsched.serve.claims import claim_of, deadline_of, forwarded
from semsched.web.failure import ApiError, Header
from tests.serve.said import HEADERS, PRIORITY, claimed

# --- plain claims --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "urgency"),
    [
        *((str(i).encode(), i) for i in range(5)),
        *((name.encode(), i) for i, name in enumerate(CLASS_NAMES)),
        *((b"URGENT", 1), (b" Low\t", 3), (b" 0", 0)),
    ],
)
def test_a_header_names_a_class(value: bytes, urgency: int) -> None:
    assert claimed([(PRIORITY, value)], {}) == urgency
    assert claimed([(b"X-Request-Priority", value)], {"priority": 2}) == urgency


@pytest.mark.parametrize(
    ("body", "claim"),
    [
        *(({"priority": i}, i) for i in range(5)),
        *(({"priority": name}, i) for i, name in enumerate(CLASS_NAMES)),
        ({"priority": "Urgent"}, 1),
        ({"priority": None}, None),
        ({"priority": None, "service_tier": "flex"}, 3),
        ({"priority": 0, "service_tier": "flex"}, 0),
        *(({"service_tier": tier}, None) for tier in ("auto", "default", "scale", "gold", None)),
        *(({"service_tier": tier}, 1) for tier in ("priority", "fast")),
        ({"service_tier": "batch"}, 4),
        ({"service_tier": "PRIORITY"}, None),
        ({}, None),
        ({"nvext": {"agent_hints": {"priority": 0}}}, None),
        ({"metadata": {"priority": 0, "service_tier": "priority"}}, None),
        ({"messages": [{"priority": 0}], "extra_body": {"priority": 0}}, None),
        ({"Priority": 0, "priority ": 0, "PRIORITY": 0}, None),
    ],
)
def test_a_body_names_a_class(body: dict[str, Any], claim: int | None) -> None:
    assert claimed([], body) == claim


@pytest.mark.parametrize("value", [True, 1, 1.0, ["priority"], {"tier": "priority"}])
def test_a_tier_is_text(value: object) -> None:
    assert claimed([], {"service_tier": value}) == "service_tier"


def test_headers_that_agree_are_one_claim() -> None:
    assert claimed([(PRIORITY, b"1"), (PRIORITY, b"urgent")], {}) == 1
    assert claimed([(PRIORITY, b"1"), (PRIORITY, b"0")], {}) == PRIORITY.decode()
    assert claimed([(PRIORITY, b"1"), (PRIORITY, b"")], {}) == PRIORITY.decode()


def test_the_message_says_what_is_possible() -> None:
    with pytest.raises(ApiError, match=r"priority: must be one of critical, urgent.*or 0 to 4"):
        claim_of([], {"priority": 9})


# --- deadlines -----------------------------------------------------------------------------------

DEADLINE = b"x-request-deadline-ms"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"1500", 1.5), (b" 0.5\t", 0.0005), (b"86400000", 86_400.0), (b"000000001", 0.001)],
)
def test_a_deadline_is_in_seconds_from_now(value: bytes, seconds: float) -> None:
    assert deadline_of([(b"X-Request-Deadline-MS", value)]) == pytest.approx(seconds)
    assert deadline_of([(DEADLINE, value), (DEADLINE, value)]) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"0", b"0.0", b"-1", b"+1", b"1e3", b"nan", b"inf", b"86400000.1", b"86400001"),
        *(b"9" * 400, b"0x10", b"1_000", b"1,000", b"1s", b"1.", b".5", "\u0661".encode(), b"1\n"),
    ],
)
def test_what_is_no_deadline_is_refused(value: bytes) -> None:
    with pytest.raises(
        ApiError, match="must be milliseconds, more than 0 and at most 86400000"
    ) as e:
        deadline_of([(DEADLINE, value)])
    assert (e.value.status, e.value.code) == (400, "invalid_value")


def test_two_deadlines_are_refused() -> None:
    with pytest.raises(ApiError):
        deadline_of([(DEADLINE, b"1"), (DEADLINE, b"2")])
    assert deadline_of([(b"x-request-deadline", b"1")]) is None


@given(HEADERS)
def test_a_deadline_is_within_a_day_or_an_error(headers: list[Header]) -> None:
    try:
        seconds = deadline_of(headers)
    except ApiError:
        return
    assert seconds is None or 0 < seconds <= 86_400


# --- what goes on to an engine -------------------------------------------------------------------

KEPT: list[Header] = [
    (b"content-type", b"application/json"),
    (b"accept", b"text/event-stream"),
    (b"user-agent", b"OpenAI/Python"),
    (b"traceparent", b"00-1-2-01"),
    (b"x-stainless-retry-count", b"1"),
    (b"openai-organization", b"o"),
    (b"x-session-id", b"s"),
]


def underscored(name: str) -> str:
    return name.replace("-", "_")


@pytest.mark.parametrize(
    "name",
    [
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "proxy-connection", "host", "content-length", "expect"),
        *("authorization", "x-api-key", "cookie", "accept-encoding", "x-request-priority"),
        *(
            "x-vllm-priority",
            "x-vllm-request-priority",
            "x-vllm-priority-boost",
            "x-sglang-priority",
        ),
        *(
            "x-dynamo-request-priority",
            "x-dynamo-request-strict-priority",
            "priority",
            "x-priority",
        ),
        *("x-llm-d-inference-objective", "x-gateway-inference-objective", "x-slo-ttft-ms"),
        "x-priority",
        *("x-llm-d-inference-fairness-id", "x-llm-d-slo-ttft-ms", "x-semsched-class"),
        *("x-semsched-anything", "x-request-deadline-ms", "x-request-id"),
    ],
)
@pytest.mark.parametrize(
    "spelled", [str.lower, str.title, str.upper, lambda n: n.replace("-", "_")]
)
def test_what_is_not_for_engines_ends_here(name: str, spelled: Callable[[str], str]) -> None:
    headers = [*KEPT, (spelled(name).encode(), b"x"), (spelled(name).encode(), b"y")]
    assert forwarded(headers) == KEPT


def test_what_connection_names_ends_here() -> None:
    named = [(b"x-hop", b"1"), (b"X-Other", b"2"), (b"x-third", b"3")]
    connection = [(b"Connection", b"close, X-Hop"), (b"connection", b" x-other\t,,x_third")]
    assert forwarded([*named, *connection, *KEPT]) == KEPT


@given(HEADERS)
def test_headers_go_on_unchanged_in_order_or_not_at_all(headers: list[Header]) -> None:
    kept = forwarded(headers)
    rest = iter(headers)
    assert all(header in rest for header in kept)
    assert claim_of(kept, {}) is None
    assert deadline_of(kept) is None
    assert forwarded(kept) == kept
