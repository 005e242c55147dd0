"""From probabilities to a class: the one whose expected cost is least."""

import json
from collections.abc import Sequence
from math import log
from operator import mul
from pathlib import Path

import numpy as np

from semsched.errors import InputError
from semsched.predict.urgency.verdict import UNSURE, Floats
from semsched.request import NUM_CLASSES

Costs = Sequence[Sequence[float]]
"""costs[true][given]: what it costs to give a request of class `true` the class `given`."""

UNDER, OVER = 1.5, 1.0

COSTS: Costs = tuple(
    tuple((given - true) ** 2 * (UNDER if given > true else OVER) for given in range(NUM_CLASSES))
    for true in range(NUM_CLASSES)
)
"""Squared distance, as kappa counts it; to serve the urgent late is dearer than the idle early."""

MAX_DOUBT = 1.5
"""Entropy (nats) of the probabilities from which on they say too little to act on: of ln 5 = 1.61,
which is knowing nothing."""


def read_costs(path: Path) -> Costs:
    """The costs in a JSON file, five lists of five numbers; raises InputError with one line."""
    try:
        return checked_costs(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from error


def checked_costs(costs: object) -> Costs:
    """`costs` as a matrix; raises InputError unless it is 5 x 5, finite, not negative, 0 for the
    right class and more for a wrong one."""
    try:
        matrix = np.array(costs, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        matrix = np.empty(0)
    if matrix.shape != (NUM_CLASSES, NUM_CLASSES) or not np.isfinite(matrix).all():
        raise InputError("costs: must be 5 lists of 5 numbers: costs[true class][given class]")
    off_diagonal = ~np.eye(NUM_CLASSES, dtype=bool)
    if matrix.diagonal().any() or not (matrix[off_diagonal] > 0).all():
        raise InputError("costs: must be 0 for the right class and above 0 for a wrong one")
    return tuple(map(tuple, matrix.tolist()))


def decide(probabilities: Floats, costs: Costs = COSTS) -> list[int]:
    """The class of least expected cost for each row of `probabilities`, shape [n, 5].

    A row that says next to nothing (MAX_DOUBT) gets UNSURE. Of equal costs the more urgent class.
    """
    return [UNSURE if is_unsure(row) else cheapest(row, costs) for row in probabilities.tolist()]


def cheapest(probabilities: Sequence[float], costs: Costs) -> int:
    """The class of least expected cost, the more urgent of equals."""
    expected = [sum(map(mul, probabilities, column)) for column in zip(*costs, strict=True)]
    return expected.index(min(expected))


def is_unsure(probabilities: Sequence[float]) -> bool:
    """Whether the probabilities of the classes say too little to act on."""
    return -sum(chance * log(max(chance, 1e-12)) for chance in probabilities) > MAX_DOUBT
