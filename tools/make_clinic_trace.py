"""Write the example trace `clinic.csv`: a hospital's LLM service on the day of an accident.

Usage: python tools/make_clinic_trace.py [FILE]; without FILE it writes the one that ships.
Only Python's own generator is used, whose stream does not change between versions, so the
file comes out the same byte for byte.
"""

import csv
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SEED = 112
DURATION = 600.0
SURGE = (240.0, 360.0)
SHIPPED = Path(__file__).parents[1] / "src/semsched/workload/traces/clinic.csv"


class Kind(NamedTuple):
    """A kind of request; medians in tokens, rates in requests/s."""

    tenant: str
    urgencies: tuple[int, int]
    most_urgent_share: float
    median_prompt: float
    median_output: float
    max_output_tokens: int
    calm_rate: float
    surge_rate: float


# Sized for 16 seats that decode a step in 0.012 s (1333 tokens/s, less the stalls of
# prefill, 1.05e-4 s per prompt token): about 90 % of that over the ten minutes, 1.5 times it
# in the surge, when triage multiplies and the newsletters go on as if nothing had happened.
KINDS = (
    Kind("triage", (0, 1), 0.4, 180, 90, 256, 0.9, 5.8),
    Kind("wards", (2, 3), 0.6, 320, 230, 512, 1.6, 2.4),
    Kind("office", (4, 4), 1.0, 270, 320, 1024, 1.3, 1.3),
)
HEADER = ("arrived_at", "prompt_tokens", "output_tokens", "urgency", "max_output_tokens", "tenant")


def arrivals(rng: random.Random) -> Iterator[tuple[float, Kind]]:
    """A Poisson stream whose rate is higher in the surge."""
    now = 0.0
    while True:
        in_surge = SURGE[0] <= now < SURGE[1]
        rates = [kind.surge_rate if in_surge else kind.calm_rate for kind in KINDS]
        now += rng.expovariate(sum(rates))
        if now >= DURATION:
            return
        yield now, rng.choices(KINDS, rates)[0]


def tokens(rng: random.Random, median: float, sigma: float, most: int) -> int:
    """A log-normal length, drawn again while it is out of range."""
    scale = median * rng.lognormvariate(0, sigma)
    return round(scale) if 1 <= scale <= most else tokens(rng, median, sigma, most)


def main(path: Path) -> None:
    """Write the trace to `path`."""
    rng = random.Random(SEED)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(HEADER)
        for arrived_at, kind in arrivals(rng):
            urgency = kind.urgencies[rng.random() >= kind.most_urgent_share]
            prompt = tokens(rng, kind.median_prompt, 0.7, 1500)
            output = tokens(rng, kind.median_output, 0.7, min(600, kind.max_output_tokens))
            limit = kind.max_output_tokens
            rows.writerow((f"{arrived_at:.3f}", prompt, output, urgency, limit, kind.tenant))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
