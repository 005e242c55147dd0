"""Ledger: seats, reserve and planned memory by our own books."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.core.ledger import Account, Capacity, Ledger, Load


def load(urgency: int = 2, kv_tokens: int = 10, work: float = 1.0) -> Load:
    return Load(urgency, kv_tokens, work)


def account(capacity: Capacity, *loads: Load) -> Account:
    page = Account(capacity)
    for id, each in enumerate(loads):
        page.add(id, each)
    return page


def test_seats_are_counted() -> None:
    page = account(Capacity(seats=2), load())
    assert page.has_seat(4)
    page.add(9, load())
    assert not page.has_seat(0)
    page.remove(9)
    assert page.has_seat(0)


@pytest.mark.parametrize(("urgency", "has_seat"), [(0, True), (1, True), (2, False), (4, False)])
def test_the_reserve_is_for_the_urgent(urgency: int, has_seat: bool) -> None:
    page = account(Capacity(seats=3, reserve=1), load(), load())
    assert page.has_seat(urgency) is has_seat


def test_memory_is_planned_and_one_alone_always_fits() -> None:
    page = account(Capacity(seats=9, kv_tokens=100))
    assert page.has_room(load(kv_tokens=1000))
    page.add(0, load(kv_tokens=60))
    assert page.has_room(load(kv_tokens=40))
    assert not page.has_room(load(kv_tokens=41))


def test_an_engine_that_preempts_has_room_for_the_more_urgent() -> None:
    page = account(Capacity(seats=2, kv_tokens=100, preempts=True), *[load(3, 50)] * 2)
    assert not page.has_seat(3)
    assert not page.has_seat(4)
    assert page.has_room(load(0, 100))
    page.add(8, load(0, 100))
    assert not page.has_room(load(1, 1)), "memory of the more urgent counts"
    page.add(9, load(2, 0))
    assert not page.has_seat(0), "twice its seats are taken"


def test_the_least_loaded_engine_is_chosen() -> None:
    ledger = Ledger()
    for name in ("a", "b", "c"):
        ledger.open(name, Capacity(seats=4))
    assert ledger.choose(load()) == "a"
    ledger["a"].add(0, load(work=5.0))
    ledger["b"].add(1, load(work=1.0))
    ledger["c"].add(2, load(work=2.0))
    assert ledger.choose(load()) == "b"
    assert ledger.choose(load(), frozenset({"b"})) == "c"
    ledger.close("a")
    ledger.close("c")
    assert ledger.choose(load(), frozenset({"b"})) == "b", "there is no other"
    ledger.close("b")
    assert ledger.choose(load()) is None
    assert ledger.classes_with_seat() == []


def test_seats_and_classes_are_those_of_the_open() -> None:
    ledger = Ledger()
    ledger.open("a", Capacity(seats=2, reserve=1))
    ledger.open("b", Capacity(seats=4))
    assert ledger.num_seats == 6
    ledger.close("b")
    ledger.open("a", Capacity(seats=1, reserve=1))
    assert ledger.num_seats == 1
    assert ledger.classes_with_seat() == [0, 1]
    assert ledger.classes_with_seat([4, 1]) == [1]


def test_a_closed_engine_keeps_its_books_and_may_come_back() -> None:
    ledger = Ledger()
    ledger.open("a", Capacity(seats=1))
    ledger["a"].add(0, load())
    ledger.close("a")
    ledger.open("a", Capacity(seats=1))
    assert ledger.choose(load()) is None
    ledger["a"].remove(0)
    assert ledger.choose(load()) == "a"


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 50), st.floats(0.01, 9)), max_size=30))
def test_the_books_come_out_even(loads: list[tuple[int, int, float]]) -> None:
    page = Account(Capacity(seats=50))
    for id, each in enumerate(loads):
        page.add(id, Load(*each))
    assert sum(page.num) == len(loads)
    assert sum(page.kv_tokens) == sum(kv for _, kv, _ in loads)
    for id in range(len(loads)):
        page.remove(id)
    assert (page.num, page.kv_tokens, page.work) == ([0] * 5, [0] * 5, 0.0)
