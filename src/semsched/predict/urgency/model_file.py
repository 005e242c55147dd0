"""The urgency model in a file: small, never executable, whole or refused."""

import io
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
from numpy.typing import NDArray

from semsched.errors import InputError
from semsched.predict.archive import FAULTS
from semsched.predict.urgency.embedded import Head
from semsched.predict.urgency.features import NUM_PIECES
from semsched.predict.urgency.model import OUTPUTS, LinearModel

FORMAT = 1

MAX_BYTES = 64 << 20
"""A larger file is none of ours, nor one that unpacks to more."""

MAX_WEIGHT = 1e6
"""Nats. Larger weights are none of ours: sums of them could overflow."""

_STEPS = 127
"""Weights are kept as whole numbers of steps, -127 to 127, of a size for each output."""

_LINEAR = frozenset({"format", "names", "weights", "scale", "bias"})
_HEAD = frozenset({"head_weights", "head_bias", "head_share"})

Arrays = Mapping[str, NDArray[Any]]


class UrgencyModelFile(NamedTuple):
    """What a file holds: the model, and the head for embeddings if one was trained."""

    linear: LinearModel
    head: Head | None = None


def to_bytes(model: UrgencyModelFile) -> bytes:
    """The content of a file; linear weights are rounded to 1/127 of the largest."""
    buffer = io.BytesIO()
    # a damaged directory loses what stands at its end: not what nobody would miss
    np.savez_compressed(buffer, **_head_arrays(model.head), **_linear_arrays(model.linear))
    return buffer.getvalue()


def _linear_arrays(linear: LinearModel) -> dict[str, Any]:
    scale = np.maximum(np.abs(linear.weights).max(axis=0) / _STEPS, 1e-9).astype(np.float32)
    names = "\n".join(linear.names)
    return {
        "format": np.int64(FORMAT),
        "names": np.frombuffer(names.encode(), dtype=np.uint8),
        "weights": np.rint(linear.weights / scale).astype(np.int8),
        "scale": scale,
        "bias": linear.bias,
    }


def _head_arrays(head: Head | None) -> dict[str, Any]:
    if head is None:
        return {}
    return {
        "head_weights": head.weights.astype(np.float16),
        "head_bias": head.bias,
        "head_share": np.float64(head.share),
    }


def from_bytes(content: bytes) -> UrgencyModelFile:
    """The model in the content of a file; raises ValueError if it holds none of this format."""
    try:
        held = _arrays(content)
        return UrgencyModelFile(_linear(held), _head(held) if held.keys() > _LINEAR else None)
    except FAULTS as error:
        why = " ".join(str(error).split())
        raise ValueError(f"not an urgency model of this version: {why}") from error


def _arrays(content: bytes) -> Arrays:
    """What `numpy.load` would give, but each member is read to its end: only there is its
    checksum compared."""
    with ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if any(member.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for member in members):
            raise ValueError("packed in another way")
        if sum(member.file_size for member in members) > MAX_BYTES:
            raise ValueError(f"unpacks to more than {MAX_BYTES} bytes")
        packed = {member.filename.removesuffix(".npy"): archive.read(member) for member in members}
    if packed.keys() not in (_LINEAR, _LINEAR | _HEAD):
        raise ValueError(f"holds {', '.join(packed) or 'nothing'}")
    return {name: _array(data) for name, data in packed.items()}


def _array(data: bytes) -> NDArray[Any]:
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def _linear(arrays: Arrays) -> LinearModel:
    if int(arrays["format"]) != FORMAT:
        raise ValueError(f"format {int(arrays['format'])}, expected {FORMAT}")
    names = arrays["names"].tobytes().decode().split("\n")
    weights = _floats(arrays["weights"]) * _floats(arrays["scale"])
    bias = _floats(arrays["bias"])
    _check(weights, (len(names) + NUM_PIECES, len(OUTPUTS)))
    _check(bias, (len(OUTPUTS),))
    return LinearModel({name: row for row, name in enumerate(names)}, weights, bias)


def _head(arrays: Arrays) -> Head:
    weights, bias = _floats(arrays["head_weights"]), _floats(arrays["head_bias"])
    share = float(arrays["head_share"])
    _check(weights, (len(weights), len(OUTPUTS)))
    _check(bias, (len(OUTPUTS),))
    if not 0 <= share <= 1:
        raise ValueError(f"head_share {share}, must be 0 to 1")
    return Head(weights, bias, share)


def _floats(array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind not in "fi":
        raise ValueError(f"an array of {array.dtype}, must be of numbers")
    clipped: NDArray[np.float64] = np.clip(array.astype(np.float64), -MAX_WEIGHT, MAX_WEIGHT)
    return clipped.astype(np.float32)


def _check(array: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    if array.shape != shape or not (np.abs(array) < MAX_WEIGHT).all():
        raise ValueError(f"an array of shape {array.shape}, must be {shape}, below {MAX_WEIGHT:g}")


def load_model(path: Path) -> UrgencyModelFile:
    """What is in a file that `semsched train-urgency` wrote; raises InputError with one line."""
    try:
        with path.open("rb") as file:
            return from_bytes(file.read(MAX_BYTES + 1))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error


@cache
def shipped() -> UrgencyModelFile:
    """The model that comes along, trained on the seeds that come along."""
    return from_bytes((files(__package__) / "model.npz").read_bytes())
