"""Step costs: against sums written out step by step, and the paper's own formulas."""

from collections.abc import Iterable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsched.core.cost import (
    StepCost,
    StepWork,
    decode_line,
    decode_time,
    prefill_time,
    remaining_time,
    restored_by_swap,
    run_time,
    step_time,
)
from semsched.core.memory import KvMemory
from semsched.core.profile import load_profile
from semsched.core.sequence import Sequence
from semsched.request import Rank, Request

coefficients = st.floats(0, 0.1)
tokens = st.integers(0, 2000)
costs = st.builds(
    StepCost,
    additive=st.booleans(),
    base=coefficients,
    prefill_token=coefficients,
    prefill_square=st.floats(0, 1e-5),
    decode_seq=coefficients,
    decode_context=st.floats(0, 1e-4),
    load_token=coefficients,
    save_token=coefficients,
)
fast = settings(max_examples=100, deadline=None)


class Span(NamedTuple):
    """A prefill: `load` tokens come back after `start` resident ones, then `num` are computed."""

    start: int
    load: int
    num: int


def naive_prefill(cost: StepCost, start: int, num: int) -> float:
    """Token by token: the k-th after none costs b + c (2 k - 1), which sums to b n + c n^2."""
    ends = range(start + 1, start + num + 1)
    return sum(cost.prefill_token + cost.prefill_square * (2 * end - 1) for end in ends)


def naive_step(cost: StepCost, spans: list[Span], contexts: list[int], saved: int) -> float:
    """A step as the two models define it: the sum of its members, or the largest of them."""
    members = [
        cost.load_token * span.load + naive_prefill(cost, span.start + span.load, span.num)
        for span in spans
    ]
    members += [cost.decode_seq + cost.decode_context * (context + 1) for context in contexts]
    together = sum(members) if cost.additive else max(members, default=0.0)
    return cost.base + together + cost.save_token * saved


def work_of(cost: StepCost, spans: Iterable[Span], contexts: list[int], saved: int) -> StepWork:
    starts = [(span.start + span.load, span) for span in spans]
    return StepWork(
        prefill_tokens=sum(span.num for _, span in starts),
        prefill_squares=sum((at + span.num) ** 2 - at**2 for at, span in starts),
        load_tokens=sum(span.load for _, span in starts),
        save_tokens=saved,
        longest=max(
            (cost.load_token * s.load + prefill_time(cost, at, s.num) for at, s in starts),
            default=0.0,
        ),
        num_decodes=len(contexts),
        sum_context=sum(contexts),
        max_context=max(contexts, default=0),
    )


@given(costs, st.integers(0, 300), st.integers(0, 300))
@fast
def test_a_prefill_is_the_sum_of_its_tokens(cost: StepCost, start: int, num: int) -> None:
    assert prefill_time(cost, start, num) == pytest.approx(naive_prefill(cost, start, num))


@given(costs, tokens, tokens, tokens)
@fast
def test_chunks_of_a_prefill_cost_what_the_whole_does(
    cost: StepCost, start: int, first: int, second: int
) -> None:
    parts = prefill_time(cost, start, first) + prefill_time(cost, start + first, second)
    assert parts == pytest.approx(prefill_time(cost, start, first + second), rel=1e-12)


@given(
    costs,
    st.lists(st.builds(Span, tokens, tokens, st.integers(0, 300)), max_size=4),
    st.lists(tokens, max_size=4),
    tokens,
)
@fast
def test_step_time_is_the_sum_or_the_largest_of_its_members(
    cost: StepCost, spans: list[Span], contexts: list[int], saved: int
) -> None:
    ours = step_time(cost, work_of(cost, spans, contexts, saved))
    assert ours == pytest.approx(naive_step(cost, spans, contexts, saved), rel=1e-12)


@given(costs, st.lists(tokens, min_size=1, max_size=5), st.integers(0, 200))
@fast
def test_a_decode_run_is_the_sum_of_its_steps(
    cost: StepCost, contexts: list[int], num_steps: int
) -> None:
    first, growth = decode_line(cost, len(contexts), sum(contexts), max(contexts))
    steps = [naive_step(cost, [], [c + j for c in contexts], 0) for j in range(num_steps)]
    assert [first + growth * j for j in range(num_steps)] == pytest.approx(steps, rel=1e-12)
    assert run_time(first, growth, num_steps) == pytest.approx(sum(steps), rel=1e-12)


def test_by_hand() -> None:
    """a=1, b=2, c=3, d=5, e=7, load 11, save 13: prefill 2 after 1 loaded, beside context 4."""
    cost = StepCost(True, 1, 2, 3, 5, 7, 11, 13)
    prefill = 11 * 1 + 2 * 2 + 3 * (3**2 - 1**2)
    decode = 5 + 7 * (4 + 1)
    work = work_of(cost, [Span(0, 1, 2)], [4], 1)
    assert step_time(cost, work) == 1 + prefill + decode + 13
    assert step_time(cost._replace(additive=False), work) == 1 + max(prefill, decode) + 13


# --- the paper's formulas ----------------------------------------------------------------------

