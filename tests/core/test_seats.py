"""Seats: who sits, who waits, and whose KV makes room for whom; told as small scenes."""

import pytest

from semsched.core.sequence import Sequence
from semsched.request import Request
from tests.core.scenes import COPY, arrive, decode, prefill, seated, seats, where

# --- free seats --------------------------------------------------------------------------------


def test_free_seats_go_to_the_best() -> None:
    engine = seats(max_num_seqs=2)
    third, first, second = (arrive(engine, tier) for tier in (3, 1, 2))
    engine.fill(0.0)
    assert engine.prefilling == [first, second]
    assert where(engine, third) == "w"
    assert (engine.num_running, engine.num_idle) == (2, 1)


def test_equals_sit_in_order_of_arrival_then_id() -> None:
    engine = seats(max_num_seqs=1, preemption="off")
    later = arrive(engine, 1, at=2.0, id=0)
    second = arrive(engine, 1, at=1.0, id=6)
    first = arrive(engine, 1, at=1.0, id=5)
    for seq in (first, second, later):
        engine.fill(9.0)
        assert engine.prefilling == [seq]
        engine.remove(seq, 9.0)


def test_a_seat_comes_with_room_for_the_prompt_and_the_next_token() -> None:
    engine = seats()
    just_a_block, one_more = arrive(engine, 0, prompt=3), arrive(engine, 1, prompt=4)
    engine.fill(0.0)
    assert (just_a_block.num_blocks, one_more.num_blocks) == (1, 2)


def test_in_chunked_the_token_at_the_end_of_a_prefill_needs_no_room_yet() -> None:
    engine = seats(batching="chunked")
    seq = arrive(engine, 0, prompt=4)
    engine.fill(0.0)
    assert seq.num_blocks == 1


@pytest.mark.parametrize(("prompt", "output", "fits"), [(4, 8, True), (5, 8, False)])
def test_a_request_fits_if_its_longest_life_does(prompt: int, output: int, fits: bool) -> None:
    request = Request(0, 0.0, prompt, 0, 1, output)
    assert seats(num_blocks=3).fits(request) is fits


@pytest.mark.parametrize("lost", COPY)
def test_what_happens_to_lost_kv_is_settled_on_arrival(lost: str) -> None:
    assert arrive(seats(lost=lost), 0).swaps is (lost == "swap")


# --- full seats --------------------------------------------------------------------------------


def test_by_rank_the_better_takes_the_seat_of_the_worst() -> None:
    engine = seats(max_num_seqs=2)
    best, worst = seated(engine, 1), seated(engine, 3)
    middle = arrive(engine, 2)
    engine.fill(5.0)
    assert where(engine, best, middle, worst) == "dpz"
    assert worst.num_preemptions == 1
    assert best.num_preemptions == middle.num_preemptions == 0


def test_by_rank_the_worse_waits() -> None:
    engine = seats(max_num_seqs=1)
    holder, asker = seated(engine, 1), arrive(engine, 2)
    engine.fill(5.0)
    assert where(engine, holder, asker) == "dw"


def test_by_rank_the_key_counts_as_it_is_now() -> None:
    """Ten seconds of prompt are done: what is left of the holder beats the newcomer."""
    engine = seats(max_num_seqs=1)
    holder = seated(engine, 0, prompt=10, output=5, slope=1.0, id=0)
    longer = arrive(engine, 0, prompt=1, output=5, slope=1.0, id=1)
    engine.fill(5.0)
    assert where(engine, holder, longer) == "dw"
    shorter = arrive(engine, 0, prompt=1, output=3, slope=1.0, id=2)
    engine.fill(5.0)
    assert where(engine, holder, longer, shorter) == "zwp"


@pytest.mark.parametrize(
    ("asker_urgency", "asker_tier", "places"),
    [
        (1, 0, "zp"),  # more urgent and better ranked
        (2, 0, "dw"),  # better ranked, but of the same class
        (3, 0, "dw"),  # better ranked, but less urgent
        (1, 9, "dw"),  # more urgent, but ranked worse
    ],
)
def test_by_class_only_the_strictly_more_urgent_takes_a_seat(
    asker_urgency: int, asker_tier: int, places: str
) -> None:
    engine = seats(max_num_seqs=1, preemption="class")
    holder = seated(engine, 5, urgency=2)
    asker = arrive(engine, asker_tier, urgency=asker_urgency)
    engine.fill(5.0)
    assert where(engine, holder, asker) == places


