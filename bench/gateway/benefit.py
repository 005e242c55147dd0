"""Benefit: what the order is worth to the urgent, at 1.2 times what the engine can do, and whether
the simulator would have said so.

The engine within the gateway, of the shipped profile, with 16 seats. The baseline is the same
gateway with `--policy fcfs`, whose engine lets nobody take another's seat: else the engine would
put the urgent first, whatever the gateway does.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Literal, NamedTuple

import numpy as np

from semsched.core.scheduling import Scheduling
from semsched.policy import POLICIES
from semsched.request import NUM_CLASSES
from semsched.serve.replay import replay
from semsched.serve.row import Row
from semsched.simulate import simulate
from semsched.workload.texts import prompt_tokens
from semsched.workload.trace import read_trace
from semsched.workload.workload import Ints

from .figures import Figure, Lab, note, quantile
from .load import Told, play, ttfts, whole
from .processes import gateway
from .traffic import PROFILE, SEATS, Traffic, drawn

LOAD = 1.2
SPEED = 3.0
"""Times as fast as the profile's GPU, so that a minute holds three minutes of it."""

Preemption = Literal["class", "off"]


class Setting(NamedTuple):
    """Who goes first in the gateway, and who may take another's seat in the engine."""

    policy: str
    preemption: Preemption


SEMANTIC, FCFS = Setting("semantic", "class"), Setting("fcfs", "off")
WITHOUT_HELP = Setting("semantic", "off")
"""Of an engine that runs whom it was given to the end, as most do."""


class Seen(NamedTuple):
    """What came of one run."""

    setting: Setting
    told: list[Told]
    rows: list[Row]
    trace: Path
    prompt_tokens: Ints
    """As the engine counts them; the gateway and its trace go by the size of the whole body."""

    @property
    def ttft(self) -> float:
        """Seconds: the 99th percentile of class 0."""
        return quantile(ttfts(self.told, "0"), 0.99)

    def tokens_per_second(self, seconds: float) -> float:
        """Tokens that came while requests came, for `seconds` of the engine; the start, in which
        it is not full yet, is left out."""
        start, end = 0.1 * seconds / SPEED, seconds / SPEED
        num = sum(num for each in self.told for at, num in each.reads if start <= at < end)
        return num / (end - start) / SPEED


async def benefit(lab: Lab) -> AsyncIterator[Figure]:
    """Class 0's TTFT and the throughput beside FCFS's; live means beside simulated ones."""
    seconds, seeds = (240.0, range(3)) if lab.full else (180.0, range(1))
    settings = [SEMANTIC, FCFS, WITHOUT_HELP] if lab.full else [SEMANTIC, FCFS]
    found: dict[str, list[float]] = {}
    for seed in seeds:
        traffic = drawn(LOAD, seconds, seed, engine_seed=seed)
        note(f"seed {seed}: {len(traffic.text)} requests in {seconds / SPEED:.0f} s")
        runs = {setting: await _run(lab, traffic, seed, setting) for setting in settings}
        for name, value in _compared(runs, seconds):
            found.setdefault(name, []).append(value)
    for name, values in found.items():
        worst = min(values) if name == "benefit_throughput_ratio" else max(values)
        yield Figure(name, worst, *UNITS[name])


UNITS = {
    "benefit_class0_ttft_p99_ratio": ("ratio", "<= 0.35"),
    "benefit_throughput_ratio": ("ratio", ">= 0.97"),
    "benefit_without_help_ttft_p99_ratio": ("ratio",),
    "simulated_mean_error_worst": ("share", "<= 0.10"),
    "simulated_mean_error_true_prompts": ("share",),
}
"""The figures with units and targets; of several seeds the worst is shown."""


