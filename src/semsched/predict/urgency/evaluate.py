"""How good an urgency model is on texts whose class is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from semsched.predict.examples import Field, read_examples
from semsched.predict.urgency.decide import COSTS, Costs, decide
from semsched.predict.urgency.verdict import Floats
from semsched.request import NUM_CLASSES

LABEL = Field("label", 0, NUM_CLASSES - 1)

Confusion = NDArray[np.int64]
"""confusion[true][given]: how many."""

Interval = tuple[float, float]

NUM_BINS = 10
"""Bins of the calibration error."""

NUM_RESAMPLES = 1000

Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Evaluation:
    """Figures of one set; shares are 0 to 1, intervals those of 95 %.

    accuracy: share of right classes. macro_f1: mean F1 of the classes that occur. qwk: quadratic
    weighted kappa. severe_under_triage: share of true 0 and 1 that are called 3 or 4.
    over_triage: share of true 3 and 4 that are called 0 or 1. calibration_error: expected, of the
    likeliest class. Shares of what does not occur are 0, their intervals 0 to 1. The interval of
    kappa is the middle of a bootstrap, those of shares are Wilson's.
    """

    num_rows: int
    accuracy: float
    macro_f1: float
    qwk: float
    qwk_interval: Interval
    severe_under_triage: float
    severe_under_triage_interval: Interval
    over_triage: float
    over_triage_interval: Interval
    calibration_error: float
    confusion: tuple[tuple[int, ...], ...]


def read_labels(path: Path) -> tuple[list[str], list[int]]:
    """Texts and classes of a JSONL file of {"text": ..., "label": 0 to 4}.

    Raises ExampleFileError for a file that cannot be read, a bad line, or no row.
    """
    return read_examples(path, LABEL)


def evaluate(probabilities: Floats, labels: Sequence[int], costs: Costs = COSTS) -> Evaluation:
    """Figures of predictions, shape [n, 5], decided by `costs`, against the true classes."""
    true = np.array(labels, dtype=np.int64)
    given = np.array(decide(probabilities, costs), dtype=np.int64)
    table = confusion(true, given)
    severe, urgent = int(table[:2, 3:].sum()), int(table[:2].sum())
    over, idle = int(table[3:, :2].sum()), int(table[3:].sum())
    return Evaluation(
        num_rows=len(true),
        accuracy=float(np.mean(true == given)),
        macro_f1=_macro_f1(table),
        qwk=kappa(table),
        qwk_interval=_resampled(table, kappa),
        severe_under_triage=severe / max(urgent, 1),
        severe_under_triage_interval=wilson(severe, urgent),
        over_triage=over / max(idle, 1),
        over_triage_interval=wilson(over, idle),
        calibration_error=_calibration_error(probabilities, true),
        confusion=tuple(map(tuple, table.tolist())),
    )


def confusion(true: NDArray[np.int64], given: NDArray[np.int64]) -> Confusion:
    """How many of each true class were given each class, shape [5, 5]."""
    cells = np.bincount(true * NUM_CLASSES + given, minlength=NUM_CLASSES**2)
    return cells.reshape(NUM_CLASSES, NUM_CLASSES).astype(np.int64)


def kappa(table: Confusion) -> float:
    """Cohen's kappa with quadratic weights; 0 if chance alone would always agree.

    Source: Cohen, "Weighted kappa", Psychological Bulletin 1968.
    """
    distance = np.subtract.outer(np.arange(NUM_CLASSES), np.arange(NUM_CLASSES)) ** 2
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(table.sum(), 1)
    by_chance = float((distance * expected).sum())
    return 1.0 - float((distance * table).sum()) / by_chance if by_chance else 0.0


def _macro_f1(table: Confusion) -> float:
    hits, present = table.diagonal(), table.sum(axis=1)
    scores = 2 * hits / np.maximum(present + table.sum(axis=0), 1)
    return float(scores[present > 0].mean()) if present.any() else 0.0


def wilson(hits: int, num: int) -> Interval:
    """The 95 % interval of a share that `hits` of `num` were seen to have; 0 to 1 if `num` is 0.

    Holds for no hit at all, too. Source: Wilson, "Probable inference, the law of succession,
    and statistical inference", Journal of the American Statistical Association 1927.
    """
    if num == 0:
        return 0.0, 1.0
    centre = hits + Z95**2 / 2
    reach = Z95 * sqrt(hits * (num - hits) / num + Z95**2 / 4)
    low, high = ((centre + sign * reach) / (num + Z95**2) for sign in (-1, 1))
    return min(max(low, 0.0), hits / num), max(min(high, 1.0), hits / num)  # not a hair beside it


def _calibration_error(probabilities: Floats, true: NDArray[np.int64]) -> float:
    """Mean distance between how sure the likeliest class is and how often it is right, in bins.

    Source: Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", 2015.
    """
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
    bins = np.minimum((sure * NUM_BINS).astype(int), NUM_BINS - 1)
    gaps = [abs(np.sum(sure[bins == i]) - np.sum(right[bins == i])) for i in range(NUM_BINS)]
    return float(np.sum(gaps) / max(len(true), 1))


def _resampled(table: Confusion, figure: Callable[[Confusion], float]) -> Interval:
    """The middle 95 % of `figure` over resamples of the rows; of them only the cells count."""
    num_rows = int(table.sum())
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(num_rows, table.ravel() / max(num_rows, 1), size=NUM_RESAMPLES)
    values = [figure(cells.reshape(table.shape)) for cells in drawn]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