def test_by_class_the_worst_of_the_less_urgent_goes() -> None:
    engine = seats(max_num_seqs=3, preemption="class")
    worst_but_urgent = seated(engine, 8, urgency=0)
    better, worse = seated(engine, 6, urgency=3), seated(engine, 7, urgency=3)
    asker = arrive(engine, 1, urgency=0)
    engine.fill(5.0)
    assert where(engine, worst_but_urgent, better, worse, asker) == "ddzp"


def test_with_off_nobody_loses_a_seat() -> None:
    engine = seats(max_num_seqs=1, preemption="off")
    holder, asker = seated(engine, 5, urgency=4), arrive(engine, 0, urgency=0)
    engine.fill(5.0)
    assert where(engine, holder, asker) == "dw"


def test_a_request_loses_its_seat_only_so_often() -> None:
    engine = seats(max_num_seqs=1, max_preemptions=1)
    holder, first = seated(engine, 5), arrive(engine, 0, id=10)
    engine.fill(1.0)
    assert where(engine, holder, first) == "zp"
    engine.remove(first, 2.0)
    engine.fill(2.0)
    second = arrive(engine, 0, id=11)
    engine.fill(3.0)
    assert where(engine, holder, second) == "dw"


@pytest.mark.parametrize("preemption", ["rank", "class"])
def test_no_preemptions_at_all_when_the_bound_is_zero(preemption: str) -> None:
    engine = seats(max_num_seqs=1, max_preemptions=0, preemption=preemption)
    holder, asker = seated(engine, 5, urgency=4), arrive(engine, 0, urgency=0)
    engine.fill(1.0)
    assert where(engine, holder, asker) == "dw"


def test_the_nearly_finished_keeps_its_seat_until_it_outlives_its_prediction() -> None:
    engine = seats(max_num_seqs=1, finish_guard=2)
    holder = seated(engine, 5, output=5, longest=20, prompt=1)
    decode(engine, holder, 3)  # two predicted tokens left
    engine.memory.take(holder, 2)
    asker = arrive(engine, 0)
    engine.fill(3.0)
    assert where(engine, holder, asker) == "dw"
    decode(engine, holder)
    engine.fill(4.0)
    assert where(engine, holder, asker) == "dw"
    decode(engine, holder)  # none left, and yet it runs on
    engine.fill(5.0)
    assert where(engine, holder, asker) == "zp"


def test_the_guard_starts_only_when_little_is_left() -> None:
    engine = seats(max_num_seqs=1, finish_guard=2)
    holder = seated(engine, 5, output=5, prompt=1)
    decode(engine, holder, 2)  # three predicted tokens left
    asker = arrive(engine, 0)
    engine.fill(2.0)
    assert where(engine, holder, asker) == "zp"


# --- paused ------------------------------------------------------------------------------------


def test_the_paused_keeps_its_kv_and_resumes_without_prefill() -> None:
    engine = seats(max_num_seqs=1)
    holder = seated(engine, 5, prompt=6)
    decode(engine, holder)
    asker = arrive(engine, 0)
    engine.fill(1.0)
    assert where(engine, holder, asker) == "zp"
    assert (holder.resident, holder.num_blocks) == (7, 2)
    engine.remove(asker, 2.0)
    engine.fill(2.0)
    assert where(engine, holder) == "d"
    assert (holder.resident, holder.num_blocks) == (7, 2)


def test_who_is_displaced_amid_its_prefill_waits_with_what_it_has() -> None:
    engine = seats(max_num_seqs=1, batching="chunked")
    holder = arrive(engine, 5, prompt=8)
    engine.fill(0.0)
    engine.memory.fill(holder, 5)
    asker = arrive(engine, 0)
    engine.fill(1.0)
    assert where(engine, holder, asker) == "wp"
    assert (holder.resident, holder.num_blocks) == (5, 2)


def test_who_lacks_only_the_end_of_its_prompt_is_not_ready() -> None:
    engine = seats(max_num_seqs=1, batching="chunked")
    holder = arrive(engine, 5, prompt=8)
    engine.fill(0.0)
    engine.memory.fill(holder, 7)
    asker = arrive(engine, 0)
    engine.fill(1.0)
    assert where(engine, holder, asker) == "wp"


def test_time_in_a_seat_is_added_up() -> None:
    engine = seats(max_num_seqs=1)
    holder = arrive(engine, 5)
    engine.fill(2.0)
    asker = arrive(engine, 0)
    engine.fill(5.0)
    engine.remove(asker, 7.0)
    assert holder.seated_time == 3.0
    engine.fill(7.0)
    engine.remove(holder, 8.5)
    assert holder.seated_time == 4.5


# --- memory is short -----------------------------------------------------------------------------


