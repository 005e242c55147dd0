"""Greed: what others lose to a tenant who says that everything it asks is critical.

Three tenants send the shipped prompts with their own classes, at 0.6 of what the engine can do;
a fourth sends as much again. Its requests are the same in every run, only what it claims differs:

- honest: the classes of its texts, with a key that may claim class 0;
- greedy: class 0 for everything, with a key as keys are unless told: its ceiling is class 2;
- trusted: class 0 for everything, with a key that may claim it.

The figures are 99th percentiles of TTFT of the others' class 0, as ratios to the honest runs.
Honest and greedy each run twice, the honest first and last: how far these are apart is what the
machine's other work does to such a figure, and a ratio within that says nothing.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from itertools import chain

from .figures import Figure, Lab, quantile, spread
from .load import Ask, play, ttfts, whole
from .processes import gateway
from .traffic import drawn

SPEED = 1.0
LOAD = 0.6
"""Of the three others together, and of the fourth alone."""

MAX_TOKENS = 16
"""Short answers, so that a minute holds class-0 requests enough for a 99th percentile."""

OTHERS = ("one", "two", "three")

CLAIMS: dict[str, tuple[int, int | None]] = {
    "honest": (0, None),
    "greedy": (2, 0),
    "trusted": (0, 0),
}
"""The fourth's ceiling, and the class that it claims (None: that of the text)."""

RUNS = ("honest", "greedy", "trusted", "greedy", "honest")


async def greedy(lab: Lab) -> AsyncIterator[Figure]:
    """Ratios of the others' TTFT."""
    seconds = 120.0 if lab.full else 45.0
    times: dict[str, list[list[float]]] = {name: [] for name in CLAIMS}
    for name in RUNS:
        times[name].append(await _run(lab, name, seconds))
        spread(f"{name}: TTFT of the others' class 0", times[name][-1])
    p99 = {name: quantile([*chain(*runs)], 0.99) for name, runs in times.items()}
    yield Figure("greedy_tenant_ttft_ratio", p99["greedy"] / p99["honest"], "ratio", "<= 1.20")
    yield Figure("trusted_tenant_ttft_ratio", p99["trusted"] / p99["honest"], "ratio")
    first, last = (quantile(run, 0.99) for run in times["honest"])
    yield Figure("honest_tenant_ttft_ratio", max(first, last) / min(first, last), "ratio")


async def _run(lab: Lab, name: str, seconds: float) -> list[float]:
    """TTFT (s) of the others' class 0."""
    ceiling, claim = CLAIMS[name]
    config = {
        "engine": {"speed": SPEED, "preemption": "class"},
        "queue": {"max_waiting": 100_000, "max_wait": 3600.0},
        "keys": [_key(other, 0) for other in OTHERS] + [_key("fourth", ceiling)],
    }
    async with gateway(lab, config) as front:
        mine = drawn(LOAD, seconds, 1, max_tokens=MAX_TOKENS)
        if claim is not None:
            mine = replace(mine, urgency=(claim,) * len(mine.urgency))
        asks = [ask._replace(group="mine") for ask in mine.asks(front.url, SPEED, "sk-fourth")]
        told = await play([*asks, *_others(front.url, seconds)])
    return ttfts(whole(told), "0")


def _others(url: str, seconds: float) -> list[Ask]:
    asks: list[Ask] = []
    for i, name in enumerate(OTHERS):
        theirs = drawn(LOAD / len(OTHERS), seconds, 2 + i, max_tokens=MAX_TOKENS)
        asks += theirs.asks(url, SPEED, f"sk-{name}")
    return asks


def _key(tenant: str, ceiling: int) -> dict[str, object]:
    digest = sha256(f"sk-{tenant}".encode()).hexdigest()
    return {"tenant": tenant, "ceiling": ceiling, "sha256": digest}
