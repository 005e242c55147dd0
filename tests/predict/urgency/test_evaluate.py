import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix, f1_score

from semsched.predict.examples import ExampleFileError
from semsched.predict.urgency.evaluate import (
    NUM_RESAMPLES,
    Evaluation,
    confusion,
    evaluate,
    kappa,
    read_labels,
    wilson,
)
from semsched.request import NUM_CLASSES

EVEN = [[float(true != given) for given in range(NUM_CLASSES)] for true in range(NUM_CLASSES)]
"""Costs by which the likeliest class is decided."""

CELLS = (
    (5, 1, 0, 2, 0),
    (0, 6, 2, 0, 1),
    (1, 0, 7, 1, 0),
    (2, 0, 1, 20, 3),
    (0, 1, 0, 4, 13),
)
"""confusion[true][given], by hand."""

PAIRS = [
    (true, given) for true in range(5) for given in range(5) for _ in range(CELLS[true][given])
]


def judged(pairs: list[tuple[int, int]], sure: float = 0.8) -> Evaluation:
    """The figures of a model that is `sure` of each class it gives."""
    rows = np.full((len(pairs), NUM_CLASSES), (1 - sure) / (NUM_CLASSES - 1))
    rows[np.arange(len(pairs)), [given for _, given in pairs]] = sure
    return evaluate(rows, [true for true, _ in pairs], EVEN)


FIGURES = judged(PAIRS)


def test_the_confusion_is_that_of_the_pairs() -> None:
    assert FIGURES.confusion == CELLS
    assert FIGURES.num_rows == len(PAIRS) == 70
    true, given = np.array(PAIRS).T
    np.testing.assert_array_equal(confusion(true, given), confusion_matrix(true, given))


def test_shares_of_a_known_confusion() -> None:
    assert FIGURES.accuracy == pytest.approx((5 + 6 + 7 + 20 + 13) / 70)
    assert FIGURES.severe_under_triage == pytest.approx((2 + 1) / (8 + 9))
    assert FIGURES.over_triage == pytest.approx((2 + 1) / (26 + 18))


def test_one_severe_mistake_among_the_urgent_is_not_one_of_the_idle() -> None:
    figures = judged([(0, 3), (1, 1), (1, 2), (0, 2), (2, 4), (2, 0), (3, 1), (4, 4), (4, 2)])
    assert figures.severe_under_triage == pytest.approx(1 / 4)
    assert figures.over_triage == pytest.approx(1 / 3)


def test_f1_is_the_mean_over_the_classes_that_occur() -> None:
    # Hits twice over: what is truly of the class and what is called it.
    scores = [10 / (8 + 8), 12 / (9 + 8), 14 / (9 + 10), 40 / (26 + 27), 26 / (18 + 17)]
    assert FIGURES.macro_f1 == pytest.approx(sum(scores) / 5)
    figures = judged([(0, 0), (0, 1), (2, 2)])  # 1 is called but never true
    assert figures.macro_f1 == pytest.approx((2 / 3 + 1) / 2)


def plain_kappa(pairs: list[tuple[int, int]]) -> float:
    """1 - mean squared distance / its mean over all ways to pair a true with a given class."""
    observed = sum((true - given) ** 2 for true, given in pairs) / len(pairs)
    crossed = [(true - given) ** 2 for true, _ in pairs for _, given in pairs]
    return 1 - observed / (sum(crossed) / len(crossed))


def test_kappa_is_that_of_the_definition() -> None:
    assert FIGURES.qwk == pytest.approx(plain_kappa(PAIRS))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=60))
def test_figures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    true, given_ = np.array(pairs).T
    table = confusion(true, given_)
    if len(set(true) | set(given_)) > 1:
        expected = cohen_kappa_score(true, given_, weights="quadratic", labels=range(NUM_CLASSES))
        assert kappa(table) == pytest.approx(expected)
        assert kappa(table) == pytest.approx(plain_kappa(pairs))
    assert table.sum() == len(pairs)


def test_scores_of_a_set_are_those_of_scikit_learn() -> None:
    true, given_ = np.array(PAIRS).T
    assert FIGURES.accuracy == pytest.approx(accuracy_score(true, given_))
    assert FIGURES.macro_f1 == pytest.approx(f1_score(true, given_, average="macro"))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(i, i) for i in range(5)], 1),
        ([(0, 4), (4, 0)], -1),
        ([(0, 0), (0, 4), (4, 0), (4, 4)], 0),
        ([(2, 2), (2, 2)], 0),  # chance alone agrees
    ],
)
def test_kappa_of_a_known_case(pairs: list[tuple[int, int]], expected: float) -> None:
    true, given_ = np.array(pairs).T
    assert kappa(confusion(true, given_)) == pytest.approx(expected)


def test_kappa_of_nothing_is_zero() -> None:
    nothing = np.array([], dtype=np.int64)
    assert kappa(confusion(nothing, nothing)) == 0


def test_the_interval_is_around_the_figure_and_narrower_for_more_rows() -> None:
    (low, high), qwk = FIGURES.qwk_interval, FIGURES.qwk
    assert -1 <= low < qwk < high <= 1
    few_low, few_high = judged(PAIRS[::3]).qwk_interval
    assert few_high - few_low > high - low
    assert judged(PAIRS) == FIGURES  # the resamples are the same ones each time


