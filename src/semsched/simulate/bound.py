"""How well any policy could do: a lower bound on the mean weighted latency.

An engine has three things to share: its seats, its time (where costs add up) and its KV memory.
Each gives a relaxation, in which only that one is scarce. Let j get the share x_j(t) of it:
nothing before j is ready, at most the rate rho_j, work_j in all, and all requests together at
most `speed` at any instant. Then, with the mean busy time M_j = integral of t x_j(t) / work_j,

    finished_j >= M_j + tail_j,    tail_j = work_j / (2 rho_j)

as work that ends by an instant is latest when it comes in one piece right before it. The sum of
w_j M_j is least when the highest w_j / work_j among the ready is served at full speed, whoever
is served being interrupted for a better one (Goemans, Queyranne, Schulz, Skutella, Wang 2002,
"Single machine scheduling with release dates"; for identical machines Schulz, Skutella 2002,
"Scheduling unrelated machines by randomized rounding", and Chou, Queyranne, Simchi-Levi 2006).
"""

from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from semsched.core.cost import StepCost
from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.policy import WEIGHT
from semsched.simulate.metrics import alone_times
from semsched.workload.workload import Floats, Workload


class Relaxation(NamedTuple):
    """One scarce resource: what each request must have of it, see above."""

    work: Floats
    tail: Floats
    speed: float


class _Demand(NamedTuple):
    """What each request needs of an engine at least: tokens, and seconds alone on it."""

    prompt: Any
    output: Any
    longest: Any
    """Tokens of KV that it holds in the end."""
    prefill_time: Any
    decode_time: Any


def weighted_latency_bound(
    workload: Workload, profile: EngineProfile, scheduling: Scheduling, num_replicas: int = 1
) -> float:
    """Seconds; no policy gets sum(w * E2E latency) / sum(w) below it on these engines.

    w is `policy.WEIGHT` by true class, lengths are the true ones, and the refused are left out
    (0 if all are). A request may run from ready_at on, its latency counts from arrived_at.
    `num_replicas` is at least 1; how requests are routed does not matter. The largest of four
    bounds of the whole sum: nobody waits, and the relaxations of the module.
    """
    ids = np.flatnonzero(_fits(workload, profile))
    if not len(ids):
        return 0.0
    weight, ready_at = WEIGHT[workload.urgency[ids]], workload.ready_at[ids]
    cost = _least_cost(workload, profile, scheduling)
    demand = _demand(workload, ids, cost, scheduling)
    alone = float(weight @ (ready_at + demand.prefill_time + demand.decode_time))
    relaxations = [_seats(demand, scheduling, num_replicas)]
    if cost.additive:
        relaxations.append(_time(demand, cost, scheduling, num_replicas))
    if scheduling.max_num_seqs * demand.longest.max() > profile.kv_tokens:
        relaxations.append(_memory(demand, profile, num_replicas))
    finished = max(alone, *(_least_sum(weight, ready_at, r) for r in relaxations))
    return (finished - float(weight @ workload.arrived_at[ids])) / float(weight.sum())


def _fits(workload: Workload, profile: EngineProfile) -> Any:
    """Which requests are not refused: the engine could hold them with their longest output."""
    return _blocks(workload.prompt_tokens, workload.max_output_tokens, profile) <= (
        profile.memory.num_blocks
    )


