"""A thousand ways to say something that is nearly a class, and whatever hypothesis thinks of."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from semsched.predict.urgency import Asked, Verdict, triage
from semsched.request import CLASS_NAMES
from semsched.serve.claims import claim_of
from semsched.web.failure import Header
from tests.serve.said import BODIES, HEADERS, JSON, PRIORITY, claimed

NEARLY = [
    *("", " ", "-", "+", ".", "0x0", "+0", "-0", "0.0", "0e0", "00", "01", "0b0", "0_0", "5"),
    *("-1", "0,4", "4,0", "0 4", "0;q=1", "0\x00", "\x000", "0\n", "\n0"),
    *("0\r\nx-request-priority: 0", "\u200b0", "0\u200b", "\u00a00", "\u30000", "0\u2028"),
    *("\ufeff0", "\x0b0", "0\x0c", "\x1c0", "\u0660", "\u0966", "\uff10", "\u2070", "\u2080"),
    *("\u24ea", "\U0001d7ce", "\u06f1", "\u4e00", "critical\u200b", "critical\x00", "critical\n"),
    *("\ncritical", "crit\u0131cal", "CR\u0130TICAL", "cr\u0456tical", "critica\u217c"),
    *("critical.", "critical,low", "low,critical", "critical low", "'critical'", '"critical"'),
    *("critical;", "criticalcritical", "critica", "ritical", "crit ical", "bac\u212aground"),
    *("\u017ftandard", "standard\u0301", "\uff4c\uff4f\uff57", "urgent\ud800", "p0", "P0"),
    *("high", "highest", "emergency", "priority", "max", "none", "null", "None", "true", "True"),
    *("false", "NaN", "nan", "inf", "-inf", "Infinity", "1e400", "9" * 5000, "0" * 5000),
    *("4294967296", "18446744073709551616", "-4294967296", "2147483648", "u=0", "0/1", "%30"),
    *("&#48;", "[0]", "{0}", "(0)", "$0", "0$", "zero", "one", "I", "critical\ttier"),
    *("null\x00critical", "0.9"),
]
"""None of these is a class."""

NO_NUMBERS = [
    *(True, False, math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 4.0, 0.5, 1e308, 5, -1, 2**31),
    *(2**32, 2**63, 2**64, -(2**64), 10**4000, [], [0], ["critical"], {}, {"priority": 0}),
    *({"urgency": 0}, [[0]], {"0": 0}, "0", " 0", "4", "00"),
]
"""None of these is a class in a body, where digits in quotes are none, either."""

Case = tuple[list[Header], dict[str, Any], int | str | None]
"""Headers, body, and the claim or the field at fault."""


def cases() -> Iterator[Case]:
    header, low = PRIORITY.decode(), {"priority": 3}
    for text in NEARLY:
        raw = text.encode("utf-8", "surrogatepass")
        yield [(PRIORITY, raw)], {}, header
        yield [(PRIORITY, raw)], low, header
        yield [(b"X-ReQuEsT-pRiOrItY", raw)], {"service_tier": "fast"}, header
        yield [(PRIORITY, b"4"), (PRIORITY, raw)], {}, header
        yield [(PRIORITY, raw), (b"X-REQUEST-PRIORITY", b"critical")], {}, header
        yield [], {"priority": text}, "priority"
        yield [], {"priority": text, "service_tier": "priority"}, "priority"
        yield [(PRIORITY, b"low")], {"priority": text}, 3
        yield [(PRIORITY, b"low")], {"priority": 0, "metadata": {"priority": text}}, 3
        yield [], {"metadata": {"priority": text}, **low}, 3
        yield [(b"x-request-priority-", raw)], low, 3
    for value in NO_NUMBERS:
        yield [], {"priority": value}, "priority"
        yield [], {"priority": value, "service_tier": "batch"}, "priority"
        yield [(PRIORITY, b"4")], {"priority": value}, 4
        yield [], {"nvext": {"agent_hints": {"priority": value}}, **low}, 3
        yield [], {"metadata": {"priority": value}}, None
    for name in (b"priority", b"x-priority", b"x_request_priority", b"x-vllm-priority"):
        for said in (b"0", b"critical", b"u=0", b"-100"):
            yield [(name, said)], {}, None
            yield [(name, said)], low, 3
            yield [(name, said), (PRIORITY, b"4")], low, 4


def test_what_is_nearly_a_class_is_none_and_no_ceiling_is_passed() -> None:
    all_cases = list(cases())
    assert len(all_cases) >= 1_000
    for headers, body, expected in all_cases:
        assert claimed(headers, body) == expected, (headers, body)
        if isinstance(expected, str):
            continue
        for ceiling in range(5):
            assert urgency_of(headers, body, ceiling) >= ceiling


def urgency_of(headers: list[Header], body: dict[str, Any], ceiling: int) -> int:
    """The class that is given by a model which takes everything for an emergency."""
    return triage(
        Asked("help"),
        claim=claim_of(headers, body),
        ceiling=ceiling,
        rules=(),
        classify=lambda _: Verdict(0, "says so itself"),
    ).urgency


@given(HEADERS, BODIES, st.integers(0, 4))
def test_whatever_is_said_is_a_class_within_the_ceiling_or_an_error(
    headers: list[Header], body: dict[str, Any], ceiling: int
) -> None:
    claim = claimed(headers, body)
    if isinstance(claim, str):
        assert claim in ("x-request-priority", "priority", "service_tier")
        return
    assert claim is None or (type(claim) is int and 0 <= claim <= 4)
    assert urgency_of(headers, body, ceiling) >= ceiling
    said = [value for name, value in headers if name.lower() == PRIORITY]
    if said:
        assert claim == plainly(said[0].decode("latin-1"))


def plainly(text: str) -> int | None:
    """What a person reads."""
    words = {**{name: i for i, name in enumerate(CLASS_NAMES)}, **{str(i): i for i in range(5)}}
    found = re.fullmatch(r"[ \t]*([a-zA-Z]+|\d)[ \t]*", text, re.ASCII)
    return words.get(found[1].lower()) if found else None


@given(BODIES, JSON)
def test_what_lies_deeper_claims_nothing(body: dict[str, Any], inner: object) -> None:
    more = {**body, "metadata": {"priority": inner}, "nvext": {"priority": inner}, "x": [inner]}
    assert claimed([], more) == claimed([], body)


def test_json_reads_as_it_is_claimed() -> None:
    for text, expected in (
        ('{"priority": 0, "priority": 3}', 3),
        ('{"priority": NaN}', "priority"),
        ('{"priority": 1E0}', "priority"),
        ('{"\\u0070riority": 2}', 2),
    ):
        assert claimed([], json.loads(text)) == expected
