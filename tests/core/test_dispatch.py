"""Dispatcher: the life of requests between arrival and end, told step by step."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.core.cost import StepCost
from semsched.core.dispatch import Answer, Assignment, Dispatcher, Entry, Limits
from semsched.core.ledger import Capacity
from semsched.policy import fcfs, semantic
from semsched.request import Request

COST = StepCost(False, 0.0, 0.001, 0.0, 0.01, 0.0, 0.0, 0.0)
"""A millisecond per prompt token, ten per output token."""

ROOMY = Limits(max_waiting=100, max_waiting_bytes=10_000)


def entry(
    id: int,
    urgency: int = 2,
    *,
    tenant: str = "",
    prompt: int = 10,
    output: int = 10,
    num_bytes: int = 1,
    expires_at: float = math.inf,
    max_waiting: int = 1000,
) -> Entry:
    request = Request(id, float(id), prompt, urgency, output, 4 * output, tenant)
    return Entry(request, semantic(request), num_bytes, expires_at, max_waiting=max_waiting)


def dispatcher(limits: Limits = ROOMY, **engines: Capacity) -> Dispatcher:
    made = Dispatcher(COST, limits)
    for name, capacity in engines.items():
        made.open_engine(name, capacity)
    return made


def offered(made: Dispatcher, *entries: Entry) -> Dispatcher:
    for each in entries:
        assert made.offer(each) == Answer("")
    return made


def to(id: int, engine: str) -> tuple[int, str]:
    """An assignment, as which class aside."""
    return id, engine


def whither(made: Dispatcher) -> list[tuple[int, str]]:
    return [(each.id, each.engine) for each in made.assign()]


def ids(assignments: list[Assignment]) -> list[int]:
    return [each.id for each in assignments]


# --- order and seats -----------------------------------------------------------------------------


def test_the_urgent_and_the_short_go_first_as_far_as_seats_go() -> None:
    made = dispatcher(a=Capacity(seats=2))
    offered(made, entry(0, 3), entry(1, 1, output=50), entry(2, 1), entry(3, 0))
    assert ids(made.assign()) == [3, 2]
    assert made.assign() == []
    made.end(3, None, 10)
    assert ids(made.assign()) == [1]


def test_engines_share_by_predicted_work() -> None:
    made = dispatcher(a=Capacity(seats=9), b=Capacity(seats=9))
    offered(made, entry(0, output=100), entry(1, output=10), entry(2, output=10))
    assert whither(made) == [to(1, "a"), to(2, "b"), to(0, "a")]


def test_a_reserve_holds_nobody_up_but_those_it_is_kept_from() -> None:
    made = dispatcher(a=Capacity(seats=1, reserve=1))
    first_come = entry(0, 4)._replace(rank=fcfs(entry(0).request))
    offered(made, first_come, entry(1, 1)._replace(rank=fcfs(entry(1).request)))
    assert ids(made.assign()) == [1]


def test_who_is_next_and_finds_no_memory_is_not_passed() -> None:
    made = dispatcher(a=Capacity(seats=9, kv_tokens=100))
    offered(made, entry(0, prompt=50))
    made.assign()
    offered(made, entry(1, 1, prompt=80), entry(2, 3, prompt=1, output=1))
    assert made.assign() == []
    made.end(0, None, 10)
    assert ids(made.assign()) == [1, 2]


# --- limits --------------------------------------------------------------------------------------


def test_a_full_queue_refuses_equals_and_makes_room_for_the_more_urgent() -> None:
    made = dispatcher(Limits(2, 100))
    offered(made, entry(0, 4), entry(1, 4, output=99))
    assert made.offer(entry(2, 4)) == Answer("queue_full")
    assert made.offer(entry(3, 0)) == Answer("", shed=(1,))
    assert sorted(made.lanes) == [0, 3]


def test_bytes_are_bounded_and_nobody_is_shed_in_vain() -> None:
    made = dispatcher(Limits(100, 100))
    offered(made, entry(0, 4, num_bytes=30), entry(1, 3, num_bytes=30), entry(2, 0, num_bytes=40))
    assert made.offer(entry(3, 2, num_bytes=61)) == Answer("queue_full")
    assert made.waiting_bytes == 100
    assert made.offer(entry(4, 2, num_bytes=50)) == Answer("", shed=(0, 1))
    assert made.waiting_bytes == 90
    assert made.offer(entry(5, 0, num_bytes=101)) == Answer("queue_full")


def test_a_tenant_has_its_own_limit() -> None:
    made = dispatcher()
    offered(made, entry(0, tenant="a", max_waiting=1), entry(1, tenant="b", max_waiting=1))
    assert made.offer(entry(2, 2, tenant="a", max_waiting=1)) == Answer("tenant_full")
    assert made.offer(entry(3, 0, tenant="a", max_waiting=1)) == Answer("", shed=(0,)), "its own"
    assert sorted(made.lanes) == [1, 3]


def test_who_need_not_wait_is_not_refused_by_a_full_queue() -> None:
    made = dispatcher(Limits(1, 10), a=Capacity(seats=3, reserve=1))
    for id in range(2):
        offered(made, entry(id)).assign()
    offered(made, entry(2, 4))
    assert made.assign() == [], "the last seat is kept"
    assert made.offer(entry(3, 0, num_bytes=99, max_waiting=0)) == Answer("")
    assert ids(made.assign()) == [3]


# --- time ----------------------------------------------------------------------------------------


def test_waiting_ends_at_its_time_or_at_the_deadline() -> None:
    made = dispatcher(a=Capacity(seats=1))
    late = entry(2)
    late = late._replace(request=replace(late.request, deadline=3.0))
    offered(made, entry(0), entry(1, expires_at=5.0), late)
    made.assign()
    assert made.next_expiry() == 3.0
    assert made.expire(2.9) == []
    assert made.expire(9.0) == [2, 1]
    assert made.next_expiry() == math.inf
    assert len(made) == 1, "who has a seat keeps it"


# --- back ----------------------------------------------------------------------------------------


def test_a_retry_keeps_its_place_and_goes_elsewhere() -> None:
    made = dispatcher(Limits(1, 100), a=Capacity(seats=1), b=Capacity(seats=1))
    offered(made, entry(0, 1))
    assert whither(made) == [to(0, "a")]
    offered(made, entry(1, 3))
    made.retry(0)
    assert whither(made) == [to(0, "b"), to(1, "a")]
    made.retry(0)
    assert whither(made) == [to(0, "b")], "both failed it, and a has no seat"


def test_who_avoids_an_engine_holds_up_nobody_who_does_not() -> None:
    made = dispatcher(a=Capacity(seats=2), b=Capacity(seats=1))
    offered(made, entry(0, 1), entry(1, 1), entry(2, 1))
    assert whither(made) == [to(0, "a"), to(1, "b"), to(2, "a")]
    offered(made, entry(3, 4))
    made.retry(0)
    assert whither(made) == [to(3, "a")]
    assert sorted(made.lanes) == [0], "it waits for the other one"
    made.end(1, None, 1)
    assert whither(made) == [to(0, "b")]


def test_what_is_not_known_is_charged_as_predicted() -> None:
    made = dispatcher(a=Capacity(seats=1))
    offered(made, entry(0, tenant="gone", output=50), entry(1, tenant="other", output=10))
    made.assign()
    made.end(0, None, None)
    made.assign()
    made.end(1, None, 10)
    offered(made, entry(2, tenant="gone"), entry(3, tenant="other"))
    assert ids(made.assign()) == [3]


def test_what_was_used_is_charged_not_what_was_predicted() -> None:
    made = dispatcher(a=Capacity(seats=1))
    liar, honest = entry(0, tenant="liar", output=1), entry(1, tenant="honest", output=50)
    offered(made, liar, honest)
    assert ids(made.assign()) == [1], "by name, nobody had anything yet"
    made.end(1, None, 50)
    assert ids(made.assign()) == [0]
    made.end(0, None, 4000)
    offered(made, entry(2, tenant="liar", output=1), entry(3, tenant="honest", output=50))
    assert ids(made.assign()) == [3]


def test_a_retry_is_not_charged() -> None:
    made = dispatcher(a=Capacity(seats=1), b=Capacity(seats=1))
    offered(made, entry(0, tenant="z", output=1000))
    made.assign()
    made.retry(0)
    made.end(0, None, 0)
    offered(made, entry(1, tenant="y"), entry(2, tenant="z"), entry(3, tenant="y"))
    assert ids(made.assign()) == [1, 2]


def test_a_new_class_moves_a_waiting_request() -> None:
    made = dispatcher()
    offered(made, entry(0, 3), entry(1, 2))
    assert made.in_order(9) == [1, 0]
    raised = replace(made.entry(0).request, urgency=0)
    assert made.rerank(0, 0, semantic(raised))
    assert made.in_order(1) == [0]
    made.open_engine("a", Capacity(seats=1))
    made.assign()
    assert not made.rerank(0, 4, semantic(raised)), "it has a seat"


def test_an_engine_that_leaves_finishes_what_it_has() -> None:
    made = dispatcher(a=Capacity(seats=2))
    offered(made, entry(0))
    made.assign()
    made.close_engine("a")
    offered(made, entry(1))
    assert made.assign() == []
    made.end(0, None, 5)
    assert len(made) == 1


# --- shares of urgency ---------------------------------------------------------------------------


def carried(made: Dispatcher) -> list[tuple[int, int]]:
    return [(each.id, each.carried) for each in made.assign()]


def test_alone_a_tenant_may_be_urgent_in_every_seat() -> None:
    made = dispatcher(a=Capacity(seats=3))
    offered(made, *[entry(id, 0, tenant="ward") for id in range(4)])
    assert carried(made) == [(0, 0), (1, 0), (2, 0)]


def test_beyond_its_share_a_tenant_is_carried_as_standard() -> None:
    made = dispatcher(a=Capacity(seats=4, preempts=True))
    offered(made, entry(0, 1, tenant="ward"))
    made.assign()
    made.end(0, None, 1)
    offered(made, *[entry(id, 0, tenant="all-urgent") for id in range(1, 8)])
    assert carried(made) == [(1, 0), (2, 0), (3, 2), (4, 2)], "two seats are its share"
    offered(made, entry(9, 1, tenant="ward"))
    assert carried(made) == [(9, 1)], "it is let in, and takes the seat of one carried as standard"
    made.end(1, None, 5)
    assert carried(made) == [(5, 0)], "a place in its share is free again"


def test_weights_are_shares() -> None:
    made = dispatcher(a=Capacity(seats=4))
    offered(made, entry(0, 0, tenant="small"))
    made.end(0, None, 0)
    heavy = [entry(id, 1, tenant="big")._replace(weight=3.0) for id in range(1, 5)]
    offered(made, *heavy)
    assert carried(made) == [(1, 1), (2, 1), (3, 1), (4, 2)]


def test_who_has_its_share_holds_up_no_other_class() -> None:
    made = dispatcher(a=Capacity(seats=2, reserve=1))
    offered(made, entry(0, 0, tenant="ward"))
    made.end(0, None, 0)
    offered(made, entry(1, 0, tenant="greedy"), entry(2, 0, tenant="greedy"))
    assert carried(made) == [(1, 0)], "the reserve is not for what is beyond its share"
    offered(made, entry(3, 1, tenant="ward"))
    assert carried(made) == [(3, 1)]


# --- everything at once --------------------------------------------------------------------------

STEP = st.tuples(
    st.sampled_from(["offer", "offer", "offer", "end", "retry", "open", "close", "expire", "move"]),
    st.integers(0, 4),
    st.integers(0, 99),
)


@given(st.lists(STEP, max_size=80), st.booleans())
def test_nobody_is_lost_and_no_seat_stays_empty(
    steps: list[tuple[str, int, int]], preempts: bool
) -> None:
    made = dispatcher(Limits(6, 60), a=Capacity(2, 120, 1, preempts), b=Capacity(1))
    there: set[int] = set()
    for id, (what, urgency, value) in enumerate(steps):
        each = entry(
            id,
            urgency,
            tenant="abc"[value % 3],
            prompt=1 + value,
            num_bytes=value % 30,
            expires_at=id + value / 4,
        )
        there ^= step(made, what, each, value, there)
        made.assign()
        check(made, there)
    for id in sorted(there):
        made.end(id, None, 3)
    assert len(made) == 0
    assert made.waiting_bytes == 0
    assert not made.seated


def step(made: Dispatcher, what: str, each: Entry, value: int, there: set[int]) -> set[int]:
    """Do one thing; who came or left by it."""
    request = each.request
    if what == "offer":
        answer = made.offer(each)
        return set(answer.shed) | (set() if answer.refused else {request.id})
    if what == "expire":
        return set(made.expire(float(request.id)))
    if what in ("open", "close"):
        name = "ab"[value % 2]
        if what == "open":
            made.open_engine(name, Capacity(1 + value % 3))
        else:
            made.close_engine(name)
    elif there:
        chosen = sorted(there)[value % len(there)]
        if what == "end":
            made.end(chosen, None, value)
            return {chosen}
        if what == "retry" and chosen in made.seated:
            made.retry(chosen)
        if what == "move":
            made.rerank(chosen, request.urgency, semantic(request))
    return set()


def check(made: Dispatcher, there: set[int]) -> None:
    waiting, seated = set(made.lanes), set(made.seated)
    assert not waiting & seated
    assert waiting | seated == there
    assert len(made) == len(there)
    assert made.waiting_bytes == sum(made.entry(id).num_bytes for id in waiting)
    for name in ("a", "b"):
        page = made.ledger[name]
        assert sorted(page.loads) == sorted(id for id in seated if made.seated[id] == name)
    next_up = made.lanes.next(made.ledger.classes_with_seat())
    if next_up is not None:  # it waits for memory, or for an engine that has not failed it
        load = made._load(made.entry(next_up).request)
        assert made.ledger.choose(load, made._avoid.get(next_up, frozenset())) is None


def test_a_move_to_the_same_place_changes_nothing() -> None:
    made = dispatcher()
    offered(made, entry(0, 3), entry(1, 3))
    before = made.in_order(9)
    assert made.rerank(0, 3, made.entry(0).rank)
    assert made.in_order(9) == before


@pytest.mark.parametrize("act", ["retry", "end"])
def test_who_is_not_there_cannot_be_moved(act: str) -> None:
    made = dispatcher()
    with pytest.raises(KeyError):
        made.retry(5) if act == "retry" else made.end(5, None, 1)