def _compared(runs: dict[Setting, Seen], seconds: float) -> Iterator[tuple[str, float]]:
    for setting, seen in runs.items():
        note(
            f"{_said(setting)}: class 0 TTFT p99 {1000 * seen.ttft:.0f} ms, "
            f"{seen.tokens_per_second(seconds):.0f} tokens/s"
        )
    ours, fcfs = runs[SEMANTIC], runs[FCFS]
    yield "benefit_class0_ttft_p99_ratio", ours.ttft / fcfs.ttft
    rates = ours.tokens_per_second(seconds), fcfs.tokens_per_second(seconds)
    yield "benefit_throughput_ratio", rates[0] / rates[1]
    if WITHOUT_HELP in runs:
        yield "benefit_without_help_ttft_p99_ratio", runs[WITHOUT_HELP].ttft / fcfs.ttft
    yield "simulated_mean_error_worst", max(_error(seen) for seen in runs.values())
    true = [_error(seen, seen.prompt_tokens) for seen in runs.values()]
    yield "simulated_mean_error_true_prompts", max(true)


def _said(setting: Setting) -> str:
    return f"{setting.policy} (preemption {setting.preemption})"


async def _run(lab: Lab, traffic: Traffic, seed: int, setting: Setting) -> Seen:
    journal = lab.journal(f"{setting.policy}-{setting.preemption}-{seed}")
    config = {
        "engine": {"speed": SPEED, "seed": seed, "preemption": setting.preemption},
        "queue": {"max_waiting": 100_000, "max_wait": 3600.0},
    }
    flags = ("--policy", setting.policy, "--journal", str(journal))
    async with gateway(lab, config, *flags) as front:
        before = front.cpu_s()
        told = await play(traffic.asks(front.url, SPEED))
        took = max(each.ask.at + (each.ended_at or 0.0) for each in told)
        busy = (front.cpu_s() - before) / took
        note(f"{_said(setting)}: all ended after {took:.0f} s, {busy:.2f} cores")
    whole(told)
    trace = journal.with_suffix(".trace.jsonl")
    await _replay(journal, trace)
    tokens = prompt_tokens(traffic.text)
    return Seen(setting, told, replay(journal).rows, trace, tokens)


async def _replay(journal: Path, trace: Path) -> None:
    command = [sys.executable, "-m", "semsched", "replay", str(journal), "--trace", str(trace)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise RuntimeError(f"{' '.join(command)} failed")


# --- the simulator's word ------------------------------------------------------------------------


def _error(seen: Seen, prompts: Ints | None = None) -> float:
    """By how much the simulated mean E2E latency of a class is off at worst, as a share of the
    live one; `prompts`: their tokens, if the trace is not to be believed."""
    live, simulated = _live_means(seen.rows), _simulated_means(seen, prompts)
    errors = [abs(simulated[urgency] / live[urgency] - 1) for urgency in range(NUM_CLASSES)]
    means = "/".join(f"{mean:.2f}" for mean in live), "/".join(f"{mean:.2f}" for mean in simulated)
    note(f"{_said(seen.setting)}: mean E2E by class live {means[0]}, simulated {means[1]} s")
    return max(errors)


def _live_means(rows: list[Row]) -> list[float]:
    """Seconds of the engine, by class."""
    return [
        SPEED
        * fmean(
            row.finished_at - row.arrived_at
            for row in rows
            if row.urgency == urgency and row.finished_at is not None
        )
        for urgency in range(NUM_CLASSES)
    ]


def _simulated_means(seen: Seen, prompts: Ints | None) -> list[float]:
    """The trace of the run, simulated: the engine's profile, seats and preemption, and one queue
    in front of it."""
    workload = read_trace(seen.trace).workload
    workload = workload.arriving_at(SPEED * workload.arrived_at)
    workload = replace(workload, predicted_p90_tokens=_p90(seen.rows))
    if prompts is not None:
        workload = replace(workload, prompt_tokens=prompts)
    scheduling = Scheduling(max_num_seqs=SEATS, preemption=seen.setting.preemption)
    run = simulate(workload, PROFILE, POLICIES[seen.setting.policy], scheduling)
    e2e = (run.rows["finished_at"] - run.rows["arrived_at"]).to_numpy()
    urgency = run.rows["urgency"].to_numpy()
    return [float(np.mean(e2e[urgency == each])) for each in range(NUM_CLASSES)]


def _p90(rows: list[Row]) -> Ints:
    """What was believed, in the order of the trace, which does not say."""
    finished = sorted(rows, key=lambda row: row.arrived_at)
    return np.array([row.predicted_p90_tokens for row in finished], dtype=np.int32)
