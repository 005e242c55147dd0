"""Batcher: what a step does, scene by scene; then anything that may happen, in any order.

The scenes are those of test_seats: a token takes a second, a KV block has four tokens.
"""

from itertools import product
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from semsched.core.batch import Batcher, Prefill, Step
from semsched.core.cost import StepCost, StepWork
from semsched.core.memory import KvMemory
from semsched.core.scheduling import Scheduling
from semsched.core.seats import Seats
from semsched.core.sequence import Sequence
from semsched.policy import POLICIES
from semsched.request import Rank, Request
from tests.core.scenes import BLOCK, COPY, arrive, where


def batcher(num_blocks: int = 100, *, lost: str = "recompute", **scheduling: Any) -> Batcher:
    """An engine with that many KV blocks; lost KV is swapped or recomputed."""
    cost = StepCost(True, 0, 1, 0, 1, 0, COPY[lost], COPY[lost])
    return Batcher(Scheduling(**scheduling), cost, KvMemory(num_blocks, BLOCK))


def told(step: Step) -> tuple[list[tuple[int, int, int]], list[int], int]:
    """A step as (tier, loaded, computed) of its prefills, tiers of its decodes, and saves."""
    prefills = [(int(seq.rank.tier), load, num) for seq, load, num in step.prefills]
    return prefills, [int(seq.rank.tier) for seq in step.decodes], step.save_tokens


def run(engine: Batcher, num_steps: int = 1) -> list[Sequence]:
    """Run steps; returns who got a token in the last of them."""
    emitting: list[Sequence] = []
    for _ in range(num_steps):
        emitting = engine.update(engine.schedule(0.0))
    return emitting


# --- alternate -----------------------------------------------------------------------------------


def test_alternate_prefills_all_who_sit_then_decodes_all() -> None:
    engine = batcher(max_num_seqs=2)
    first, second, _ = (arrive(engine.seats, tier, prompt=5) for tier in (0, 1, 2))
    step = engine.schedule(0.0)
    assert told(step) == ([(0, 0, 5), (1, 0, 5)], [], 0)
    assert engine.update(step) == []  # a prefill yields no token
    assert first.emitted == 0
    step = engine.schedule(5.0)
    assert told(step) == ([], [0, 1], 0)
    assert engine.update(step) == [first, second]
    assert (first.emitted, first.resident, first.computed) == (1, 6, 6)


def test_alternate_stops_decoding_for_the_prefill_of_a_newcomer() -> None:
    engine = batcher(max_num_seqs=2)
    running = arrive(engine.seats, 0)
    run(engine, 2)
    arrive(engine.seats, 1, prompt=7)
    assert told(engine.schedule(0.0)) == ([(1, 0, 7)], [], 0)
    assert run(engine) == []
    assert running.emitted == 1
    assert told(engine.schedule(0.0)) == ([], [0, 1], 0)


def test_alternate_without_backfill_goes_on_decoding() -> None:
    engine = batcher(max_num_seqs=2, backfill=False)
    arrive(engine.seats, 0)
    run(engine)
    arrive(engine.seats, 1)
    assert told(engine.schedule(0.0)) == ([], [0], 0)


def test_alternate_takes_a_block_before_the_token_that_needs_it() -> None:
    engine = batcher()
    seq = arrive(engine.seats, 0, prompt=3)
    run(engine, 2)
    assert (seq.resident, seq.num_blocks) == (4, 1)
    run(engine)
    assert (seq.resident, seq.num_blocks) == (5, 2)


# --- chunked -------------------------------------------------------------------------------------


def chunked(num_blocks: int = 100, budget: int = 8, **scheduling: Any) -> Batcher:
    return batcher(
        num_blocks,
        batching="chunked",
        max_num_batched_tokens=budget,
        **{"max_num_seqs": 4, **scheduling},
    )


def test_chunked_serves_decodes_first_then_prefills_by_rank_within_the_budget() -> None:
    engine = chunked(budget=8)
    best, worse = arrive(engine.seats, 0, prompt=6), arrive(engine.seats, 1, prompt=6)
    assert told(engine.schedule(0.0)) == ([(0, 0, 6), (1, 0, 2)], [], 0)
    assert run(engine) == [best]  # its last chunk yields the first token
    assert (best.emitted, worse.emitted, worse.resident) == (1, 0, 2)
    assert told(engine.schedule(0.0)) == ([(1, 0, 4)], [0], 0)
    assert run(engine) == [best, worse]
    assert (best.emitted, worse.emitted) == (2, 1)
    assert told(engine.schedule(0.0)) == ([], [0, 1], 0)


