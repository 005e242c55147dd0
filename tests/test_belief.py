"""The law of a length: against samples of it, and against its own definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semsched.belief import LN9, STEEPEST, length_beyond, shape_of, tokens_left, turning_point

P50, P90 = 200, 600

beliefs = st.tuples(st.integers(1, 10**6), st.floats(0, 12)).map(
    lambda drawn: (drawn[0], math.ceil(drawn[0] * math.exp(drawn[1])))
)
"""P50 and P90: from a certain length to one of which nothing is known."""

quantiles = st.sampled_from([0.5, 0.9])


def survival(p50: float, p90: float, length: float) -> float:
    """The share of answers that are longer, as the module's docstring has it."""
    odds: float = np.exp(min(LN9 * np.log(length / p50) / np.log(p90 / p50), 700.0))
    return 1.0 / (1.0 + odds)


@pytest.fixture(scope="module")
def drawn() -> NDArray[np.float64]:
    """A million lengths of which half are below P50 and nine in ten below P90."""
    logistic = np.random.default_rng(0).logistic(size=1_000_000)
    return P50 * np.exp(logistic / shape_of(P50, P90))


@pytest.mark.parametrize("emitted", [0, 50, 200, 700, 1500])
@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_it_is_the_quantile_of_those_that_go_on(
    emitted: int, quantile: float, drawn: NDArray[np.float64]
) -> None:
    expected = np.quantile(drawn[drawn > emitted], quantile)
    found = length_beyond(P50, shape_of(P50, P90), emitted, quantile)
    assert found == pytest.approx(expected, rel=0.02)


@given(beliefs, st.floats(0, 3), quantiles)
def test_it_solves_the_equation_of_the_conditional_quantile(
    belief: tuple[int, int], share: float, quantile: float
) -> None:
    p50, p90 = belief
    if p90 == p50:
        return
    emitted = share * p50
    if survival(p50, p90, max(emitted, 1e-9)) < 1e-200:
        return  # so far out the definition itself underflows
    length = length_beyond(p50, shape_of(p50, p90), emitted, quantile)
    assert length >= emitted
    expected = (1 - quantile) * survival(p50, p90, max(emitted, 1e-300))
    assert survival(p50, p90, length) == pytest.approx(expected, rel=1e-5)


def test_nothing_emitted_leaves_both_quantiles() -> None:
    shape = shape_of(P50, P90)
    assert shape == pytest.approx(2.0)
    assert length_beyond(P50, shape, 0, 0.5) == P50
    assert length_beyond(P50, shape, 0, 0.9) == pytest.approx(P90)


@pytest.mark.parametrize("p90", [210, 400, 600, 1000, 1700])
def test_up_to_the_turning_point_the_median_left_falls_and_then_it_rises(p90: int) -> None:
    shape = shape_of(P50, p90)
    left = [length_beyond(P50, shape, emitted, 0.5) - emitted for emitted in range(500)]
    turn = turning_point(P50, shape)
    assert turn in (int(np.argmin(left)), int(np.argmin(left)) - 1)
    assert (np.diff(left[: turn + 1]) < -0.3 / P50).all()
    assert (np.diff(left[turn + 1 :]) > 0).all()


def test_up_to_the_steepest_shape_there_is_no_turning_point() -> None:
    assert turning_point(2**31 - 1, STEEPEST) == 0
    assert turning_point(2**31 - 1, 0.3) == 0
    assert turning_point(2**31 - 1, 1.05) > 0


def test_a_length_without_a_tail_is_a_point() -> None:
    for p90 in (0, 5, 10):
        assert [tokens_left(10, p90, emitted) for emitted in (0, 4, 10, 99)] == [10, 6, 0, 0]


def test_the_tail_leaves_more_than_the_point_and_stops_at_the_turning_point() -> None:
    """Of shape 2: sqrt(40000 + 2 g^2) - g, least at 200 / sqrt(2)."""
    assert [tokens_left(P50, P90, g) for g in (0, 60, 100, 141, 150, 600)] == [
        200, 157, 145, 141, 141, 141
    ]  # fmt: skip


def test_of_a_surer_length_less_is_left_once_it_is_reached() -> None:
    left = [tokens_left(P50, p90, P50 + 100) for p90 in (P50, 201, 210, 250, 600, 1000, 9000)]
    assert left[:2] == [0, 0]
    assert (np.diff(left[1:]) > 0).all()
    assert left[-1] == P50


@settings(max_examples=2000)
@given(beliefs, st.lists(st.floats(0, 2), min_size=1, max_size=20))
def test_what_is_left_never_rises_from_one_token_to_the_next(
    belief: tuple[int, int], shares: list[float]
) -> None:
    p50, p90 = belief
    turn = turning_point(p50, shape_of(p50, p90)) if p90 > p50 else p50
    places = {max(place + near, 0) for share in shares for place in (int(share * p50), turn)
              for near in (-2, -1, 0, 1)}  # fmt: skip
    left = [tokens_left(p50, p90, emitted) for emitted in sorted({0, *places})]
    assert left == sorted(left, reverse=True)
    assert left[0] == p50
    assert left[-1] >= 0


@pytest.mark.parametrize("p50", [1, 2, 7, 100, 1000])
def test_what_is_left_never_rises_for_any_tail(p50: int) -> None:
    for p90 in {p50 + 1, p50 + 2, *np.geomspace(p50 + 1, 20 * p50 + 1, 40).astype(int).tolist()}:
        left = [tokens_left(p50, p90, emitted) for emitted in range(2 * p50 + 3)]
        assert left == sorted(left, reverse=True), p90


@pytest.mark.parametrize("p50", [1, 2**31 - 2])
@pytest.mark.parametrize("p90", [2, 2**31 - 1])
def test_the_largest_numbers_neither_overflow_nor_underflow(p50: int, p90: int) -> None:
    for emitted in (0, 1, p50, 2**31 - 1):
        assert 0 <= tokens_left(p50, p90, emitted) <= p50