def test_the_worst_holder_pays_and_only_as_much_as_is_short() -> None:
    """Four blocks: the holder has three, the asker needs two, one is short."""
    engine = seats(num_blocks=4, max_num_seqs=2)
    holder = seated(engine, 5, prompt=11)
    asker = arrive(engine, 0, prompt=7)
    engine.fill(1.0)
    assert where(engine, holder, asker) == "wp"  # a seat is free, but not the memory for both
    assert (holder.num_blocks, holder.resident, holder.recomputed_tokens) == (2, 8, 3)
    assert holder.num_preemptions == 1
    assert engine.memory.num_evictions == 1


def test_the_idle_worst_pays_before_the_running_better() -> None:
    engine = seats(num_blocks=4, max_num_seqs=2)
    middle, worst = seated(engine, 3), seated(engine, 5, prompt=7)
    asker = arrive(engine, 0, prompt=7)
    engine.fill(1.0)
    assert where(engine, middle, worst, asker) == "dwp"
    assert (middle.num_blocks, worst.num_blocks, asker.num_blocks) == (1, 1, 2)


def test_the_second_worst_pays_only_what_the_worst_cannot() -> None:
    engine = seats(num_blocks=5, max_num_seqs=3)
    middle, worst = seated(engine, 3, prompt=11), seated(engine, 5, prompt=7)
    asker = arrive(engine, 0, prompt=11)
    engine.fill(1.0)
    assert where(engine, middle, worst, asker) == "wwp"
    assert (middle.num_blocks, worst.num_blocks, asker.num_blocks) == (2, 0, 3)
    assert (middle.recomputed_tokens, worst.recomputed_tokens) == (3, 7)


def test_a_paused_one_that_loses_only_an_empty_block_stays_ready() -> None:
    engine = seats(num_blocks=3, max_num_seqs=1)
    holder = seated(engine, 5, prompt=4)  # a full block and an empty one
    asker = arrive(engine, 0, prompt=7)
    engine.fill(1.0)
    assert where(engine, holder, asker) == "zp"
    assert (holder.num_blocks, holder.resident, holder.recomputed_tokens) == (1, 4, 0)


def test_nobody_takes_memory_from_a_better_one() -> None:
    engine = seats(num_blocks=4, max_num_seqs=2)
    holder, asker = seated(engine, 0, prompt=11), arrive(engine, 5, prompt=7)
    engine.fill(1.0)
    assert where(engine, holder, asker) == "dw"
    assert (holder.num_blocks, engine.memory.num_free) == (3, 1)


def test_nobody_overtakes_the_best_that_does_not_fit() -> None:
    engine = seats(num_blocks=4, max_num_seqs=3)
    seated(engine, 0, prompt=11)
    big, small = arrive(engine, 1, prompt=7), arrive(engine, 2, prompt=3)
    engine.fill(1.0)
    assert where(engine, big, small) == "ww"
    assert engine.memory.num_free == 1


def test_when_all_payers_together_are_too_poor_none_pays() -> None:
    engine = seats(num_blocks=4, max_num_seqs=3)
    best, worst = seated(engine, 0, prompt=7), seated(engine, 5, prompt=3)
    asker = arrive(engine, 1, prompt=12)  # four blocks; one is free, one is the worst's
    engine.fill(1.0)
    assert where(engine, best, worst, asker) == "ddw"
    assert engine.memory.num_evictions == 0


@pytest.mark.parametrize(("urgency", "places"), [(2, "dw"), (1, "wp")])
def test_by_class_the_running_pay_only_the_more_urgent(urgency: int, places: str) -> None:
    engine = seats(num_blocks=4, max_num_seqs=2, preemption="class")
    holder = seated(engine, 5, prompt=11, urgency=2)
    asker = arrive(engine, 0, prompt=7, urgency=urgency)
    engine.fill(1.0)
    assert where(engine, holder, asker) == places


def test_by_class_the_idle_pay_whoever_ranks_better() -> None:
    engine = seats(num_blocks=6, max_num_seqs=1, preemption="class")
    idle = seated(engine, 5, prompt=11, urgency=3)
    urgent = arrive(engine, 0, prompt=11, urgency=0)
    engine.fill(1.0)
    assert where(engine, idle, urgent) == "zp"
    engine.remove(urgent, 2.0)
    asker = arrive(engine, 4, prompt=15, urgency=3)
    engine.fill(2.0)
    assert where(engine, idle, asker) == "wp"
    assert (idle.num_blocks, asker.num_blocks) == (2, 4)


# --- growing -------------------------------------------------------------------------------------


