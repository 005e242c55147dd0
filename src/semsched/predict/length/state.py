"""What a length predictor has learned, in a file: whole or not at all, never executable."""

import io
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsched.predict.archive import FAULTS
from semsched.predict.length.features import LEXICAL
from semsched.predict.length.ngrams import NUM_BUCKETS
from semsched.predict.length.online import (
    NUM_DENSE,
    NUM_WEIGHTS,
    Learner,
    LengthPredictor,
    Weights,
)

FORMAT = 2
"""Counts up when the layout changes, or the hash of n-grams."""

_FEATURES = {"lexical": list(LEXICAL), "num_buckets": NUM_BUCKETS}
"""State of other features than these is foreign: its weights mean something else."""

_ARRAYS = {
    "middle_values": NUM_WEIGHTS,
    "middle_squares": NUM_WEIGHTS,
    "spread_values": NUM_DENSE,
    "spread_squares": NUM_DENSE,
}
"""Arrays of each learner and their sizes."""

_log = logging.getLogger(__name__)


class StateError(ValueError):
    """A file that does not hold the state of a length predictor of this version."""


def save(predictor: LengthPredictor, path: Path) -> None:
    """Write the state of `predictor` to `path`, replacing what is there in one step.

    Prompts are not written, only weights of hashed features. Raises OSError; then the old file,
    if any, is untouched.
    """
    arrays = _arrays(predictor)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load(path: Path) -> LengthPredictor:
    """The predictor saved at `path`; a fresh one if there is no file.

    A file that cannot be used is renamed to *.broken, with a warning in the log, and a fresh
    predictor returned. Raises OSError if the file is there and cannot be read or renamed.
    """
    if not path.exists():
        return LengthPredictor()
    content = path.read_bytes()
    try:
        return _read(content)
    except FAULTS as error:
        aside = path.with_name(f"{path.name}.broken")
        path.replace(aside)
        _log.warning("%s: not usable (%s); moved to %s, starting afresh", path, error, aside)
        return LengthPredictor()


def _arrays(predictor: LengthPredictor) -> dict[str, NDArray[Any]]:
    learners = list(predictor.learners.items())
    header = {
        "format": FORMAT,
        "features": _FEATURES,
        "models": [name for name, _ in learners],
        "num_answers": [learner.num_answers for _, learner in learners],
        "offsets": [learner.offset for _, learner in learners],
    }
    arrays: dict[str, NDArray[Any]] = {
        "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    }
    for i, (_, learner) in enumerate(learners):
        arrays[f"middle_values_{i}"] = learner.middle.values
        arrays[f"middle_squares_{i}"] = learner.middle.squares
        arrays[f"spread_values_{i}"] = learner.spread.values
        arrays[f"spread_squares_{i}"] = learner.spread.squares
    return arrays


def _read(content: bytes) -> LengthPredictor:
    predictor = LengthPredictor()
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise StateError("a single array")
        header = json.loads(file["header"].tobytes())
        if header["format"] != FORMAT or header["features"] != _FEATURES:
            raise StateError("written by another version")
        counts = zip(header["models"], header["num_answers"], header["offsets"], strict=True)
        for i, (model, num_answers, offset) in enumerate(counts):
            predictor.learners[str(model)] = _learner(file, i, int(num_answers), float(offset))
    return predictor


def _learner(file: np.lib.npyio.NpzFile, i: int, num_answers: int, offset: float) -> Learner:
    arrays = {name: file[f"{name}_{i}"] for name in _ARRAYS}
    for name, array in arrays.items():
        sound = array.shape == (_ARRAYS[name],) and array.dtype == np.float64
        if not sound or not np.isfinite(array).all():
            raise StateError(f"{name}_{i} is not {_ARRAYS[name]} finite numbers")
        if name.endswith("squares") and not (array > 0).all():
            raise StateError(f"{name}_{i} is not positive")
    if num_answers < 0 or not np.isfinite(offset):
        raise StateError(f"learner {i} is out of range")
    return Learner(
        Weights(arrays["middle_values"], arrays["middle_squares"]),
        Weights(arrays["spread_values"], arrays["spread_squares"]),
        offset,
        num_answers,
    )
