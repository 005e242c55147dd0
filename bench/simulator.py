"""How fast the simulator is; prints `name value unit`, a figure a line.

    python bench/simulator.py            # all, about two minutes
    python bench/simulator.py kernel     # those whose name begins so

The workload is that of the issue: prompts and outputs uniform on 1..500 tokens, 16 seats, load
0.9 on A100_4B, policy `semantic`, rows recorded. Times are medians of three runs.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

import numpy as np

from semsched.core.profile import load_profile
from semsched.core.queue import WaitQueue
from semsched.core.scheduling import Scheduling
from semsched.policy import POLICIES
from semsched.simulate import capacity, simulate
from semsched.workload import Workload, poisson

Figure = tuple[str, float, str]

PROFILE = load_profile("A100_4B")
SEATS = 16
MIX = (1.0,) * 5


def steady(num_requests: int) -> Workload:
    """Poisson arrivals at 0.9 of what the engine can do."""
    requests = poisson(num_requests, rate=1.0, mix=MIX)
    return requests.arriving_at(requests.arrived_at / (0.9 * capacity(requests, PROFILE, SEATS)))


def burst(num_requests: int) -> Workload:
    """All at once."""
    return poisson(num_requests, rate=1.0, mix=MIX).arriving_at(np.zeros(num_requests))


def wall_time(
    requests: Workload, policy: str = "semantic", *, num_runs: int = 3, **settings: str
) -> float:
    """Seconds per run, ranks and rows included."""
    scheduling = Scheduling.model_validate({"max_num_seqs": SEATS, **settings})
    runs = (simulate(requests, PROFILE, POLICIES[policy], scheduling) for _ in range(num_runs))
    return median(run.wall_time for run in runs)


def kernel() -> Iterator[Figure]:
    """Requests per second of one core, and what a tenfold run does to it."""
    million = steady(10**6)
    alternate = wall_time(million)
    yield "kernel_alternate_requests_per_s", 10**6 / alternate, "requests/s"
    chunked = wall_time(million, batching="chunked")
    yield "kernel_chunked_requests_per_s", 10**6 / chunked, "requests/s"
    long = wall_time(steady(10**7), num_runs=1)
    yield "kernel_per_request_ratio_1e7_to_1e6", long / 10 / alternate, "ratio"
    deep = burst(10**5)
    ratios = [wall_time(deep, num_runs=1) / wall_time(deep, "fcfs", num_runs=1) for _ in range(5)]
    yield "kernel_semantic_deep_queue_ratio", median(ratios), "ratio"


def kernel_memory() -> Iterator[Figure]:
    """Peak memory of a million requests above that of ten, workload and rows included."""
    peaks = [
        int(subprocess.check_output([sys.executable, __file__, "--peak", str(num)]))  # noqa: S603
        for num in (10, 10**6)
    ]
    yield "kernel_bytes_per_request", (peaks[1] - peaks[0]) / 10**6, "bytes"


def print_peak(num_requests: int) -> None:
    """Run once and print the peak memory of this process, in bytes."""
    simulate(steady(num_requests), PROFILE, POLICIES["semantic"], Scheduling(max_num_seqs=SEATS))
    # not ru_maxrss, which a child inherits from its parent
    status = Path("/proc/self/status").read_text("ascii")
    print(1024 * int(status.split("VmHWM:")[1].split()[0]))


def reference() -> Iterator[Figure]:
    """The step-by-step simulator on the same workload."""
    requests = steady(10_000)
    runs = (simulate(requests, PROFILE, POLICIES["semantic"], engine="reference") for _ in "123")
    yield "reference_requests_per_s", 10_000 / median(run.wall_time for run in runs), "requests/s"


def compare() -> Iterator[Figure]:
    """From a cold start to the table."""
    command = [sys.executable, "-m", "semsched", "compare", "--arrivals", "poisson"]
    command += ["--num-requests", "10000"]

    def once() -> float:
        began_at = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        return perf_counter() - began_at

    once()
    yield "compare_seven_policies_s", median(once() for _ in "123"), "s"


def queue() -> Iterator[Figure]:
    """A push, a pop, a rerank and a removal, each with that many waiting."""
    for exponent in range(3, 7):
        size, rng, num_rounds = 10**exponent, Random(0), 20_000
        waiting: WaitQueue[int] = WaitQueue()
        for id in range(size):
            waiting.push(id, (rng.random(), id))
        ids = [rng.randrange(size) for _ in range(2 * num_rounds)]
        keys = [(rng.random(), id) for id in range(3 * num_rounds)]
        began_at = perf_counter()
        for i in range(num_rounds):
            popped = waiting.pop()
            waiting.push(popped, keys[3 * i])
            waiting.rerank(ids[2 * i], keys[3 * i + 1])
            waiting.remove(ids[2 * i + 1])
            waiting.push(ids[2 * i + 1], keys[3 * i + 2])
        yield f"queue_ns_per_op_1e{exponent}", (perf_counter() - began_at) / num_rounds / 5e-9, "ns"


BENCHES: list[Callable[[], Iterator[Figure]]] = [kernel, kernel_memory, reference, compare, queue]


def main(wanted: str = "") -> None:
    """Print the figures of the benches whose name begins with `wanted`."""
    simulate(steady(10), PROFILE, POLICIES["semantic"])  # compiles, if need be
    for bench in BENCHES:
        if bench.__name__.startswith(wanted):
            for name, value, unit in bench():
                print(f"{name} {value:.4g} {unit}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        print_peak(int(sys.argv[2]))
    else:
        main(*sys.argv[1:2])
