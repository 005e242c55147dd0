"""A burst of newsletters, and now and then an emergency: what a real engine makes of it, alone and
behind the gateway. Prints `name value unit`.

python -m bench.gateway.burst http://gpu1:8000 --seats 16   # your engine, while nobody else asks it
VLLM=.../bin/python -m bench.gateway.burst                  # a vLLM started here: tests/vllm.py

All requests are the same each time. Their classes are found from their texts.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import mean
from typing import Any

import aiohttp
from tests.vllm import SEATS, VLLM, vllm

from .figures import Figure, Lab
from .load import Ask, Told, chat, play, ttfts, whole
from .processes import gateway

NUM_NEWSLETTERS = 40
NUM_EMERGENCIES = 8
EVERY = 1.5
"""Seconds between two emergencies."""


def asks(url: str, model: str) -> list[Ask]:
    """The burst, and those that come meanwhile."""
    burst = [
        (0.0, f"Write newsletter number {i} about gardening, no hurry", (10, 40, 80)[i % 3])
        for i in range(NUM_NEWSLETTERS)
    ]
    emergencies = [
        (EVERY * (i + 1), f"My father, {60 + i}, has crushing chest pain and cannot breathe", 20)
        for i in range(NUM_EMERGENCIES)
    ]
    return [
        Ask(at, url, chat(text, model=model, max_tokens=tokens, ignore_eos=True), group=group)
        for group, planned in (("newsletter", burst), ("emergency", emergencies))
        for at, text, tokens in planned
    ]


async def model_of(url: str) -> str:
    """The first that it serves; raises SystemExit if it does not say."""
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{url}/v1/models") as answer:
            name: str = (await answer.json())["data"][0]["id"]
    except (aiohttp.ClientError, LookupError, TypeError, ValueError) as error:
        print(f"{url}/v1/models names no model ({error}): is an engine there?", file=sys.stderr)
        raise SystemExit(2) from None
    return name


async def measured(lab: Lab, url: str, model: str, setting: dict[str, Any] | None) -> list[Told]:
    """What became of them; without a setting they go straight to the engine."""
    if setting is None:
        told = await play(asks(url, model))
    else:
        async with gateway(lab, {"backends": [{"url": url, **setting}]}) as front:
            told = await play(asks(front.url, model))
    return whole(told)


def figures(name: str, told: Sequence[Told]) -> list[Figure]:
    """Means, and how long it took."""
    last = max(each.ask.at + (each.ended_at or 0.0) for each in told)
    return [
        Figure(f"{name}_emergency_ttft", mean(ttfts(told, "emergency")), "s"),
        Figure(f"{name}_newsletter_ttft", mean(ttfts(told, "newsletter")), "s"),
        Figure(f"{name}_until_all_end", last, "s"),
    ]


async def main(url: str, kind: str, seats: int, lab: Lab) -> None:
    """Print the figures."""
    settings = {
        "direct": None,
        "gateway": {"kind": kind, "seats": seats},
        "gateway_reserve": {"kind": kind, "seats": seats, "reserve": 1},
        "gateway_found_out": {"kind": kind},
    }
    model = await model_of(url)
    for name, setting in settings.items():
        for figure in figures(name, await measured(lab, url, model, setting)):
            print(figure.line(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "url", nargs="?", help="base of the engine's API; a vLLM is started if there is none"
    )
    parser.add_argument("--kind", default="vllm", choices=["openai", "vllm", "sglang"])
    parser.add_argument("--seats", type=int, default=SEATS, help="requests that it runs at once")
    given = parser.parse_args()
    if not given.url and not VLLM:
        parser.error("name the URL of an engine, or the Python of a vLLM: VLLM=.../bin/python")
    with tempfile.TemporaryDirectory() as folder:
        engine = nullcontext(given.url) if given.url else vllm(Path(folder))
        with engine as there:
            sys.exit(
                asyncio.run(main(there, given.kind, given.seats, Lab(Path(folder), full=False)))
            )
