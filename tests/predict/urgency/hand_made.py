"""Models small enough to know by heart."""

from collections.abc import Mapping

import numpy as np

from semsched.predict.urgency.features import NUM_PIECES
from semsched.predict.urgency.model import OUTPUTS, LinearModel


def model(weights: Mapping[str, Mapping[int, float]], bias: Mapping[int, float]) -> LinearModel:
    """Of features by name, the weights that are not 0 by output."""
    index = {name: row for row, name in enumerate(weights)}
    matrix = np.zeros((len(index) + NUM_PIECES, len(OUTPUTS)), dtype=np.float32)
    for name, by_output in weights.items():
        for output, weight in by_output.items():
            matrix[index[name], output] = weight
    biases = np.zeros(len(OUTPUTS), dtype=np.float32)
    for output, weight in bias.items():
        biases[output] = weight
    return LinearModel(index, matrix, biases)
