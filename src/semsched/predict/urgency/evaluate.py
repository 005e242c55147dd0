"""How good an urgency model is on texts whose class is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsched.predict.examples import Field, read_examples
from semsched.predict.urgency.decide import COSTS, Costs, decide
from semsched.predict.urgency.verdict import Floats
from semsched.request import NUM_CLASSES

LABEL = Field("label", 0, NUM_CLASSES - 1)

Confusion = NDArray[np.int64]
"""confusion[true][given]: how many."""

NUM_BINS = 10
"""Bins of the calibration error."""

NUM_RESAMPLES = 1000


@dataclass(frozen=True)
class Evaluation:
    """Figures of one set; shares are 0 to 1, an interval is the middle 95 % of a bootstrap.

    accuracy: share of right classes. macro_f1: mean F1 of the classes that occur. qwk: quadratic
    weighted kappa. severe_under_triage: share of true 0 and 1 that are called 3 or 4.
    over_triage: share of true 3 and 4 that are called 0 or 1. calibration_error: expected, of the
    likeliest class. Shares of what does not occur are 0.
    """

    num_rows: int
    accuracy: float
    macro_f1: float
    qwk: float
    qwk_interval: tuple[float, float]
    severe_under_triage: float
    over_triage: float
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
    return Evaluation(
        num_rows=len(true),
        accuracy=float(np.mean(true == given)),
        macro_f1=_macro_f1(table),
        qwk=kappa(table),
        qwk_interval=_interval(true, given, kappa),
        severe_under_triage=_share(table[:2, 3:], table[:2]),
        over_triage=_share(table[3:, :2], table[3:]),
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


def _share(part: Confusion, whole: Confusion) -> float:
    return float(part.sum() / whole.sum()) if whole.sum() else 0.0


def _calibration_error(probabilities: Floats, true: NDArray[np.int64]) -> float:
    """Mean distance between how sure the likeliest class is and how often it is right, in bins.

    Source: Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", 2015.
    """
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
    bins = np.minimum((sure * NUM_BINS).astype(int), NUM_BINS - 1)
    gaps = [abs(np.sum(sure[bins == i]) - np.sum(right[bins == i])) for i in range(NUM_BINS)]
    return float(np.sum(gaps) / max(len(true), 1))


def _interval(
    true: NDArray[np.int64], given: NDArray[np.int64], figure: Callable[[Confusion], float]
) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(true), size=(NUM_RESAMPLES, len(true)))
    values = [figure(confusion(true[rows], given[rows])) for rows in drawn]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