def test_growing_takes_a_block_only_when_the_next_token_starts_one() -> None:
    engine = seats(num_blocks=9)
    seq = seated(engine, 0, prompt=3)
    engine.grow(0.0)
    assert seq.num_blocks == 1
    decode(engine, seq)
    engine.grow(1.0)
    assert seq.num_blocks == 2


def test_growing_the_worse_pays_for_the_better_and_is_paused() -> None:
    engine = seats(num_blocks=2, max_num_seqs=2)
    worse, better = seated(engine, 1), seated(engine, 0)
    decode(engine, worse)
    decode(engine, better)
    engine.grow(1.0)
    assert where(engine, better, worse) == "dw"
    assert (better.num_blocks, worse.num_blocks, worse.recomputed_tokens) == (2, 0, 4)
    assert worse.num_preemptions == 1


def test_growing_the_better_asks_first_for_the_last_free_block() -> None:
    engine = seats(num_blocks=3, max_num_seqs=2)
    worse, better = seated(engine, 1), seated(engine, 0)
    decode(engine, worse)
    decode(engine, better)
    engine.grow(1.0)
    assert where(engine, better, worse) == "dz"
    assert (better.num_blocks, worse.num_blocks) == (2, 1)
    assert engine.memory.num_evictions == 0


def test_growing_the_worst_of_all_is_paused_and_keeps_what_it_has() -> None:
    engine = seats(num_blocks=2, max_num_seqs=2)
    better, worse = seated(engine, 0, prompt=1), seated(engine, 1)
    decode(engine, worse)
    engine.grow(1.0)
    assert where(engine, better, worse) == "dz"
    assert (worse.num_blocks, worse.resident) == (1, 4)
    assert engine.memory.num_evictions == 0


def test_growing_the_paused_pays_before_the_running() -> None:
    engine = seats(num_blocks=4, max_num_seqs=1)
    idle = seated(engine, 5, prompt=11)
    asker = arrive(engine, 0, prompt=3)
    engine.fill(1.0)
    prefill(engine)
    decode(engine, asker)
    engine.grow(2.0)
    assert where(engine, idle, asker) == "wd"
    assert (idle.num_blocks, asker.num_blocks) == (2, 2)


def test_with_off_a_seat_comes_with_room_for_a_whole_life() -> None:
    engine = seats(num_blocks=5, max_num_seqs=2, preemption="off")
    first, second = arrive(engine, 0, prompt=3, output=9), arrive(engine, 1, prompt=3, output=9)
    engine.fill(0.0)
    assert where(engine, first, second) == "pw"  # three blocks each
    assert first.num_blocks == 3
    prefill(engine)
    decode(engine, first, 8)  # the ninth is its last
    engine.grow(1.0)
    assert where(engine, first) == "d"
    assert first.num_blocks == 3


@pytest.mark.parametrize(("p90", "num_blocks"), [(0, 5), (4, 2), (5, 2), (6, 3), (99, 5)])
def test_with_off_a_life_is_planned_by_its_tail_if_that_is_known(p90: int, num_blocks: int) -> None:
    engine = seats(preemption="off")
    seq = arrive(engine, 0, prompt=3, output=4, longest=17, p90=p90)
    engine.fill(0.0)
    assert seq.num_blocks == num_blocks


def test_with_off_who_outlives_its_plan_takes_from_the_worst_only_when_memory_is_full() -> None:
    engine = seats(num_blocks=5, preemption="off")
    longer, worst = (arrive(engine, tier, prompt=3, longest=17, p90=5) for tier in (0, 1))
    engine.fill(0.0)
    prefill(engine)
    for num_tokens, places in ((5, "dd"), (4, "dz")):
        decode(engine, longer, num_tokens)
        engine.grow(1.0)
        assert where(engine, longer, worst) == places
    assert (longer.num_blocks, worst.num_blocks) == (4, 1)


def test_with_off_who_outlived_its_plan_comes_back_for_its_next_token() -> None:
    engine = seats(num_blocks=5, preemption="off")
    best, longer = (arrive(engine, tier, prompt=3, longest=17, p90=5) for tier in (0, 1))
    engine.fill(0.0)
    prefill(engine)
    decode(engine, best, 5)
    engine.grow(1.0)
    decode(engine, longer, 5)
    engine.grow(2.0)
    assert where(engine, best, longer) == "dz"
    engine.remove(best, 3.0)
    engine.fill(3.0)
    assert where(engine, longer) == "d"
    assert longer.num_blocks == 3


# --- backfill ------------------------------------------------------------------------------------


