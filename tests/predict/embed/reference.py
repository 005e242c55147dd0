"""The model a second time, straight from its papers: plain NumPy, one text, no shared code."""

from collections.abc import Mapping
from math import erf
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Weights = Mapping[str, Array]

_erf = np.vectorize(erf, otypes=[np.float64])


def embed(weights: Weights, ids: list[int]) -> Array:
    """The embedding, float64 [384], of the tokens `ids`."""
    x = weights["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    x += weights["embeddings.position_embeddings.weight"][: len(ids)]
    x += weights["embeddings.token_type_embeddings.weight"][[0] * len(ids)]
    x = _norm(weights, "embeddings.LayerNorm", x)
    for number in range(6):
        x = _layer(weights, f"encoder.layer.{number}.", x)
    mean = x.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def _layer(weights: Weights, layer: str, x: Array) -> Array:
    query, key, value = (
        _dense(weights, f"{layer}attention.self.{part}", x) for part in ("query", "key", "value")
    )
    heads = [slice(32 * head, 32 * head + 32) for head in range(12)]
    mixed = [_attend(query[:, head], key[:, head], value[:, head]) for head in heads]
    looked = _dense(weights, f"{layer}attention.output.dense", np.hstack(mixed))
    x = _norm(weights, f"{layer}attention.output.LayerNorm", x + looked)
    inner = _dense(weights, f"{layer}intermediate.dense", x)
    gelu: Array = inner * 0.5 * (1 + _erf(inner / np.sqrt(2)))
    return _norm(
        weights, f"{layer}output.LayerNorm", x + _dense(weights, f"{layer}output.dense", gelu)
    )


def _attend(query: Array, key: Array, value: Array) -> Array:
    scores = np.exp(np.einsum("ik,jk->ij", query, key) / np.sqrt(32))
    mixed: Array = np.einsum("ij,jk->ik", scores / scores.sum(axis=1, keepdims=True), value)
    return mixed


def _dense(weights: Weights, name: str, x: Array) -> Array:
    product: Array = np.einsum("ni,oi->no", x, weights[f"{name}.weight"])
    return product + weights[f"{name}.bias"]


def _norm(weights: Weights, name: str, x: Array) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    scaled: Array = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]