def test_chunked_leaves_out_who_gets_nothing_of_the_budget() -> None:
    engine = chunked(budget=4)
    worse, best = arrive(engine.seats, 1, prompt=6), arrive(engine.seats, 0, prompt=6)
    assert told(engine.schedule(0.0)) == ([(0, 0, 4)], [], 0)
    run(engine)
    assert told(engine.schedule(0.0)) == ([(0, 0, 2), (1, 0, 2)], [], 0)
    assert where(engine.seats, worse, best) == "pp"


def test_chunked_lets_the_better_newcomer_have_the_budget_amid_anothers_prefill() -> None:
    engine = chunked(budget=4)
    arrive(engine.seats, 1, prompt=9)
    run(engine)
    arrive(engine.seats, 0, prompt=3)
    assert told(engine.schedule(0.0)) == ([(0, 0, 3), (1, 0, 1)], [], 0)


def test_chunked_decodes_take_all_of_a_budget_as_small_as_the_seats() -> None:
    engine = chunked(budget=2, max_num_seqs=2)
    arrive(engine.seats, 0, prompt=2)
    run(engine)
    arrive(engine.seats, 1, prompt=2)
    assert told(engine.schedule(0.0)) == ([(1, 0, 1)], [0], 0)


# --- lost and found ------------------------------------------------------------------------------


def evicted(engine: Batcher) -> Sequence:
    """A request that lost 4 of its 12 tokens to a better one, which has meanwhile left."""
    loser = arrive(engine.seats, 5, prompt=11)
    run(engine)
    while loser.resident < 12:
        run(engine)
    winner = arrive(engine.seats, 0, prompt=7)
    engine.seats.fill(0.0)
    assert where(engine.seats, loser, winner) == "wp"
    assert loser.resident == 8
    engine.seats.remove(winner, 0.0)
    return loser


@pytest.mark.parametrize(("batching", "known"), [("alternate", 12), ("chunked", 13)])
def test_swap_loads_back_what_was_lost_and_computes_only_the_new(batching: str, known: int) -> None:
    """In chunked the newest token was emitted, but never computed."""
    engine = batcher(4, lost="swap", batching=batching)
    loser = evicted(engine)
    assert (loser.swapped_tokens, loser.recomputed_tokens) == (4, 0)
    assert loser.known == known
    assert told(engine.schedule(0.0)) == ([(5, 4, known - 12)], [], 4)


@pytest.mark.parametrize(("batching", "known"), [("alternate", 12), ("chunked", 13)])
def test_recompute_computes_what_was_lost_and_the_new(batching: str, known: int) -> None:
    engine = batcher(4, lost="recompute", batching=batching)
    loser = evicted(engine)
    assert (loser.swapped_tokens, loser.recomputed_tokens) == (0, 4)
    assert told(engine.schedule(0.0)) == ([(5, 0, known - 8)], [], 0)
    run(engine)
    assert where(engine.seats, loser) == "d"
    assert loser.resident == loser.computed == known


def test_evicted_tokens_are_saved_in_the_step_after_the_decision_and_only_there() -> None:
    engine = batcher(4, lost="swap", max_num_seqs=2)
    loser = arrive(engine.seats, 5, prompt=11)
    run(engine)
    arrive(engine.seats, 0, prompt=7)
    step = engine.schedule(0.0)
    assert told(step) == ([(0, 0, 7)], [], 3)
    assert loser.swapped_tokens == 3
    engine.update(step)
    assert told(engine.schedule(0.0)) == ([], [0], 0)


def test_tokens_evicted_by_growth_are_saved_in_the_same_step() -> None:
    engine = batcher(2, lost="swap", max_num_seqs=2)
    better, worse = arrive(engine.seats, 0), arrive(engine.seats, 1)
    run(engine, 2)
    assert told(engine.schedule(0.0)) == ([], [0], 4)
    assert where(engine.seats, better, worse) == "dw"


# --- adding up -----------------------------------------------------------------------------------


def test_the_work_of_a_step_is_added_up() -> None:
    cost = StepCost(
        False,
        0,
        prefill_token=1,
        prefill_square=0.5,
        decode_seq=1,
        decode_context=0,
        load_token=3,
        save_token=0,
    )
    loading, fresh, *decoding = (
        Sequence(Request(id, 0.0, 9, 0, 1, 1), Rank(0, 0, 0), swaps=True, resident=resident)
        for id, resident in enumerate((4, 0, 7, 9))
    )
    step = Step([Prefill(loading, 2, 3), Prefill(fresh, 0, 5)], decoding, save_tokens=8)
    assert step.work(cost) == StepWork(
        prefill_tokens=3 + 5,
        prefill_squares=(9**2 - 6**2) + 5**2,
        load_tokens=2,
        save_tokens=8,
        longest=3 * 2 + 3 + 0.5 * (9**2 - 6**2),
        num_decodes=2,
        sum_context=16,
        max_context=9,
    )