def test_with_backfill_a_free_seat_never_stays_empty() -> None:
    engine = seats(max_num_seqs=2)
    leader, worse = seated(engine, 0), arrive(engine, 1)
    engine.fill(1.0)
    assert where(engine, leader, worse) == "dp"


def test_without_backfill_the_worse_waits_until_it_leads() -> None:
    engine = seats(max_num_seqs=2, backfill=False)
    leader, worse = seated(engine, 0), arrive(engine, 1)
    engine.fill(1.0)
    assert where(engine, leader, worse) == "dw"
    engine.remove(leader, 2.0)
    engine.fill(2.0)
    assert where(engine, worse) == "p"


def test_without_backfill_a_leader_that_needs_prefill_opens_the_batch_to_all() -> None:
    engine = seats(max_num_seqs=4, backfill=False)
    running = seated(engine, 1)
    worse, leader = arrive(engine, 2), arrive(engine, 0)
    engine.fill(1.0)
    assert where(engine, running, worse, leader) == "dpp"


def test_without_backfill_the_paused_still_take_free_seats() -> None:
    engine = seats(max_num_seqs=1, backfill=False)
    paused, waiting = seated(engine, 5), arrive(engine, 6)
    leader = arrive(engine, 0)
    engine.fill(1.0)
    assert where(engine, paused, waiting, leader) == "zwp"
    engine.remove(leader, 2.0)
    engine.fill(2.0)
    assert where(engine, paused, waiting) == "dw"


def test_without_backfill_a_better_paused_one_keeps_the_batch_closed() -> None:
    engine = seats(max_num_seqs=3, backfill=False, preemption="class")
    worst, paused = seated(engine, 5, urgency=0), seated(engine, 1, urgency=4)
    first = seated(engine, 0, urgency=0)
    second, waiting = arrive(engine, -1, urgency=0, id=9), arrive(engine, 2, urgency=4)
    engine.fill(1.0)
    assert where(engine, worst, paused, second, waiting) == "dzpw"
    engine.remove(first, 2.0)
    engine.remove(second, 2.0)
    engine.fill(2.0)
    assert where(engine, worst, paused, waiting) == "ddw"


@pytest.mark.parametrize(("backfill", "places"), [(True, "dzw"), (False, "ddw")])
def test_only_without_backfill_the_paused_pass_a_leader_that_does_not_fit(
    backfill: bool, places: str
) -> None:
    engine = seats(num_blocks=6, max_num_seqs=2, backfill=backfill, preemption="class")
    paused, running = seated(engine, 6, urgency=4), seated(engine, 5, prompt=11, urgency=0)
    urgent, leader = arrive(engine, 0, urgency=0), arrive(engine, 1, prompt=15, urgency=4)
    engine.fill(1.0)
    assert where(engine, running, paused, urgent, leader) == "dzpw"
    engine.remove(urgent, 2.0)
    engine.fill(2.0)
    assert where(engine, running, paused, leader) == places


# --- leaving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["waiting", "prefilling", "decoding", "paused", "evicted"])
def test_whoever_leaves_frees_all_it_held(state: str) -> None:
    engine = seats(num_blocks=4, max_num_seqs=1)
    other: Sequence | None = None
    seq = arrive(engine, 5, prompt=11)
    if state != "waiting":
        engine.fill(0.0)
    if state in ("decoding", "paused", "evicted"):
        prefill(engine)
    if state in ("paused", "evicted"):
        other = arrive(engine, 0, prompt=3 if state == "paused" else 7)
        engine.fill(1.0)
    assert where(engine, seq) == {"prefilling": "p", "decoding": "d", "paused": "z"}.get(state, "w")
    engine.remove(seq, 2.0)
    assert where(engine, seq) == "-"
    if other is not None:
        prefill(engine)
        engine.remove(other, 3.0)
    assert (engine.num_running, engine.num_idle) == (0, 0)
    assert (engine.memory.num_free, engine.memory.num_tokens) == (4, 0)
    assert not engine.memory.holders


def test_who_leaves_makes_way_for_the_next() -> None:
    engine = seats(max_num_seqs=1)
    first, second = seated(engine, 0), arrive(engine, 1)
    engine.fill(1.0)
    engine.remove(first, 2.0)
    engine.fill(2.0)
    assert where(engine, second) == "p"


def test_the_best_waiting_leaves_and_the_one_behind_it_fits() -> None:
    engine = seats(num_blocks=4, max_num_seqs=3)
    seated(engine, 0, prompt=11)
    big, small = arrive(engine, 1, prompt=7), arrive(engine, 2, prompt=3)
    engine.fill(1.0)
    engine.remove(big, 2.0)
    engine.fill(2.0)
    assert where(engine, small) == "p"
