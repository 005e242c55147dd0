"""Overhead: what the gateway adds to the time to the first token."""

import random
from collections.abc import AsyncIterator

from semsched.workload.texts import TRIAGE, read_texts

from .figures import Figure, Lab, note, quantile, spread
from .load import Ask, chat, play, ttfts, whole
from .processes import Server, gateway, stub
from .throughput import config_for

RATE = 100.0
NUM_STREAMS = 200
STREAM_GAP = 0.05
"""Seconds between two tokens of a live stream: 20 tokens/s, faster than people read."""

WARM_UP = 3.0


async def overhead(lab: Lab) -> AsyncIterator[Figure]:
    """TTFT through the gateway less TTFT without it, of the same backend in the same seconds."""
    seconds = 60.0 if lab.full else 20.0
    async with stub(lab) as backend, gateway(lab, config_for(backend)) as front:
        before = front.cpu_s()
        told = await play(_asks(front, backend, seconds))
        note(f"the gateway used {(front.cpu_s() - before) / (seconds + WARM_UP):.2f} cores")
    through, direct = ttfts(whole(told), "through"), ttfts(told, "direct")
    spread("TTFT through the gateway", through)
    spread("TTFT without it", direct)
    for name, share, limit in (("p50", 0.5, 2), ("p99", 0.99, 10)):
        added = (quantile(through, share) - quantile(direct, share)) * 1000
        yield Figure(f"overhead_ttft_{name}_ms", added, "ms", f"<= {limit}")
    without = quantile(direct, 0.99) * 1000  # what the machine's other work does to it
    yield Figure("overhead_no_gateway_p99_ms", without, "ms")


def _asks(front: Server, backend: Server, seconds: float) -> list[Ask]:
    """Live streams from the start to the end, and then requests at random instants, of which
    every other one goes straight to the backend. Their class is judged, not claimed."""
    rng = random.Random(0)
    texts = list(read_texts(TRIAGE).text)
    rng.shuffle(texts)
    events = int((seconds + WARM_UP) / STREAM_GAP)
    live = {"events": events, "gap": STREAM_GAP}
    asks = [
        Ask(i * STREAM_GAP / NUM_STREAMS, front.url, chat(f"live {i}", stub=live), group="live")
        for i in range(NUM_STREAMS)
    ]
    at, i = WARM_UP, 0
    while at < seconds + WARM_UP - 0.5:
        at += rng.expovariate(2 * RATE)
        text = f"{texts[i % len(texts)]} ({i})"
        url, group = (backend.url, "direct") if i % 2 else (front.url, "through")
        asks.append(Ask(at, url, chat(text, stub={"events": 3, "gap": 0.01}), group=group))
        i += 1
    return asks
