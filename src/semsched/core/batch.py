"""Batcher: what the next step does. A scheduling decision fits on this screen.

`alternate` is the paper's rule (arXiv 2506.12204, section 4): a step is all prefill or all
decode, a prefill is done whole and yields no token. `chunked` is what engines do today: a step
decodes and prefills within a budget of tokens, and the end of a prefill yields a token.
"""

from collections.abc import Callable
from typing import NamedTuple

from semsched.core.cost import StepCost, StepWork, prefill_time
from semsched.core.memory import KvMemory
from semsched.core.scheduling import Scheduling
from semsched.core.seats import Seats
from semsched.core.sequence import Sequence


class Prefill(NamedTuple):
    """A stretch of known tokens to make resident: some loaded back, then the rest computed."""

    seq: Sequence
    load_tokens: int
    num_tokens: int


class Step(NamedTuple):
    """What the engine does next."""

    prefills: list[Prefill]
    decodes: list[Sequence]
    save_tokens: int
    """Evicted tokens that are copied to host memory meanwhile."""

    def work(self, cost: StepCost) -> StepWork:
        """The step added up, for `step_time`."""
        spans = [(seq.resident + load, load, num) for seq, load, num in self.prefills]
        times = [cost.load_token * load + prefill_time(cost, at, num) for at, load, num in spans]
        contexts = [seq.resident for seq in self.decodes]
        return StepWork(
            prefill_tokens=sum(num for _, _, num in spans),
            prefill_squares=sum(num * (2 * at + num) for at, _, num in spans),
            load_tokens=sum(load for _, load, _ in spans),
            save_tokens=self.save_tokens,
            longest=max(times, default=0.0),
            num_decodes=len(contexts),
            sum_context=sum(contexts),
            max_context=max(contexts, default=0),
        )


class Batcher:
    """The scheduler of one engine: `schedule` a step, let the engine run it, `update`."""

    def __init__(self, scheduling: Scheduling, cost: StepCost, memory: KvMemory) -> None:
        self.seats = Seats(scheduling, cost, memory)
        self.memory = memory
        self.max_num_batched_tokens = scheduling.max_num_batched_tokens
        chunked = scheduling.batching == "chunked"
        self._form: Callable[[float], Step] = self._mixed if chunked else self._alternate

    def schedule(self, now: float) -> Step:
        """Form the next step; it is empty only if nobody is left."""
        while True:
            self.seats.fill(now)
            step = self._form(now)
            if step.prefills or step.decodes or not self.seats.num_idle:
                return step

    def update(self, step: Step) -> list[Sequence]:
        """Book a step as done; returns the sequences that got a token in it."""
        for seq in step.decodes:
            seq.resident += 1
            seq.computed += 1
            seq.emitted += 1
        self.memory.num_tokens += len(step.decodes)
        self.memory.unsaved_tokens -= step.save_tokens
        return step.decodes + self._end_prefills(step) if step.prefills else step.decodes

    def _end_prefills(self, step: Step) -> list[Sequence]:
        emitting = []
        for seq, load_tokens, num_tokens in step.prefills:
            self.memory.fill(seq, load_tokens + num_tokens)
            if seq.resident == seq.known:
                self.seats.prefilling.remove(seq)
                self.seats.decoding.append(seq)
                seq.emitted += self.seats.first_token
                emitting.append(seq)
        return emitting if self.seats.first_token else []

    def _alternate(self, now: float) -> Step:
        if self.seats.prefilling:
            prefills = [_prefill(seq, seq.known) for seq in self.seats.prefilling]
            return Step(prefills, [], self.memory.unsaved_tokens)
        self.seats.grow(now)
        return Step([], self.seats.decoding.copy(), self.memory.unsaved_tokens)

    def _mixed(self, now: float) -> Step:
        self.seats.grow(now)
        prefills = []
        budget = self.max_num_batched_tokens - len(self.seats.decoding)
        for seq in sorted(self.seats.prefilling, key=self.seats.key):
            prefill = _prefill(seq, budget)
            budget -= prefill.num_tokens
            if prefill.load_tokens or prefill.num_tokens:
                prefills.append(prefill)
        return Step(prefills, self.seats.decoding.copy(), self.memory.unsaved_tokens)


def _prefill(seq: Sequence, budget: int) -> Prefill:
    """Load what was swapped out, then compute what is missing, within a budget of tokens."""
    load_tokens = seq.computed - seq.resident if seq.swaps else 0
    return Prefill(seq, load_tokens, min(budget, seq.known - seq.resident - load_tokens))
