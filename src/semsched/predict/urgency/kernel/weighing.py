"""Weighing, compiled: what LinearModel makes of a text's features."""

from math import exp

import numpy as np
from numpy.typing import NDArray

from semsched.predict.urgency.kernel.compile import compiled
from semsched.predict.urgency.kernel.tables import Ints


@compiled
def weigh_up(
    weights: NDArray[np.float32],
    chances: NDArray[np.float64],
    features: Ints,
    num_grams: int,
    share: float,
    first_part: int,
    parts: Ints,
    part: float,
) -> None:
    """Turn `chances`, which hold the bias, into those of each output.

    `features` [features, 3] are rows of `weights` and where they stand; the first `num_grams`
    weigh `share`, the others 1, and each of `parts`, counted from row `first_part`, `part`.
    """
    for i in range(len(features)):
        add(weights, chances, features[i, 0], share if i < num_grams else 1.0)
    for row in parts:
        add(weights, chances, first_part + row, part)
    softmax(chances)


@compiled
def softmax(outputs: NDArray[np.float64]) -> None:
    largest, total = outputs[0], 0.0
    for output in outputs:
        largest = max(largest, output)
    for i in range(len(outputs)):
        outputs[i] = exp(outputs[i] - largest)
        total += outputs[i]
    for i in range(len(outputs)):
        outputs[i] /= total


@compiled
def add(weights: NDArray[np.float32], outputs: NDArray[np.float64], row: int, value: float) -> None:
    for output in range(len(outputs)):
        outputs[output] += value * weights[row, output]