def _blocks(prompt: Any, output: Any, profile: EngineProfile) -> Any:
    return -(-(prompt.astype(np.int64) + output) // profile.memory.block_size)


def _least_cost(workload: Workload, profile: EngineProfile, scheduling: Scheduling) -> StepCost:
    """The costs with a decode at the least that a token can take.

    In chunked batching a prefill that is done again yields a token. A request that loses KV may
    so get one for the prefill of a token at context c, b + c (2 context + 1), where that is
    less than a decode; it cannot if nobody ever loses KV: all fit, or reserve their limit.
    """
    cost = profile.cost
    everything = _blocks(workload.prompt_tokens, workload.max_output_tokens, profile).sum()
    ample = everything <= profile.memory.num_blocks
    reserved = scheduling.preemption == "off" and not workload.predicted_p90_tokens.any()
    if scheduling.batching == "alternate" or ample or reserved:
        return cost
    return cost._replace(
        decode_seq=min(cost.decode_seq, cost.prefill_token),
        decode_context=min(cost.decode_context, cost.prefill_square),
    )


def _demand(workload: Workload, ids: Any, cost: StepCost, scheduling: Scheduling) -> _Demand:
    """A step lasts at least as long as for any one of its members alone, under either cost
    model, and no member skips a prompt token or an output token."""
    prompt = workload.prompt_tokens[ids].astype(np.int64)
    output = workload.output_tokens[ids].astype(np.int64)
    longest = prompt + output - (scheduling.batching == "chunked")
    return _Demand(prompt, output, longest, *alone_times(cost, scheduling, prompt, output))


def _seats(demand: _Demand, scheduling: Scheduling, num_replicas: int) -> Relaxation:
    """Seats are identical machines; a request sits at least as long as it would run alone."""
    alone = demand.prefill_time + demand.decode_time
    return Relaxation(alone, alone / 2, scheduling.max_num_seqs * num_replicas)


def _time(demand: _Demand, cost: StepCost, scheduling: Scheduling, num_replicas: int) -> Relaxation:
    """Engine time, where costs add up: a member's own, and an equal part of the step's base.

    The prefill comes first, so the whole decode follows it; while decoding, the share of a step
    is at most what it is alone in the last one, where the request's own cost is largest.
    """
    part = cost._replace(base=cost.base / scheduling.max_num_seqs)
    prefill, decode = alone_times(part, scheduling, demand.prompt, demand.output)
    own = cost.decode_seq + cost.decode_context * demand.longest
    rate = _ratio(part.base + own, cost.base + own)
    after = prefill * (demand.decode_time + prefill / 2) + _ratio(decode**2, 2 * rate)
    work = prefill + decode
    return Relaxation(work, _ratio(after, work), num_replicas)


def _ratio(amount: Floats, per: Floats) -> Floats:
    """amount / per, 0 where both are."""
    return np.divide(amount, per, out=np.zeros_like(amount), where=per > 0)


def _memory(demand: _Demand, profile: EngineProfile, num_replicas: int) -> Relaxation:
    """KV memory: a request in a step holds its prompt, and the tokens decoded up to then.

    Decodes get no shorter as they go, so the mean number of tokens held is that over time or
    less.
    """
    mean = (demand.prompt + demand.longest + 1) / 2
    held = demand.prompt * demand.prefill_time + mean * demand.decode_time
    return Relaxation(held / profile.kv_tokens, held / demand.longest / 2, num_replicas)


def _least_sum(weight: Floats, ready_at: Floats, relaxation: Relaxation) -> float:
    """The least sum of weight * (mean busy time + tail)."""
    work, tail, speed = relaxation
    some = work > 0  # the others are done at once
    sum_busy = _least_busy(weight[some], ready_at[some], work[some] / speed)
    at_once = weight[~some] @ ready_at[~some]
    return sum_busy + float(at_once + weight @ tail)


def _least_busy(weight: Floats, ready_at: Floats, time: Floats) -> float:
    """The least sum of weight * mean busy time on one machine, `time` seconds each."""
    by_worth = np.argsort(time / weight, kind="stable")
    place = np.empty(len(time), dtype=np.int64)
    place[by_worth] = np.arange(len(time))
    left, worth = time[by_worth].tolist(), (weight / time)[by_worth].tolist()
    entering = np.argsort(ready_at, kind="stable")
    instants = [*ready_at[entering].tolist(), np.inf]
    waiting: list[int] = []
    now, total = -np.inf, 0.0
    for at, until, entrant in zip(instants, instants[1:], place[entering].tolist(), strict=False):
        heappush(waiting, entrant)
        now = max(now, at)
        while waiting and now < until:
            best = waiting[0]
            took = min(left[best], until - now)
            left[best] -= took
            if not left[best]:
                heappop(waiting)
            total += worth[best] * took * (now + took / 2)
            now += took
    return total
