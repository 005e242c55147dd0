"""Prints `name value unit`, a figure a line; what happens meanwhile is told on stderr.

python -m bench.gateway                     # all, about ten minutes
python -m bench.gateway --only cancel kill  # some
python -m bench.gateway --full              # as long as the issue asks for, over an hour
"""

import argparse
import platform
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import uvloop

from .benefit import benefit
from .cancel import cancel
from .failover import kill, sigterm
from .figures import Bench, Figure, Lab, note
from .greedy import greedy
from .lost import lost
from .overhead import overhead
from .overload import overload
from .spoof import spoof
from .throughput import throughput

BENCHES: dict[str, Bench] = {
    bench.__name__: bench
    for bench in (
        spoof,
        cancel,
        sigterm,
        kill,
        throughput,
        overhead,
        overload,
        lost,
        greedy,
        benefit,
    )
}


async def run(name: str, lab: Lab) -> list[Figure]:
    """Print the figures of one bench."""
    print(name, file=sys.stderr, flush=True)
    note(python())
    began_at, figures = perf_counter(), []
    async for figure in BENCHES[name](lab):
        print(figure.line(), flush=True)
        figures.append(figure)
    note(f"{name} took {perf_counter() - began_at:.0f} s")
    return figures


def python() -> str:
    """Which Python it is and how fast just now: builds of one version differ by a quarter, and one
    machine from hour to hour by more."""
    began_at, total = perf_counter(), 0
    for i in range(10**6):
        total += i * i
    spent = perf_counter() - began_at
    build = f"Python {platform.python_version()} in {sys.base_prefix}"
    return f"{build}: {1e3 * spent:.0f} ns for a turn of a loop"


async def main(names: list[str], full: bool, folder: Path) -> int:
    """Print all figures; says whether one misses its target."""
    figures = []
    for name in names:
        figures += await run(name, Lab(folder, full))
    return int(not all(figure.is_met for figure in figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How good and how fast the gateway is.")
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--full", action="store_true", help="as long as the issue asks for")
    parser.add_argument("--keep", type=Path, help="folder for journals and logs, to be kept")
    given = parser.parse_args()
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(uvloop.run(main(given.only, given.full, given.keep or Path(temporary))))
