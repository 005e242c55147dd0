"""Policies: whom each built-in runs first, how one is loaded, and what breaks the contract."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsched.policy import (
    PATIENCE,
    POLICIES,
    TARGET,
    WEIGHT,
    PolicyError,
    check_policy,
    check_rank,
    load_policy,
)
from semsched.request import NUM_CLASSES, Rank, Request

SECONDS_PER_TOKEN = 0.1


def request(
    id: int = 0, *, at: float = 0.0, urgency: int = 2, seconds: float = 10.0, deadline: float = 0.0
) -> Request:
    """A request with that many predicted seconds still to do."""
    output_tokens = round(seconds / SECONDS_PER_TOKEN)
    return Request(id, at, 100, urgency, output_tokens, output_tokens, deadline=deadline)


def order(policy: str, *requests: Request) -> list[int]:
    """Ids in the order in which `policy` runs them, by the one total order."""

    def key(request: Request) -> tuple[float, float, float, int]:
        left = request.predicted_output_tokens * SECONDS_PER_TOKEN
        return (*POLICIES[policy](request).key(left), request.arrived_at, request.id)

    return [request.id for request in sorted(requests, key=key)]


# --- the order of each built-in ----------------------------------------------------------------

EARLY_LONG_LOW = request(0, at=0.0, urgency=4, seconds=60.0)
MIDDLE_SHORT_LOW = request(1, at=1.0, urgency=4, seconds=1.0)
MIDDLE_LONG_HIGH = request(2, at=2.0, urgency=0, seconds=50.0)
LATE_SHORT_HIGH = request(3, at=3.0, urgency=0, seconds=2.0)
FOUR = (LATE_SHORT_HIGH, MIDDLE_LONG_HIGH, EARLY_LONG_LOW, MIDDLE_SHORT_LOW)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("fcfs", [0, 1, 2, 3]),
        ("sjf", [1, 3, 2, 0]),
        ("pjf", [2, 3, 0, 1]),
        ("semantic", [3, 2, 1, 0]),
        ("aging", [3, 2, 1, 0]),  # keys 5, 52, 242, 300
        ("edf", [2, 3, 0, 1]),  # due at 7, 8, 120, 121
        ("smith", [3, 1, 2, 0]),  # weighted seconds 0.125, 1, 3.125, 60
    ],
)
def test_order_of_four_requests(policy: str, expected: list[int]) -> None:
    assert order(policy, *FOUR) == expected


def test_these_are_all_the_built_in_policies() -> None:
    assert list(POLICIES) == ["fcfs", "sjf", "pjf", "semantic", "aging", "edf", "smith"]


@pytest.mark.parametrize("policy", POLICIES)
def test_equals_run_in_order_of_arrival_then_id(policy: str) -> None:
    twin, later = request(1, at=0.0), request(0, at=0.5)
    assert order(policy, later, twin, request(2, at=0.0)) == [1, 2, 0]


def test_aging_lets_the_long_waiting_pass_a_more_urgent_one() -> None:
    head_start = PATIENCE[3] - PATIENCE[0]
    low = request(0, at=0.0, urgency=3)
    assert order("aging", low, request(1, at=head_start - 1, urgency=0)) == [1, 0]
    assert order("aging", low, request(1, at=head_start + 1, urgency=0)) == [0, 1]
    assert order("semantic", low, request(1, at=head_start + 1, urgency=0)) == [1, 0]


def test_edf_lets_an_old_relaxed_request_pass_a_fresh_urgent_one() -> None:
    relaxed = request(0, at=0.0, urgency=4)
    assert order("edf", relaxed, request(1, at=TARGET[4] - TARGET[0] - 1, urgency=0)) == [1, 0]
    assert order("edf", relaxed, request(1, at=TARGET[4] - TARGET[0] + 1, urgency=0)) == [0, 1]


def test_smith_weighs_a_second_of_a_more_urgent_class_more() -> None:
    ratio = WEIGHT[0] / WEIGHT[4]
    low = request(0, urgency=4, seconds=10.0)
    assert order("smith", low, request(1, urgency=0, seconds=10 * ratio - 1)) == [1, 0]
    assert order("smith", low, request(1, urgency=0, seconds=10 * ratio + 1)) == [0, 1]


def test_more_urgent_classes_have_nearer_targets_less_patience_and_more_weight() -> None:
    assert len(TARGET) == len(PATIENCE) == len(WEIGHT) == NUM_CLASSES
    assert (np.diff(TARGET) > 0).all()
    assert (np.diff(PATIENCE) > 0).all()
    assert (np.diff(WEIGHT) < 0).all()


beliefs = st.tuples(
    st.floats(0, 1e9),
    st.integers(1, 1_000_000),
    st.integers(0, NUM_CLASSES - 1),
    st.integers(1, 1_000_000),
)


@pytest.mark.parametrize("name", POLICIES)
@given(rows=st.lists(beliefs, min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_a_whole_column_ranks_as_its_requests_one_by_one(
    name: str, rows: list[tuple[float, int, int, int]]
) -> None:
    arrived_at, prompt, urgency, output = (np.array(column) for column in zip(*rows, strict=True))
    columns: Any = SimpleNamespace(
        arrived_at=arrived_at,
        prompt_tokens=prompt.astype(np.int32),
        urgency=urgency.astype(np.int32),
        predicted_output_tokens=output.astype(np.int32),
        max_output_tokens=output.astype(np.int32),
    )
    together = [np.broadcast_to(c, len(rows)).astype(float) for c in POLICIES[name](columns)]
    for id, (at, prompt_tokens, klass, output_tokens) in enumerate(rows):
        alone = POLICIES[name](Request(id, at, prompt_tokens, klass, output_tokens, output_tokens))
        assert [float(c[id]).hex() for c in together] == [float(value).hex() for value in alone]


@pytest.mark.parametrize("name", POLICIES)
def test_every_built_in_keeps_the_contract(name: str) -> None:
    check_policy(POLICIES[name])


# --- loading -----------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's package with one policy of each kind."""
    package = tmp_path / "house_of_policies"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "good.py").write_text(
        "from semsched.request import Rank\n"
        "def plain(request):\n"
        "    return Rank(0, request.prompt_tokens, 0)\n"
        "class Counting:\n"
        "    def __init__(self):\n"
        "        self.asked = 0\n"
        "    def __call__(self, request):\n"
        "        self.asked += 1\n"
        "        return Rank(0, self.asked, 0)\n"
        "class NeedsMore:\n"
        "    def __init__(self, more):\n"
        "        pass\n"
        "ready = Counting()\n"
        "number = 3\n"
        "def upward(request):\n"
        "    return Rank(0, 0, -1)\n"
    )
    (package / "broken.py").write_text("raise RuntimeError('no GPU\\nhere')\n")
    (package / "typo.py").write_text("def policy(request)\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    return package.name


@pytest.mark.parametrize("name", POLICIES)
def test_load_a_built_in_by_its_name(name: str) -> None:
    assert load_policy(name) is POLICIES[name]


def test_load_a_users_function(house: str) -> None:
    assert load_policy(f"{house}.good:plain")(request()) == Rank(0, 100, 0)


def test_load_a_users_class_as_a_fresh_instance(house: str) -> None:
    first, second = (load_policy(f"{house}.good:Counting") for _ in range(2))
    assert first is not second
    assert first(request()).offset < first(request()).offset


def test_load_a_users_object(house: str) -> None:
    assert callable(load_policy(f"{house}.good:ready"))


def one_line(error: pytest.ExceptionInfo[PolicyError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(PolicyError) as error:
        load_policy("lottery")
    message = one_line(error)
    assert "'lottery'" in message
    assert all(name in message for name in POLICIES)
    assert "package.module:name" in message


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module:policy", "no_such_module"),
        ("{house}.good:absent", "absent"),
        ("{house}.good:", "good"),
        (":plain", "module name"),
        (".good:plain", "package"),
        ("{house}.broken:policy", "no GPU"),
        ("{house}.typo:policy", "SyntaxError"),
        ("{house}.good:NeedsMore", "more"),
        ("{house}.good:number", "callable"),
        ("{house}.good:upward", "slope"),
    ],
)
def test_what_cannot_be_loaded_says_why(house: str, name: str, why: str) -> None:
    with pytest.raises(PolicyError) as error:
        load_policy(name.format(house=house))
    assert why in one_line(error)


# --- the contract ------------------------------------------------------------------------------


def test_any_callable_that_ranks_is_a_policy() -> None:
    asked: list[Request] = []

    def curious(request: Request) -> Rank:
        asked.append(request)
        numbers: Any = (0, np.float32(request.arrived_at), np.int64(1))
        return Rank(*numbers)

    check_policy(curious)
    assert {request.urgency for request in asked} == set(range(NUM_CLASSES))
    assert len({request.id for request in asked}) == len(asked)
    assert len({request.arrived_at for request in asked}) > 1


def test_a_policy_that_fails_for_one_class_only_is_caught() -> None:
    def forgetful(request: Request) -> Rank:
        return Rank([0, 1, 2, 3][request.urgency], 0, 0)

    with pytest.raises(PolicyError, match=r"forgetful raised IndexError.*urgency=4"):
        check_policy(forgetful)


def test_a_policy_must_be_callable() -> None:
    not_callable: Any = 42
    with pytest.raises(PolicyError, match=r"callable as policy\(request\) -> Rank, got 42"):
        check_policy(not_callable)


def test_a_policy_cannot_change_the_request() -> None:
    def meddling(request: Any) -> Rank:
        request.urgency = 0
        return Rank(0, 0, 0)

    with pytest.raises(PolicyError, match="FrozenInstanceError"):
        check_policy(meddling)


NOT_A_RANK: list[Any] = [None, (0, 0.0, 1.0), 3, "first", [0, 0, 0]]


@pytest.mark.parametrize("answer", NOT_A_RANK, ids=repr)
def test_the_answer_must_be_a_rank(answer: Any) -> None:
    with pytest.raises(PolicyError) as error:
        check_rank(answer, request(7))
    assert f"must return a Rank, got {answer!r}" in one_line(error)
    assert "id=7" in str(error.value)
    with pytest.raises(PolicyError, match="must return a Rank"):
        check_policy(lambda _: answer)


NOT_FINITE: list[Any] = [math.nan, math.inf, -math.inf, "1", None, 1j, np.zeros(2)]


@pytest.mark.parametrize("value", NOT_FINITE, ids=repr)
@pytest.mark.parametrize("field", Rank._fields)
def test_every_field_must_be_a_finite_number(field: str, value: Any) -> None:
    rank = Rank(0.0, 0.0, 0.0)._replace(**{field: value})
    with pytest.raises(PolicyError) as error:
        check_rank(rank, request(7))
    assert f"rank.{field} must be a finite number, got" in one_line(error)
    assert "id=7" in str(error.value)


def test_an_integer_beyond_all_floats_is_not_finite() -> None:
    with pytest.raises(PolicyError, match=r"rank\.tier must be a finite number"):
        check_rank(Rank(10**400, 0.0, 0.0), request())


@pytest.mark.parametrize("slope", [-1e-300, -1.0])
def test_a_request_must_not_fall_back_while_it_runs(slope: float) -> None:
    with pytest.raises(PolicyError) as error:
        check_rank(Rank(0.0, 0.0, slope), request(7))
    assert f"rank.slope must be >= 0, got {slope!r}" in one_line(error)


def test_negative_tiers_and_offsets_are_fine() -> None:
    check_rank(Rank(-3, -1e9, 0), request())