PAPERS = ["A100_4B", "A100_7B", "A5000_4B", "A5000_7B"]


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize("p", [1, 37, 499, 4096])
@pytest.mark.parametrize("o", [1, 2, 250, 499])
def test_one_request_costs_what_the_paper_says(name: str, p: int, o: int) -> None:
    cost = load_profile(name).cost
    a1, a2 = cost.prefill_square, cost.prefill_token
    d1, d2 = cost.decode_context, cost.decode_seq
    prefill = a1 * p**2 + a2 * p
    decode = d1 * (o**2 / 2 + p * o + o / 2) + d2 * o
    assert not cost.additive
    assert cost.base == 0.0
    assert prefill_time(cost, 0, p) == pytest.approx(prefill, rel=1e-12)
    assert decode_time(cost, p, o) == pytest.approx(decode, rel=1e-12)
    assert remaining_time(cost, p, 0, 0, o, 0) == pytest.approx(prefill + decode, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "a1", "a2", "d1", "d2", "copy"),
    [
        ("A100_4B", 1.46584975e-9, 1.0515576e-4, 5.91298857e-9, 1.195828e-2, 1e-4),
        ("A100_7B", 5.13462572e-7, 1.48057167e-4, 1.34911080e-8, 1.330198e-2, 1e-4),
        ("A5000_4B", 1.58625005e-9, 1.30542054e-4, 2.86938135e-6, 3.00834536e-2, 3e-4),
        ("A5000_7B", 1.85905340e-9, 2.17527368e-4, 2.11725653e-6, 2.72656264e-2, 3e-4),
    ],
)
def test_coefficients_are_the_papers(
    name: str, a1: float, a2: float, d1: float, d2: float, copy: float
) -> None:
    assert load_profile(name).cost == StepCost(False, 0.0, a2, a1, d2, d1, copy, copy)


@pytest.mark.parametrize(
    ("name", "swaps"),
    [("A100_4B", True), ("A100_7B", True), ("A5000_4B", False), ("A5000_7B", False)],
)
def test_the_a100_swaps_and_the_a5000_recomputes(name: str, swaps: bool) -> None:
    cost = load_profile(name).cost
    assert {restored_by_swap(cost, "cheaper", prompt) for prompt in range(1, 500)} == {swaps}


def test_a_tie_between_loading_and_computing_is_a_swap() -> None:
    cost = StepCost(True, 0, 2, 0, 1, 0, 2, 9)
    assert restored_by_swap(cost, "cheaper", 10)
    assert not restored_by_swap(cost._replace(load_token=2.001), "cheaper", 10)


def test_a_long_prompt_swaps_where_a_short_one_recomputes() -> None:
    cost = StepCost(True, 0, 1, 0.5, 1, 0, 3, 3)
    assert [restored_by_swap(cost, "cheaper", prompt) for prompt in (1, 3, 4, 100)] == [
        False,
        False,
        True,
        True,
    ]


# --- the predicted time still to do --------------------------------------------------------------


def left(cost: StepCost, seq: Sequence) -> float:
    request = seq.request
    return remaining_time(
        cost,
        request.prompt_tokens,
        seq.computed,
        seq.emitted,
        request.predicted_output_tokens,
        request.predicted_p90_tokens,
    )


def test_remaining_time_is_prefill_with_its_step_then_decode() -> None:
    cost = StepCost(True, 1, 2, 0, 5, 0, 0, 0)
    assert remaining_time(cost, 10, 0, 0, 3, 0) == (1 + 2 * 10) + 3 * (1 + 5)
    assert remaining_time(cost, 10, 4, 0, 3, 0) == (1 + 2 * 6) + 3 * (1 + 5)
    assert remaining_time(cost, 10, 10, 0, 3, 0) == 3 * (1 + 5)
    assert remaining_time(cost, 10, 11, 1, 3, 0) == 2 * (1 + 5)


def test_a_request_that_outlives_its_prediction_has_no_time_left() -> None:
    cost = StepCost(True, 1, 2, 3, 5, 7, 0, 0)
    assert remaining_time(cost, 10, 13, 3, 3, 0) == 0.0
    assert remaining_time(cost, 10, 99, 89, 3, 0) == 0.0


def test_the_tokens_left_of_a_tail_are_costed_as_the_last_of_the_predicted() -> None:
    """P50 200, P90 600: once 141 tokens are out 141 are left, however many more come out."""
    cost = StepCost(True, 1, 2, 3, 5, 7, 0, 0)
    for emitted in (141, 150, 199, 900):
        time = remaining_time(cost, 10, 10 + emitted, emitted, 200, 600)
        assert time == sum(1 + 5 + 7 * (context + 1) for context in range(10 + 59, 10 + 200))


actions = st.lists(
    st.tuples(st.sampled_from(["run", "run", "evict"]), st.integers(1, 40)), max_size=40
)


@given(
    cost=costs,
    prompt=st.integers(1, 200),
    predicted=st.integers(1, 40),
    tail=st.integers(0, 400),
    first_token=st.integers(0, 1),
    actions=actions,
)
@fast
def test_remaining_time_never_grows(
    cost: StepCost,
    prompt: int,
    predicted: int,
    tail: int,
    first_token: int,
    actions: list[tuple[str, int]],
) -> None:
    """Along any run: prefill in any chunks, decode past the prediction, evictions between."""
    memory = KvMemory(num_blocks=1000, block_size=4)
    believed = Request(0, 0.0, prompt, 0, predicted, 1000, predicted_p90_tokens=predicted + tail)
    seq = Sequence(believed, Rank(0, 0, 1), swaps=False)
    for action, num in actions:
        before = left(cost, seq)
        if action == "evict" and seq.num_blocks:
            memory.evict(seq, min(num, seq.num_blocks))
            assert left(cost, seq) == before
        elif action == "run" and seq.resident < seq.known:
            memory.take(seq, memory.missing(seq, min(seq.resident + num, seq.known)))
            memory.fill(seq, min(num, seq.known - seq.resident))
            seq.emitted += first_token * (seq.resident == seq.known)
        elif action == "run":
            memory.take(seq, memory.missing(seq, seq.known + 1))
            seq.emitted += 1
            memory.fill(seq, 1)
        assert 0.0 <= left(cost, seq) <= before
