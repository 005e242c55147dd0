import numpy as np
import pytest

from semsched.predict.length.lengths import LONGEST, lengths, remaining

P50, P90 = 200.0, 600.0


def test_quantiles_are_in_order_and_under_their_caps() -> None:
    believed = lengths([100, 50, 0, 1e9], [40, 500, 0, 1e9], [None, 60, 10, None])
    assert believed.p50.tolist() == [100, 50, 1, LONGEST]
    assert believed.p90.tolist() == [100, 60, 1, LONGEST]


def test_one_cap_is_for_all_and_a_cap_is_at_least_one_token() -> None:
    assert lengths([100, 5], [200, 9], 50).p90.tolist() == [50, 9]
    assert lengths([100], [200], 0).p90.tolist() == [1]


def test_no_texts_no_lengths() -> None:
    assert [part.size for part in lengths([], [])] == [0, 0]
    assert [part.size for part in remaining(lengths([], []), [])] == [0, 0]


@pytest.mark.parametrize("produced", [0, 50, 200, 700, 1500])
def test_what_remains_is_the_conditional_quantile(produced: int) -> None:
    """Log-logistic of shape ln 9 / ln 3 = 2; that this is right is tests/test_belief.py's."""
    found = remaining(lengths([P50], [P90]), [produced])
    expected = [np.hypot(P50, np.sqrt(2) * produced), np.hypot(3 * P50, np.sqrt(10) * produced)]
    assert [found.p50[0] + produced, found.p90[0] + produced] == pytest.approx(expected)


def test_nothing_produced_leaves_the_whole() -> None:
    found = remaining(lengths([P50], [P90]), [0])
    assert [found.p50[0], found.p90[0]] == pytest.approx([P50, P90])


def test_far_beyond_the_prediction_a_finite_rest_remains_without_a_jump() -> None:
    tight = lengths([100], [120])
    out = np.unique(np.geomspace(100, 1e6, 400).round())
    p50 = np.array([remaining(tight, [produced]).p50[0] for produced in out])
    p90 = np.array([remaining(tight, [produced]).p90[0] for produced in out])
    assert np.isfinite(p90).all()
    assert (p50 >= 1).all()
    assert (p90 >= p50).all()
    assert np.abs(np.diff(np.log(p50[p50 > 1]))).max() < 0.3


def test_far_out_what_remains_is_a_share_of_what_is_out() -> None:
    """The tail is a power law: every doubling of the odds takes the length up by one factor."""
    tight = lengths([100.0], [120.0])
    doubling = 2 ** (np.log(1.2) / np.log(9))
    found = remaining(tight, [5000.0])
    assert found.p50[0] == pytest.approx(5000 * (doubling - 1))


def test_a_certain_length_runs_down() -> None:
    certain = lengths([100], [100])
    assert remaining(certain, [40]).p90.tolist() == [60]
    assert remaining(certain, [400]).p50.tolist() == [1]


def test_no_more_remains_than_the_cap_allows() -> None:
    assert remaining(lengths([P50], [P90]), [900], 1000).p90.tolist() == [100]