def test_the_interval_is_where_nineteen_of_twenty_resamples_are() -> None:
    rng, pairs = np.random.default_rng(7), np.array(PAIRS)
    drawn = [pairs[rng.integers(len(pairs), size=len(pairs))] for _ in range(NUM_RESAMPLES)]
    low, high = FIGURES.qwk_interval
    inside = [low <= kappa(confusion(*rows.T)) <= high for rows in drawn]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)


def test_the_interval_of_many_rows_takes_no_memory_for_each_resample() -> None:
    true, given_ = np.array(PAIRS * 500).T
    rows, labels = np.eye(NUM_CLASSES)[given_], true.tolist()
    tracemalloc.start()
    low, high = evaluate(rows, labels, EVEN).qwk_interval
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < NUM_RESAMPLES * len(labels)
    assert high - low < 0.02


@pytest.mark.parametrize(
    ("hits", "num", "interval"),
    [  # the book examples of Newcombe, Statistics in Medicine 1998, method 3
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (29, 29, (0.8830, 1.0)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_the_interval_of_a_share_is_wilsons(
    hits: int, num: int, interval: tuple[float, float]
) -> None:
    assert wilson(hits, num) == pytest.approx(interval, abs=5e-5)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_share_lies_in_its_interval(hits: int, misses: int) -> None:
    num = hits + misses
    low, high = wilson(hits, num)
    assert 0 <= low <= hits / max(num, 1) <= high <= 1


def test_shares_come_with_their_intervals() -> None:
    assert FIGURES.severe_under_triage_interval == wilson(3, 17)
    assert FIGURES.over_triage_interval == wilson(3, 44)
    nothing = judged([(2, 2)])
    assert nothing.severe_under_triage_interval == nothing.over_triage_interval == (0, 1)


def test_a_perfect_model_is_perfect() -> None:
    figures = judged([(i, i) for i in range(5)] * 4, sure=1.0)
    assert (figures.accuracy, figures.macro_f1, figures.qwk) == (1, 1, 1)
    assert (figures.severe_under_triage, figures.over_triage) == (0, 0)
    assert figures.calibration_error == 0


def test_classes_that_do_not_occur_count_as_zero() -> None:
    figures = judged([(2, 2)] * 3)
    assert (figures.severe_under_triage, figures.over_triage) == (0, 0)
    assert (figures.accuracy, figures.macro_f1) == (1, 1)
    assert (figures.qwk, figures.qwk_interval) == (0, (0, 0))
    assert judged([(4, 0)]).severe_under_triage == 0
    assert judged([(4, 0)]).over_triage == 1
    assert judged([(0, 4)]).severe_under_triage == 1
    assert judged([(0, 4)]).macro_f1 == 0


def test_the_calibration_error_is_the_gap_between_sure_and_right() -> None:
    assert judged([(0, 0)] * 4 + [(0, 1)], sure=0.8).calibration_error == pytest.approx(0)
    assert judged([(0, 1)] * 5, sure=0.8).calibration_error == pytest.approx(0.8)
    assert judged([(0, 0)] * 5, sure=0.8).calibration_error == pytest.approx(0.2)


def test_the_calibration_error_weighs_its_bins_by_their_rows() -> None:
    sure = np.array([0.95, 0.95, 0.95, 0.55, 1.0])
    rows = np.outer((1 - sure) / 4, np.ones(5))
    rows[:, 0] = sure
    figures = evaluate(rows, [0, 0, 1, 0, 0], EVEN)
    # From 0.9 on there are four rows, 3.85 sure and 3 right; from 0.5 on is one, which is right.
    assert figures.calibration_error == pytest.approx((abs(3.85 - 3) + abs(0.55 - 1)) / 5)


def test_the_costs_decide_and_the_likeliest_is_calibrated() -> None:
    rows = np.array([[0.1, 0.2, 0.05, 0.6, 0.05]] * 10)
    by_likelihood, by_cost = evaluate(rows, [3] * 10, EVEN), evaluate(rows, [3] * 10)
    assert by_likelihood.confusion[3] == (0, 0, 0, 10, 0)
    assert by_cost.confusion[3] == (0, 0, 10, 0, 0)
    assert by_likelihood.calibration_error == by_cost.calibration_error == pytest.approx(0.4)


# --- files -------------------------------------------------------------------------------------


def test_labels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x", "label": 0}\n{"text": "", "label": 4, "more": 1}\n', "utf-8")
    assert read_labels(path) == (["x", ""], [0, 4])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "x", "label": 5}', "a.jsonl:1: label: must be 0 to 4, got 5"),
        ('{"text": "x", "label": -1}', "a.jsonl:1: label: must be 0 to 4, got -1"),
        ('{"text": "x"}', "a.jsonl:1: label: must be a whole number, got None"),
        ("\n", "a.jsonl: has 0 rows, must have 1 or more"),
    ],
)
def test_labels_that_are_no_classes_are_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(ExampleFileError, match=message):
        read_labels(path)
