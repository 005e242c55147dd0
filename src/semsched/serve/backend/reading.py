"""Reading: what an engine says of itself on its page of metrics, and what follows for its seats.

A page has thousands of lines, of which a handful are wanted, every second and of every backend:
so lines are picked out, where a full parser would cost a hundred times as much.
"""

import re
from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

FIRST_SEATS = 8
MAX_SEATS = 1024
RECENT = 8
"""Readings that still count."""
FULL = 0.9
"""Share of KV in use from which more seats would only lead to evictions."""


class Reading(NamedTuple):
    """How an engine is doing, all its data-parallel ranks together."""

    num_running: int
    num_waiting: int
    kv_usage: float
    """Share of its KV memory in use, 0 to 1, of the rank that is fullest; 0 if it does not say."""
    kv_tokens: int | None
    """Tokens that fit in its KV memory."""
    num_preemptions: int
    """Since it started."""


_FIELDS = {
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:kv_cache_usage_perc": "kv_usage",
    "vllm:gpu_cache_usage_perc": "kv_usage",
    "vllm:cache_config_info": "cache_config",
    "vllm:num_preemptions_total": "preemptions",
    "sglang:num_running_reqs": "running",
    "sglang:num_queue_reqs": "waiting",
    "sglang:token_usage": "kv_usage",
    "sglang:max_total_num_tokens": "kv_tokens",
    "sglang:num_retracted_requests_total": "preemptions",
}

_NAMES = tuple(_FIELDS)
_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(\{.*\})?[ \t]+(\S+)")
_LABEL = re.compile(r'[{,]\s*(\w+)="((?:[^"\\]|\\.)*)"')
_SAME_REQUESTS = {"tp_rank", "pp_rank", "moe_ep_rank", "pid"}
"""Labels that tell workers apart which work on the same requests."""

Labels = dict[str, str]
Key = tuple[str, frozenset[tuple[str, str]]]


def parse_metrics(text: str) -> Reading | None:
    """From a page in Prometheus' text format; None if it is not vLLM's or SGLang's.

    What it does not know or cannot read it leaves out.
    """
    values: dict[Key, float] = {}
    for field, labels, value in _samples(text):
        if labels.get("priority"):
            continue  # SGLang's total, with the label empty, counts these, too
        key = field, frozenset((n, v) for n, v in labels.items() if n not in _SAME_REQUESTS)
        values[key] = max(values.get(key, 0.0), value)
    fields = {field for field, _ in values}
    if not {"running", "waiting"} <= fields:
        return None
    return Reading(
        num_running=_total(values, "running"),
        num_waiting=_total(values, "waiting"),
        kv_usage=max((v for (field, _), v in values.items() if field == "kv_usage"), default=0.0),
        kv_tokens=_total(values, "kv_tokens") or None,
        num_preemptions=_total(values, "preemptions"),
    )


def _total(values: dict[Key, float], field: str) -> int:
    return sum(int(value) for (found, _), value in values.items() if found == field)


def _samples(text: str) -> Iterator[tuple[str, Labels, float]]:
    """Field, labels and value of each line that is wanted (names may begin alike)."""
    for line in text.splitlines():
        if not line.startswith(_NAMES):
            continue
        found = _SAMPLE.match(line)
        field = _FIELDS.get(found[1]) if found else None
        if found is None or field is None:
            continue
        labels = dict(_LABEL.findall(found[2] or ""))
        value = _kv_tokens(labels) if field == "cache_config" else _number(found[3])
        if value is not None:
            yield "kv_tokens" if field == "cache_config" else field, labels, value


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and value >= 0 else None


def _kv_tokens(labels: Labels) -> float | None:
    """vLLM says it in labels: outright if it is new, else in blocks."""
    if (told := _number(labels.get("kv_cache_size_tokens", ""))) is not None:
        return told
    size, num = (_number(labels.get(name, "")) for name in ("block_size", "num_gpu_blocks"))
    return None if size is None or num is None else size * num


def adapted_seats(
    seats: int, in_flight: int, reading: Reading, most_running: int, wanting: bool
) -> int:
    """How many seats a backend has from now on, where nobody has configured it.

    `seats` is how many it had (FIRST_SEATS at first), `in_flight` how many of them are taken,
    `most_running` how many requests it ran at most in its last RECENT readings, `wanting` whether
    somebody waits for a seat. An engine that lets requests wait has been given too many: it keeps
    as many as it ran lately (now it may lack one that has just ended, where the next has not
    begun). One that is full and could do with more gets an eighth more.
    """
    if reading.num_waiting > 0:
        return max(min(seats, most_running), seats // 2, 1)
    if wanting and in_flight >= seats and reading.kv_usage < FULL:
        return min(seats + max(seats // 8, 1), MAX_SEATS)
    return seats
