"""How good a length predictor is on a file of prompts and the lengths of their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from semsched.predict.examples import Field, read_examples
from semsched.predict.length.lengths import LONGEST, Lengths
from semsched.predict.length.online import LengthPredictor
from semsched.predict.length.prior import prior_lengths

LEAST_ROWS = 4
"""Rows below which there is no second half to speak of."""


LENGTH = Field("len", 1, int(LONGEST))


@dataclass(frozen=True)
class Evaluation:
    """Figures of one file. `_tau` is Kendall's tau-b between P50 and the true length.

    cold: the prior, over all rows. online: predicted before it is observed, in file order, over
    the second half. log_mae: mean of |log P50 - log length| there, natural logarithm. p90_coverage:
    share of lengths <= P90 there.
    """

    num_rows: int
    cold_tau: float
    online_tau: float
    cold_log_mae: float
    online_log_mae: float
    p90_coverage: float


def read_lengths(path: Path) -> tuple[list[str], list[int]]:
    """Texts and output tokens of a JSONL file of {"text": ..., "len": ...}.

    Raises ExampleFileError for a file that cannot be read, a bad line, or fewer than LEAST_ROWS.
    """
    return read_examples(path, LENGTH, least=LEAST_ROWS)


def evaluate(texts: Sequence[str], output_tokens: Sequence[int]) -> Evaluation:
    """Figures of a fresh predictor that meets `texts` in order and learns `output_tokens`."""
    length = np.array(output_tokens, dtype=np.float64)
    late = slice(len(texts) // 2, None)
    cold, online = prior_lengths(texts).p50, _meet(texts, output_tokens)
    return Evaluation(
        num_rows=len(texts),
        cold_tau=kendall_tau(cold, length),
        online_tau=kendall_tau(online.p50[late], length[late]),
        cold_log_mae=_log_mae(cold, length),
        online_log_mae=_log_mae(online.p50[late], length[late]),
        p90_coverage=float(np.mean(length[late] <= online.p90[late])),
    )


def _meet(texts: Sequence[str], output_tokens: Sequence[int]) -> Lengths:
    predictor, met = LengthPredictor(), []
    for text, length in zip(texts, output_tokens, strict=True):
        met.append(predictor.predict([text]))
        predictor.observe(text, length)
    return Lengths(*(np.concatenate(column) for column in zip(*met, strict=True)))


def _log_mae(predicted: ArrayLike, length: ArrayLike) -> float:
    return float(np.mean(np.abs(np.log(predicted) - np.log(length))))


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's tau-b of two sequences of one length; 0 if either holds one value only.

    O(n^2) time, O(n) memory. Source: Kendall, "The treatment of ties in ranking problems",
    Biometrika 1945.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    agreement, x_pairs, y_pairs = 0.0, 0, 0
    for i in range(len(x) - 1):
        x_sign, y_sign = np.sign(x[i + 1 :] - x[i]), np.sign(y[i + 1 :] - y[i])
        agreement += float(x_sign @ y_sign)
        x_pairs += int(np.count_nonzero(x_sign))
        y_pairs += int(np.count_nonzero(y_sign))
    return agreement / sqrt(x_pairs * y_pairs) if x_pairs and y_pairs else 0.0