def test_an_empty_step_is_no_work() -> None:
    engine = batcher()
    step = engine.schedule(0.0)
    assert step == Step([], [], 0)
    assert step.work(StepCost(True, 1, 1, 1, 1, 1, 1, 1)) == StepWork(0, 0, 0, 0, 0.0, 0, 0, 0)
    assert engine.update(step) == []


def test_a_step_is_formed_anew_when_the_last_to_decode_is_paused() -> None:
    """The less urgent but better ranked waits for memory that the running one will not give.

    When the running one needs more, it is the worst holder and is paused: now it pays.
    """
    engine = batcher(3, max_num_seqs=2, preemption="class")
    running = arrive(engine.seats, 5, prompt=3, urgency=0)
    better = arrive(engine.seats, 1, prompt=7, urgency=2)
    run(engine, 2)
    passing = arrive(engine.seats, 0, prompt=3, urgency=1)
    run(engine)
    assert where(engine.seats, running, better, passing) == "dwd"
    engine.seats.remove(passing, 0.0)
    run(engine, 4)
    assert where(engine.seats, running, better) == "dw"
    assert (running.resident, better.resident, better.known) == (8, 4, 8)
    assert told(engine.schedule(0.0)) == ([(1, 0, 4)], [], 0)
    assert where(engine.seats, running, better) == "wp"


def test_a_step_without_a_soul_comes_only_when_nobody_is_left() -> None:
    engine = batcher(max_num_seqs=1)
    for tier in range(3):
        arrive(engine.seats, tier)
    served = []
    while (step := engine.schedule(0.0)) != Step([], [], 0):
        for seq in engine.update(step):
            engine.seats.remove(seq, 0.0)
            served.append(int(seq.rank.tier))
    assert served == [0, 1, 2]


# --- anything, in any order ----------------------------------------------------------------------


class WatchedSeats(Seats):
    """Seats that note who took the seat of whom."""

    def __init__(self, scheduling: Scheduling, cost: StepCost, memory: KvMemory) -> None:
        super().__init__(scheduling, cost, memory)
        self.displaced: set[tuple[int, int]] = set()
        self._asker: Sequence | None = None

    def _seat(self, seq: Sequence, now: float) -> None:
        self._asker = seq
        super()._seat(seq, now)
        self._asker = None

    def pause(self, seq: Sequence, now: float) -> None:
        if self._asker is not None:
            assert self.key(self._asker) < self.key(seq), "displaced by a worse one"
            self.displaced.add((self._asker.request.id, seq.request.id))
        super().pause(seq, now)


modes = st.sampled_from(list(product(("alternate", "chunked"), ("rank", "class", "off"))))
small = st.integers(1, 14)


