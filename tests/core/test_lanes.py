"""Lanes: classes by rank, tenants in turns; compared with a search of everything each time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.core.lanes import Lanes, Place


def key(value: float, id: int, tier: float = 0.0) -> tuple[float, float, float, int]:
    return (tier, value, 0.0, id)


def lanes_of(*places: tuple[int, str, float]) -> Lanes:
    lanes = Lanes()
    for id, (urgency, tenant, value) in enumerate(places):
        lanes.push(id, Place(urgency, tenant, key(value, id, urgency)))
    return lanes


def served(lanes: Lanes, share: float = 1.0) -> list[int]:
    order = []
    while (id := lanes.next(range(5))) is not None:
        lanes.serve(id, share)
        order.append(id)
    return order


def test_with_one_tenant_the_rank_decides() -> None:
    lanes = lanes_of((3, "a", 1.0), (0, "a", 9.0), (0, "a", 2.0), (1, "a", 0.5))
    assert served(lanes) == [2, 1, 3, 0]


def test_tenants_of_a_class_take_turns_however_many_requests_they_have() -> None:
    crowd = [(0, "crowd", float(i)) for i in range(6)]
    lanes = lanes_of(*crowd, (0, "one", 99.0), (0, "one", 98.0))
    assert served(lanes) == [0, 7, 1, 6, 2, 3, 4, 5]


def test_a_heavier_tenant_is_served_more_often() -> None:
    lanes = lanes_of(*[(2, "big", float(i)) for i in range(20)], *[(2, "small", 0.0)] * 20)
    first = []
    for _ in range(12):
        id = lanes.next(range(5))
        assert id is not None
        tenant = lanes[id].tenant
        lanes.serve(id, 1 / 3 if tenant == "big" else 1.0)
        first.append(tenant)
    assert first.count("big") == 9


def test_who_was_away_does_not_save_up() -> None:
    lanes = lanes_of(*[(0, "busy", float(i)) for i in range(10)])
    for _ in range(8):
        lanes.serve(lanes.next(range(5)) or 0, 1.0)
    for id in range(100, 110):
        lanes.push(id, Place(0, "late", key(0.0, id)))
    order = served(lanes)
    assert order.index(8) <= 2, "the busy one still gets its turns"


def test_a_charge_set_right_changes_whose_turn_it_is() -> None:
    lanes = lanes_of((1, "a", 1.0), (1, "a", 2.0), (1, "b", 3.0), (1, "b", 4.0))
    lanes.serve(0, 1.0)
    lanes.serve(2, 1.0)
    lanes.charge(1, "a", 5.0)  # it ran longer than was predicted
    assert lanes.next(range(5)) == 3


def test_only_the_classes_asked_for() -> None:
    lanes = lanes_of((0, "a", 1.0), (3, "a", 1.0))
    assert lanes.next([2, 3, 4]) == 1
    assert lanes.next([1, 2]) is None


def test_the_worst_is_the_last_of_the_least_urgent_class() -> None:
    lanes = lanes_of((4, "a", 1.0), (4, "b", 7.0), (0, "a", 99.0))
    assert lanes.worst() == 1


def test_what_is_twice_or_nowhere_is_an_error() -> None:
    lanes = lanes_of((0, "a", 1.0))
    with pytest.raises(ValueError, match="already waiting"):
        lanes.push(0, Place(0, "a", key(1.0, 0)))
    with pytest.raises(KeyError):
        lanes.remove(7)


class Naive:
    """The same by looking at everything each time."""

    def __init__(self) -> None:
        self.places: dict[int, Place] = {}
        self.had: dict[tuple[int, str], float] = {}
        self.reached: dict[int, float] = {}

    def push(self, id: int, place: Place) -> None:
        lane = (place.urgency, place.tenant)
        if not any((p.urgency, p.tenant) == lane for p in self.places.values()):
            had = self.had.get(lane, 0.0)
            self.had[lane] = max(had, self.reached.get(place.urgency, 0.0))
        self.places[id] = place

    def next(self, classes: list[int]) -> int | None:
        there = [(p.key, p.urgency) for p in self.places.values() if p.urgency in classes]
        if not there:
            return None
        urgency = min(there)[1]
        mine = {id: p for id, p in self.places.items() if p.urgency == urgency}
        tenant = min((self.had[urgency, p.tenant], p.tenant) for p in mine.values())[1]
        return min((p.key, id) for id, p in mine.items() if p.tenant == tenant)[1]

    def serve(self, id: int, share: float) -> None:
        place = self.places.pop(id)
        lane = (place.urgency, place.tenant)
        self.reached[place.urgency] = max(self.reached.get(place.urgency, 0.0), self.had[lane])
        self.had[lane] += share

    def worst(self) -> int:
        return max((p.urgency, p.key, id) for id, p in self.places.items())[2]


STEP = st.tuples(
    st.sampled_from(["push", "push", "push", "serve", "remove", "charge"]),
    st.integers(0, 4),
    st.sampled_from("abc"),
    st.integers(0, 9),
)


@given(st.lists(STEP, max_size=60), st.booleans())
def test_agrees_with_a_search_of_everything(
    steps: list[tuple[str, int, str, int]], tiers: bool
) -> None:
    lanes, naive = Lanes(), Naive()
    for id, (what, urgency, tenant, value) in enumerate(steps):
        if what == "push":
            place = Place(urgency, tenant, key(value, id, urgency if tiers else 0.0))
            lanes.push(id, place)
            naive.push(id, place)
        elif what == "charge" and (urgency, tenant) in naive.had:
            lanes.charge(urgency, tenant, value)
            naive.had[urgency, tenant] += value
        elif what == "remove" and naive.places:
            gone = sorted(naive.places)[value % len(naive.places)]
            assert lanes.remove(gone) == naive.places.pop(gone)
        elif what == "serve":
            chosen = lanes.next(range(urgency + 1))
            assert chosen == naive.next(list(range(urgency + 1)))
            if chosen is not None:
                lanes.serve(chosen, value)
                naive.serve(chosen, value)
        assert len(lanes) == len(naive.places)
        assert sorted(lanes) == sorted(naive.places)
        assert lanes.num_of(tenant) == sum(p.tenant == tenant for p in naive.places.values())
        if naive.places:
            assert lanes.worst() == naive.worst()
