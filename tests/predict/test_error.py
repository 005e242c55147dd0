"""The error model: what is mistaken, how often, and where it lands."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.predict import mistaken_lengths, mistaken_urgency, rounded_lengths
from semsched.workload import Workload, WorkloadError, poisson

NUM = 20_000
MIX = (1, 1, 1, 1, 1)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def of_class(urgency: int, num_requests: int = 200) -> Workload:
    mix = [float(c == urgency) for c in range(5)]
    return poisson(num_requests, rate=1.0, mix=mix)


def of_length(output_tokens: int, num_requests: int = 200) -> Workload:
    ones = np.ones(num_requests, dtype=np.int32)
    return Workload.known("test", np.zeros(num_requests), ones, ones * output_tokens, ones)


@pytest.mark.parametrize(
    ("true", "predicted"),
    [(1, {1, 50}), (50, {50}), (349, {300, 350}), (350, {350}), (499, {450, 500})],
)
def test_rounded_lengths_are_the_buckets_on_both_sides(true: int, predicted: set[int]) -> None:
    found = rounded_lengths(of_length(true), rng(), max_output_length=500)
    assert set(found.predicted_output_tokens.tolist()) == predicted
    assert set(found.output_tokens.tolist()) == {true}


def test_rounding_goes_up_and_down_equally_often() -> None:
    found = rounded_lengths(of_length(60, NUM), rng(), max_output_length=500)
    assert (found.predicted_output_tokens == 100).mean() == pytest.approx(0.5, abs=0.02)


@given(
    true=st.integers(1, 2**31 - 1),
    max_output_length=st.integers(1, 5000),
    length_bucket_num=st.integers(1, 5000),
)
def test_rounding_errs_by_less_than_a_bucket(
    true: int, max_output_length: int, length_bucket_num: int
) -> None:
    length_bucket_num = min(length_bucket_num, max_output_length)
    found = rounded_lengths(
        of_length(true, 4),
        rng(),
        max_output_length=max_output_length,
        length_bucket_num=length_bucket_num,
    )
    error = np.abs(found.predicted_output_tokens.astype(np.int64) - true)
    # Half a token more: a bucket need not be a whole number of tokens.
    assert (error < max_output_length / length_bucket_num + 0.5).all()


@pytest.mark.parametrize(
    ("distance", "landings"),
    [
        (0.0, [{0}, {1}, {2}, {3}, {4}]),
        (0.19, [{0}, {1}, {2}, {3}, {4}]),
        (0.2, [{1}, {0, 2}, {1, 3}, {2, 4}, {3}]),
        (0.4, [{2}, {3}, {0, 4}, {1}, {2}]),
        (0.6, [{3}, {4}, {0, 4}, {0}, {1}]),
        (0.8, [{4}, {0}, {0, 4}, {4}, {0}]),
        (1.0, [{4}, {0}, {0, 4}, {4}, {0}]),
    ],
)
def test_where_a_mistaken_class_lands(distance: float, landings: list[set[int]]) -> None:
    for urgency, expected in enumerate(landings):
        found = mistaken_urgency(of_class(urgency), rng(), rate=1.0, distance=distance)
        assert set(found.predicted_urgency.tolist()) == expected
        assert set(found.urgency.tolist()) == {urgency}


def test_fewer_ranks_keep_to_themselves() -> None:
    found = mistaken_urgency(of_class(0), rng(), rate=1.0, distance=1.0, ranks=1)
    assert set(found.predicted_urgency.tolist()) == {0}
    found = mistaken_urgency(of_class(1), rng(), rate=1.0, distance=1 / 3, ranks=3)
    assert set(found.predicted_urgency.tolist()) == {0, 2}
    with pytest.raises(WorkloadError, match="ranks is 3"):
        mistaken_urgency(of_class(3), rng(), rate=0.5, distance=0.5, ranks=3)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_a_share_of_about_rate_is_mistaken(rate: float) -> None:
    before = poisson(NUM, rate=1.0, mix=MIX)
    urgency = mistaken_urgency(before, rng(), rate=rate, distance=0.2).predicted_urgency
    assert (urgency != before.urgency).mean() == pytest.approx(rate, abs=0.02)
    lengths = mistaken_lengths(
        before, rng(), rate=rate, distance=0.2, max_output_length=500
    ).predicted_output_tokens
    # 1 and 500 may be mistaken for themselves, so a few mistakes do not show.
    assert (lengths != before.output_tokens).mean() == pytest.approx(rate, abs=0.02)


@pytest.mark.parametrize(
    ("true", "distance", "predicted"),
    [
        (250, 0.0, {250}),
        (250, 0.09, {250}),
        (250, 0.2, {150, 350}),
        (30, 0.2, {1, 130}),
        (450, 0.2, {350, 500}),
        (250, 1.0, {1, 500}),
    ],
)
def test_where_a_mistaken_length_lands(true: int, distance: float, predicted: set[int]) -> None:
    found = mistaken_lengths(
        of_length(true), rng(), rate=1.0, distance=distance, max_output_length=500
    )
    assert set(found.predicted_output_tokens.tolist()) == predicted
    assert set(found.output_tokens.tolist()) == {true}


def test_a_length_right_beyond_the_maximum_is_left_alone() -> None:
    found = mistaken_lengths(of_length(900), rng(), rate=0.5, distance=0.2, max_output_length=500)
    assert set(found.predicted_output_tokens.tolist()) == {900, 500}


def test_mistakes_come_on_top_of_rounding() -> None:
    coarse = rounded_lengths(of_length(260), rng(), max_output_length=500)
    found = mistaken_lengths(coarse, rng(), rate=1.0, distance=0.2, max_output_length=500)
    assert set(found.predicted_output_tokens.tolist()) <= {150, 200, 350, 400}


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (mistaken_urgency, {"rate": -0.1, "distance": 0}, "rate is -0.1, must be from 0 to 1"),
        (mistaken_urgency, {"rate": 0, "distance": 1.1}, "distance is 1.1, must be from 0 to 1"),
        (
            mistaken_urgency,
            {"rate": math.nan, "distance": 0},
            "rate is nan, must be from 0 to 1",
        ),
        (
            mistaken_lengths,
            {"rate": 2, "distance": 0, "max_output_length": 500},
            "rate is 2, must be from 0 to 1",
        ),
        (
            rounded_lengths,
            {"max_output_length": 500, "length_bucket_num": 0},
            "length_bucket_num is 0, must be from 1 to 500",
        ),
        (
            rounded_lengths,
            {"max_output_length": 0},
            "max_output_length is 0, must be from 1 to 2147483647",
        ),
    ],
)
def test_bad_settings_are_named(
    model: Callable[..., Workload], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(WorkloadError, match=f"^{message}$"):
        model(of_class(2), rng(), **settings)
