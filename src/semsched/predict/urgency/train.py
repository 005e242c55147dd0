"""Training of the urgency model: from seeds to weights, the same ones every time.

Needs scikit-learn (extra `train`); nothing else of semsched does.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from semsched.errors import InputError
from semsched.predict.urgency.embedded import Encoder, Head, mix
from semsched.predict.urgency.features import NUM_PIECES, Reading, read
from semsched.predict.urgency.model import FACT, OUTPUTS, LinearModel, encode
from semsched.predict.urgency.seeds import Seed
from semsched.predict.urgency.verdict import Floats
from semsched.request import NUM_CLASSES

LEAST_SEEN = 2
"""Seeds a feature must stand in; rarer words are learned by their pieces."""

LINEAR_FIT, HEAD_FIT = (1.0, 1e-4), (100.0, 1e-3)
"""Inverse strength of the L2 penalty (scikit-learn's C), chosen by the folds below; and the
gradient at which a fit ends: early enough for the head, whose features are dense."""

NUM_FOLDS = 4

SHARES = tuple(step / 20 for step in range(21))
"""Shares of the embedding that are tried."""

MAX_ITERATIONS = 500

Bools = NDArray[np.bool_]


def train(seeds: Sequence[Seed]) -> LinearModel:
    """The model that fits `seeds`; raises InputError if scikit-learn is missing or a class is."""
    check_installed()
    missing = set(range(NUM_CLASSES)) - {seed.urgency for seed in seeds}
    if missing:
        raise InputError(f"no seed has class {min(missing)}: there must be some of each, 0 to 4")
    seeds = sorted(seeds, key=lambda seed: seed.text)  # the fit ends a little elsewhere otherwise
    readings = [read(seed.text) for seed in seeds]
    index = vocabulary(readings)
    weights, bias = _fit(_matrix(readings, index), seeds, *LINEAR_FIT)
    return LinearModel(index, weights, bias)


def train_head(seeds: Sequence[Seed], encoder: Encoder) -> Head:
    """The head for embeddings, and the share of it that mixes best with `train`'s model.

    Each part is judged on seeds it has not seen, nor any that share their reason; the share on
    those that the head will be asked about (see UrgencyClassifier).
    """
    embeddings = np.concatenate([encoder.encode([seed.text]) for seed in seeds])
    first = held_out(seeds, lambda rest: train(_of(seeds, rest)).predict)
    second = np.zeros_like(first)
    for fold in _folds(seeds):
        head = Head(*_fit(embeddings[~fold], _of(seeds, ~fold), *HEAD_FIT))
        second[fold] = head.probabilities(embeddings[fold])
    weights, bias = _fit(embeddings, seeds, *HEAD_FIT)
    asked = np.array([not read(seed.text).has_vitals for seed in seeds], dtype=np.bool_)
    labels = [seed.urgency for seed in _of(seeds, asked)]
    return Head(weights, bias, best_share(first[asked], second[asked], labels))


def best_share(first: Floats, second: Floats, labels: Sequence[int]) -> float:
    """The share at which the mix of two opinions makes the true classes likeliest, or as good as.

    Of the shares within a standard error of the best the largest: what is new to the words is
    less new to the embedding, and folds are never as new as the world (the one-standard-error
    rule of Breiman et al., "Classification and Regression Trees", 1984).
    """
    rows = np.arange(len(labels))
    losses = [-np.log(mix(first, second, share)[rows, labels]) for share in SHARES]
    means = [float(loss.mean()) for loss in losses]
    best = int(np.argmin(means))
    most = means[best] + float(losses[best].std()) / len(labels) ** 0.5
    return max(share for share, mean in zip(SHARES, means, strict=True) if mean <= most)


def held_out(
    seeds: Sequence[Seed], trained: Callable[[Bools], Callable[[Sequence[str]], Floats]]
) -> Floats:
    """Probabilities for each seed, shape [len(seeds), 5], by a model that was trained without it.

    `trained` is given which seeds to train on and returns the model's `predict`.
    """
    probabilities = np.zeros((len(seeds), NUM_CLASSES))
    for fold in _folds(seeds):
        predict = trained(~fold)
        probabilities[fold] = predict([seed.text for seed in _of(seeds, fold)])
    return probabilities


def vocabulary(readings: Sequence[Reading]) -> dict[str, int]:
    """Numbers of the features that stand in LEAST_SEEN readings or more, in a fixed order."""
    counts: Counter[str] = Counter()
    for reading in readings:
        counts.update(reading.grams.keys())
        counts.update(FACT + name for name in reading.facts)
    names = sorted(name for name, count in counts.items() if count >= LEAST_SEEN)
    return {name: row for row, name in enumerate(names)}


def _folds(seeds: Sequence[Seed]) -> Iterator[Bools]:
    """NUM_FOLDS parts; seeds of one reason are in one part, else one would give away the other."""
    part = np.array([crc32(seed.why.encode()) % NUM_FOLDS for seed in seeds])
    yield from (part == fold for fold in range(NUM_FOLDS))


def _of(seeds: Sequence[Seed], chosen: Bools) -> list[Seed]:
    return [seed for seed, taken in zip(seeds, chosen, strict=True) if taken]


def _fit(
    inputs: Any, seeds: Sequence[Seed], strength: float, tolerance: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights [features, outputs] and bias [outputs] in the order of OUTPUTS.

    An output that no seed has is out of the question.
    """
    regression = _regression(strength, tolerance).fit(inputs, [_output(seed) for seed in seeds])
    weights = np.zeros((inputs.shape[1], len(OUTPUTS)), dtype=np.float32)
    bias = np.full(len(OUTPUTS), -30.0, dtype=np.float32)
    weights[:, regression.classes_] = regression.coef_.T
    bias[regression.classes_] = regression.intercept_
    return weights, bias


def _output(seed: Seed) -> int:
    """Work about a matter has outputs of its own (OUTPUTS)."""
    return seed.urgency + (2 if seed.is_task and seed.urgency >= 3 else 0)


def check_installed() -> None:
    """Raises InputError if scikit-learn is missing, or scipy, which comes with it."""
    try:
        import_module("scipy.sparse")
        import_module("sklearn.linear_model")
    except ImportError as error:
        raise InputError("training needs scikit-learn: pip install 'semsched[train]'") from error


def _regression(strength: float, tolerance: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=MAX_ITERATIONS, tol=tolerance)


def _matrix(readings: Sequence[Reading], index: dict[str, int]) -> Any:
    """The readings as a sparse matrix [len(readings), len(index) + NUM_PIECES]."""
    from scipy.sparse import csr_matrix

    encoded = [encode(reading, index) for reading in readings]
    starts = np.cumsum([0, *(len(rows) for rows, _ in encoded)])
    rows = np.concatenate([rows for rows, _ in encoded])
    values = np.concatenate([values for _, values in encoded])
    return csr_matrix((values, rows, starts), shape=(len(readings), len(index) + NUM_PIECES))
