"""Weighing, compiled: what LinearModel makes of a text's features, and what each of them says."""

from math import exp

import numpy as np
from numpy.typing import NDArray

from semsched.predict.urgency.kernel import desk
from semsched.predict.urgency.kernel.compile import compiled
from semsched.predict.urgency.kernel.desk import Desk
from semsched.predict.urgency.kernel.tables import Ints
from semsched.predict.urgency.model import OUTPUTS
from semsched.predict.urgency.verdict import Floats

Weights = NDArray[np.float32]


@compiled
def weigh_up(
    weights: Weights,
    d: Desk,
    facts: Ints,
    share: float,
    first_part: int,
    parts: Ints,
    part: float,
    chances: Floats,
    by_class: Floats,
) -> int:
    """Turn `chances`, which hold the bias, into those of each output, and add them up `by_class`.

    Grams on the desk weigh `share`, all other features 1 (`facts` join them, and the size of the
    text), and each of `parts`, counted from row `first_part` of the weights, `part`. How many
    features there are then.
    """
    for row in facts:
        note_fact(d, row)
    note_fact(d, d.counts[desk.SIZE_ROW])
    num, num_grams = d.counts[desk.FEATURES], d.counts[desk.GRAMS]
    for i in range(num):
        add(weights, chances, d.features[i, 0], share if i < num_grams else 1.0)
    for row in parts:
        add(weights, chances, first_part + row, part)
    softmax(chances)
    for output in range(len(chances)):
        by_class[OUTPUTS[output]] += chances[output]
    return int(num)


@compiled
def note_fact(d: Desk, row: int) -> None:
    """A fact about the whole text, if it is known."""
    if row >= 0:
        at = d.counts[desk.FEATURES]
        d.features[at, 0], d.features[at, 1], d.features[at, 2] = row, 0, 0
        d.counts[desk.FEATURES] += 1


@compiled
def softmax(outputs: Floats) -> None:
    largest, total = outputs[0], 0.0
    for output in outputs:
        largest = max(largest, output)
    for i in range(len(outputs)):
        outputs[i] = exp(outputs[i] - largest)
        total += outputs[i]
    for i in range(len(outputs)):
        outputs[i] /= total


@compiled
def add(weights: Weights, outputs: Floats, row: int, value: float) -> None:
    for output in range(len(outputs)):
        outputs[output] += value * weights[row, output]


# --- evidence ---------------------------------------------------------------------------------


@compiled
def weigh_each(
    weights: Weights,
    features: Ints,
    num_grams: int,
    share: float,
    chances: Floats,
    urgency: int,
    least: float,
    weighed: Floats,
    heavy: Ints,
) -> int:
    """What each feature says for `urgency` or against it (evidence.weigh), into `weighed`.

    `heavy` begins with those that weigh `least` or more, the weightiest first; says how many.
    """
    best, total = -1, 0.0
    for output in range(len(chances)):
        total += chances[output]
        if OUTPUTS[output] == urgency and (best < 0 or chances[output] > chances[best]):
            best = output
    others = max(total - chances[best], 1e-12)
    weighed[:] = 0.0
    for output in range(len(chances)):
        against = 1.0 if output == best else -chances[output] / others
        for i in range(len(features)):
            weighed[i] += weights[features[i, 0], output] * against
    num = 0
    for i in range(len(features)):
        weighed[i] *= share if i < num_grams else 1.0
        if abs(weighed[i]) >= least:
            heavy[num] = i
            num += 1
    sort(heavy, num, weighed)
    return num


@compiled
def sort(heavy: Ints, num: int, weighed: Floats) -> None:
    """The weightiest first, of equals the earlier one (Shell 1959: it needs no memory)."""
    gap = num // 2
    while gap:
        for i in range(gap, num):
            feature, at = heavy[i], i
            while at >= gap and comes_before(feature, heavy[at - gap], weighed):
                heavy[at] = heavy[at - gap]
                at -= gap
            heavy[at] = feature
        gap //= 2


@compiled
def comes_before(first: int, second: int, weighed: Floats) -> bool:
    a, b = abs(weighed[first]), abs(weighed[second])
    return bool(a > b or (a == b and first < second))