class BatcherMachine(RuleBasedStateMachine):
    """Requests come, run and are cancelled under scarce memory; the house stays in order."""

    @initialize(
        mode=modes,
        policy=st.sampled_from(sorted(POLICIES)),
        lost=st.sampled_from(sorted(COPY)),
        backfill=st.booleans(),
        max_num_seqs=st.integers(1, 4),
        budget=st.integers(4, 12),
        max_preemptions=st.sampled_from([0, 1, 100]),
        finish_guard=st.sampled_from([0, 0, 3]),
        num_blocks=st.integers(7, 14),
    )
    def build(
        self,
        mode: tuple[Any, Any],
        policy: str,
        lost: str,
        backfill: bool,
        max_num_seqs: int,
        budget: int,
        max_preemptions: int,
        finish_guard: int,
        num_blocks: int,
    ) -> None:
        self.policy = POLICIES[policy]
        self.scheduling = Scheduling(
            batching=mode[0],
            preemption=mode[1],
            backfill=backfill,
            max_num_seqs=max_num_seqs,
            max_num_batched_tokens=budget,
            max_preemptions=max_preemptions,
            finish_guard=finish_guard,
        )
        self.memory = KvMemory(num_blocks, BLOCK)
        self.cost = StepCost(True, 0.5, 1, 0.01, 1, 0.125, COPY[lost], COPY[lost])
        self.batcher = Batcher(self.scheduling, self.cost, self.memory)
        self.seats = WatchedSeats(self.scheduling, self.cost, self.memory)
        self.batcher.seats = self.seats
        self.now = 0.0
        self.here: dict[Sequence, int] = {}
        """The true output length of everybody in the house."""
        self.num_requests = 0
        self.is_surprised = False
        """Whether somebody is longer than its P90."""

    @rule(
        prompt=small,
        output=small,
        error=st.integers(-4, 4),
        tail=st.none() | st.integers(0, 12),
        urgency=st.integers(0, 4),
    )
    def add(self, prompt: int, output: int, error: int, tail: int | None, urgency: int) -> None:
        id, self.num_requests = self.num_requests, self.num_requests + 1
        p50 = max(output + error, 1)
        p90 = 0 if tail is None else p50 + tail
        request = Request(id, self.now, prompt, urgency, p50, 14, predicted_p90_tokens=p90)
        if self.seats.fits(request):
            self.is_surprised |= 0 < p90 < output
            seq = self.seats.add(request, Rank(*map(float, self.policy(request))))
            self.here[seq] = output
        self.look()

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(list(self.here)), "who")
        self.seats.remove(seq, self.now)
        del self.here[seq]
        self.look()

    @rule()
    def step(self) -> None:
        step = self.batcher.schedule(self.now)
        assert bool(step.prefills or step.decodes) == bool(self.here), "work conserving"
        self.look()
        self.look_at(step)
        self.settled_is_settled()
        before = {seq: seq.emitted for seq in self.here}
        emitting = self.batcher.update(step)
        self.now += 1.0
        assert {seq for seq in self.here if seq.emitted == before[seq] + 1} == set(emitting)
        assert {seq for seq in self.here if seq.emitted == before[seq]} == {*self.here} - {
            *emitting
        }
        self.look()
        self.settled_is_settled()
        for seq in emitting:
            if seq.emitted == self.here[seq]:
                self.seats.remove(seq, self.now)
                del self.here[seq]
        self.look()

    @rule(num_steps=st.integers(2, 12))
    def steps(self, num_steps: int) -> None:
        for _ in range(num_steps):
            self.step()

    def teardown(self) -> None:
        """Whatever happened, everybody who stays is served, and all memory comes back."""
        if not hasattr(self, "here"):
            return
        num_steps = 0
        while self.here:
            self.step()
            num_steps += 1
            assert num_steps < 10_000, f"{len(self.here)} requests are never served"
        assert (self.memory.num_free, self.memory.num_tokens) == (self.memory.num_blocks, 0)
        assert not self.memory.holders

    # --- what always holds ---

    def look(self) -> None:
        """Everybody is in one place, and blocks and tokens add up."""
        seats, memory = self.seats, self.memory
        places = [*seats.prefilling, *seats.decoding, *seats.paused, *seats.waiting]
        assert len(places) == len(set(places)) == seats.num_running + seats.num_idle
        assert set(places) == set(self.here)
        assert seats.num_running <= self.scheduling.max_num_seqs
        assert set(memory.holders) == {seq for seq in places if seq.num_blocks}
        assert memory.num_free >= 0
        assert memory.num_free + sum(seq.num_blocks for seq in places) == memory.num_blocks
        assert memory.num_tokens == sum(seq.resident for seq in places)
        for seq in places:
            assert seq.resident <= seq.computed <= seq.known
            assert seq.resident <= seq.num_blocks * BLOCK
            assert not (seq.swapped_tokens and seq.recomputed_tokens)
        for queue in (seats.waiting, seats.paused):
            assert all(queue.key(seq) == seats.key(seq) for seq in queue), "a stale key"
        self.nobody_is_wronged()

    def nobody_is_wronged(self) -> None:
        turned = {(b, a) for a, b in self.seats.displaced}
        assert not self.seats.displaced & turned, "two requests preempt each other in turn"
        if self.scheduling.preemption == "off" and not self.is_surprised:
            assert all(seq.num_preemptions == 0 for seq in self.here)

    def look_at(self, step: Step) -> None:
        """A step serves only who sits, within its budget, into blocks that are there."""
        seats = self.seats
        assert step.decodes == seats.decoding or not step.decodes
        assert {seq for seq, _, _ in step.prefills} <= set(seats.prefilling)
        for seq, load, num in step.prefills:
            assert load + num > 0
            assert seq.resident + load + num <= seq.num_blocks * BLOCK
            assert load == (seq.computed - seq.resident if seq.swaps else 0)
        assert all(seq.resident + 1 <= seq.num_blocks * BLOCK for seq in step.decodes)
        if self.scheduling.batching == "alternate":
            assert not (step.prefills and step.decodes)
        else:
            num_tokens = len(step.decodes) + sum(num for _, _, num in step.prefills)
            assert num_tokens <= self.scheduling.max_num_batched_tokens

    def settled_is_settled(self) -> None:
        """Between two events `fill` need not look again: it would change nothing."""
        if not self.seats._settled:
            return
        before = self.picture()
        self.seats._settled = False
        self.seats.fill(self.now)
        if not self.scheduling.finish_guard:  # else it looks again at every step anyway
            assert self.picture() == before, "a settled state was not settled"

    def picture(self) -> object:
        seats = self.seats
        places = seats.prefilling, seats.decoding, list(seats.paused), list(seats.waiting)
        held = {seq: (seq.num_blocks, seq.resident) for seq in self.here}
        return [place.copy() for place in places], held, seats.num_changes


TestBatcherMachine = BatcherMachine.TestCase
TestBatcherMachine.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
