"""Spoof: requests that want to be more urgent than their key may be, in every way we know of."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from itertools import product
from typing import Any, NamedTuple

from semsched.request import CLASS_NAMES

from .figures import Figure, Lab, note
from .flood import address_of
from .load import CHAT
from .processes import Server, gateway, stub

CEILING = 2
TEXT = "My father is unconscious and does not breathe, his chest hurt before, help me now"
"""What the model itself takes for critical."""

KEYS = {"clamp": "sk-clamp", "refuse": "sk-refuse"}
"""By what becomes of a claim above the ceiling."""

FREE = "sk-free"
"""A key without a ceiling, to see that a claim that goes through would be seen."""

VALUES = (
    *("0", "critical", "CRITICAL", " Critical\t", "1", "urgent", "-1", "+0", "00", "0x0", "0.0"),
    *("1e0", "NaN", "-inf", "", "critical,background", "background,critical", "critical;q=1"),
    *("null", "true", "\u00b2", "\u0661", "critical\u00a0", "9" * 400),
)
NAMES = (
    *("x-request-priority", "X-REQUEST-PRIORITY", "X-Request-Priority", "x_request_priority"),
    *("priority", "x-priority", "x-semsched-class", "x-semsched-priority"),
    *("x-llm-d-inference-objective", "x-gateway-inference-objective", "x-dynamo-request-priority"),
    *("x-slo-ttft-ms", "x-llm-d-slo-ttft-ms"),
)
FOLDED = "x-request-priority: background\r\n critical\r\n"
"""A value that goes on in the next line."""

MEMBERS = (
    "",
    *(f'"priority": {value},' for value in ("0", "1", "-1", "0.0", "-0", "1e0", "true", "false")),
    *(f'"priority": {value},' for value in ("NaN", "-Infinity", "1e999", "-1e999", "9" * 400)),
    *(f'"priority": {value},' for value in ('"critical"', '"URGENT"', '"0"', "[0]", '{"a": 0}')),
    '"priority": 4, "priority": 0,',
    '"priority": 0, "priority": 4,',
    '"\\u0070riority": 0,',
    '"Priority": 0,',
    '"priority\\u0000": 0,',
    '"service_tier": "priority",',
    '"service_tier": "fast", "priority": null,',
    '"extra_body": {"priority": 0},',
    '"nvext": {"agent_hints": {"priority": 0}},',
    '"vllm_xargs": {"priority": 0},',
    '"metadata": {"priority": "0", "urgency": "critical"},',
)


class Answered(NamedTuple):
    """What came back."""

    status: int
    urgency: int | None
    """The class that we said it was served in."""


async def spoof(lab: Lab) -> AsyncIterator[Figure]:
    """Served above the ceiling, by our own word or by what the backend was told."""
    async with stub(lab) as backend, gateway(lab, _config(backend)) as front:
        await _check_eyes(front, backend)
        cases = list(product(heads(), MEMBERS, KEYS.values()))
        answered = [await _send(front, f"case-{i}", *case) for i, case in enumerate(cases)]
        seen = await backend.get("/seen")
    statuses = Counter(each.status for each in answered)
    note(f"answers by status: {dict(statuses)}; the backend saw {len(seen)}")
    above = sum(each.urgency is not None and each.urgency < CEILING for each in answered)
    told = sum(is_told_more(each) for each in seen.values())
    odd = sum(num for status, num in statuses.items() if status not in (200, 400, 403))
    yield Figure("spoof_above_ceiling", above + told, "requests", "== 0")
    yield Figure("spoof_odd_answers", odd, "requests", "== 0")
    yield Figure("spoof_out_of", len(cases), "requests", ">= 1000")


def _config(backend: Server) -> dict[str, Any]:
    keys = [_key(key, CEILING, above_ceiling=name) for name, key in KEYS.items()]
    return {
        "backends": [{"url": backend.url, "name": "one", "kind": "vllm", "seats": 64}],
        "keys": [*keys, _key(FREE, 0)],
    }


def _key(key: str, ceiling: int, **more: str) -> dict[str, Any]:
    digest = sha256(key.encode()).hexdigest()
    return {"tenant": key, "sha256": digest, "ceiling": ceiling, **more}


async def _check_eyes(front: Server, backend: Server) -> None:
    """Raise RuntimeError if a critical request does not look like one here."""
    answered = await _send(front, "free", f"{NAMES[0]}: critical\r\n", "", FREE)
    seen = await backend.get("/seen")
    if answered.urgency != 0 or "free" not in seen or not is_told_more(seen["free"]):
        raise RuntimeError(f"a critical request looks like {answered}, {seen}")


def heads() -> Iterator[str]:
    """Header lines of the cases."""
    yield ""
    yield FOLDED
    yield from (f"{NAMES[0]}: {value}\r\n" for value in VALUES)
    yield from (f"{name}: 0\r\n" for name in NAMES)
    for first, second in (("background", "critical"), ("critical", "background"), ("2", "0")):
        yield f"{NAMES[0]}: {first}\r\n{NAMES[0]}: {second}\r\n"
        yield f"{NAMES[0]}: {first}\r\n{NAMES[1]}: {second}\r\n"


def is_told_more(seen: dict[str, Any]) -> bool:
    """Whether the backend was told of a higher class, or of one in words that are not ours."""
    priority = seen["priority"]
    if type(priority) is not int or priority < CEILING * 2**32:
        return True
    names = {name.replace("_", "-") for name, _ in seen["headers"]}
    return bool(names & {name.lower().replace("_", "-") for name in NAMES})


async def _send(front: Server, name: str, head: str, member: str, key: str) -> Answered:
    """Ask on a connection of its own, byte for byte."""
    body = (
        f'{{{member} "model": "any", "stream": true, "stub": {{"note": "{name}"}},'
        f'"messages": [{{"role": "user", "content": {json.dumps(TEXT)}}}]}}'
    ).encode()
    lines = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        f"authorization: Bearer {key}\r\n{head}content-length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(*address_of(front.url))
    writer.write(lines.encode() + body)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return _read(answer)


def _read(answer: bytes) -> Answered:
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1]) if lines[0] else 0
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    said = headers.get("x-semsched-class")
    return Answered(status, CLASS_NAMES.index(said) if said else None)
